"""An upstream's answer, as it arrives."""

import asyncio
from typing import Protocol

from tokenharbor.http.head import HeaderMap, first_value, list_headers
from tokenharbor.http.message import AnswerTooLarge, Deadlines, Headers, Phase
from tokenharbor.http.sweeper import NEVER
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
        "_loop",
        "_phase",
        "_source",
        "_stream",
        "_waiter",
        "complete",
        "error",
        "header_map",
        "held",
        "pieces",
        "status",
        "unread",
        "untaken",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, deadlines: Deadlines, ends_at: float, *, stream: bool) -> None:
        self.status = 0  # until the head has come
        self.header_map: HeaderMap = {}
        self.pieces: list[bytes] = []
        self.unread = 0  # bytes in the pieces
        self.complete = False  # the last byte has come, if perhaps not been read
        self.error: HarborError | None = None  # why the last byte will never come
        self.held = False  # the upstream waits for us to read
        self.untaken = False  # it is certain that the upstream never had the whole request
        self._loop = loop
        self._deadlines = deadlines
        self._ends_at = ends_at  # the total timer, in the loop's time
        self._stream = stream
        self._phase: Phase = "first_event"
        self._source: Source | None = None
        self._waiter: asyncio.Future[None] | None = None

    @property
    def headers(self) -> Headers:
        return list_headers(self.header_map)

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header, by its lower-case name."""
        return first_value(self.header_map, name)

    async def read(self, limit: int) -> bytes:
        """The rest of the body. Raises AnswerTooLarge over `limit` bytes, Broken, TimedOut."""
        parts: list[bytes] = []
        size = 0
        while not self.complete or self.pieces:
            size += self.unread
            if size > limit:
                self.close()
                raise AnswerTooLarge(f"the upstream's answer is longer than {limit} bytes")
            parts.append(await self.next())
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def next(self) -> bytes:
        """What has come since the last time, at least one byte; b"" at the end. Raises Broken, TimedOut."""
        pieces = self.pieces
        while not pieces:
            if self.complete:
                return b""
            if self.error is not None:
                raise self.error
            await self._change()
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self.unread = 0
        if self.held and self._source is not None:
            self.held = False
            self._source.resume()
        return data

    def content_arrived(self) -> None:
        """The reader saw content: from this moment the time to the next content counts."""
        source = self._source
        if source is not None and self._stream:
            self._phase = "between_events"
            source.watch(min(self._loop.time() + self._deadlines.between_events, self._ends_at))

    def close(self) -> None:
        """Give up what has not come: the upstream sees a hang-up at once. Nothing to do on a complete answer."""
        source = self._source
        if source is not None:
            self._source = None
            source.abandon()

    async def opened(self) -> None:
        """Wait for the head; if it is not a stream, for the whole answer or as much as may wait unread."""
        while self.error is None and not (self.status if self._stream else self.complete or self.held):
            await self._change()
        if self.error is not None and not (self._stream and self.status):
            raise self.error

    # What the connection calls

    def sent(self, source: Source) -> None:
        self._source = source
        first = self._deadlines.first_event if self._stream else NEVER
        source.watch(min(self._loop.time() + first, self._ends_at))

    def ended(self, error: HarborError | None) -> None:
        """The last byte has come, or will never come."""
        self._source = None
        self.error = error
        self.complete = error is None

    def changed(self) -> None:
        """Wake whoever waits, if there is something to see: what is no stream is not shown in parts."""
        waiter = self._waiter
        if waiter is None or not (self._stream or self.complete or self.held or self.error is not None):
            return
        self._waiter = None
        if not waiter.done():
            waiter.set_result(None)

    def ran_out(self, now: float) -> Phase | None:
        """Which timer ran out; None while bytes wait to be read, for then the silence may be ours."""
        if now >= self._ends_at:
            return "total"
        if self.pieces and self._source is not None:
            self._source.watch(min(now + self._deadlines.between_events, self._ends_at))
            return None
        return self._phase

    async def _change(self) -> None:
        waiter = self._waiter = self._loop.create_future()
        await waiter
