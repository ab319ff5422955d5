"""One client's connection: bytes in, exchanges one after the other, answers out."""

import asyncio

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from tokenharbor.http.body import Body, ChunkedBody, FixedBody
from tokenharbor.http.exchange import DONE, Exchange, opening
from tokenharbor.http.head import END, HeaderMap, has_token, is_chunked
from tokenharbor.http.message import Disconnected
from tokenharbor.http.shared import Shared
from tokenharbor.http.sweeper import NEVER
from tokenharbor.kernel.errors import (
    InvalidRequest,
    Refusal,
    RequestTooLarge,
    Unavailable,
    UnsupportedEncoding,
    UpgradeRequired,
)

_AHEAD = 64 << 10  # bytes that a client may send before they are wanted: a body unasked, or the next requests


class Connection(asyncio.Protocol):
    """Reads one request at a time; what a client sends meanwhile is kept, and past `_AHEAD` left in the socket.

    Reading goes on while a request is handled: that is how a hang-up is seen at once. An end of the client's
    stream before its answer counts as a hang-up, as it does in the field's proxies. The parser is fed exactly
    what belongs to one message, head and body, so that it never runs ahead into the next.
    """

    __slots__ = (
        "_body",
        "_body_fault",
        "_exchange",
        "_fed",
        "_follows",
        "_headers",
        "_holding",
        "_lingering",
        "_parser",
        "_peer",
        "_rest",
        "_task",
        "_unsent",
        "_wanted",
        "_writable",
        "deadline",
        "lost",
        "paused",
        "shared",
        "transport",
    )

    transport: asyncio.Transport

    def __init__(self, shared: Shared) -> None:
        self.shared = shared
        self.deadline = NEVER
        self.paused = False
        self.lost = False
        self._parser = HttpRequestParser(self)
        self._headers: HeaderMap = {}
        self._rest = b""  # an incomplete head, or what came after the request under way
        self._fed = 0  # how much of the incomplete head the parser has seen
        self._follows = True  # the parser is fed the body, too
        self._exchange: Exchange | None = None
        self._task: asyncio.Task[None] | None = None
        self._body: Body | None = None  # a body that did not come whole with its head
        self._body_fault: Refusal | None = None
        self._wanted: asyncio.Future[None] | None = None  # the handler waits for the body
        self._writable: asyncio.Future[None] | None = None  # the handler waits for the client to read
        self._holding = False  # reading is paused
        self._lingering = False  # the last answer is out; what still comes is thrown away
        self._unsent = 0
        self._peer: str | None = None

    # What the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # asyncio types every transport by its base
        shared = self.shared
        shared.guests.add(self)
        shared.sweeper.add(self)
        self._wait(shared.limits.idle_seconds)
        if len(shared.guests) > shared.limits.connections:
            self._refuse("", Unavailable("Too many connections are open: try again shortly.", retry_after=1))

    def data_received(self, data: bytes) -> None:
        if self._exchange is not None:
            self._receive(data)
        elif not self._lingering:
            self._begin(self._rest + data if self._rest else data)

    def eof_received(self) -> None:
        if self._exchange is not None and self._exchange.stage != DONE:
            self.transport.abort()
            self.connection_lost(None)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's signature
        if self.lost:
            return
        self.lost = True
        self.shared.sweeper.discard(self)
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        if self._exchange is None:
            self.shared.left(self)
        elif self._exchange.stage != DONE and self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        self.paused = True
        self._unsent = self.transport.get_write_buffer_size()
        self._wait(self.shared.limits.write_seconds)

    def resume_writing(self) -> None:
        self.paused = False
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        if self._exchange is not None:
            self.deadline = NEVER
        elif not self._lingering and not self.transport.is_closing():
            self._next()

    # What the parser calls

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        headers = self._headers
        if name in headers:
            value = headers[name] + b"\n" + value
            if value.count(b"\n") >= self.shared.limits.header_count:
                raise RequestTooLarge("The request has too many headers.")
        headers[name] = value

    # What the exchange calls

    def peer(self) -> str:
        if self._peer is None:
            address = self.transport.get_extra_info("peername")
            self._peer = address[0] if isinstance(address, tuple) else ""
        return self._peer

    async def drained(self) -> None:
        while self.paused and not self.lost:
            self._writable = self.shared.loop.create_future()
            await self._writable
        if self.lost:
            raise Disconnected("the client hung up")

    async def receive(self, exchange: Exchange) -> bytes:
        body = self._body
        if body is None or self.lost:
            raise self._body_fault or Disconnected("the client hung up")
        self._reserve(exchange, max(body.expected, body.size))
        if exchange.expects_continue and not body.size:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._release()
        if not body.done:
            self._wanted = self.shared.loop.create_future()
            self._wait(self.shared.limits.body_seconds)
            try:
                await self._wanted
            finally:
                self._wanted = None
        self._body = None
        exchange.body = b"".join(body.pieces)
        return exchange.body

    # What the sweeper and the server call

    def expire(self, now: float) -> None:
        unsent = self.transport.get_write_buffer_size()
        if unsent and unsent != self._unsent:  # slow, but it reads
            self._unsent = unsent
            self.deadline = now + self.shared.limits.write_seconds
        else:
            self.cut()

    def leave_if_idle(self) -> None:
        if self._exchange is None and not self._rest:
            self.transport.close()

    def cut(self) -> None:
        """Close at once; a request under way is cancelled."""
        self.deadline = NEVER
        self.transport.abort()

    # Heads

    def _begin(self, data: bytes) -> None:
        """The beginning of a request, perhaps all of it."""
        if data[0] in b"\r\n":
            data = data.lstrip(b"\r\n")  # RFC 9112: blank lines before a request are ignored
        at = data.find(END)
        path = ""
        try:
            if at < 0:
                self._hold_head(data)
                return
            raw = data[: at + 4]
            self._check(raw)
            line = self.shared.request_line(raw[: raw.find(b"\r\n")])
            path = line[1]
            exchange = Exchange(self, line, self._headers)
            self._read_head(exchange, data, at + 4)
        except Refusal as refusal:
            self._refuse(path, refusal)
            return
        self._headers = {}
        self._fed = 0
        self._exchange = exchange
        self.deadline = NEVER
        self._task = asyncio.Task(self._serve(exchange), loop=self.shared.loop)

    def _check(self, raw: bytes) -> None:
        """Let llhttp read a whole head."""
        limits = self.shared.limits
        if len(raw) > limits.headers:
            raise RequestTooLarge("The request's headers are too long.")
        try:
            self._parser.feed_data(raw[self._fed :] if self._fed else raw)
        except HttpParserUpgrade:
            self._parser = HttpRequestParser(self)  # it takes the body for another protocol's: we do not
            self._follows = False
        except HttpParserError as error:
            raise _explain(error) from None
        else:
            self._follows = True
        if len(self._headers) > limits.header_count:
            raise RequestTooLarge("The request has too many headers.")

    def _hold_head(self, data: bytes) -> None:
        """A head that is not complete: what came is checked all the same, so that no garbage waits for its end."""
        limits = self.shared.limits
        end = data.find(b"\r\n")
        if len(data) > limits.headers or (end < 0 and len(data) > limits.request_line):
            raise RequestTooLarge("The request's headers are too long.")
        if end >= 0:
            self.shared.request_line(data[:end])
        try:
            self._parser.feed_data(data[self._fed :])
        except HttpParserError as error:
            raise _explain(error) from None
        if not self._rest and data:
            self._wait(limits.head_seconds)
        self._rest = data
        self._fed = len(data)

    def _read_head(self, exchange: Exchange, data: bytes, at: int) -> None:
        """What cannot be served is refused; then the body, or its beginning, is taken from `at` on."""
        headers = self._headers
        host = headers.get(b"host")
        if exchange.http11 if host is None else b"\n" in host:
            raise InvalidRequest("HTTP/1.1 asks for exactly one Host header.")
        if b"connection" in headers and has_token(headers, b"connection", b"close"):
            exchange.keep_alive = False
        if b"upgrade" in headers and has_token(headers, b"upgrade", b"websocket"):
            raise UpgradeRequired("WebSocket is not served here: use HTTP, with server-sent events for streams.")
        if b"content-encoding" in headers and headers[b"content-encoding"].lower() != b"identity":
            raise UnsupportedEncoding("Compressed bodies are not taken: send the body as it is.")
        if b"transfer-encoding" in headers:
            self._take_body(exchange, self._chunked(exchange), data[at:])
            return
        length = int(headers.get(b"content-length", 0))
        end = at + length
        if end > len(data) or length > self.shared.limits.body:
            self._take_body(exchange, FixedBody(length), data[at:])
            return
        exchange.body = body = data[at:end]
        if body and self._follows:
            self._parser.feed_data(body)
        self._rest = data[end:]

    def _chunked(self, exchange: Exchange) -> ChunkedBody:
        if not exchange.http11 or not is_chunked(self._headers):
            raise InvalidRequest("Of the transfer encodings only chunked is taken, and only in HTTP/1.1.")
        self._parser = HttpRequestParser(self)  # the chunks are read by `ChunkedBody` alone
        self._follows = False
        return ChunkedBody()

    # Bodies

    def _take_body(self, exchange: Exchange, body: Body, data: bytes) -> None:
        """A body that is not whole yet, or not plain."""
        self._rest = b""
        self._body = body
        exchange.expects_continue = exchange.http11 and has_token(self._headers, b"expect", b"100-continue")
        if data:
            self._feed_body(body, data)
        if body.done and body.size <= self.shared.limits.body:
            exchange.body = b"".join(body.pieces)
            self._body = None

    def _receive(self, data: bytes) -> None:
        """What comes while a request is under way: more of its body, or the next requests."""
        if self._body_fault is not None:
            return
        body = self._body
        if body is None or body.done:
            self._hold(data)
        else:
            self._feed_body(body, data)

    def _feed_body(self, body: Body, data: bytes) -> None:
        try:
            used = body.feed(data)
        except InvalidRequest as fault:
            self._fail_body(fault)
            return
        if self._follows:
            self._parser.feed_data(data[:used])
        if used < len(data):
            self._hold(data[used:])
        if self._wanted is not None and self._exchange is not None and not self._wanted.done():
            self._body_grew(body, self._exchange, self._wanted)
        elif body.size > _AHEAD:
            self._hold(b"")

    def _body_grew(self, body: Body, exchange: Exchange, wanted: asyncio.Future[None]) -> None:
        try:
            self._reserve(exchange, max(body.expected, body.size))
        except Refusal as fault:
            self._fail_body(fault)
            return
        if body.done:
            self.deadline = NEVER
            wanted.set_result(None)
        else:
            self._wait(self.shared.limits.body_seconds)

    def _fail_body(self, fault: Refusal) -> None:
        self._body_fault = fault
        self._body = None
        self._rest = b""
        if self._wanted is not None and not self._wanted.done():
            self.deadline = NEVER
            self._wanted.set_exception(fault)

    def _reserve(self, exchange: Exchange, size: int) -> None:
        if size > self.shared.limits.body:
            raise RequestTooLarge(f"The body is larger than {self.shared.limits.body} bytes.")
        self.shared.reserve(size - exchange.reserved)
        exchange.reserved = size

    def _hold(self, data: bytes) -> None:
        """Keep bytes for later; too many of them, and the rest stays in the socket."""
        self._rest += data
        if not self._holding and (len(self._rest) > _AHEAD or not data):
            self._holding = True
            self.transport.pause_reading()

    def _release(self) -> None:
        if self._holding:
            self._holding = False
            self.transport.resume_reading()

    # Answers

    async def _serve(self, exchange: Exchange) -> None:
        try:
            await self.shared.handler(exchange)
            if exchange.stage != DONE:
                raise RuntimeError("the handler ended without an end of its answer")  # noqa: TRY301
        except Refusal as refusal:
            self._answer_refusal(exchange, refusal)
        except Disconnected:
            self.transport.abort()
        except Exception as error:  # noqa: BLE001  told to the caller, and to whoever logs
            self.shared.manners.crashed(exchange.path, error)
            exchange.keep_alive = False
            self._answer_refusal(exchange, Refusal("Something went wrong here; it has been noted."))
        finally:
            self._finish(exchange)

    def _answer_refusal(self, exchange: Exchange, refusal: Refusal) -> None:
        """Nothing can be said any more in an answer that has begun: it is cut."""
        if not self.lost and exchange.retract():
            exchange.respond(*self.shared.manners.refuse(exchange.path, refusal))
        elif exchange.stage != DONE:
            exchange.abort()

    def _finish(self, exchange: Exchange) -> None:
        """The handler has ended: the next request, or good-bye."""
        shared = self.shared
        shared.buffered -= exchange.reserved
        self._exchange = None
        self._task = None
        if self.lost:
            shared.left(self)
        elif exchange.stage != DONE:
            self.transport.abort()
        elif self.transport.is_closing():
            self._wait(shared.limits.write_seconds)
        elif not exchange.keep_alive:
            self._leave(unread=exchange.body is None)
        else:
            self._next()

    def _next(self) -> None:
        if self.paused:  # `resume_writing` comes back here: a client that reads nothing is asked nothing more
            return
        if self.shared.draining:
            self._leave(unread=False)
            return
        self._release()
        data = self._rest
        self._rest = b""
        self._wait(self.shared.limits.idle_seconds)
        if data:
            self._begin(data)

    def _refuse(self, path: str, refusal: Refusal) -> None:
        """Answer what could not become an exchange, and close."""
        status, headers, body = self.shared.manners.refuse(path, refusal)
        answer = (
            opening(status, self.shared.date(), close=True),
            headers,
            b"content-length: %d\r\n\r\n" % len(body),
            body,
        )
        self.transport.write(b"".join(answer))
        self._leave(unread=True)

    def _leave(self, *, unread: bool) -> None:
        """Close after the last answer. What the client still sends is read and thrown away for a while: closing
        over unread bytes would reset the connection, and the client could lose the answer.
        """
        self._lingering = True
        if unread or self._rest:
            self._rest = b""
            self._body = None
            self._release()
            self.transport.write_eof()
            self._wait(self.shared.limits.linger_seconds)
        else:
            self.transport.close()
            self._wait(self.shared.limits.write_seconds)

    def _wait(self, seconds: float) -> None:
        """At most so long until the next step."""
        shared = self.shared
        self.deadline = at = shared.loop.time() + seconds
        if at < shared.sweeper.due:
            shared.sweeper.arm(at)


def _explain(error: HttpParserError) -> Refusal:
    """What llhttp found, or what our own callback refused."""
    if isinstance(error.__context__, Refusal):
        return error.__context__
    return InvalidRequest(f"This is not HTTP/1.1: {error}.")
