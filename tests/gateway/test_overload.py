"""Overload: beyond full queues, new requests are refused at once until there is room."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from tests.gateway.house import House
from tests.gateway.raw import RawAnswer
from tests.http.support import until

from tokenharbor.billing.alarms import Alarms
from tokenharbor.billing.books import MOST_QUEUED
from tokenharbor.gateway import overload
from tokenharbor.gateway.metrics import Metrics
from tokenharbor.gateway.overload import OverloadGuard
from tokenharbor.kernel.clock import SystemClock
from tokenharbor.routing.health import Health

pytestmark = pytest.mark.asyncio(loop_scope="session")
MOST = 8


class StalledBooks:
    """The house's books, which place no hold until they are told to."""

    def __init__(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go = asyncio.Event()
        self._house = house
        self._batcher: Any = house.parts.holds._batcher
        self._place = self._batcher._call
        monkeypatch.setattr(self._batcher, "_call", self._call)
        monkeypatch.setattr(self._batcher, "_queue", MOST)

    async def _call(self, rows: Sequence[Any]) -> Any:
        await self.go.wait()
        return await self._place(rows)

    async def fill(self) -> list[asyncio.Task[RawAnswer]]:
        """One request that the books have been asked for, and as many more as may wait."""
        asked = [asyncio.create_task(self._house.chat())]
        await until(lambda: self._batcher._sending is not None and not self._batcher._rows)
        asked += [asyncio.create_task(self._house.chat()) for _ in range(MOST)]
        await until(lambda: len(self._batcher._rows) == MOST)
        return asked


@pytest.fixture
async def stalled(house: House, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StalledBooks]:
    monkeypatch.setattr(overload, "_HELD_BACK_SECONDS", 0.01)
    monkeypatch.setattr(house.parts.overload, "_most", MOST)
    monkeypatch.setattr(house.parts.holds._batcher, "_full_batch", MOST)
    books = StalledBooks(house, monkeypatch)
    yield books
    books.go.set()
    house.parts.overload.refusing = False


def refusals(house: House) -> float:
    [line] = [each for each in house.parts.metrics.text().split(b"\n") if each.startswith(b"tokenharbor_overload_")]
    return float(line.split()[1])


async def test_new_requests_are_refused_in_their_dialect_and_whoever_waits_is_served(
    house: House, stalled: StalledBooks
) -> None:
    before = refusals(house)
    waiting = await stalled.fill()
    first, second, third = await house.chat(), await house.chat(stream=True), await house.message()
    for refused in (first, second, third):
        assert refused.status == 503
        assert refused.headers["retry-after"] == "2"
        assert refused.headers["x-request-id"].startswith("req_")
    assert first.error["code"] == second.error["code"] == "unavailable"
    assert third.json()["type"] == "error"
    assert (await house.get("/v1/models")).status == 200, "what costs little is served"
    assert refusals(house) == before + 3
    stalled.go.set()
    assert [answer.status for answer in await asyncio.gather(*waiting)] == [200] * (MOST + 1)
    assert (await house.chat()).status == 200
    assert not house.parts.overload.refusing


async def test_a_refused_request_leaves_nothing_in_the_books(house: House, stalled: StalledBooks) -> None:
    waiting = await stalled.fill()
    refused = await house.chat()
    stalled.go.set()
    await asyncio.gather(*waiting)
    assert refused.status == 503
    receipt = await house.get(f"/v1/requests/{refused.headers['x-request-id']}")
    assert receipt.status == 404


async def test_who_finds_too_many_waiting_to_be_read_is_refused_and_so_are_the_next(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, guard = house.parts.reading, house.parts.overload
    monkeypatch.setattr(overload, "_HELD_BACK_SECONDS", 0.01)
    monkeypatch.setattr(reading, "_most", MOST)
    monkeypatch.setattr(guard, "_most", MOST)
    monkeypatch.setattr(reading, "_advancing", True)  # the line stands still
    reading.note_crowd()
    waiting = [asyncio.create_task(house.chat()) for _ in range(MOST)]
    await until(lambda: reading.queued == MOST)
    refused = await house.chat()
    assert (refused.status, refused.error["code"], refused.headers["retry-after"]) == (503, "unavailable", "2")
    assert guard.refusing
    assert guard.still_refuses()
    reading._advance()
    assert [answer.status for answer in await asyncio.gather(*waiting)] == [200] * MOST
    assert (await house.chat()).status == 200
    assert not guard.refusing


async def test_who_hangs_up_while_it_waits_is_not_read(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    reading = house.parts.reading
    monkeypatch.setattr(reading, "_advancing", True)
    reading.note_crowd()
    leaving, staying = asyncio.create_task(house.chat()), asyncio.create_task(house.chat())
    await until(lambda: reading.queued == 2)
    leaving.cancel()
    await until(lambda: sum(turn.done() for turn, _ in reading._line) == 1)
    reading._advance()
    assert (await staying).status == 200


class Queue:
    queued = 0


class Clients:
    """Records how many of those that are held back it was told to read."""

    def __init__(self) -> None:
        self.told: list[int] = []

    def read_held(self, most: int) -> None:
        self.told.append(most)


async def test_it_begins_with_a_full_queue_and_ends_when_an_eighth_is_free() -> None:
    clock, queue, clients = SystemClock(), Queue(), Clients()
    guard = OverloadGuard([Queue(), queue], Metrics(clock, Health(clock), Alarms()), clock)
    watching = asyncio.create_task(guard.watch(clients))
    try:
        queue.queued = MOST_QUEUED - 1
        await asyncio.sleep(3 * overload._LOOK_SECONDS)
        assert not guard.refusing, "a burst that fits is not refused"
        queue.queued = MOST_QUEUED
        await until(lambda: guard.refusing)
        queue.queued = MOST_QUEUED * 7 // 8 + 1
        assert guard.still_refuses()
        assert not clients.told
        queue.queued -= 1
        assert not guard.still_refuses()
        queue.queued -= 7
        await until(lambda: bool(clients.told))
        assert clients.told == [7], "so many as there is room for, that the rest need not be refused again"
    finally:
        watching.cancel()
