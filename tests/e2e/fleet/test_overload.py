"""Three times as many requests as a gateway can serve: it refuses the rest early, and serves as many as before.

"As many" is measured in the gateway's own CPU, since what shares the machine takes wall time from it as it likes. But a
second of CPU is worth more or less as well: caches, and the other half of a core, are shared with whoever runs beside
it. On a crowded machine, an answer's CPU differed by a third from one phase to the next. So what throttles
the gateway does a fixed piece of work each time that it has stopped it, and an answer's cost is stated in those pieces,
done in the same seconds on the same cores.
"""

import asyncio
import contextlib
import functools
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.e2e.fleet.evidence import at_rest, audit, verify
from tests.e2e.fleet.gateways import Fleet, running_fleet, running_vendor
from tests.e2e.fleet.vitals import cpu_seconds, vitals_of
from tests.e2e.harbor import CONFIG
from tests.e2e.raw_client import CHAT, MESSAGES, ClientAnswer, ClientRequest, ask, question, until
from tests.postgres_server import create_database

pytestmark = pytest.mark.slow

SCRIPT = """
keep_records = 200000
answer = { tokens = 20 }
[[rules]]
match = { contains = "[short]" }
answer = { tokens = 400, chunk_chars = 16, delay_ms = 200, usage = { input = 20, output = 400 } }
[[rules]]
match = { contains = "[long]" }
answer = { tokens = 1800, chunk_chars = 16, delay_ms = 200, usage = { input = 20, output = 1800 } }
"""
_CONFIG = CONFIG.replace("total = 20", "total = 300")
OPEN_STREAMS = 20
_TURNS = [{"role": role, "content": "the quay and the pier " * 8} for role in ("user", "assistant") * 250]
_MOST_GROWTH = 200 << 20
_THROTTLE = """
import json, os, signal, sys, time
chat = json.dumps([{"role": "user", "content": "the quay and the pier " * 8}] * 250)
while True:
    os.kill(int(sys.argv[1]), signal.SIGCONT)
    time.sleep(0.01)
    os.kill(int(sys.argv[1]), signal.SIGSTOP)
    began = time.thread_time()
    json.dumps([{key: str(value) for key, value in each.items()} for each in json.loads(chat)])
    print(time.thread_time() - began, flush=True)
    time.sleep(0.04)
"""
_IN_TIME_SECONDS = 60  # as patient as clients of models are
_MOST_OPEN, _BURST, _PEAK_CLIENTS = 1_200, 900, 16
_WARM_SECONDS = 4  # in which the burst is read ahead and the clients beyond it are refused for the first time
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Timed:
    """An answer, and when it was whole."""

    heard: ClientAnswer
    asked_at: float
    whole_at: float = math.inf

    @property
    def good(self) -> bool:
        return self.heard.status == 200 and self.whole_at - self.asked_at < _IN_TIME_SECONDS


@dataclass
class Crowd:
    """Clients of one gateway, each with a connection that it keeps, and what became of their requests."""

    fleet: Fleet
    asked: ClientRequest
    all: list[Timed] = field(default_factory=list)
    _free: list[Connection] = field(default_factory=list)
    _open: list[asyncio.Task[Timed]] = field(default_factory=list)

    async def connect(self, count: int) -> None:
        """Before they ask: while much is asked, a server takes few new connections."""
        for _ in range(count):
            self._free.append(await self._connection())

    async def closed_loop(self, clients: int, seconds: float) -> None:
        """Each asks as soon as it has its answer."""
        ends = time.monotonic() + seconds

        async def one_after_the_other() -> None:
            while time.monotonic() < ends:
                await self._ask()

        await asyncio.gather(*(one_after_the_other() for _ in range(clients)))

    async def open_loop(self, rate: float, seconds: float) -> None:
        """Asked at this rate, whatever was answered, as far as a connection is free: a client's pool has an end."""
        began, asked = time.monotonic(), 0
        while (gone := time.monotonic() - began) < seconds:
            for _ in range(asked, int(gone * rate)):
                asked += 1
                if self._free:
                    self._open.append(asyncio.create_task(self._ask()))
                    await asyncio.sleep(0)  # it takes its connection
            await asyncio.sleep(0.005)

    def burst(self, count: int) -> Sequence[asyncio.Task[Timed]]:
        """All at once."""
        asked = [asyncio.create_task(self._ask()) for _ in range(count)]
        self._open += asked
        return asked

    async def finish(self) -> None:
        await asyncio.gather(*self._open)
        for _, writer in self._free:
            writer.close()

    async def _ask(self) -> Timed:
        timed = Timed(ClientAnswer(self.asked), time.monotonic())
        self.all.append(timed)
        reader, writer = self._free.pop()
        writer.write(self._request)
        await _hear(reader, timed.heard)
        timed.whole_at = time.monotonic()
        if timed.heard.whole and "connection" not in timed.heard.headers:
            self._free.append((reader, writer))
        else:
            writer.close()
            self._free.append(await self._connection())
        return timed

    async def _connection(self) -> Connection:
        place = urlsplit(self.fleet.urls[0])
        return await asyncio.open_connection(place.hostname, place.port)

    @functools.cached_property
    def _request(self) -> bytes:
        asked = self.asked
        head = f"POST {asked.path} HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {asked.key}\r\n"
        return f"{head}content-length: {len(asked.body)}\r\n\r\n".encode() + asked.body


async def _hear(reader: asyncio.StreamReader, heard: ClientAnswer) -> None:
    with contextlib.suppress(ConnectionError):
        while not heard.whole and (data := await reader.read(65536)):
            heard.raw += data
    heard.closed = True


@dataclass(frozen=True)
class Throttle:
    """What lets a process run for a fifth of the time, and says what each piece of its own work took."""

    pid: int
    took: Path

    def pieces(self) -> tuple[int, float]:
        """How many so far, and their seconds of CPU."""
        whole = self.took.read_text().split("\n")[:-1]
        return len(whole), sum(map(float, whole))


@dataclass
class Goodput:
    """Good answers since it was made."""

    crowd: Crowd
    throttle: Throttle

    def __post_init__(self) -> None:
        self._began = self._read()

    def measured(self) -> tuple[float, float]:
        """Answers in a second, and what one costs the gateway, in pieces of the throttle's work."""
        good, at, cpu, pieces, cpu_of_pieces = (now - then for now, then in zip(self._read(), self._began, strict=True))
        return good / at, (cpu / good) / (cpu_of_pieces / pieces)

    def _read(self) -> tuple[float, ...]:
        good = sum(one.good for one in self.crowd.all)
        return good, time.monotonic(), cpu_seconds(self.throttle.pid), *self.throttle.pieces()


@pytest.fixture
def fleet(postgres_url: str) -> Iterator[Fleet]:
    database = create_database(postgres_url, "overload")
    with (
        running_vendor(SCRIPT) as vendor,
        running_fleet(vendor=vendor, database=database, workers=(1,), config=_CONFIG) as fleet,
    ):
        yield fleet


async def test_at_three_times_its_capacity_a_gateway_serves_as_much_as_before(
    fleet: Fleet, tmp_path: Path, *, at_length: bool
) -> None:
    account = fleet.new_account("100000.00")
    key = fleet.new_key(account)
    body = json.dumps({"model": "sim", "temperature": 0.5, "max_tokens": 100, "messages": _TURNS}).encode()
    crowd = Crowd(fleet, ClientRequest(MESSAGES, key, body))
    server = fleet.gateways[0].server
    assert server is not None
    pid = server.process.pid
    await crowd.connect(_MOST_OPEN)
    async with _open_streams(fleet, key, "[long]" if at_length else "[short]") as streams:
        with _throttled(pid, tmp_path) as throttle:
            await crowd.closed_loop(_PEAK_CLIENTS, 1)
            usual = Goodput(crowd, throttle)
            await crowd.closed_loop(_PEAK_CLIENTS, 4)
            peak, usual_cost = usual.measured()
            before = vitals_of(pid).memory
            burst = crowd.burst(_BURST)
            await crowd.open_loop(3 * peak, _WARM_SECONDS)
            flooded = Goodput(crowd, throttle)
            await crowd.open_loop(3 * peak, 60 if at_length else 8)
            rate, flooded_cost = flooded.measured()
            grown = vitals_of(pid).memory - before
            assert not any(one.closed for one in streams), "they are open for as long as the flood lasts"
        await crowd.finish()
    endings = Counter((one.heard.how, one.heard.status) for one in crowd.all)
    print(f"\na second: {peak:.0f}, then {rate:.0f}; pieces of work: {usual_cost:.2f}, then {flooded_cost:.2f};")
    print(f"{grown >> 20} MiB more; longest gap {longest_gap(streams):.2f} s; {dict(endings)}")
    assert [one.how for one in streams] == ["complete"] * OPEN_STREAMS
    assert {one.result().heard.how for one in burst} == {"complete"}, "a burst is not refused"
    assert grown < _MOST_GROWTH
    assert usual_cost >= 0.8 * flooded_cost, "an answer costs more, so there are fewer of them"
    for one in crowd.all:
        if one.heard.how != "complete":
            assert (one.heard.status, "retry-after" in one.heard.headers) == (503, True), one.heard.raw[:300]
    await at_rest(fleet)
    await audit(fleet, [account], [*(one.heard for one in crowd.all), *streams])
    verify(fleet)


def longest_gap(streams: Sequence[ClientAnswer]) -> float:
    """Seconds from one piece of a stream to its next."""
    return max(after - before for one in streams for (before, _), (after, _) in pairwise(one.pieces))


@contextlib.contextmanager
def _throttled(pid: int, folder: Path) -> Iterator[Throttle]:
    """As under a container's quota: clients in Python cannot overload more."""
    took = folder / "pieces"
    with took.open("wb") as told:
        process = subprocess.Popen([sys.executable, "-c", _THROTTLE, str(pid)], stdout=told)
    try:
        yield Throttle(pid, took)
    finally:
        process.terminate()
        process.wait()
        os.kill(pid, signal.SIGCONT)


@contextlib.asynccontextmanager
async def _open_streams(fleet: Fleet, key: str, text: str) -> AsyncIterator[list[ClientAnswer]]:
    """Streams that have begun; at the end they are read to theirs."""
    streams = [ClientAnswer(question(CHAT, key, text, stream=True, max_tokens=8000)) for _ in range(OPEN_STREAMS)]
    reading = asyncio.gather(*(ask(fleet.urls[0], one.question, one) for one in streams))
    await until(lambda: all(one.text_bytes for one in streams))
    yield streams
    await reading
