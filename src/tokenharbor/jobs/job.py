"""Jobs: work that is repeated while a server runs, by one gateway of a database at a time.

Every worker of every gateway checks once per period, and at least every five seconds, whether the job is due in the
database. The worker that finds it due claims it by moving its due time, and runs it. A claim lasts a minute at most: if
the worker dies, stops or fails, another one follows. So a job that takes longer may run twice at a time: work that must
not do so takes its own lock. The job's row records when it last began and ended, and what failed.
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
from tokenharbor.signin.deliver import UserMailDelivery

_RETRY = timedelta(minutes=1)  # after a failure, where the period is longer
_CHECK_PERIOD = timedelta(seconds=5)  # so that a job that is made due by hand runs soon
_DUE = 0.9  # of the period: a worker that checks once per period must not find the job due only a moment later
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
    """The dependencies of jobs. `poll_videos` polls providers for the videos that no client polls; `give_up` gives up
    holds after `server.journal_grace_hours`; `policy` and `catalog` return those in force.
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
    mail_delivery: UserMailDelivery


@dataclass(frozen=True, slots=True)
class Job:
    """A job: `work` runs about once per `period`. Running it once too often must do no harm."""

    name: str
    period: timedelta
    work: Callable[[JobContext], Awaitable[None]]


async def repeat(job: Job, context: JobContext) -> None:
    """Repeat a job until cancelled. A failed run is tried again soon."""
    reason = ""
    while True:
        reason = await attempt(job.name, _do_when_due(job, context), reason)


async def _do_when_due(job: Job, context: JobContext) -> None:
    """Wait until the job is due and claimed, then run it."""
    while True:
        await asyncio.sleep(min(job.period, _CHECK_PERIOD).total_seconds())
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
    """Do work once; return why it failed, or "". A failure is logged unless its reason equals `before`."""
    try:
        with as_database_unavailable():
            await work
    except Exception as error:  # noqa: BLE001  logged: a fault in a job must not end the server
        reason = reason_of(error)
    else:
        return ""
    if reason != before:
        _log.error("job_failed", job=name, reason=reason)
    return reason
