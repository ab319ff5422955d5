"""An open loop: requests come at a rate, whatever the answers do. `python -m bench.flood`, its arguments as JSON.

An arrival takes a connection that is free, else a new one; where as many as there may be are taken, it stays unsent,
as in a client whose pool is exhausted. Nobody asks again.
"""

import asyncio
import json
import re
import sys
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter
from typing import cast

import uvloop

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_TICK_SECONDS = 0.005
_WARM_SECONDS = 2.0  # in which the connections are made, and nothing counts
_REST_SECONDS = 5.0  # in which what was sent may still be answered


@dataclass(frozen=True, slots=True)
class Flood:
    """What comes: `rate` requests a second over at most so many connections. `request` is a file."""

    port: int
    request: str
    rate: float
    seconds: float
    connections: int


@dataclass(frozen=True, slots=True)
class Flooded:
    """What became of it, once the connections were made; `good` are the 200s."""

    asked: int
    good: int
    good_in_all: int  # with those before and after
    refused: int
    unsent: int
    broken: int
    seconds: float
    p50_ms: float
    p99_ms: float


@dataclass(slots=True)
class _Tally:
    statuses: Counter[bytes] = field(default_factory=Counter)
    took: list[float] = field(default_factory=list)
    unsent: int = 0
    broken: int = 0


class _Caller(asyncio.Protocol):
    """One connection; one request at a time."""

    def __init__(self, flooder: "_Flooder") -> None:
        self._flooder = flooder
        self._seen = b""
        self._asked_at: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._out = cast("asyncio.Transport", transport)
        self._flooder.idle.append(self)

    def ask(self, request: bytes, now: float) -> None:
        self._asked_at = now
        self._out.write(request)

    def data_received(self, data: bytes) -> None:
        seen = self._seen = self._seen + data
        end = seen.find(b"\r\n\r\n")
        length = _LENGTH.search(seen, 0, end + 2) if end > 0 else None
        if length is None or self._asked_at is None or len(seen) < end + 4 + int(length[1]):
            return
        tally, self._seen = self._flooder.tally, b""
        tally.statuses[seen[9:12]] += 1
        if seen.startswith(b"HTTP/1.1 200"):
            tally.took.append(perf_counter() - self._asked_at)
        self._asked_at = None
        self._flooder.idle.append(self)

    def connection_lost(self, _error: Exception | None) -> None:
        if self._asked_at is not None:
            self._flooder.tally.broken += 1
        elif self in self._flooder.idle:
            self._flooder.idle.remove(self)


class _Flooder:
    def __init__(self, flood: Flood) -> None:
        self._flood = flood
        self._request = Path(flood.request).read_bytes()
        self.idle: list[_Caller] = []
        self.tally = _Tally()

    async def run(self) -> Flooded:
        flood = self._flood
        await self._connect()
        await self._send(_WARM_SECONDS)
        warm, self.tally = self.tally, _Tally()
        tally, began = self.tally, perf_counter()
        asked = await self._send(flood.seconds)
        seconds, good = perf_counter() - began, tally.statuses[b"200"]
        await asyncio.sleep(_REST_SECONDS)
        took = sorted(tally.took) or [0.0]
        p50, p99 = (took[int(len(took) * share)] * 1e3 for share in (0.5, 0.99))
        in_all = warm.statuses[b"200"] + tally.statuses[b"200"]
        refused = tally.statuses[b"503"]
        return Flooded(asked, good, in_all, refused, tally.unsent, tally.broken, seconds, p50, p99)

    async def _connect(self) -> None:
        """A few at a time: what the kernel drops comes again after seconds."""
        loop = asyncio.get_running_loop()
        for _ in range(self._flood.connections):
            await loop.create_connection(lambda: _Caller(self), "127.0.0.1", self._flood.port)

    async def _send(self, seconds: float) -> int:
        began, sent = perf_counter(), 0
        while (now := perf_counter()) < began + seconds:
            due = int((now - began) * self._flood.rate) - sent
            for _ in range(due):
                if self.idle:
                    self.idle.pop().ask(self._request, now)
                else:
                    self.tally.unsent += 1
            sent += due
            await asyncio.sleep(_TICK_SECONDS)
        return sent


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(_Flooder(Flood(**json.loads(sys.argv[1]))).run()))))
