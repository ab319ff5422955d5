"""The purge of metadata: what explains requests is deleted once it is older than an edition keeps it.

What stays are entries, which name neither model nor provider, and what providers are owed by day. Rows are deleted, and
not whole days of them: what is kept is exact to the job's period, and a charge that a journal brings late finds the
partition of its day.

First the time is written before which nothing is kept: `ledger verify` misses no row that is older. Then each day's
rows are read a few blocks at a time, in transactions of their own. What is deleted is added to the providers' totals
in the same statement; so whoever goes on after a crash, or does the same at the same time, adds nothing twice.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

from tokenharbor.db.partitions import day_partitions, lowest_id
from tokenharbor.db.queries import read_queries

_BLOCKS: Final = 256
_TASKS: Final = 1000


@dataclass(frozen=True, slots=True)
class PurgeQueries:
    """The SQL of purge.sql."""

    set_purged_before: str
    purge_requests: str
    purge_tasks: str


SQL = read_queries(PurgeQueries, "tokenharbor.ledger", "purge.sql")


@dataclass(frozen=True, slots=True)
class PurgedRows:
    """How many rows were deleted."""

    requests: int
    tasks: int


async def purge_requests(conn: asyncpg.Connection, before: datetime) -> PurgedRows:
    """Delete the rows of requests that began before a time, and of their tasks that are closed."""
    await conn.execute(SQL.set_purged_before, before)
    requests = tasks = 0
    async for deleted in _purge_days(conn, before):
        requests += deleted
    while deleted := await conn.fetchval(SQL.purge_tasks, before, _TASKS):
        tasks += deleted
    return PurgedRows(requests, tasks)


async def _purge_days(conn: asyncpg.Connection, before: datetime) -> AsyncIterator[int]:
    for day in await day_partitions(conn, "request"):
        bounds = lowest_id(day.begins_at), lowest_id(min(day.ends_at, before))
        for block in range(0, day.blocks if day.begins_at < before else 0, _BLOCKS):
            yield await conn.fetchval(SQL.purge_requests, *bounds, (block, 0), (block + _BLOCKS, 0))
