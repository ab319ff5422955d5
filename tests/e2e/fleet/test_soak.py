"""Mixed traffic with faults at half capacity for long: nothing grows, and nothing is left over."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest
from tests.e2e.fleet import mixed
from tests.e2e.fleet.evidence import Ended, at_rest, audit, ended, verify
from tests.e2e.fleet.gateways import Fleet, running_fleet, running_vendor
from tests.e2e.fleet.vitals import Vitals, growth, show, vitals_of
from tests.e2e.harbor import Harbor
from tests.e2e.raw_client import ClientAnswer, ask, until
from tests.postgres_server import create_database

pytestmark = [pytest.mark.slow, pytest.mark.takes(80)]

SEED = 30
_KEPT_FILES = 6  # connections of the pool to the database that were made meanwhile
_KEPT_THREADS = 8  # of the executor that writes journals
_CLIENTS = 24  # of the peak


@dataclass(frozen=True)
class Length:
    """In seconds; `most_growth` is of memory after peak and warm-up. As much as is open at once later was open at the
    peak, so what grows then is not the memory of more requests at once.
    """

    peak: float
    warm_up: float
    measured: float
    most_growth: float


SHORT = Length(peak=5, warm_up=25, measured=60, most_growth=1.1)
LONG = Length(peak=60, warm_up=240, measured=1500, most_growth=1.05)


@dataclass
class Soak:
    """Requests at a steady rate, whatever becomes of them, for as long as it lasts. No more are open than when the peak
    was measured: a machine that others slow down meanwhile is not asked for more than half of what it can.
    """

    fleet: Fleet
    callers: mixed.Callers
    endings: Counter[tuple[str, int | None]] = field(default_factory=Counter)
    of_payer: list[Ended] = field(default_factory=list)
    left_out: int = 0  # requests, while as many as at the peak were open
    _numbers: random.Random = field(default_factory=lambda: random.Random(SEED))
    _open: set[asyncio.Task[None]] = field(default_factory=set)

    async def peak(self, seconds: float) -> float:
        """Requests a second, of clients who each ask as soon as they have their answer."""
        ends, before = time.monotonic() + seconds, self.endings.total()

        async def one_after_the_other() -> None:
            while time.monotonic() < ends:
                await self._ask()

        await asyncio.gather(*(one_after_the_other() for _ in range(_CLIENTS)))
        return (self.endings.total() - before) / seconds

    async def run(self, rate: float, seconds: float) -> Sequence[Sequence[Vitals]]:
        """What was seen of each gateway meanwhile, once a second."""
        seen: list[list[Vitals]] = [[] for _ in self.fleet.gateways]
        began = time.monotonic()
        asked = 0
        while (gone := time.monotonic() - began) < seconds:
            for _ in range(asked, int(gone * rate)):
                asked += 1
                if len(self._open) >= _CLIENTS:
                    self.left_out += 1
                    continue
                task = asyncio.create_task(self._ask())
                self._open.add(task)
                task.add_done_callback(self._open.discard)
            if gone >= len(seen[0]):
                for each, gateway in zip(seen, self.fleet.gateways, strict=True):
                    each.append(vitals_of(_pid(gateway)))
            await asyncio.sleep(0.01)
        await asyncio.gather(*self._open)
        return seen

    async def _ask(self) -> None:
        heard = ClientAnswer(mixed.draw(self._numbers, self.callers))
        await ask(self._numbers.choice(self.fleet.urls), heard.question, heard)
        self.endings[heard.how, heard.status] += 1
        if heard.question.key in self.callers.payers:
            self.of_payer.append(ended(heard))


@pytest.fixture
def fleet(postgres_url: str) -> Iterator[Fleet]:
    database = create_database(postgres_url, "soak")
    with (
        running_vendor(mixed.SCRIPT) as vendor,
        running_fleet(vendor=vendor, database=database, workers=(1, 1), config=mixed.CONFIG) as fleet,
    ):
        yield fleet


async def test_mixed_traffic_with_faults_leaves_nothing_behind(fleet: Fleet, *, at_length: bool) -> None:
    length = LONG if at_length else SHORT
    payer, callers = mixed.new_callers(fleet)
    soak = Soak(fleet, callers)
    fresh = [vitals_of(_pid(gateway)) for gateway in fleet.gateways]
    peak = await soak.peak(length.peak)
    await soak.run(peak / 2, length.warm_up)
    seen = await soak.run(peak / 2, length.measured)
    print(f"\nseed {SEED}, {peak / 2:.0f} requests a second, {soak.left_out} left out: {dict(soak.endings)}")
    for each in seen:
        print(show(each))
    await at_rest(fleet)
    found = await audit(fleet, [payer], soak.of_payer)
    verify(fleet)
    assert min(found.endings[how] for how in ("complete", "failed", "left")) > 10, found
    assert not found.endings["cut"], found
    for gateway, before, each in zip(fleet.gateways, fresh, seen, strict=True):
        assert growth(each) <= length.most_growth, show(each)
        await until(lambda: vitals_of(_pid(gateway)).files <= before.files + _KEPT_FILES, 60)  # noqa: B023  awaited here
        assert vitals_of(_pid(gateway)).threads <= before.threads + _KEPT_THREADS
        assert [file.stat().st_size for file in (gateway.home / "journal").iterdir()] == [0], "one run's, and empty"


def _pid(gateway: Harbor) -> int:
    assert gateway.server is not None
    return gateway.server.process.pid
