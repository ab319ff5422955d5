"""An upstream's answer, as it arrives."""

import asyncio
from typing import Protocol

from tokenharbor.http.coding import Decoder
from tokenharbor.http.head import HeaderMap, first_value, list_headers, map_headers
from tokenharbor.http.message import AnswerTooLarge, Deadlines, Headers, Phase
from tokenharbor.kernel.errors import HarborError


class Source(Protocol):
    """What an answer needs of the connection it comes on."""

    def watch(self, deadline: float) -> None: ...

    def resume(self) -> None: ...

    def abandon(self) -> None: ...


class Answer:
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
        "decoder",
        "error",
        "framed",
        "head",
        "held",
        "interim",
        "pieces",
        "source",
        "status",
        "unread",
        "untaken",
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
        self.error: HarborError | None = None  # why the last byte will never come
        self.decoder: Decoder | None = None  # of a body that came compressed
        self.held = False  # the upstream waits for us to read
        self.untaken = False  # it is certain that the upstream never had the whole request
        self.source: Source | None = None
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

    async def read(self, limit: int) -> bytes:
        """The rest of the body. Raises AnswerTooLarge over `limit` bytes, Broken, TimedOut."""
        if self.complete and len(self.pieces) == 1 and self.unread <= limit and self.decoder is None:
            self.unread = 0
            return self.pieces.pop()
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
            if self.error is not None:
                raise self.error
            self.waiter = self._loop.create_future()
            await self.waiter
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self.unread = 0
        if self.held and self.source is not None:
            self.held = False
            self.source.resume()
        return data

    async def _decoded(self, decoder: Decoder) -> bytes:
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
        source = self.source
        if source is not None and self._stream:
            self._phase = "between_events"
            source.watch(min(self._loop.time() + self._deadlines.between_events, self._ends_at))

    def close(self) -> None:
        """Give up what has not come: the upstream sees a hang-up at once. Nothing to do on a complete answer."""
        source = self.source
        if source is not None:
            self.source = None
            source.abandon()

    # What the client and the connection call

    def sent(self, source: Source, now: float) -> float:
        """The request is on its way; until when the answer's first content, or its end, is awaited."""
        self.source = source
        return min(now + self._deadlines.first_event, self._ends_at) if self._stream else self._ends_at

    def changed(self) -> None:
        """Wake whoever waits, if there is something to see; what is no stream is not shown in parts."""
        waiter = self.waiter
        if waiter is None or waiter.done():
            return
        if self.error is not None or (self.status and (self._stream or self.held)):
            waiter.set_result(None)

    def ran_out(self, now: float) -> Phase | None:
        """Which timer ran out; None while bytes wait to be read, for then the silence may be ours."""
        if now >= self._ends_at:
            return "total"
        if self.pieces and self.source is not None:
            self.source.watch(min(now + self._deadlines.between_events, self._ends_at))
            return None
        return self._phase
