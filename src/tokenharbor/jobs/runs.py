"""The runs of jobs: when each last began and ended, how often it ran, and what failed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

import asyncpg

from tokenharbor.jobs.job import SQL
from tokenharbor.jobs.table import JOBS
from tokenharbor.kernel.clock import to_second
from tokenharbor.kernel.documents import Document
from tokenharbor.kernel.errors import Missing
from tokenharbor.kernel.tables import did_you_mean


@dataclass(frozen=True, slots=True)
class JobRuns:
    """A job and its runs on all gateways. `fault` is why the last run failed, "" if it did not."""

    name: str
    period: timedelta
    runs: int = 0
    last_began_at: datetime | None = None
    last_ended_at: datetime | None = None
    fault: str = ""


async def list_runs(conn: asyncpg.Connection) -> Sequence[JobRuns]:
    """Return the runs of all jobs, in the order of their table."""
    rows = {row["name"]: row for row in await conn.fetch(SQL.runs)}
    return [JobRuns(**{"name": job.name, "period": job.period, **rows.get(job.name, {})}) for job in JOBS]


async def make_due(conn: asyncpg.Connection, name: str) -> None:
    """Make a job due; the first gateway that checks runs it. Raises Missing."""
    names = [job.name for job in JOBS]
    if name not in names:
        raise Missing(f"no job {name[:40]!r}{did_you_mean(name, names)}")
    await conn.execute(SQL.make_due, name)


class JobDocument(Document, frozen=True):
    """A job and its runs. `fault` is why the last run failed."""

    job: str
    every: str
    runs: int
    last_began_at: datetime | None
    last_ended_at: datetime | None
    fault: str | None

    @classmethod
    def of(cls, job: JobRuns) -> Self:
        return cls(
            job=job.name,
            every=f"{int(job.period.total_seconds())}s",
            runs=job.runs,
            last_began_at=to_second(job.last_began_at),
            last_ended_at=to_second(job.last_ended_at),
            fault=job.fault or None,
        )
