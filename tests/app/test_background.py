"""Work beside the server: a shortage is waited out, a fault of ours ends it."""

import asyncio
import errno

import pytest
from structlog.testing import capture_logs

from tokenharbor.app import background
from tokenharbor.app.background import Background
from tokenharbor.app.descriptors import divide_descriptors


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EIO])
async def test_F1_no_shortage_of_the_machine_ends_the_work(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(background, "_PAUSES_SECONDS", (0.0,))
    begun, runs = 0, asyncio.Event()

    async def work() -> None:
        nonlocal begun
        begun += 1
        if begun < 10:
            raise OSError(number, "a shortage")
        runs.set()
        await asyncio.Event().wait()

    with capture_logs() as logs:
        async with Background() as beside:
            beside.run("watching", work)
            await runs.wait()
            assert not beside.failed.done()
    assert [line["work"] for line in logs] == ["watching"], "said once"


async def test_a_fault_of_ours_is_said_at_once() -> None:
    async def work() -> None:
        raise RuntimeError("a fault")

    async with Background() as beside:
        beside.run("watching", work)
        with pytest.raises(RuntimeError, match="a fault"):
            await beside.failed


def test_F1_connections_leave_descriptors_for_everything_else() -> None:
    for limit in (64, 256, 1024, 4096, 1 << 20, -1):
        shares = divide_descriptors(limit)
        assert shares.connections >= 1
        assert shares.idle_per_origin >= 1
        assert limit < 0 or 3 * shares.connections <= limit - min(256, limit // 4)
    assert divide_descriptors(1024).connections == 256
    assert divide_descriptors(1 << 20).connections == divide_descriptors(-1).connections == 10_000
