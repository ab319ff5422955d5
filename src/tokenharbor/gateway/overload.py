"""Overload: when new requests are refused early, so that those that were let in are served in time.

What tells is the queue of requests that wait for their holds. Every request that will cost anything stands in it once;
its rows leave 256 at a time, each time after the loop has had a turn, so it grows when the database is slower than what
is asked, and when this process is. Below capacity it is empty, and a burst fits in it. The age of its oldest row, or
how late timers are, would say the same later, and would take a slow machine for a busy one.

A refusal costs about a quarter of a request: who refuses all of three times the capacity has little left to serve with.
So the client that was refused is not read for a second, nor is one that connects in that time: their requests wait in
their sockets, which cost nothing. Whoever was let in is served as ever, open streams among them.
"""

import structlog

from tokenharbor.billing.holds import Holds
from tokenharbor.gateway.metrics import Metrics
from tokenharbor.http.exchange import Exchange
from tokenharbor.kernel.clock import Clock

_HELD_BACK_SECONDS = 1.0  # less than the refusal's Retry-After: who keeps to that is read at once
_EPISODE_SECONDS = 60.0
_log = structlog.get_logger("overload")


class OverloadGuard:
    """Begins to refuse when a request finds the queue full, and ends when half of it is empty."""

    def __init__(self, holds: Holds, metrics: Metrics, clock: Clock) -> None:
        self.refusing = False  # an attribute: every request looks at it
        self._holds = holds
        self._metrics = metrics
        self._clock = clock
        self._last_at = float("-inf")

    def still_refuses(self) -> bool:
        """Asked while refusing."""
        self.refusing = not self._holds.queue_is_short
        return self.refusing

    def note_refused(self, exchange: Exchange) -> None:
        """A request was refused, the first one because it found the queue full."""
        now = self._clock.monotonic()
        if now - self._last_at > _EPISODE_SECONDS:
            _log.warning("overload", refused="new requests, until fewer wait for the database")
        self._last_at = now
        self.refusing = True
        self._metrics.note_overload()
        exchange.hold_back(_HELD_BACK_SECONDS)
