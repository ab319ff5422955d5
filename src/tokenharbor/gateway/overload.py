"""Overload: refuses new requests early, so that admitted ones are served in time.

Overload shows in the lengths of three queues: requests that wait to be read (`gateway/read_queue.py`), for their holds,
and for their settlements. The first grows when this process is slower than its load, the others when the database is.
Below capacity they are empty, and a burst fits in them. Lengths are measured in requests. The age of the oldest
request, or the delay of timers, would show overload later, and would mistake a slow machine for a busy one.

A refusal costs a quarter of a request. At three times the capacity, a process that refuses every excess request at once
has little time left to serve others. So a client that was refused is not read, and neither is one that connects
meanwhile, until there is room again: its requests wait in its socket, at no cost. That ends after `_HELD_BACK_SECONDS`
in any case, with an answer or the next refusal. Admitted requests, open streams included, are served as usual.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import structlog

from tokenharbor.billing.books import MOST_QUEUED
from tokenharbor.gateway.metrics import Metrics
from tokenharbor.http.exchange import Exchange
from tokenharbor.kernel.clock import Clock

_HELD_BACK_SECONDS = 20.0  # a connection gets at most one refusal in this time
_EPISODE_SECONDS = 60.0
_FREE_SHARE = 8  # one place in 8 must be free, so that clients held back are read before their time is over
_LOOK_SECONDS = 0.2
_log = structlog.get_logger("overload")


class RequestQueue(Protocol):
    """A queue in which requests wait."""

    @property
    def queued(self) -> int: ...


class HeldClients(Protocol):
    """The server's connections that are held back."""

    def read_held(self, most: int) -> None: ...


class OverloadGuard:
    """Starts to refuse when a queue is full, and stops when an eighth of each queue is free."""

    def __init__(self, queues: Sequence[RequestQueue], metrics: Metrics, clock: Clock) -> None:
        self.refusing = False  # an attribute, since every request reads it
        self._queues = queues
        self._most = MOST_QUEUED
        self._metrics = metrics
        self._clock = clock
        self._last_at = float("-inf")

    def still_refuses(self) -> bool:
        """Return whether to go on refusing. Called only while refusing."""
        self.refusing = self._room() < 0
        return self.refusing

    async def watch(self, clients: HeldClients) -> None:
        """Watch the queues until cancelled, and let clients that are held back be read when there is room."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            room = self._room()
            if room > 0:
                clients.read_held(room)
            elif -room >= self._most // _FREE_SHARE:
                self.refusing = True

    def note_refused(self, exchange: Exchange) -> None:
        """Note that a request was refused for overload, and hold its connection back."""
        now = self._clock.monotonic()
        if now - self._last_at > _EPISODE_SECONDS:
            _log.warning("overload", refused="new requests, until fewer wait")
        self._last_at = now
        self.refusing = True
        self._metrics.note_overload()
        exchange.hold_back(_HELD_BACK_SECONDS)

    def _room(self) -> int:
        """Return how many requests fit into the longest queue until only an eighth of it is free; negative: too
        many.
        """
        return self._most - self._most // _FREE_SHARE - max(queue.queued for queue in self._queues)
