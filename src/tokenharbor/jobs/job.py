"""A job: work that is done again and again while a server runs, by one of all gateways on a database at a time.

Every worker of every gateway looks, once in each period and at least every five seconds. Who finds the job due in the
database moves its time on, and does it. A claim lasts a minute at most: whoever dies, stops or fails meanwhile is
followed by another. So it may be that two do a job at once, if it lasts longer; what must not happen twice is locked by
the work itself. The job's row says when it last began and ended, and what failed.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import asyncpg
import structlog

from tokenharbor.alerts.context import Alerting
from tokenharbor.catalog.types import Catalog
from tokenharbor.db.errors import as_database_unavailable
from tokenharbor.db.queries import read_queries
from tokenharbor.editions.policy import Policy
from tokenharbor.funding.context import Funding
from tokenharbor.kernel.errors import reason_of
from tokenharbor.kernel.signing import MessageSigner
from tokenharbor.kernel.world import World
from tokenharbor.signin.deliver import UserPost

_RETRY = timedelta(minutes=1)  # after a failure, where the period is longer
_LOOK = timedelta(seconds=5)  # so that a job that is made due by hand is done soon
_DUE = 0.9  # of the period: who tries once in each must not find it to be due a moment later
_log = structlog.get_logger("jobs")


@dataclass(frozen=True, slots=True)
class JobQueries:
    """The SQL of queries.sql."""

    claim: str
    ended: str
    make_due: str
    runs: str


SQL = read_queries(JobQueries, "tokenharbor.jobs")


@dataclass(frozen=True, slots=True)
class JobContext:
    """What jobs work with. `poll_videos` asks providers after the videos that no client asks after; `give_up` does what
    `server.journal_grace_hours` says; `policy` and `catalog` are those in force.
    """

    pool: asyncpg.Pool
    world: World
    signer: MessageSigner
    poll_videos: Callable[[], Awaitable[None]]
    give_up: Callable[[], Awaitable[None]]
    policy: Callable[[], Policy]
    funding: Funding
    alerting: Alerting
    catalog: Callable[[], Catalog]
    user_post: UserPost


@dataclass(frozen=True, slots=True)
class Job:
    """`work` is done about once in each `period`. Doing it once too often must do no harm."""

    name: str
    period: timedelta
    work: Callable[[JobContext], Awaitable[None]]


async def repeat(job: Job, context: JobContext) -> None:
    """Do a job until cancelled. What fails is tried again, soon."""
    reason = ""
    while True:
        reason = await attempt(job.name, _do_when_due(job, context), reason)


async def _do_when_due(job: Job, context: JobContext) -> None:
    """When no other gateway has just done it, or is at it."""
    while True:
        await asyncio.sleep(min(job.period, _LOOK).total_seconds())
        if await context.pool.fetchval(SQL.claim, job.name, min(job.period, _RETRY) * _DUE) is not None:
            break
    try:
        with as_database_unavailable():
            await job.work(context)
    except Exception as error:
        await context.pool.execute(SQL.ended, job.name, reason_of(error), None)
        raise
    again = job.period * _DUE if job.period > _RETRY else None
    await context.pool.execute(SQL.ended, job.name, "", again)


async def attempt(name: str, work: Awaitable[None], before: str = "") -> str:
    """Do work once. Why it failed, "" if it did not; logged unless it failed for the same reason `before`."""
    try:
        with as_database_unavailable():
            await work
    except Exception as error:  # noqa: BLE001  told to the operator: a fault in a job must not end the server
        reason = reason_of(error)
    else:
        return ""
    if reason != before:
        _log.error("job_failed", job=name, reason=reason)
    return reason
