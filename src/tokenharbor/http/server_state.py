"""The shared state of a server's connections: hooks, limits, and the counts that the limits apply to."""

import asyncio
import heapq
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from email.utils import format_datetime
from http import HTTPStatus
from typing import Protocol

from tokenharbor.http.forwarded import TrustedProxies
from tokenharbor.http.head import RequestLine, is_host, read_request_line
from tokenharbor.http.message import ServerLimits
from tokenharbor.http.phase import HEAD
from tokenharbor.http.sweeper import DeadlineSweeper
from tokenharbor.kernel.clock import Clock
from tokenharbor.kernel.errors import InvalidRequest, RateLimited, Refusal, RequestTooLarge, Unavailable

WriteRefusal = Callable[[str, Refusal], tuple[int, bytes, bytes]]
"""(path, refusal) → (status, ready header lines, body). The path is "" if it could not be read."""

ReportCrash = Callable[[str, Exception], None]
"""(path, error): logs a handler's error that is not a Refusal, without its message."""

_PHRASES = {int(status): status.phrase for status in HTTPStatus}
_LINES_REMEMBERED = 1024
_SMALL = 64 << 10  # bytes; smaller bodies do not count against their owner
_SHARE_AWAITED = 4  # one owner may await bodies on at most 1/4 of the connections
_SHARE_CLOSED = 16  # 1/16 of the idle connections at once, so that not every new one needs a search


@dataclass(frozen=True, slots=True)
class ServerHooks:
    """The server's behaviour beside its handler."""

    refuse: WriteRefusal
    report_crash: ReportCrash
    limits: ServerLimits
    proxies: TrustedProxies


class BufferedRequest(Protocol):
    """A request with a body, for the counting of bytes."""

    reserved: int

    @property
    def owner_or_peer(self) -> Hashable: ...


class StoppableRequest(Protocol):
    """A current request that the server can stop; see `Exchange`."""

    keep_alive: bool
    stage: int
    work: object


class ManagedConnection(Protocol):
    """A connection as the server sees it."""

    deadline: float
    held_back: float
    phase: int

    @property
    def exchange(self) -> StoppableRequest | None: ...

    @property
    def idle(self) -> bool: ...

    def close_if_idle(self) -> None: ...

    def read_next(self) -> None: ...

    def stop(self) -> None: ...

    def abort(self) -> None: ...


class ServerState:
    """The state of one server on one loop."""

    __slots__ = (
        "_clock",
        "_openings",
        "_openings_until",
        "all_closed",
        "awaited_by_owner",
        "buffered",
        "buffered_by_owner",
        "connections",
        "crowded_until",
        "draining",
        "held",
        "hooks",
        "hosts",
        "limits",
        "loop",
        "request_lines",
        "sweeper",
    )

    def __init__(self, hooks: ServerHooks, clock: Clock) -> None:
        self.hooks = hooks
        self.limits = hooks.limits
        self.loop = asyncio.get_running_loop()
        self.sweeper = DeadlineSweeper(self.loop)
        self.connections: set[ManagedConnection] = set()
        self.all_closed: asyncio.Future[None] | None = None  # resolved when the last connection closes
        self.buffered_by_owner: dict[Hashable, int] = {}  # the parts of `buffered`, without small bodies
        self.awaited_by_owner: dict[Hashable, int] = {}  # numbers of requests with an incomplete body
        self.buffered = 0  # bytes of request bodies that handlers hold
        self.draining = False
        self.held: dict[ManagedConnection, None] = {}  # unread connections, the longest waiting first
        self.crowded_until = 0.0  # new connections are not read until then, in the loop's time
        self.request_lines: dict[bytes, RequestLine] = {}  # a cache: few lines repeat often
        self.hosts: set[bytes] = set()  # likewise: checked values
        self._clock = clock
        self._openings: dict[int, bytes] = {}
        self._openings_until = float("-inf")

    def read_request_line(self, data: bytes) -> RequestLine:
        """Read and remember the first line. Raises InvalidRequest, MethodNotAllowed, RequestTooLarge."""
        line = data[: data.find(b"\r\n")]
        if len(line) > self.limits.request_line:
            raise RequestTooLarge(f"The request line is longer than {self.limits.request_line} bytes.")
        read = read_request_line(line)
        if len(self.request_lines) >= _LINES_REMEMBERED:
            self.request_lines.clear()
        self.request_lines[line] = read
        return read

    def check_host(self, host: bytes | None) -> None:
        """Check and remember a Host header's value. Raises InvalidRequest if it is invalid or missing."""
        if host is None or not is_host(host):
            raise InvalidRequest("The request must have exactly one Host header: a host with an optional port.")
        if len(self.hosts) >= _LINES_REMEMBERED:
            self.hosts.clear()
        self.hosts.add(host)

    def status_and_date(self, status: int) -> bytes:
        """Return the status line and the `date` header; cached for a second."""
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

    def check_body_size(self, size: int) -> None:
        """Raise RequestTooLarge if a body of `size` bytes exceeds the limit."""
        most = min(self.limits.body, self.limits.buffered)
        if size > most:
            raise RequestTooLarge(f"The body is larger than {most} bytes.")

    def reserve(self, exchange: BufferedRequest, size: int) -> None:
        """Count `size` more bytes of an exchange's body. Raises Unavailable if all bodies together exceed the limit,
        RateLimited if the owner's do; the last eighth of the room is for small bodies.
        """
        limits, before = self.limits, exchange.reserved
        after = before + size
        if after <= _SMALL and self.buffered + size <= limits.buffered:  # the usual case
            self.buffered += size
            exchange.reserved = after
            return
        room = limits.buffered if after <= _SMALL else limits.buffered - limits.buffered // 8
        if self.buffered + size > max(room, limits.body if not self.buffered else 0):
            if size > limits.buffered:
                raise RequestTooLarge("The body is larger than the total limit of all request bodies.")
            raise Unavailable("Too many large requests at the same time: try again shortly.", retry_after=1)
        if after > _SMALL:
            more = size if before > _SMALL else after
            held = self.buffered_by_owner.get(exchange.owner_or_peer, 0) + more
            if held > max(limits.body, limits.buffered // 4):
                raise RateLimited(
                    "Too many large requests from this account at the same time: try again shortly.", retry_after=1
                )
            self.buffered_by_owner[exchange.owner_or_peer] = held
        self.buffered += size
        exchange.reserved = after

    def release(self, exchange: BufferedRequest) -> None:
        """Free the bytes of a finished exchange."""
        self.buffered -= exchange.reserved
        if exchange.reserved > _SMALL:
            left = self.buffered_by_owner.pop(exchange.owner_or_peer) - exchange.reserved
            if left:
                self.buffered_by_owner[exchange.owner_or_peer] = left

    def body_awaited(self, exchange: BufferedRequest) -> None:
        """Count a request with an incomplete body. Raises RateLimited if its owner has too many."""
        owner = exchange.owner_or_peer
        awaited = self.awaited_by_owner.get(owner, 0)
        if awaited >= max(self.limits.connections // _SHARE_AWAITED, 1):
            raise RateLimited("Too many unfinished requests from this account: send their bodies first.", retry_after=1)
        self.awaited_by_owner[owner] = awaited + 1

    def body_arrived(self, exchange: BufferedRequest) -> None:
        """Uncount a request whose body has come or failed."""
        owner = exchange.owner_or_peer
        left = self.awaited_by_owner.pop(owner) - 1
        if left:
            self.awaited_by_owner[owner] = left

    def read_on(self, connection: ManagedConnection) -> None:
        """Resume a held connection."""
        connection.held_back = 0.0
        self.held.pop(connection, None)
        connection.read_next()

    def close_idlest(self) -> bool:
        """Close the connections idle for longest, several at once; return whether there was one."""
        idle = [connection for connection in self.connections if connection.idle]
        for connection in heapq.nsmallest(1 + len(idle) // _SHARE_CLOSED, idle, key=_idleness):
            self.connections.discard(connection)  # it closes in the loop's next turn
            connection.abort()
        return bool(idle)

    def connection_closed(self, connection: ManagedConnection) -> None:
        self.connections.discard(connection)
        self.held.pop(connection, None)
        if not self.connections and self.all_closed is not None and not self.all_closed.done():
            self.all_closed.set_result(None)


def _idleness(connection: ManagedConnection) -> tuple[bool, float]:
    """Sort connections without any byte of a request first, then by the longest idle time."""
    return connection.phase == HEAD, connection.deadline
