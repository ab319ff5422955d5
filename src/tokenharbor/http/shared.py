"""What all connections of one server share: its manners, its limits, and the counts that the limits bind."""

import asyncio
import heapq
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import format_datetime
from http import HTTPStatus
from typing import Protocol

from tokenharbor.http.forwarded import TrustedProxies
from tokenharbor.http.head import RequestLine, is_host, read_request_line
from tokenharbor.http.message import Limits
from tokenharbor.http.sweeper import Sweeper
from tokenharbor.kernel.clock import Clock
from tokenharbor.kernel.errors import InvalidRequest, Refusal, RequestTooLarge, Unavailable

Refuse = Callable[[str, Refusal], tuple[int, bytes, bytes]]
"""(path, refusal) → (status, ready header lines, body). The path is "" where it could not be read."""

Crashed = Callable[[str, Exception], None]
"""(path, error): a handler's error that is not a Refusal; the one who logs leaves out the message."""

_PHRASES = {int(status): status.phrase for status in HTTPStatus}
_LINES_REMEMBERED = 1024
_SHARE_CLOSED = 16  # of the idle connections one in so many, so that not each newcomer needs a search


@dataclass(frozen=True, slots=True)
class Manners:
    """How the server behaves beside its handler."""

    refuse: Refuse
    crashed: Crashed
    limits: Limits
    proxies: TrustedProxies


class Guest(Protocol):
    """A connection, as the server sees it."""

    deadline: float
    heading: bool  # a request's head has begun and is not complete

    @property
    def idle(self) -> bool: ...

    def leave_if_idle(self) -> None: ...

    def stop(self) -> None: ...

    def cut(self) -> None: ...


class Shared:
    """Belongs to one server on one loop."""

    __slots__ = (
        "_clock",
        "_openings",
        "_openings_until",
        "buffered",
        "draining",
        "empty",
        "guests",
        "hosts",
        "limits",
        "loop",
        "manners",
        "request_lines",
        "sweeper",
    )

    def __init__(self, manners: Manners, clock: Clock) -> None:
        self.manners = manners
        self.limits = manners.limits
        self.loop = asyncio.get_running_loop()
        self.sweeper = Sweeper(self.loop)
        self.guests: set[Guest] = set()
        self.empty: asyncio.Future[None] | None = None  # resolved when the last guest leaves
        self.buffered = 0  # bytes of request bodies that handlers hold
        self.draining = False
        self.request_lines: dict[bytes, RequestLine] = {}  # the same few come again and again
        self.hosts: set[bytes] = set()  # likewise: those that have been checked
        self._clock = clock
        self._openings: dict[int, bytes] = {}
        self._openings_until = float("-inf")

    def read_request_line(self, data: bytes) -> RequestLine:
        """The first line, read and remembered. Raises InvalidRequest, MethodNotAllowed, RequestTooLarge."""
        line = data[: data.find(b"\r\n")]
        if len(line) > self.limits.request_line:
            raise RequestTooLarge(f"The request line is longer than {self.limits.request_line} bytes.")
        read = read_request_line(line)
        if len(self.request_lines) >= _LINES_REMEMBERED:
            self.request_lines.clear()
        self.request_lines[line] = read
        return read

    def check_host(self, host: bytes | None) -> None:
        """Remember a Host header's value. Raises InvalidRequest if it is not one, or missing."""
        if host is None or not is_host(host):
            raise InvalidRequest("HTTP/1.1 asks for exactly one Host header, with a host and perhaps a port.")
        if len(self.hosts) >= _LINES_REMEMBERED:
            self.hosts.clear()
        self.hosts.add(host)

    def opening(self, status: int) -> bytes:
        """Status line and `date` header; the same for a second."""
        now = self.loop.time()
        if now >= self._openings_until:
            self._openings.clear()
            self._openings_until = now + 1 - self._clock.now().microsecond / 1e6
        return self._openings.get(status) or self._make_opening(status)

    def _make_opening(self, status: int) -> bytes:
        date = format_datetime(self._clock.now(), usegmt=True)
        opening = f"HTTP/1.1 {status} {_PHRASES.get(status, '')}\r\ndate: {date}\r\n".encode()
        self._openings[status] = opening
        return opening

    def bound(self, size: int) -> None:
        """Raises RequestTooLarge for a body of so many bytes."""
        most = min(self.limits.body, self.limits.buffered)
        if size > most:
            raise RequestTooLarge(f"The body is larger than {most} bytes.")

    def reserve(self, size: int) -> None:
        """Count a body's bytes; Unavailable when all bodies together would be too many."""
        if self.buffered + size > self.limits.buffered:
            if size > self.limits.buffered:
                raise RequestTooLarge("The body is larger than all bodies together may be.")
            raise Unavailable("Too many large requests are under way: try again shortly.", retry_after=1)
        self.buffered += size

    def make_room(self) -> bool:
        """Close the connections that have been idle for longest, a few at once; whether there was one."""
        idle = [guest for guest in self.guests if guest.idle]
        for guest in heapq.nsmallest(1 + len(idle) // _SHARE_CLOSED, idle, key=_idleness):
            self.guests.discard(guest)  # it is gone in the loop's next turn
            guest.cut()
        return bool(idle)

    def left(self, guest: Guest) -> None:
        self.guests.discard(guest)
        if not self.guests and self.empty is not None and not self.empty.done():
            self.empty.set_result(None)


def _idleness(guest: Guest) -> tuple[bool, float]:
    """Those without a byte of a request come first, the one idle for longest before the others."""
    return guest.heading, guest.deadline
