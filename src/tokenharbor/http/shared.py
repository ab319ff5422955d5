"""What all connections of one server share: its manners, its limits, and the counts that the limits bind."""

import asyncio
import heapq
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from email.utils import format_datetime
from http import HTTPStatus
from typing import Protocol

from tokenharbor.http.forwarded import TrustedProxies
from tokenharbor.http.head import RequestLine, is_host, read_request_line
from tokenharbor.http.message import Limits
from tokenharbor.http.sweeper import Sweeper
from tokenharbor.kernel.clock import Clock
from tokenharbor.kernel.errors import InvalidRequest, RateLimited, Refusal, RequestTooLarge, Unavailable

Refuse = Callable[[str, Refusal], tuple[int, bytes, bytes]]
"""(path, refusal) → (status, ready header lines, body). The path is "" where it could not be read."""

Crashed = Callable[[str, Exception], None]
"""(path, error): a handler's error that is not a Refusal; the one who logs leaves out the message."""

_PHRASES = {int(status): status.phrase for status in HTTPStatus}
_LINES_REMEMBERED = 1024
_SMALL = 64 << 10  # bytes of a body that takes nobody's room
_SHARE_AWAITED = 4  # one holder's bodies may be awaited on one in so many of the connections
_SHARE_CLOSED = 16  # of the idle connections one in so many, so that not each newcomer needs a search


@dataclass(frozen=True, slots=True)
class Manners:
    """How the server behaves beside its handler."""

    refuse: Refuse
    crashed: Crashed
    limits: Limits
    proxies: TrustedProxies


class Exchange(Protocol):
    """A request with a body, as far as its bytes are counted."""

    reserved: int

    @property
    def whose(self) -> Hashable: ...


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
        "awaited",
        "buffered",
        "draining",
        "empty",
        "guests",
        "held",
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
        self.held: dict[Hashable, int] = {}  # of `buffered`, by holder, without small bodies
        self.awaited: dict[Hashable, int] = {}  # requests whose body has not come, by holder
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
            raise InvalidRequest("The request must have exactly one Host header: a host with an optional port.")
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

    def reserve(self, exchange: Exchange, size: int) -> None:
        """Count so many more bytes of an exchange's body. Raises Unavailable when all bodies together would be too
        many, RateLimited when its holder's would; the last eighth of the room is for small bodies.
        """
        limits, before = self.limits, exchange.reserved
        after = before + size
        room = limits.buffered if after <= _SMALL else limits.buffered - limits.buffered // 8
        if self.buffered + size > max(room, limits.body if not self.buffered else 0):
            if size > limits.buffered:
                raise RequestTooLarge("The body is larger than the limit for all bodies together.")
            raise Unavailable("Too many large requests at the same time: try again shortly.", retry_after=1)
        if after > _SMALL:
            more = size if before > _SMALL else after
            held = self.held.get(exchange.whose, 0) + more
            if held > max(limits.body, limits.buffered // 4):
                raise RateLimited(
                    "Too many large requests of this account at the same time: try again shortly.", retry_after=1
                )
            self.held[exchange.whose] = held
        self.buffered += size
        exchange.reserved = after

    def release(self, exchange: Exchange) -> None:
        """The exchange is over, and its body gone."""
        self.buffered -= exchange.reserved
        if exchange.reserved > _SMALL:
            left = self.held.pop(exchange.whose) - exchange.reserved
            if left:
                self.held[exchange.whose] = left

    def expect(self, exchange: Exchange) -> None:
        """Its body is awaited. Raises RateLimited when its holder's others take a share of the connections."""
        holder = exchange.whose
        awaited = self.awaited.get(holder, 0)
        if awaited >= max(self.limits.connections // _SHARE_AWAITED, 1):
            raise RateLimited("Too many unfinished requests of this account: send their bodies first.", retry_after=1)
        self.awaited[holder] = awaited + 1

    def expected(self, exchange: Exchange) -> None:
        """It has come, or never will."""
        holder = exchange.whose
        left = self.awaited.pop(holder) - 1
        if left:
            self.awaited[holder] = left

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
