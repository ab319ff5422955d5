"""What all connections of one server share: its handler, its limits, and the counts that the limits bind."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, Protocol

from tokenharbor.http.forwarded import TrustedProxies
from tokenharbor.http.head import RequestLine, read_request_line
from tokenharbor.http.message import Limits
from tokenharbor.http.sweeper import Sweeper
from tokenharbor.kernel.clock import Clock
from tokenharbor.kernel.errors import Refusal, RequestTooLarge, Unavailable

if TYPE_CHECKING:
    from tokenharbor.http.exchange import Exchange

Handler = Callable[["Exchange"], Awaitable[None]]
"""Answers one exchange. It is cancelled at once if the client hangs up before the answer is complete."""

Refuse = Callable[[str, Refusal], tuple[int, bytes, bytes]]
"""(path, refusal) → (status, ready header lines, body). The path is "" where it could not be read."""

Crashed = Callable[[str, Exception], None]
"""(path, error): a handler's error that is not a Refusal; the one who logs leaves out the message."""

_LINES_REMEMBERED = 1024


@dataclass(frozen=True, slots=True)
class Manners:
    """How the server behaves beside its handler."""

    refuse: Refuse
    crashed: Crashed
    limits: Limits
    proxies: TrustedProxies


class Guest(Protocol):
    """A connection, as the server sees it."""

    def leave_if_idle(self) -> None: ...

    def cut(self) -> None: ...


class Shared:
    """Belongs to one server on one loop."""

    __slots__ = (
        "_clock",
        "_date",
        "_date_until",
        "_lines",
        "buffered",
        "draining",
        "empty",
        "guests",
        "handler",
        "limits",
        "loop",
        "manners",
        "sweeper",
    )

    def __init__(self, handler: Handler, manners: Manners, clock: Clock) -> None:
        self.handler = handler
        self.manners = manners
        self.limits = manners.limits
        self.loop = asyncio.get_running_loop()
        self.sweeper = Sweeper(self.loop)
        self.guests: set[Guest] = set()
        self.empty: asyncio.Future[None] | None = None  # resolved when the last guest leaves
        self.buffered = 0  # bytes of request bodies that handlers hold
        self.draining = False
        self._clock = clock
        self._lines: dict[bytes, RequestLine] = {}
        self._date = b""
        self._date_until = float("-inf")

    def request_line(self, line: bytes) -> RequestLine:
        """Read a request line; the same few come again and again, so they are remembered."""
        known = self._lines.get(line)
        if known is None:
            known = read_request_line(line)
            if len(self._lines) >= _LINES_REMEMBERED:
                self._lines.clear()
            self._lines[line] = known
        return known

    def date(self) -> bytes:
        """The `date` header's line, made once a second."""
        now = self.loop.time()
        if now >= self._date_until:
            wall: datetime = self._clock.now()
            self._date = b"date: " + format_datetime(wall, usegmt=True).encode() + b"\r\n"
            self._date_until = now + 1 - wall.microsecond / 1e6
        return self._date

    def reserve(self, size: int) -> None:
        """Count a body's bytes; Unavailable when all bodies together would be too many."""
        if self.buffered + size > self.limits.buffered:
            if size > self.limits.buffered:
                raise RequestTooLarge("The body is larger than all bodies together may be.")
            raise Unavailable("Too many large requests are under way: try again shortly.", retry_after=1)
        self.buffered += size

    def left(self, guest: Guest) -> None:
        self.guests.discard(guest)
        if not self.guests and self.empty is not None and not self.empty.done():
            self.empty.set_result(None)
