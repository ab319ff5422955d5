"""Background work: it waits for a shortage to end, and an unexpected error ends it."""

import asyncio
import errno

import pytest
from structlog.testing import capture_logs

from tokenharbor.jobs import background
from tokenharbor.jobs.background import Background


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EIO])
async def test_F1_no_shortage_of_the_machine_ends_the_work(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(background, "_PAUSES_SECONDS", (0.0,))
    begun, runs, failed = 0, asyncio.Event(), asyncio.get_running_loop().create_future()

    async def work() -> None:
        nonlocal begun
        begun += 1
        if begun < 10:
            raise OSError(number, "a shortage")
        runs.set()
        await asyncio.Event().wait()

    with capture_logs() as logs:
        async with Background(failed) as beside:
            beside.run("watching", work)
            await runs.wait()
    assert not failed.done()
    assert [line["work"] for line in logs] == ["watching"], "said once"


async def test_a_fault_of_ours_is_said_at_once() -> None:
    async def work() -> None:
        raise RuntimeError("a fault")

    failed = asyncio.get_running_loop().create_future()
    async with Background(failed) as beside:
        beside.run("watching", work)
        with pytest.raises(RuntimeError, match="a fault"):
            await failed


async def test_the_first_fault_of_several_counts_and_none_goes_on_after_the_end() -> None:
    failed, ended = asyncio.get_running_loop().create_future(), asyncio.Event()

    async def fail(number: int) -> None:
        raise RuntimeError(number)

    async def go_on() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with Background(failed) as one, Background(failed) as other:
        one.run("lasting", go_on)
        other.run("first", lambda: fail(1))
        other.run("second", lambda: fail(2))
        await asyncio.wait([failed])
    assert ended.is_set()
    with pytest.raises(RuntimeError, match="1"):
        failed.result()
