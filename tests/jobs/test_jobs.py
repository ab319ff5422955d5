"""Jobs: each is repeated, a failure is logged once and tried again, none ends the server."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest
from structlog.testing import capture_logs

from tokenharbor.db.listen import MayHaveMissed, Notification
from tokenharbor.jobs import job as jobs
from tokenharbor.jobs.job import Job, attempt, repeat
from tokenharbor.jobs.notices import follow_notices
from tokenharbor.jobs.table import JOBS
from tokenharbor.kernel.errors import DatabaseUnavailable

SOON = timedelta(milliseconds=1)


class DuePool:
    """A database in which every job is due, and the recorded ends of runs."""

    def __init__(self) -> None:
        self.ends: list[tuple[object, ...]] = []

    async def fetchval(self, *_: object) -> str:
        return "due"

    async def execute(self, _sql: str, *ended: object) -> None:
        self.ends.append(ended)


CONTEXT: Any = SimpleNamespace(pool=DuePool())


class Work:
    """Work that fails as scripted, run by run, then does nothing; `done` is set at the end."""

    def __init__(self, *errors: Exception | None) -> None:
        self._errors = list(errors)
        self.times = 0
        self.done = asyncio.Event()

    async def __call__(self, _context: Any) -> None:
        self.times += 1
        if not self._errors:
            self.done.set()
        elif error := self._errors.pop(0):
            raise error


async def _run(job: Job, until: asyncio.Event) -> None:
    task = asyncio.create_task(repeat(job, CONTEXT))
    try:
        async with asyncio.timeout(20):
            await until.wait()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_job_is_done_again_and_again() -> None:
    work = Work(None, None, None)
    await _run(Job("work", SOON, work), work.done)
    assert work.times >= 4


async def test_a_failure_is_logged_where_its_reason_is_news_and_tried_again() -> None:
    work = Work(
        DatabaseUnavailable("away"),
        OSError("no memory"),
        OSError("no memory"),
        KeyError("k"),
        None,
        OSError("no memory"),
    )
    with capture_logs() as logs:
        await _run(Job("work", SOON, work), work.done)
    assert {line["job"] for line in logs} == {"work"}
    assert [line["reason"] for line in logs] == ["away", "no memory", "internal error: KeyError", "no memory"]


async def test_a_job_of_a_long_period_is_tried_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    work = Work(DatabaseUnavailable("away"), None)

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(jobs.asyncio, "sleep", sleep)  # type: ignore[attr-defined]

    async def stop(_context: Any) -> None:
        await work(_context)
        if work.done.is_set():
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await repeat(Job("work", timedelta(days=1), stop), CONTEXT)
    assert slept == [5, 5, 5], "so that one that is made due by hand is done soon"
    assert CONTEXT.pool.ends[-2:] == [("work", "away", None), ("work", "", timedelta(days=1) * 0.9)]


@pytest.mark.parametrize(
    "error", [asyncpg.InterfaceError("closed"), asyncpg.DeadlockDetectedError("lock"), OSError("x")]
)
async def test_a_database_that_fails_is_a_reason_and_no_fault_of_ours(error: Exception) -> None:
    async def work() -> None:
        raise error

    with capture_logs() as logs:
        assert await attempt("work", work()) == str(error)
    assert [line["reason"] for line in logs] == [str(error)]


async def test_work_that_succeeds_has_no_reason() -> None:
    async def work() -> None:
        return None

    with capture_logs() as logs:
        assert await attempt("work", work(), "away") == ""
    assert logs == []


def test_each_job_has_a_name_of_its_own_and_a_period() -> None:
    assert len({job.name for job in JOBS}) == len(JOBS) >= 3
    assert all(job.period > timedelta() for job in JOBS)


async def test_at_each_notice_keys_and_credentials_are_asked_after() -> None:
    heard: list[str] = []

    class Asked:
        def __init__(self, what: str) -> None:
            self.refresh_soon = self.check_soon = lambda: heard.append(what)

    await follow_notices(_notices(), Asked("keys"), Asked("credentials"))  # type: ignore[arg-type]
    assert heard == ["keys", "credentials"] * 3


async def _notices() -> AsyncIterator[MayHaveMissed | Notification]:
    yield MayHaveMissed()
    yield Notification("identity", "key")
    yield Notification("identity", "credential")
