"""The counts of calls refused before a hold, by account, hour, key and error code, which gateways add to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import asyncpg

from tokenharbor.db.errors import as_database_unavailable
from tokenharbor.db.queries import read_queries
from tokenharbor.kernel.ids import UUID

KEPT_DAYS: Final = 7
_MOST_ROWS: Final = 1_000  # returned at once


class RefusedCallGroup(NamedTuple):
    """The account and key (None: several other keys) of refused calls, and the error's code."""

    account_id: UUID
    key_id: UUID | None
    code: str


@dataclass(frozen=True, slots=True)
class RefusedCalls:
    """A count of refused calls, of an hour, or of a key with its latest hour."""

    hour: datetime
    key_id: UUID | None
    code: str
    calls: int


@dataclass(frozen=True, slots=True)
class RefusedCallQueries:
    """The SQL of refused_calls.sql."""

    add: str
    by_key: str
    by_hour: str
    purge: str


SQL = read_queries(RefusedCallQueries, "tokenharbor.ledger", "refused_calls.sql")


async def add_refused_calls(pool: asyncpg.Pool, counts: Mapping[RefusedCallGroup, int], hour: datetime) -> None:
    """Add counts in one statement. Raises DatabaseUnavailable."""
    accounts, keys, codes = (list(column) for column in zip(*counts, strict=True))
    with as_database_unavailable():
        await pool.execute(SQL.add, hour, accounts, keys, codes, list(counts.values()))


async def read_refused_calls(
    conn: asyncpg.Connection, account_id: UUID, now: datetime, *, key_id: UUID | None = None, by_hour: bool = False
) -> Sequence[RefusedCalls]:
    """Return the counts of KEPT_DAYS days: by key and code, highest first, or by hour and code, latest first."""
    statement = SQL.by_hour if by_hour else SQL.by_key
    rows = await conn.fetch(statement, account_id, now - timedelta(days=KEPT_DAYS), key_id, _MOST_ROWS)
    return [RefusedCalls(**row) for row in rows]


async def purge_refused_calls(pool: asyncpg.Pool, before: datetime) -> None:
    await pool.execute(SQL.purge, before)
