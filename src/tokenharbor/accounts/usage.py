"""Usage: what an account used, by day, model and provider."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import asyncpg

from tokenharbor.db.partitions import lowest_id
from tokenharbor.db.queries import read_queries
from tokenharbor.identity import store
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd

_LONGEST_REQUEST = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class UsageQueries:
    """The SQL of usage.sql."""

    usage: str
    request_page: str
    charges: str


SQL = read_queries(UsageQueries, "tokenharbor.accounts", "usage.sql")


@dataclass(frozen=True, slots=True)
class DailyUsage:
    """What an account used on a day (UTC) of one model at one provider: requests, tokens, cost."""

    day: date
    model: str
    provider: str
    requests: int
    input: int
    cache_read: int
    cache_write: int
    output: int
    cost: Usd


async def read_usage(
    conn: asyncpg.Connection, account_id: UUID, *, since: datetime, until: datetime
) -> Sequence[DailyUsage]:
    """Of the requests that ended in [since, until), in order of day, model and provider. Raises Missing."""
    await store.get_account(conn, account_id)
    bounds = lowest_request_id(since), lowest_id(until)
    rows = await conn.fetch(SQL.usage, account_id, since, until, *bounds)
    return [DailyUsage(**{**row, "cost": Usd(row["cost"])}) for row in rows]


def lowest_request_id(ended_since: datetime) -> UUID:
    """No request that ended later has a lower id: an id bears the time of its request's beginning."""
    return lowest_id(ended_since - _LONGEST_REQUEST)
