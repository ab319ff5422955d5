"""One connection to an upstream: a request out, its answer in, then idle until the next."""

import asyncio
import fcntl
import struct
import sys
import termios
from typing import Protocol

from httptools import HttpParserError, HttpResponseParser

from tokenharbor.http.answer import Answer
from tokenharbor.http.head import END, HeaderMap, has_token, is_chunked
from tokenharbor.http.message import Broken, TimedOut
from tokenharbor.http.sweeper import NEVER, Sweeper
from tokenharbor.kernel.errors import HarborError

_UNREAD = 256 << 10  # bytes that may wait to be read before the upstream has to wait
_HEAD_BYTES = 64 << 10
_INTERIM_ANSWERS = 8  # 1xx before the answer


class Pool(Protocol):
    """Where a connection goes between requests."""

    sweeper: Sweeper

    def give_back(self, link: "Link") -> None: ...

    def forget(self, link: "Link") -> None: ...


class Link(asyncio.Protocol):
    """Carries one answer at a time. While idle it is still read, so that a close by the upstream is seen at once."""

    __slots__ = (
        "_answer",
        "_complete",
        "_fed",
        "_headers",
        "_heard",
        "_interim",
        "_keeps",
        "_parser",
        "_pool",
        "_rest",
        "_until_close",
        "_without_body",
        "deadline",
        "reused",
        "transport",
    )

    transport: asyncio.Transport

    def __init__(self, pool: Pool) -> None:
        self.deadline = NEVER
        self.reused = False
        self._pool = pool
        self._parser = HttpResponseParser(self)
        self._answer: Answer | None = None
        self._headers: HeaderMap = {}
        self._complete = False
        self._keeps = True  # the connection can be used again
        self._until_close = False  # the answer's end is the connection's
        self._without_body = False  # the request was HEAD
        self._heard = False  # something of the answer has come
        self._interim = 0
        self._rest = b""  # an incomplete head
        self._fed = 0  # how much of it the parser has seen

    def send(self, answer: Answer, request: bytes) -> None:
        """One request, whole, in one write."""
        self._answer = answer
        self._headers = answer.header_map
        self._complete = self._until_close = self._heard = False
        self._without_body = request.startswith(b"HEAD ")
        self._interim = 0
        transport = self.transport
        transport.write(request)
        answer.sent(self)
        if transport.is_closing():  # the write itself failed
            answer.untaken = True

    # What the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # asyncio types every transport by its base
        self._pool.sweeper.add(self)

    def data_received(self, data: bytes) -> None:
        answer = self._answer
        if answer is None:  # nobody asked
            self.transport.abort()
            return
        self._heard = True
        try:
            if answer.status:
                self._parser.feed_data(data)
            else:
                self._read_head(answer, data)
        except (HttpParserError, Broken) as error:
            self._keeps = False
            if not self._complete:
                self._fail(answer, _explain(error))
                return
        if self._complete:
            self._finish(answer)
        elif answer.unread > _UNREAD and not answer.held:
            answer.held = True
            self.transport.pause_reading()
        answer.changed()

    def eof_received(self) -> None:
        answer = self._answer
        if answer is None:
            self._pool.forget(self)
        elif self._until_close and answer.status:
            self._keeps = False
            self._finish(answer)
            answer.changed()
        else:
            answer.untaken = not self._heard and _unacknowledged(self.transport)
            self._fail(answer, Broken("the upstream closed before the end of its answer"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._pool.sweeper.discard(self)
        self._pool.forget(self)
        if self._answer is not None:
            reason = type(exc).__name__ if exc else "closed"
            self._fail(self._answer, Broken(f"the connection to the upstream was lost: {reason}"))

    # What the parser calls

    def on_message_begin(self) -> None:
        if self._complete:
            raise Broken("the upstream sent more than its answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        headers = self._headers
        if name in headers:
            value = headers[name] + b"\n" + value
        headers[name] = value

    def on_body(self, data: bytes) -> None:
        answer = self._answer
        if answer is not None:
            answer.pieces.append(data)
            answer.unread += len(data)

    def on_message_complete(self) -> None:
        self._complete = True

    # What the answer calls

    def watch(self, deadline: float) -> None:
        self.deadline = deadline
        sweeper = self._pool.sweeper
        if deadline < sweeper.due:
            sweeper.arm(deadline)

    def resume(self) -> None:
        self.transport.resume_reading()

    def abandon(self) -> None:
        self._answer = None
        self.transport.abort()

    # What the sweeper calls

    def expire(self, now: float) -> None:
        answer = self._answer
        if answer is None:
            self.deadline = NEVER
            self._pool.forget(self)
            self.transport.close()
            return
        phase = answer.ran_out(now)
        if phase is not None:
            self._fail(answer, TimedOut(phase))

    # Reading

    def _read_head(self, answer: Answer, data: bytes) -> None:
        """The head, and what came of the body with it. 1xx answers are read and dropped."""
        data = self._rest + data if self._rest else data
        while not answer.status:
            at = data.find(END)
            if at < 0:
                self._hold_head(data)
                return
            raw = data[: at + 4]
            self._parser.feed_data(raw[self._fed :] if self._fed else raw)
            self._fed = 0
            self._rest = b""
            data = data[at + 4 :]
            status = self._parser.get_status_code()
            if status >= 200:
                self._open(answer, status, raw)
            else:
                self._skip_interim(answer)
        if data and not self._without_body:
            self._parser.feed_data(data)

    def _hold_head(self, data: bytes) -> None:
        """A head that is not complete: what came is checked all the same."""
        if len(data) > _HEAD_BYTES:
            raise Broken("the upstream's headers are too long")
        self._parser.feed_data(data[self._fed :])
        self._rest = data
        self._fed = len(data)

    def _skip_interim(self, answer: Answer) -> None:
        self._interim += 1
        if self._interim > _INTERIM_ANSWERS:
            raise Broken("the upstream sent too many interim answers")
        self._complete = False
        answer.header_map.clear()

    def _open(self, answer: Answer, status: int, raw: bytes) -> None:
        """The head of the answer itself: how its body ends, and whether the connection may stay."""
        headers = self._headers
        self._headers = {}  # trailers go there
        answer.status = status
        if b"transfer-encoding" in headers:
            if not is_chunked(headers):
                raise Broken("the upstream's transfer encoding is not chunked")
        elif b"content-length" not in headers and status != 204 and status != 304:  # noqa: PLR1714  faster
            self._until_close = True
        if self._without_body:
            self._complete = True
        self._keeps = (
            not (self._until_close or self._without_body)
            and raw.startswith(b"HTTP/1.1")
            and not (b"connection" in headers and has_token(headers, b"connection", b"close"))
        )

    # Ends

    def _finish(self, answer: Answer) -> None:
        """The last byte has come."""
        self._answer = None
        answer.ended(None)
        transport = self.transport
        if self._keeps and not transport.get_write_buffer_size():
            self.reused = True
            self._pool.give_back(self)
        else:
            self.deadline = NEVER
            transport.abort()

    def _fail(self, answer: Answer, error: HarborError) -> None:
        self._answer = None
        self.deadline = NEVER
        answer.ended(error)
        answer.changed()
        self.transport.abort()


def _explain(error: Exception) -> Broken:
    """What llhttp found, or what we did."""
    for cause in (error, error.__context__):
        if isinstance(cause, Broken):
            return cause
    return Broken(f"the upstream does not speak HTTP/1.1: {error}")


def _unacknowledged(transport: asyncio.Transport) -> bool:
    """Whether the upstream's kernel had not acknowledged the end of our request when its end of stream came.

    A closing peer acknowledges with its FIN whatever it has received; so what is unacknowledged then, no program
    there can have read.
    """
    socket = transport.get_extra_info("socket")
    if socket is None or sys.platform != "linux":
        return False
    try:
        (count,) = struct.unpack("i", fcntl.ioctl(socket.fileno(), termios.TIOCOUTQ, bytes(4)))
    except OSError:
        return False
    return bool(count) or transport.get_write_buffer_size() > 0
