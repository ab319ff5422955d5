"""One connection to an upstream: sends a request, receives its answer, then is idle until the next."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from tokenharbor.http.answer import HttpAnswer
from tokenharbor.http.coding import decoder_for
from tokenharbor.http.message import BrokenAnswer, TimedOut
from tokenharbor.http.sockets import has_unacknowledged
from tokenharbor.http.sweeper import NEVER, DeadlineSweeper
from tokenharbor.kernel.errors import HarborError

_UNREAD = 256 << 10  # unread bytes at which reading pauses
_HEAD_BYTES = 64 << 10
_INTERIM_ANSWERS = 8  # 1xx heads before the answer


class ConnectionPool(Protocol):
    """The owner of a connection between requests."""

    loop: asyncio.AbstractEventLoop
    sweeper: DeadlineSweeper

    def put_back(self, connection: "UpstreamConnection") -> None: ...

    def remove(self, connection: "UpstreamConnection") -> None: ...


class UpstreamConnection(asyncio.Protocol):
    """Carries one answer at a time. An idle connection is still read, so that the upstream's close
    is noticed at once.
    """

    __slots__ = (
        "_answer",
        "_complete",
        "_keeps",
        "_parser",
        "_pool",
        "_room",
        "_without_body",
        "deadline",
        "sending",
        "transport",
    )

    transport: asyncio.Transport

    def __init__(self, pool: ConnectionPool) -> None:
        self.deadline = NEVER
        self._pool = pool
        self._parser = HttpResponseParser(self)
        self._answer: HttpAnswer | None = None
        self._complete = False  # the answer's last byte has been parsed
        self._keeps = True  # the connection can be reused
        self._without_body = False  # the request was HEAD
        self.sending = False  # the request's body is being sent in pieces
        self._room: asyncio.Future[None] | None = None  # resolved when the upstream reads again

    def send(self, answer: HttpAnswer, request: Sequence[bytes], now: float) -> asyncio.Future[None]:
        """Send one whole request in one write; the future is done when the answer is open."""
        self._answer = answer
        self._complete = False
        self._without_body = request[0].startswith(b"HEAD ")
        transport = self.transport
        transport.writelines(request)
        if transport.is_closing():  # the write failed
            answer.never_received = True
        self.deadline = at = answer.request_sent(self, now)
        if at < self._pool.sweeper.due:
            self._pool.sweeper.arm(at)
        waiter = answer.waiter = self._pool.loop.create_future()
        return waiter

    async def feed(self, data: bytes) -> None:
        """Send more of the request; wait while the upstream reads slowly and has not answered."""
        self.transport.write(data)
        if self._room is not None and self._answer is not None:
            await self._room

    # Called by the transport

    def pause_writing(self) -> None:
        self._room = self._pool.loop.create_future()

    def resume_writing(self) -> None:
        self._make_room()
        self._room = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # asyncio types every transport by its base
        self._pool.sweeper.add(self)

    def data_received(self, data: bytes) -> None:
        answer = self._answer
        if answer is None:  # unsolicited data
            self._drop()
            return
        if not answer.status:
            answer.head = answer.head + data if answer.head else data
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self._keeps = False
            if not self._complete:
                self._fail(answer, _explain(error))
                return
        if self._complete:
            self._finish(answer)
            return
        if answer.unread > _UNREAD:
            self._hold(answer)
        elif not answer.status and len(answer.head) > _HEAD_BYTES:
            self._fail(answer, partial(BrokenAnswer, "the upstream's headers are too long"))
            return
        answer.wake_reader()

    def eof_received(self) -> None:
        answer = self._answer
        if answer is None:
            self._pool.remove(self)
        elif answer.status and _ends_by_close(answer):
            answer.framed = False
            self._finish(answer)
        else:
            answer.never_received = not answer.head and has_unacknowledged(self.transport)
            self._fail(answer, partial(BrokenAnswer, "the upstream closed the connection before the end of its answer"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._pool.sweeper.discard(self)
        self._pool.remove(self)
        if self._answer is not None:
            reason = type(exc).__name__ if exc else "closed"
            self._fail(self._answer, partial(BrokenAnswer, f"the connection to the upstream was lost: {reason}"))
        del self._parser  # it and the connection reference each other

    # Called by the parser

    def on_message_begin(self) -> None:
        if self._complete:
            raise BrokenAnswer("the upstream sent data after the end of its answer")

    def on_headers_complete(self) -> None:
        answer = self._answer
        if answer is None:
            return
        status = self._parser.get_status_code()
        if status < 200:
            answer.interim += 1
            if answer.interim > _INTERIM_ANSWERS:
                raise BrokenAnswer("the upstream sent too many interim answers")
            return
        answer.status = status
        answer.decoder = decoder_for(answer.head)
        self._keeps = self._parser.should_keep_alive()  # also False if the connection's end ends the body
        if self._without_body:
            self._keeps = False  # the parser would wait for the announced body
            self._complete = True

    def on_body(self, data: bytes) -> None:
        answer = self._answer
        if answer is not None and not self._complete:
            answer.pieces.append(data)
            answer.unread += len(data)

    def on_message_complete(self) -> None:
        answer = self._answer
        self._complete = answer is None or answer.status != 0

    # Called by the answer

    def set_deadline(self, deadline: float) -> None:
        self.deadline = deadline
        sweeper = self._pool.sweeper
        if deadline < sweeper.due:
            sweeper.arm(deadline)

    def resume(self) -> None:
        self.transport.resume_reading()

    def abandon(self) -> None:
        self._answer = None
        self._drop()

    # Called by the sweeper

    def expire(self, now: float) -> None:
        answer = self._answer
        if answer is None:
            self._drop()
            return
        phase = answer.expired_phase(now)
        if phase is not None:
            self._fail(answer, partial(TimedOut, phase))

    # Ends

    def _hold(self, answer: HttpAnswer) -> None:
        if not answer.reading_paused:
            answer.reading_paused = True
            self.transport.pause_reading()

    def _make_room(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    def _finish(self, answer: HttpAnswer) -> None:
        """Complete the answer after its last byte."""
        self._answer = answer.connection = None
        answer.complete = True
        if self._room is not None:
            self._make_room()
        if self._keeps and not self.sending and not self.transport.get_write_buffer_size():
            self._pool.put_back(self)
        else:
            self._drop()
        waiter = answer.waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _fail(self, answer: HttpAnswer, make_error: Callable[[], HarborError]) -> None:
        self._answer = None
        self._make_room()
        answer.connection = None
        answer.make_error = make_error
        answer.wake_reader()
        self._drop()

    def _drop(self) -> None:
        self.deadline = NEVER
        self._pool.remove(self)
        self.transport.abort()


def _ends_by_close(answer: HttpAnswer) -> bool:
    """Return whether the connection's end ends the body."""
    headers = answer.header_map
    return b"content-length" not in headers and b"transfer-encoding" not in headers


def _explain(error: HttpParserError | HttpParserUpgrade) -> Callable[[], BrokenAnswer]:
    """Return a maker of the error from llhttp, or from our callbacks."""
    if isinstance(error.__context__, BrokenAnswer):
        return partial(BrokenAnswer, str(error.__context__))
    return partial(BrokenAnswer, f"the upstream sent invalid HTTP/1.1: {error}")
