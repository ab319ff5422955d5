"""The purge of metadata: what explains requests is deleted once it is older than an edition keeps it.

What stays are entries, which name neither model nor provider, and totals: of accounts by the hour, without key, model
and tokens; of providers by the day, which name no account. Rows are deleted, and not whole days of them: what is kept
is exact to the job's period, and a charge that a journal brings late finds the partition of its day.

First the time is written before which nothing is kept: `ledger verify` misses no row that is older. Then each day's
rows are read a few blocks at a time, in transactions of their own. A row goes only if its entry is in the totals, since
they need it. Whoever goes on after a crash, or does the same at the same time, finds less to do and nothing wrong.
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
    """How many rows were deleted: of requests, of their closed tasks, and of hours that named what was used."""

    requests: int
    tasks: int
    hours: int


async def purge_requests(conn: asyncpg.Connection, before: datetime) -> PurgedRows:
    """Delete what is known of requests that began before a time, beside their money. What has not been added up yet
    is left for the next time.
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
