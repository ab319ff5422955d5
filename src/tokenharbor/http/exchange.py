"""One request and its answer, as a handler sees them."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Protocol

from tokenharbor.http.head import HeaderMap, RequestLine, first_value, list_headers
from tokenharbor.http.message import LARGE, Disconnected, Headers
from tokenharbor.http.server_state import ServerState
from tokenharbor.kernel.errors import Refusal, UpgradeRequired

CLOSE = b"connection: close\r\n"
_CLOSE_FOR_HTTP = b"connection: close, upgrade\r\nupgrade: HTTP/1.1\r\n"

OPEN, STARTED, DONE = range(3)
"""The progress of an answer: not begun; its head and perhaps some of its body; complete."""


class ExchangeConnection(Protocol):
    """The connection of an exchange, as the exchange uses it."""

    transport: asyncio.Transport
    shared: ServerState
    paused: bool  # the client reads too slowly
    lost: bool  # the client disconnected
    stopped: bool  # the server must end the request
    held_back: float  # seconds during which the next request is not read

    def peer(self) -> str: ...

    def reset(self) -> None: ...

    async def drained(self) -> None: ...

    async def receive(self, exchange: "Exchange") -> bytes: ...

    async def receive_piece(self, exchange: "Exchange") -> bytes: ...


class Exchange:
    """A request with a complete head, and the methods to answer it.

    `path` and `query` are as they came (percent-encoded, ASCII), without the `?`. The answering methods take `headers`
    as ready lines, each with its CRLF, without the framing headers, which are added here.
    """

    __slots__ = (
        "_chunked",
        "_connection",
        "_endless",
        "_head",
        "_headers",
        "body",
        "buffer_owner",
        "http11",
        "keep_alive",
        "method",
        "path",
        "query",
        "reserved",
        "stage",
        "work",
    )

    def __init__(self, connection: ExchangeConnection, request_line: RequestLine, headers: HeaderMap) -> None:
        self.method, self.path, self.query, self.http11 = request_line
        self.keep_alive = self.http11
        self.body: bytes | None = None  # None until all of it has come
        self.buffer_owner: Hashable = None  # the owner whose share the body takes; None: the peer
        self.reserved = 0  # bytes counted in `ServerState.buffered`
        self.stage = OPEN
        self.work: object = None  # set by the handler, for `Server.stop_requests`
        self._connection = connection
        self._headers = headers
        self._chunked = False
        self._endless = False  # the connection's end ends the answer: HTTP/1.0
        self._head = b""  # a started answer's unsent head

    @property
    def headers(self) -> Headers:
        return list_headers(self._headers)

    @property
    def header_map(self) -> HeaderMap:
        """The headers in their stored form: see HeaderMap. Do not change it."""
        return self._headers

    def header(self, name: bytes) -> bytes | None:
        """Return the first value of a header, by its lower-case name."""
        return first_value(self._headers, name)

    @property
    def peer(self) -> str:
        """The client's address, "" on a unix socket; behind trusted proxies, the address that they forward."""
        peer = self._connection.peer()
        proxies = self._connection.shared.hooks.proxies
        return proxies.client(peer, self.headers) if proxies else peer

    @property
    def owner_or_peer(self) -> Hashable:
        """The owner whose share of the buffers the body takes."""
        return self.peer if self.buffer_owner is None else self.buffer_owner

    @property
    def behind_proxy(self) -> bool:
        """Whether a trusted proxy sent the request, so that its other headers can be trusted, too."""
        proxies = self._connection.shared.hooks.proxies
        return bool(proxies) and proxies.trusts(self._connection.peer())

    @property
    def disconnected(self) -> bool:
        """Whether the client has disconnected."""
        return self._connection.lost

    @property
    def stopped(self) -> bool:
        """Whether the server cancelled the handler; the client can still get an answer."""
        return self._connection.stopped

    async def read_body(self) -> bytes:
        """Return the whole body. Raises RequestTooLarge, Unavailable (too much buffered in total), InvalidRequest
        (chunks).
        """
        body = self.received_body()
        return await self._connection.receive(self) if body is None else body

    def received_body(self) -> bytes | None:
        """Return the whole body if it came with the head, as small ones do; else None. Raises Unavailable."""
        body = self.body
        if body and not self.reserved:
            self._connection.shared.reserve(self, len(body))
        return body

    async def read_piece(self) -> bytes:
        """Return the part of the body since the last call, b"" at its end; a slow reader slows the client down. Count
        kept bytes with `keep`. Do not mix with `read_body`; raises the same errors.
        """
        if self.body is None:
            return await self._connection.receive_piece(self)
        piece, self.body = self.body, b""
        return piece

    def keep(self, size: int) -> None:
        """Count `size` more bytes of the body as held until the exchange ends. Raises Unavailable."""
        self._connection.shared.reserve(self, size)

    @property
    def body_bound(self) -> int:
        """The largest possible size of the body in bytes."""
        length = self.header(b"content-length")
        return self._connection.shared.limits.body if length is None else int(length)

    def respond(self, status: int, headers: bytes, body: bytes, *, length: int | None = None) -> None:
        """Send the whole answer in one write; dropped if the client has disconnected. `length`: for HEAD, the length to
        announce.
        """
        if self.stage != OPEN:
            raise RuntimeError("this exchange already has an answer")
        self.stage = DONE
        connection = self._connection
        if connection.lost:
            return
        if status == 204 or status == 304:  # noqa: PLR1714  two comparisons are faster than a set
            framing = b"\r\n"
            body = b""
        else:
            framing = b"content-length: %d\r\n\r\n" % (len(body) if length is None else length)
            if self.method == "HEAD":
                body = b""
        if len(body) > LARGE:
            connection.transport.writelines((self._status_and_date(status) + headers + framing, body))
        else:
            connection.transport.write(b"".join((self._status_and_date(status), headers, framing, body)))

    def start(self, status: int, headers: bytes, *, length: int | None = None) -> None:
        """Begin an answer, chunked or with a known `length`; its head is sent with the first write."""
        if self.stage != OPEN:
            raise RuntimeError("this exchange already has an answer")
        self.stage = STARTED
        if length is not None:
            framing = b"content-length: %d\r\n\r\n" % length
        elif self.http11:
            self._chunked = True
            framing = b"transfer-encoding: chunked\r\n\r\n"
        else:
            self._endless = True
            self.keep_alive = False
            framing = b"\r\n"
        self._head = b"".join((self._status_and_date(status), headers, framing))

    def send(self, data: bytes) -> bool:
        """Write a piece at once; return False if the client reads slowly, to wait for `drained`. Raises Disconnected.

        An empty piece only sends the held head.
        """
        connection = self._connection
        if connection.lost:
            raise Disconnected("the client disconnected")
        if self.stage != STARTED:
            raise RuntimeError("this answer has not started, or has already ended")
        piece = self._frame(data)
        if piece:
            connection.transport.write(piece)
        return not connection.paused

    async def drained(self) -> None:
        """Wait until the client has read enough. Raises Disconnected."""
        await self._connection.drained()

    async def write(self, data: bytes) -> None:
        """Write a piece, and wait while the client reads slowly. Raises Disconnected."""
        if not self.send(data):
            await self._connection.drained()

    def end(self, data: bytes = b"") -> None:
        """Send the last piece and the end of the answer in one write; dropped if the client has disconnected."""
        if self.stage != STARTED:
            raise RuntimeError("this answer has not started, or has already ended")
        self.stage = DONE
        last = self._frame(data)
        if self._chunked and self.method != "HEAD":
            last += b"0\r\n\r\n"
        if last and not self._connection.lost:
            self._connection.transport.write(last)

    def abort(self) -> None:
        """Close after the written bytes, without the mark that makes the answer complete."""
        self.stage = DONE
        self.keep_alive = False
        if self._endless:
            self._connection.reset()  # a normal close would mean success
        else:
            self._connection.transport.close()

    def hold_back(self, seconds: float) -> None:
        """Throttle an overloaded server: after this answer, do not read from this client, nor from new ones, for
        `seconds` or until `Server.read_held`.
        """
        shared = self._connection.shared
        self._connection.held_back = seconds
        shared.crowded_until = shared.loop.time() + seconds

    def retract(self) -> bool:
        """Take back a started answer of which nothing was sent; return whether the exchange can still be answered."""
        if self.stage == STARTED and self._head:
            self.stage = OPEN
            self._head = b""
        return self.stage == OPEN

    def _status_and_date(self, status: int) -> bytes:
        """Return the status line, date, and `connection: close` if this is the connection's last answer."""
        shared = self._connection.shared
        if self.keep_alive and self.body is not None and not shared.draining:
            return shared.status_and_date(status)
        self.keep_alive = False
        return shared.status_and_date(status) + CLOSE

    def _frame(self, data: bytes) -> bytes:
        head = self._head
        if head:
            self._head = b""
        if not data or self.method == "HEAD":
            return head
        if not self._chunked:
            return head + data
        return b"%b%x\r\n%b\r\n" % (head, len(data), data)


Handler = Callable[[Exchange], Awaitable[None]]
"""Answers one exchange. Cancelled at once if the client disconnects before the answer is complete, or if the server
must end it (`Exchange.stopped`).
"""


def closing_lines(refusal: Refusal) -> bytes:
    """Return the header lines of an answer after which the connection closes; a 426 must name the protocol to use (RFC
    9110).
    """
    return _CLOSE_FOR_HTTP if isinstance(refusal, UpgradeRequired) else CLOSE
