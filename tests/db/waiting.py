"""Waiting until other sessions of the database wait for a lock."""

import asyncio
from collections.abc import Sequence

import asyncpg

_WAITING = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"


async def wait_until_held_up(conn: asyncpg.Connection, *tasks: asyncio.Task[object]) -> None:
    """Return when one of these waits for a lock, or all are done. `conn` may hold the lock in a transaction."""
    async with asyncio.timeout(20):
        while not _are_done(tasks) and not await _count(conn):  # noqa: ASYNC110  no event says it
            await asyncio.sleep(0.02)


def _are_done(tasks: Sequence[asyncio.Task[object]]) -> bool:
    return all(each.done() for each in tasks)


async def _count(conn: asyncpg.Connection) -> int:
    """Return how many sessions wait. Within a transaction PostgreSQL would list the sessions of its first look."""
    await conn.execute("select pg_stat_clear_snapshot()")
    count: int = await conn.fetchval(_WAITING)
    return count
