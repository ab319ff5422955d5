"""Overload: when new requests are refused early, so that those that were let in are served in time.

What tells are the queues of requests: those that wait to be read (`gateway/read_queue.py`), for their holds and for
their settlements. The first grows when this process is slower than what is asked, the others when the database is.
Below capacity they are empty, and a burst fits in them. They are counted in requests: the age of the oldest one, or how
late timers are, would say the same later, and would take a slow machine for a busy one.

A refusal costs a quarter of a request, so who refuses all of three times the capacity at once has little left to serve
with. So a client that was refused is not read, nor is one that connects meanwhile, until there is room again: their
requests wait in their sockets, which costs nothing. After some seconds that ends in any case, with an answer or with
the next refusal. Whoever was let in is served as ever, open streams among them.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import structlog

from tokenharbor.billing.books import MOST_QUEUED
from tokenharbor.gateway.metrics import Metrics
from tokenharbor.http.exchange import Exchange
from tokenharbor.kernel.clock import Clock

_HELD_BACK_SECONDS = 20.0  # of one connection, so often at most there is a refusal
_EPISODE_SECONDS = 60.0
_FREE_SHARE = 8  # one place in so many: whoever is held back is to be read before its time is over
_LOOK_SECONDS = 0.2
_log = structlog.get_logger("overload")


class RequestQueue(Protocol):
    """Where requests wait."""

    @property
    def queued(self) -> int: ...


class HeldClients(Protocol):
    """Clients that are held back, as the server has them."""

    def read_held(self, most: int) -> None: ...


class OverloadGuard:
    """Begins to refuse when a queue is full, and ends when an eighth of each is free."""

    def __init__(self, queues: Sequence[RequestQueue], metrics: Metrics, clock: Clock) -> None:
        self.refusing = False  # an attribute: every request looks at it
        self._queues = queues
        self._most = MOST_QUEUED
        self._metrics = metrics
        self._clock = clock
        self._last_at = float("-inf")

    def still_refuses(self) -> bool:
        """Asked while refusing."""
        self.refusing = self._room() < 0
        return self.refusing

    async def watch(self, clients: HeldClients) -> None:
        """Look at the queues for as long as the server runs."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            room = self._room()
            if room > 0:
                clients.read_held(room)
            elif -room >= self._most // _FREE_SHARE:
                self.refusing = True

    def note_refused(self, exchange: Exchange) -> None:
        """A request was refused, perhaps since it found a queue full."""
        now = self._clock.monotonic()
        if now - self._last_at > _EPISODE_SECONDS:
            _log.warning("overload", refused="new requests, until fewer wait")
        self._last_at = now
        self.refusing = True
        self._metrics.note_overload()
        exchange.hold_back(_HELD_BACK_SECONDS)

    def _room(self) -> int:
        """How many requests the longest queue takes until only an eighth of it is free."""
        return self._most - self._most // _FREE_SHARE - max(queue.queued for queue in self._queues)
