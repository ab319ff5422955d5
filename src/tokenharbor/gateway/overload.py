"""Overload: when new requests are refused early, so that those that were let in are served in time.

What tells are the queues of requests that wait for their holds, and for their settlements. Every request that will cost
anything stands in both; rows leave 256 at a time, each time after the loop has had a turn. So the first one grows when
this process is slower than what is asked (not where a few large requests are slow: record 31), and both when the
database is. Below capacity they are empty, and a burst
fits in them. The age of the oldest row, or how late timers are, would say the same later, and would take a slow machine
for a busy one.

A refusal costs a sixth to a quarter of a request: who refuses at once all of three times the capacity has half of it
left to serve with. So the client that was refused is not read for two seconds, nor is one that connects in that time:
their requests wait in their sockets, which cost nothing. Whoever was let in is served as ever, open streams among them.
"""

import asyncio
from typing import Protocol

import structlog

from tokenharbor.billing.books import MOST_QUEUED
from tokenharbor.gateway.metrics import Metrics
from tokenharbor.http.exchange import Exchange
from tokenharbor.kernel.clock import Clock

_HELD_BACK_SECONDS = 2.0  # the refusal's Retry-After: who keeps to that is read at once
_EPISODE_SECONDS = 60.0
_LOOK_SECONDS = 0.2
_log = structlog.get_logger("overload")


class RequestQueues(Protocol):
    """Where requests wait for the database."""

    @property
    def queued(self) -> int: ...


class OverloadGuard:
    """Begins to refuse when a queue is full, and ends when both are half empty."""

    def __init__(self, queues: RequestQueues, metrics: Metrics, clock: Clock) -> None:
        self.refusing = False  # an attribute: every request looks at it
        self._queues = queues
        self._most = MOST_QUEUED
        self._metrics = metrics
        self._clock = clock
        self._last_at = float("-inf")

    def still_refuses(self) -> bool:
        """Asked while refusing."""
        self.refusing = self._queues.queued > self._most // 2
        return self.refusing

    async def watch(self) -> None:
        """Look at the queues for as long as the server runs."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if self._queues.queued >= self._most:
                self.refusing = True

    def note_refused(self, exchange: Exchange) -> None:
        """A request was refused, perhaps since it found the queue of holds full."""
        now = self._clock.monotonic()
        if now - self._last_at > _EPISODE_SECONDS:
            _log.warning("overload", refused="new requests, until fewer wait for the database")
        self._last_at = now
        self.refusing = True
        self._metrics.note_overload()
        exchange.hold_back(_HELD_BACK_SECONDS)
