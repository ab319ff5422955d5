"""One client's connection: its exchanges in sequence, from received bytes to sent answers."""

import asyncio

from tokenharbor.http.body import Body
from tokenharbor.http.exchange import DONE, Exchange, Handler, closing_lines
from tokenharbor.http.message import Disconnected
from tokenharbor.http.phase import ACCEPTED, HANDLING, HEAD, IDLE, LINGERING
from tokenharbor.http.reader import RequestReader
from tokenharbor.http.server_state import ServerState
from tokenharbor.http.sockets import peer_of, reset_on_close
from tokenharbor.http.sweeper import NEVER
from tokenharbor.kernel.errors import InvalidRequest, Refusal, Unavailable

_AHEAD = 64 << 10  # bytes accepted before they are needed: of a body, or of the next requests


class ServerConnection(asyncio.Protocol):
    """Handles one request at a time; bytes received meanwhile are kept, and beyond `_AHEAD` left in the socket. Reading
    continues during a request, so that a disconnect is noticed at once. A client that ends its stream before its answer
    counts as disconnected, as in common proxies.
    """

    __slots__ = (
        "_body_error",
        "_body_waiter",
        "_consumed",
        "_deadline_at_bytes",
        "_drain_waiter",
        "_handler",
        "_peer",
        "_piecewise",
        "_reader",
        "_reading_paused",
        "_task",
        "_unsent",
        "deadline",
        "exchange",
        "held_back",
        "lost",
        "paused",
        "phase",
        "shared",
        "stopped",
        "transport",
    )

    transport: asyncio.Transport

    def __init__(self, shared: ServerState, handler: Handler) -> None:
        self.shared = shared
        self._handler = handler
        self.phase = IDLE
        self.deadline = NEVER
        self.held_back = 0.0  # seconds during which the next request is not read
        self.paused = self.lost = self.stopped = False
        self._reader = RequestReader(shared)
        self.exchange: Exchange | None = None
        self._task: asyncio.Task[None] | None = None
        self._body_error: Refusal | None = None  # raised to a handler that reads the body
        self._body_waiter: asyncio.Future[None] | None = None  # the handler waits for the body
        self._piecewise = False  # and accepts any piece of it
        self._deadline_at_bytes = 0  # bytes of the body that extend its deadline
        self._consumed = 0  # bytes of the body that the handler has
        self._drain_waiter: asyncio.Future[None] | None = None  # the handler waits for the client to read
        self._reading_paused = False
        self._unsent = 0
        self._peer: str | None = None

    # Called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # asyncio types every transport by its base
        shared = self.shared
        full = len(shared.connections) >= shared.limits.connections and not shared.close_idlest()
        shared.connections.add(self)
        shared.sweeper.add(self)
        self.held_back = max(shared.crowded_until - shared.loop.time(), 0.0)
        self.read_next()
        if full:
            self._refuse("", Unavailable("Too many connections are open: try again.", retry_after=1), unread=False)

    def data_received(self, data: bytes) -> None:
        if self.phase < ACCEPTED:
            self._begin(data)
        elif self.phase < LINGERING:
            self._receive(data)

    def eof_received(self) -> None:
        if self.exchange is None:
            self.phase = LINGERING  # the transport closes once all is sent
        elif self.exchange.stage == DONE:
            self.exchange.keep_alive = False
        else:
            self.transport.abort()
            self.connection_lost(None)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's signature
        if self.lost:
            return
        self.lost = True
        self.shared.sweeper.discard(self)
        if self._drain_waiter is not None and not self._drain_waiter.done():
            self._drain_waiter.set_result(None)
        if self.exchange is None:
            self.shared.connection_closed(self)
        elif self.exchange.stage != DONE and self._task is not None:
            self._task.cancel()
            if self.phase == ACCEPTED:  # the task will never run, not even its `finally`
                self._finish(self.exchange)
        self._reader.close()

    def pause_writing(self) -> None:
        self.paused = True
        self._unsent = self.transport.get_write_buffer_size()
        self._wait(self.shared.limits.write_seconds)

    def resume_writing(self) -> None:
        self.paused = False
        if self._drain_waiter is not None and not self._drain_waiter.done():
            self._drain_waiter.set_result(None)
        if self.exchange is not None:
            self.deadline = NEVER
        elif self.phase != LINGERING and not self.transport.is_closing():
            self.read_next()

    # Called by the exchange

    def peer(self) -> str:
        if self._peer is None:
            self._peer = peer_of(self.transport)
        return self._peer

    def reset(self) -> None:
        """Close at once, with a reset if the transport supports it."""
        reset_on_close(self.transport)
        self.transport.abort()

    async def drained(self) -> None:
        while self.paused and not self.lost:
            self._drain_waiter = self.shared.loop.create_future()
            await self._drain_waiter
        if self.lost:
            raise Disconnected("the client disconnected")

    async def receive(self, exchange: Exchange) -> bytes:
        body = self._reader.body
        if body is None or self.lost:
            raise self._body_error or Disconnected("the client disconnected")
        self._reserve(exchange, body)
        if self._reader.expects_continue and not body.size:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._resume_reading()
        if not body.done:
            await self._await_growth(body, exchange)
        self._reader.body, exchange.body = None, b"".join(body.pieces)
        return exchange.body

    async def receive_piece(self, exchange: Exchange) -> bytes:
        body = self._reader.body
        if body is None or self.lost:
            raise self._body_error or Disconnected("the client disconnected")
        self.shared.check_body_size(max(body.expected, body.size))
        if self._reader.expects_continue and not body.size:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._resume_reading()
        if not body.pieces and not body.done:
            self._piecewise = True
            await self._await_growth(body, exchange)
        piece = b"".join(body.pieces)
        body.pieces.clear()
        self._consumed = body.size
        if body.done:
            self._reader.body, exchange.body = None, b""
        return piece

    async def _await_growth(self, body: Body, exchange: Exchange) -> None:
        self.shared.body_awaited(exchange)
        self._body_waiter = self.shared.loop.create_future()
        self._await_body(body)
        try:
            await self._body_waiter
        finally:
            self._body_waiter, self._piecewise = None, False
            self.shared.body_arrived(exchange)

    # Called by the sweeper and the server

    @property
    def idle(self) -> bool:
        """Whether there is no request: nothing, an incomplete head, or the rest of a request whose answer was sent."""
        return self.phase < ACCEPTED or (self.phase == LINGERING and not self.transport.get_write_buffer_size())

    def expire(self, now: float) -> None:
        unsent = self.transport.get_write_buffer_size()
        if unsent and unsent != self._unsent:  # the client reads, if slowly
            self._unsent = unsent
            self.deadline = now + self.shared.limits.write_seconds
        elif self.held_back and self.phase == IDLE and not unsent:
            self.shared.read_on(self)
        else:
            self.abort()

    def close_if_idle(self) -> None:
        if self.exchange is None and not self._reader.rest:
            self.transport.close()

    def stop(self) -> None:
        """Stop for the server: a current request is cancelled, and its handler may still answer."""
        exchange, task = self.exchange, self._task
        if exchange is None or exchange.stage == DONE or task is None or self.phase != HANDLING:
            self.abort()
        else:
            self.stopped = True  # the server must end the request
            task.cancel()

    def abort(self) -> None:
        """Close at once; a current request is cancelled."""
        self.deadline = NEVER
        self.transport.abort()

    # Reading

    def _begin(self, data: bytes) -> None:
        """Begin a request, perhaps a complete one."""
        reader = self._reader
        if reader.rest:
            data = reader.rest + data
        try:
            exchange = reader.begin(self, data)
        except Refusal as refusal:
            self._refuse(reader.path_of(data), refusal)
            return
        if exchange is None:
            if self.phase == IDLE and reader.rest:
                self.phase = HEAD
                self._wait(self.shared.limits.head_seconds)
            return
        self.phase = ACCEPTED
        self.exchange = exchange
        self._consumed = 0
        self.deadline = NEVER
        self._task = asyncio.Task(self._serve(exchange), loop=self.shared.loop, name="exchange")

    def _receive(self, data: bytes) -> None:
        """Take bytes during a request: more of its body, or the next requests."""
        reader = self._reader
        body = reader.body
        if self._body_error is not None:
            return
        if body is None or body.done:
            reader.rest += data
        else:
            try:
                reader.feed_body(body, data)
            except InvalidRequest as fault:
                self._fail_body(fault)
                return
            if self._body_waiter is not None and self.exchange is not None and not self._body_waiter.done():
                self._body_grew(body, self.exchange, self._body_waiter)
            elif body.size - self._consumed > _AHEAD:
                self._pause_reading()
        if len(reader.rest) > _AHEAD:
            self._pause_reading()

    def _body_grew(self, body: Body, exchange: Exchange, waiter: asyncio.Future[None]) -> None:
        try:
            if self._piecewise:
                self.shared.check_body_size(max(body.expected, body.size))
            else:
                self._reserve(exchange, body)
        except Refusal as fault:
            self._fail_body(fault)
            return
        if body.done or (self._piecewise and body.pieces):
            self.deadline = NEVER
            waiter.set_result(None)
        elif body.size >= self._deadline_at_bytes:
            self._await_body(body)

    def _fail_body(self, fault: Refusal) -> None:
        """Refuse the body; after this, the start of the next request is unknown."""
        self._body_error = fault
        self._reader.body = None
        self._reader.rest = b""
        if self._body_waiter is not None and not self._body_waiter.done():
            self.deadline = NEVER
            self._body_waiter.set_exception(fault)

    def _reserve(self, exchange: Exchange, body: Body) -> None:
        """Count received bytes only: a client that announces much must not block others."""
        self.shared.check_body_size(max(body.expected, body.size))
        self.shared.reserve(exchange, body.size - exchange.reserved)

    def _await_body(self, body: Body) -> None:
        """Set the deadline for the next bytes of the body; a trickle is treated like silence."""
        limits = self.shared.limits
        self._deadline_at_bytes = body.size + int(limits.body_rate * limits.body_seconds)
        self._wait(limits.body_seconds)

    def _pause_reading(self) -> None:
        """Pause reading: further bytes stay in the socket."""
        if not self._reading_paused:
            self._reading_paused = True
            self.transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._reading_paused:
            self._reading_paused = False
            self.transport.resume_reading()

    # Answers

    async def _serve(self, exchange: Exchange) -> None:
        self.phase = HANDLING
        try:
            await self._handler(exchange)
            if exchange.stage != DONE:
                raise RuntimeError("the handler returned before it ended its answer")  # noqa: TRY301  handled like any handler's error
        except Refusal as refusal:
            self._answer_refusal(exchange, refusal)
        except Disconnected:
            self.transport.abort()
        except Exception as error:  # noqa: BLE001  answered and logged
            self.shared.hooks.report_crash(exchange.path, error)
            exchange.keep_alive = False
            self._answer_refusal(exchange, Refusal("Internal error. It was logged; try again."))
        finally:
            self._finish(exchange)

    def _answer_refusal(self, exchange: Exchange, refusal: Refusal) -> None:
        """Answer with a refusal; if an answer has started, close the connection instead."""
        if not self.lost and exchange.retract():
            exchange.respond(*self.shared.hooks.refuse(exchange.path, refusal))
        elif exchange.stage != DONE:
            exchange.abort()

    def _finish(self, exchange: Exchange) -> None:
        """Go on after the handler: read the next request, or close."""
        if exchange.reserved:
            self.shared.release(exchange)
        self.exchange = self._task = None
        self.phase = IDLE
        if self.lost:
            self.shared.connection_closed(self)
        elif exchange.stage != DONE:
            self.transport.abort()
        elif exchange.keep_alive:
            self.read_next()
        else:
            self._leave(unread=exchange.body is None)

    def read_next(self) -> None:
        if self.paused:  # `resume_writing` calls this again: nothing more is read from a client that does not read
            return
        shared = self.shared
        if shared.draining:
            self._leave(unread=False)
            return
        self._wait(self.held_back or shared.limits.idle_seconds)
        if self.held_back:
            self._pause_reading()
            shared.held.setdefault(self)
            return
        reader = self._reader
        if reader.rest:
            data, reader.rest = reader.rest, b""
            self._begin(data)
        if self._reading_paused and self.phase != LINGERING and len(reader.rest) <= _AHEAD:
            self._resume_reading()

    def _refuse(self, path: str, refusal: Refusal, *, unread: bool = True) -> None:
        """Answer a request that could not become an exchange, and close."""
        status, headers, body = self.shared.hooks.refuse(path, refusal)
        head = self.shared.status_and_date(status) + closing_lines(refusal) + headers
        self.transport.write(b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body))
        self._leave(unread=unread)

    def _leave(self, *, unread: bool) -> None:
        """Close after the last answer. First read and discard the client's bytes for a while: closing with unread bytes
        would reset the connection, which could lose the answer.
        """
        self.phase = LINGERING
        if self.transport.is_closing() or not (unread or self._reader.rest):
            self.transport.close()
            self._wait(self.shared.limits.write_seconds)
            return
        self._reader.rest = b""
        self._reader.body = None
        self._resume_reading()
        self.transport.write_eof()
        self._wait(self.shared.limits.linger_seconds)

    def _wait(self, seconds: float) -> None:
        """Set the deadline of the next step."""
        shared = self.shared
        self.deadline = at = shared.loop.time() + seconds
        if at < shared.sweeper.due:
            shared.sweeper.arm(at)
