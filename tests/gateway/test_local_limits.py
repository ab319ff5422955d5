"""Limits of requests that hold no money: a one-minute window per key and address, in bounded memory."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from tests.editions.derived import derive

from tokenharbor.gateway import local_limits
from tokenharbor.gateway.local_limits import LocalClass, LocalLimits
from tokenharbor.identity.caller import Caller
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.errors import RateLimited
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.payer import Payer


class Scene:
    """Limits of three reads and one count a minute."""

    def __init__(self, read_rpm: int = 3) -> None:
        self.clock = ManualClock(datetime(2026, 11, 28, tzinfo=UTC))
        policy = derive("token-hub", limits={"read_rpm": read_rpm, "count_rpm": 1})
        snapshots: Any = SimpleNamespace(current=SimpleNamespace(policy=policy))
        ring: Any = None
        self.limits = LocalLimits(ring, snapshots, self.clock)

    def count(self, number: int, kind: LocalClass = LocalClass.READ) -> dict[str, str]:
        """A request of a key; the headers that its answer has."""
        call: Any = SimpleNamespace(rates=None)
        self.limits.count(call, kind, Caller(Payer(UUID(int=1), UUID(int=number))))
        if call.rates is None:
            return {}
        return dict(line.split(": ", 1) for line in call.rates.lines().decode().splitlines())

    async def count_stranger(self, peer: str) -> None:
        call: Any = SimpleNamespace(rates=None, key=None, exchange=SimpleNamespace(peer=peer))
        assert await self.limits.admit_anybody(call, LocalClass.READ) is None


def test_a_window_lasts_a_minute_and_each_key_has_its_own() -> None:
    scene = Scene()
    assert [scene.count(1)["x-ratelimit-remaining-requests"] for _ in range(3)] == ["2", "1", "0"]
    scene.clock.advance(timedelta(seconds=47.5))
    with pytest.raises(RateLimited) as caught:
        scene.count(1)
    assert caught.value.retry_after == 13
    assert "3 reads a minute for the key (limit of edition token-hub), 3 used" in caught.value.message
    scene.count(2)
    scene.clock.advance(timedelta(seconds=13))
    assert scene.count(1)["x-ratelimit-reset-requests"] == "1m0s"


def test_reads_and_counts_are_counted_apart() -> None:
    scene = Scene()
    scene.count(1, LocalClass.COUNT)
    scene.count(1)
    with pytest.raises(RateLimited) as caught:
        scene.count(1, LocalClass.COUNT)
    assert "1 token counts a minute" in caught.value.message


async def test_who_shows_no_key_is_known_by_the_address() -> None:
    scene = Scene()
    for _ in range(3):
        await scene.count_stranger("192.0.2.1")
    with pytest.raises(RateLimited):
        await scene.count_stranger("192.0.2.1")
    await scene.count_stranger("192.0.2.2")


def test_0_is_unlimited() -> None:
    scene = Scene(read_rpm=0)
    assert [scene.count(1) for _ in range(10)] == [{}] * 10
    assert not scene.limits._windows


def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_limits, "_MOST", 10)
    scene = Scene()
    for number in range(35):
        scene.count(number)
        assert len(scene.limits._windows) <= 10
    scene.clock.advance(timedelta(seconds=61))
    for number in range(8):
        scene.count(100 + number)
    assert len(scene.limits._windows) <= 10
