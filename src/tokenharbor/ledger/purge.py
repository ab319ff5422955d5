"""The purge of metadata: deletes the rows that explain requests once they are older than the edition keeps them.

Entries stay, which name neither model nor provider, and totals: of accounts by hour, without key, model and tokens; of
providers by day, without account.

First the purge records the time before which nothing is kept, so that `ledger verify` does not report older rows as
missing. Then it deletes each day's rows, a few blocks of the table per transaction. The invariant: a request's row goes
only if its entry is in the totals, which are made from it. A purge that crashed, or runs twice at a time, is simply
repeated: each step leaves the books consistent.

Rejected (decision 40): dropping the partitions of whole days. It keeps rows up to a day too long, locks the table of
requests, and leaves no partition for a charge that a journal settles late.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

from tokenharbor.db.partitions import day_partitions, lowest_id
from tokenharbor.db.queries import read_queries

_BLOCKS: Final = 256
_ROWS: Final = 1000


@dataclass(frozen=True, slots=True)
class PurgeQueries:
    """The SQL of purge.sql."""

    set_purged_before: str
    purge_requests: str
    purge_tasks: str
    named_usage: str
    strip_usage: str
    purge_stages: str


SQL = read_queries(PurgeQueries, "tokenharbor.ledger", "purge.sql")


@dataclass(frozen=True, slots=True)
class PurgedRows:
    """The numbers of deleted rows: of requests, of closed tasks, and of hours divided by key, model and provider."""

    requests: int
    tasks: int
    hours: int


async def purge_requests(conn: asyncpg.Connection, before: datetime) -> PurgedRows:
    """Delete the metadata of requests that began before a time. Requests whose entries are not yet in the totals are
    left for the next run.
    """
    await conn.execute(SQL.set_purged_before, before)
    requests = tasks = hours = 0
    async for deleted in _purge_days(conn, before):
        requests += deleted
    while deleted := await conn.fetchval(SQL.purge_tasks, before, _ROWS):
        tasks += deleted
    hour = before.replace(minute=0, second=0, microsecond=0)
    while accounts := await conn.fetch(SQL.named_usage, hour, _ROWS):
        for row in accounts:
            hours += await conn.fetchval(SQL.strip_usage, row["account_id"], hour)
    await conn.execute(SQL.purge_stages, before.date())
    return PurgedRows(requests, tasks, hours)


async def _purge_days(conn: asyncpg.Connection, before: datetime) -> AsyncIterator[int]:
    for day in await day_partitions(conn, "request"):
        bounds = lowest_id(day.begins_at), lowest_id(min(day.ends_at, before))
        for block in range(0, day.blocks if day.begins_at < before else 0, _BLOCKS):
            yield await conn.fetchval(SQL.purge_requests, *bounds, (block, 0), (block + _BLOCKS, 0))
