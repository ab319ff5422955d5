"""An upstream's answer, as it arrives."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from tokenharbor.http.coding import ContentDecoder
from tokenharbor.http.head import HeaderMap, first_value, list_headers, map_headers
from tokenharbor.http.message import AnswerTooLarge, Deadlines, Headers, Phase
from tokenharbor.kernel.errors import HarborError

_LOOK_AGAIN = 1.0  # seconds


class AnswerConnection(Protocol):
    """What an answer needs of the connection it comes on."""

    def set_deadline(self, deadline: float) -> None: ...

    def resume(self) -> None: ...

    def abandon(self) -> None: ...


class HttpAnswer:
    """`status` and headers are there from the start; the body comes by `read` or by `next`.

    The answer holds its connection until the last byte has come, which returns it to the pool by itself. Whoever
    opened the answer calls `close` in the end, always: on an incomplete answer it aborts the connection at once.
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
        self.status = 0  # until the head has come
        self.head = b""  # what came until the head was complete, perhaps with some of the body
        self.interim = 0  # how many 1xx heads stand before the answer's own
        self.pieces: list[bytes] = []
        self.unread = 0  # bytes in the pieces
        self.complete = False  # the last byte has come, if perhaps not been read
        self.framed = True  # its end is told by a length or a last chunk, not by the end of the connection
        # Why the last byte will never come. Made anew whenever it is raised: an error that is kept holds, by its
        # traceback, frames that hold this answer. Such a ring waits for the collector, which seldom runs.
        self.make_error: Callable[[], HarborError] | None = None
        self.decoder: ContentDecoder | None = None  # of a body that came compressed
        self.reading_paused = False  # the upstream waits for us to read
        self.never_received = False  # it is certain that the upstream never had the whole request
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
        """Made when first asked for: of most answers nobody asks."""
        known = self._header_map
        if known is None:
            known = self._header_map = map_headers(self.head, skip=self.interim)
        return known

    @property
    def headers(self) -> Headers:
        return list_headers(self.header_map)

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header, by its lower-case name."""
        return first_value(self.header_map, name)

    def received_body(self, limit: int) -> bytes | None:
        """The whole body if all of it has come, in one piece and not compressed, as most do; else `read` has it."""
        if not self.complete or len(self.pieces) != 1 or self.unread > limit or self.decoder is not None:
            return None
        self.unread = 0
        return self.pieces.pop()

    async def read(self, limit: int) -> bytes:
        """The rest of the body. Raises AnswerTooLarge over `limit` bytes, BrokenAnswer, TimedOut."""
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
        """What has come since the last time, at least one byte; b"" at the end. Raises Broken, TimedOut."""
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
        """The reader saw content: from this moment the time to the next content counts."""
        connection = self.connection
        if connection is not None and self._stream:
            self._phase = "between_events"
            connection.set_deadline(min(self._loop.time() + self._deadlines.between_events, self._ends_at))

    def close(self) -> None:
        """Give up what has not come: the upstream sees a hang-up at once. Nothing to do on a complete answer."""
        connection = self.connection
        if connection is not None:
            self.connection = None
            connection.abandon()

    # What the client and the connection call

    def request_sent(self, connection: AnswerConnection, now: float) -> float:
        """The request is on its way; until when the answer's first content, or its end, is awaited."""
        self.connection = connection
        return min(now + self._deadlines.first_event, self._ends_at) if self._stream else self._ends_at

    def wake_reader(self) -> None:
        """Wake whoever waits, if there is something to see; what is no stream is not shown in parts."""
        waiter = self.waiter
        if waiter is None or waiter.done():
            return
        if self.make_error is not None or (self.status and (self._stream or self.reading_paused)):
            waiter.set_result(None)

    def expired_phase(self, now: float) -> Phase | None:
        """Which timer ran out; None while bytes wait to be read, for then the silence may be ours. It is looked at soon
        again: if they are content, there is another deadline by then.
        """
        if now >= self._ends_at:
            return "total"
        if self.pieces and self.connection is not None:
            self.connection.set_deadline(min(now + _LOOK_AGAIN, self._ends_at))
            return None
        return self._phase
