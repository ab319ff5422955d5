"""A job: work that is done again and again while a server runs, by one of all gateways on a database at a time.

Every worker of every gateway tries, once in each period. Who finds the job due in the database moves its time on, and
does it. A claim lasts a minute at most: whoever dies, stops or fails meanwhile is followed by another. So it may be
that two do a job at once, if it lasts longer; what must not happen twice is locked by the work itself.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import asyncpg
import structlog

from tokenharbor.db.errors import as_database_unavailable
from tokenharbor.db.queries import read_queries
from tokenharbor.editions.policy import Policy
from tokenharbor.kernel.errors import HarborError
from tokenharbor.kernel.signing import MessageSigner
from tokenharbor.kernel.world import World

_RETRY = timedelta(minutes=1)  # after a failure, where the period is longer
_DUE = 0.9  # of the period: who tries once in each must not find it to be due a moment later
_log = structlog.get_logger("jobs")


@dataclass(frozen=True, slots=True)
class JobQueries:
    """The SQL of queries.sql."""

    claim: str
    done: str


SQL = read_queries(JobQueries, "tokenharbor.jobs")


@dataclass(frozen=True, slots=True)
class JobContext:
    """What jobs work with. `poll_videos` asks providers after the videos that no client asks after; `give_up` does what
    `server.journal_grace_hours` says; `policy` is the one in force.
    """

    pool: asyncpg.Pool
    world: World
    signer: MessageSigner
    poll_videos: Callable[[], Awaitable[None]]
    give_up: Callable[[], Awaitable[None]]
    policy: Callable[[], Policy]


@dataclass(frozen=True, slots=True)
class Job:
    """`work` is done about once in each `period`, the first time after one. Doing it once too often must do no harm."""

    name: str
    period: timedelta
    work: Callable[[JobContext], Awaitable[None]]


async def repeat(job: Job, context: JobContext) -> None:
    """Do a job until cancelled. What fails is tried again, soon."""
    reason = ""
    while True:
        pause = min(job.period, _RETRY) if reason else job.period
        await asyncio.sleep(pause.total_seconds())
        reason = await attempt(job.name, _do_if_due(job, context), reason)


async def _do_if_due(job: Job, context: JobContext) -> None:
    """Nothing, where another gateway has just done it, or is at it."""
    if await context.pool.fetchval(SQL.claim, job.name, min(job.period, _RETRY) * _DUE) is None:
        return
    await job.work(context)
    if job.period > _RETRY:
        await context.pool.execute(SQL.done, job.name, job.period * _DUE)


async def attempt(name: str, work: Awaitable[None], before: str = "") -> str:
    """Do work once. Why it failed, "" if it did not; logged unless it failed for the same reason `before`."""
    try:
        with as_database_unavailable():
            await work
    except HarborError as error:
        reason = str(error)
    except Exception as error:  # noqa: BLE001  told to the operator: a fault in a job must not end the server
        reason = f"a fault of ours: {type(error).__name__}"
    else:
        return ""
    if reason != before:
        _log.error("job_failed", job=name, reason=reason)
    return reason
