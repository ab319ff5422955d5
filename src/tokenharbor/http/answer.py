"""An upstream's answer as it arrives."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from tokenharbor.http.coding import ContentDecoder
from tokenharbor.http.head import HeaderMap, first_value, list_headers, map_headers
from tokenharbor.http.message import AnswerTooLarge, Deadlines, Headers, Phase
from tokenharbor.kernel.errors import HarborError

_RECHECK_SECONDS = 1.0  # seconds


class AnswerConnection(Protocol):
    """The connection of an answer, as the answer uses it."""

    def set_deadline(self, deadline: float) -> None: ...

    def resume(self) -> None: ...

    def abandon(self) -> None: ...


class HttpAnswer:
    """An answer with its status and headers; `read` or `next` returns its body.

    The answer holds its connection until the last byte has come, which returns it to the pool automatically. The opener
    of the answer must always call `close` in the end: on an incomplete answer it aborts the connection at once.
    """

    __slots__ = (
        "_deadlines",
        "_ends_at",
        "_header_map",
        "_loop",
        "_phase",
        "_stream",
        "complete",
        "connection",
        "decoder",
        "framed",
        "head",
        "interim",
        "make_error",
        "never_received",
        "pieces",
        "reading_paused",
        "status",
        "unread",
        "waiter",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, deadlines: Deadlines, ends_at: float, *, stream: bool) -> None:
        self.status = 0  # 0 until the head has come
        self.head = b""  # the bytes up to the complete head, perhaps with some of the body
        self.interim = 0  # the number of 1xx heads before the answer's own
        self.pieces: list[bytes] = []
        self.unread = 0  # bytes in the pieces
        self.complete = False  # the last byte has come, but may be unread
        self.framed = True  # a length or a last chunk marks the end, not the end of the connection
        # Makes the error for an answer that will never be complete. Made anew for each raise: the traceback of a stored
        # error would reference frames that reference this answer, a cycle that only the rare garbage collection frees.
        self.make_error: Callable[[], HarborError] | None = None
        self.decoder: ContentDecoder | None = None  # set for a compressed body
        self.reading_paused = False  # reading from the upstream is paused
        self.never_received = False  # the upstream certainly did not receive the whole request
        self.connection: AnswerConnection | None = None
        self.waiter: asyncio.Future[None] | None = None
        self._loop = loop
        self._deadlines = deadlines
        self._ends_at = ends_at  # the total timer, in the loop's time
        self._stream = stream
        self._phase: Phase = "first_event"
        self._header_map: HeaderMap | None = None

    @property
    def header_map(self) -> HeaderMap:
        """The headers, parsed on first use: most answers' headers are never needed."""
        header_map = self._header_map
        if header_map is None:
            header_map = self._header_map = map_headers(self.head, skip=self.interim)
        return header_map

    @property
    def headers(self) -> Headers:
        return list_headers(self.header_map)

    def header(self, name: bytes) -> bytes | None:
        """Return the first value of a header, by its lower-case name."""
        return first_value(self.header_map, name)

    def received_body(self, limit: int) -> bytes | None:
        """Return the whole body if it has come in one uncompressed piece, as most do; else None,
        and `read` returns it.
        """
        if not self.complete or len(self.pieces) != 1 or self.unread > limit or self.decoder is not None:
            return None
        self.unread = 0
        return self.pieces.pop()

    async def read(self, limit: int) -> bytes:
        """Return the rest of the body. Raises AnswerTooLarge over `limit` bytes, BrokenAnswer, TimedOut."""
        body = self.received_body(limit)
        if body is not None:
            return body
        parts: list[bytes] = []
        size = 0
        while part := await self.next():
            parts.append(part)
            size += len(part)
            if size + self.unread > limit:
                self.close()
                raise AnswerTooLarge(f"the upstream's answer is longer than {limit} bytes")
        return b"".join(parts)

    async def next(self) -> bytes:
        """Return the bytes since the last call, at least one; b"" at the end. Raises BrokenAnswer, TimedOut."""
        if self.decoder is not None:
            return await self._decoded(self.decoder)
        pieces = self.pieces
        while not pieces:
            if self.complete:
                return b""
            if self.make_error is not None:
                raise self.make_error()
            self.waiter = self._loop.create_future()
            await self.waiter
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self.unread = 0
        if self.reading_paused and self.connection is not None:
            self.reading_paused = False
            self.connection.resume()
        return data

    async def _decoded(self, decoder: ContentDecoder) -> bytes:
        while not (piece := decoder.take()):
            self.decoder = None
            try:
                data = await self.next()
            finally:
                self.decoder = decoder
            if not data:
                decoder.end()
                return b""
            decoder.feed(data)
        return piece

    def content_arrived(self) -> None:
        """Restart the timer: the reader saw content, so the time to the next content counts from now."""
        connection = self.connection
        if connection is not None and self._stream:
            self._phase = "between_events"
            connection.set_deadline(min(self._loop.time() + self._deadlines.between_events, self._ends_at))

    def close(self) -> None:
        """Abort an incomplete answer: the upstream sees a disconnect at once. Does nothing on a complete answer."""
        connection = self.connection
        if connection is not None:
            self.connection = None
            connection.abandon()

    # Called by the client and the connection

    def request_sent(self, connection: AnswerConnection, now: float) -> float:
        """Note that the request is sent; return the deadline of the first content or, without a stream, of the end."""
        self.connection = connection
        return min(now + self._deadlines.first_event, self._ends_at) if self._stream else self._ends_at

    def wake_reader(self) -> None:
        """Wake the waiting reader, if there is news; only a stream is shown in parts."""
        waiter = self.waiter
        if waiter is None or waiter.done():
            return
        if self.make_error is not None or (self.status and (self._stream or self.reading_paused)):
            waiter.set_result(None)

    def expired_phase(self, now: float) -> Phase | None:
        """Return which timer ran out; None while bytes wait to be read, as the gateway may be the slow side. Checks
        again soon: if the bytes are content, there will be another deadline.
        """
        if now >= self._ends_at:
            return "total"
        if self.pieces and self.connection is not None:
            self.connection.set_deadline(min(now + _RECHECK_SECONDS, self._ends_at))
            return None
        return self._phase
