"""Usage: what an account used, by time, key, model and provider."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from tokenharbor.db.partitions import lowest_id
from tokenharbor.db.queries import read_queries
from tokenharbor.identity import store
from tokenharbor.kernel.ids import UUID
from tokenharbor.ledger.rollup import UsageDimension, UsageTotal, read_totals, shorten_tail, whole_hours

_LONGEST_REQUEST = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class UsageQueries:
    """The SQL of usage.sql."""

    request_page: str
    charges: str


SQL = read_queries(UsageQueries, "tokenharbor.accounts", "usage.sql")


@dataclass(frozen=True, slots=True)
class UsageReport:
    """What an account used in [since, until), which are whole hours (UTC)."""

    since: datetime
    until: datetime
    totals: Sequence[UsageTotal]


async def read_usage(
    conn: asyncpg.Connection,
    account_id: UUID,
    *,
    since: datetime,
    until: datetime,
    by: Collection[UsageDimension] = ("day", "model", "provider"),
) -> UsageReport:
    """Of the requests that ended in [since, until), widened to whole hours; divided as asked. Raises Missing."""
    await store.get_account(conn, account_id)
    await shorten_tail(conn, account_id)
    since, until = whole_hours(since, until)
    return UsageReport(since, until, await read_totals(conn, account_id, since=since, until=until, by=by))


def lowest_request_id(ended_since: datetime) -> UUID:
    """No request that ended later has a lower id: an id bears the time of its request's beginning."""
    return lowest_id(ended_since - _LONGEST_REQUEST)
