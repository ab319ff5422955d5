"""Reports of endpoint health: adds this process's counts to the database once a minute, and when it ends."""

import asyncio
from typing import Final

import asyncpg
import structlog

from tokenharbor.kernel.clock import Clock
from tokenharbor.kernel.errors import DatabaseUnavailable
from tokenharbor.ledger.endpoint_days import add_answer_counts
from tokenharbor.routing.health import Health

_EVERY_SECONDS: Final = 60
_log = structlog.get_logger("gateway")


async def report_health(health: Health, pool: asyncpg.Pool, clock: Clock) -> None:
    """Write health counts every minute, until cancelled."""
    while True:
        await asyncio.sleep(_EVERY_SECONDS)
        await write_health(health, pool, clock)


async def write_health(health: Health, pool: asyncpg.Pool, clock: Clock) -> None:
    """Add the counts since the last report. If the database is unavailable, keep them for the next one."""
    counts = health.take_counts()
    if not counts:
        return
    try:
        await add_answer_counts(pool, counts, clock.now().date())
    except DatabaseUnavailable as error:
        health.put_back(counts)
        _log.warning("health_not_written", reason=str(error))
