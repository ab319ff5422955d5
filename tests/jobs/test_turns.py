"""Jobs over several gateways: the first that finds one due runs it, the others do not, and a death delays it little."""

import asyncio
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest

from tokenharbor.jobs.job import SQL, Job, repeat


@pytest.fixture
async def pool(database_url: str) -> Any:
    async with asyncpg.create_pool(database_url, min_size=0, max_size=4) as pool:
        yield pool


async def test_of_many_gateways_one_does_a_job_in_each_period(pool: asyncpg.Pool) -> None:
    times: list[float] = []

    async def work(_context: Any) -> None:
        times.append(asyncio.get_running_loop().time())

    context: Any = SimpleNamespace(pool=pool)
    job = Job("shared", timedelta(seconds=0.2), work)
    began = asyncio.get_running_loop().time()
    gateways = [asyncio.create_task(repeat(job, context)) for _ in range(5)]
    async with asyncio.timeout(30):
        while len(times) < 9:  # noqa: ASYNC110  the database's time decides
            await asyncio.sleep(0.02)
    for each in gateways:
        each.cancel()
    await asyncio.gather(*gateways, return_exceptions=True)
    assert times[8] - began >= 8 * 0.18, "between two of nine times lie nine tenths of a period"


async def test_a_job_whose_doer_died_is_anothers_when_its_claim_has_ended(pool: asyncpg.Pool) -> None:
    second = timedelta(seconds=1)
    assert await pool.fetchval(SQL.claim, "left", second) == "left"
    assert await pool.fetchval(SQL.claim, "left", second) is None
    async with asyncio.timeout(10):
        while await pool.fetchval(SQL.claim, "left", second) is None:  # noqa: ASYNC110  the database's time decides
            await asyncio.sleep(0.02)


async def test_a_job_that_is_done_is_not_due_until_its_period_is_nearly_over(pool: asyncpg.Pool) -> None:
    assert await pool.fetchval(SQL.claim, "done", timedelta(0)) == "done"
    await pool.execute(SQL.ended, "done", "", timedelta(hours=1))
    assert await pool.fetchval(SQL.claim, "done", timedelta(0)) is None
