"""The runs of jobs: when they ran, how often, what failed; and a job that is made due runs."""

import asyncio
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest

from tokenharbor.jobs import job as jobs
from tokenharbor.jobs.job import Job, repeat
from tokenharbor.jobs.runs import JobDocument, list_runs, make_due
from tokenharbor.jobs.table import JOBS
from tokenharbor.kernel.errors import DatabaseUnavailable, Missing


@pytest.fixture
async def pool(database_url: str) -> Any:
    async with asyncpg.create_pool(database_url, min_size=0, max_size=4) as pool:
        yield pool


async def _do_once(pool: asyncpg.Pool, job: Job) -> None:
    """Wait until the job's row records another end."""
    before = await pool.fetchval("select coalesce(max(runs), 0) from job where name = $1", job.name)
    task = asyncio.create_task(repeat(job, SimpleNamespace(pool=pool)))  # type: ignore[arg-type]  # all that it needs
    async with asyncio.timeout(20):
        ended = "select last_ended_at >= last_began_at from job where name = $1 and runs > $2"
        while not await pool.fetchval(ended, job.name, before):  # noqa: ASYNC110  the database's time decides
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_job_says_when_it_ran_and_what_failed(pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_CHECK_PERIOD", timedelta(seconds=0.01))
    faults: list[Exception | None] = [DatabaseUnavailable("away"), None]

    async def work(_context: Any) -> None:
        fault = faults.pop(0) if faults else None
        if fault is not None:
            raise fault

    hourly = Job(JOBS[0].name, timedelta(hours=1), work)
    async with pool.acquire() as conn:
        assert [each.runs for each in await list_runs(conn)] == [0] * len(JOBS)
        await _do_once(pool, hourly)
        assert (await list_runs(conn))[0].fault == "away"
        await make_due(conn, hourly.name)
        await _do_once(pool, hourly)
        done = (await list_runs(conn))[0]
        assert (done.fault, done.runs) == ("", 2)
        assert JobDocument.of(done).job == hourly.name
        with pytest.raises(Missing, match=JOBS[0].name):
            await make_due(conn, JOBS[0].name + "x")
