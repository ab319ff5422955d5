"""A provider that replays recorded bytes, cut at given places, and records the requests."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

STREAM = b"text/event-stream; charset=utf-8"
JSON = b"application/json"


@dataclass(frozen=True)
class RecordedRequest:
    """A request as it came: header lines with their names in lower case, and the body's bytes."""

    line: str
    headers: Sequence[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """Its one value."""
        values = [value for each, value in self.headers if each == name]
        assert len(values) < 2, f"{name} stands there {len(values)} times"
        return values[0] if values else None


@dataclass
class Tape:
    """`body` is what every request is answered with."""

    url: str
    body: bytes = b""
    content_type: bytes = JSON
    head: bytes = b""  # more header lines
    cuts: Sequence[int] = ()
    asked: list[RecordedRequest] = field(default_factory=list)

    def begin(self) -> None:
        self.put(b"", JSON)
        self.asked.clear()

    def put(self, body: bytes, content_type: bytes = STREAM, *, head: bytes = b"", cuts: Sequence[int] = ()) -> None:
        """What comes next. It is sent in pieces that end at `cuts`."""
        self.body, self.content_type, self.head, self.cuts = body, content_type, head, cuts

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    self.asked.append(await _read(reader))
                    await self._play(writer)
        finally:  # also when the house is taken down in the middle of a play
            writer.close()

    async def _play(self, writer: asyncio.StreamWriter) -> None:
        lines = b"content-type: %b\r\ntransfer-encoding: chunked\r\n%b" % (self.content_type, self.head)
        writer.write(b"HTTP/1.1 200 OK\r\n%b\r\n" % lines)
        edges = [0, *sorted({cut for cut in self.cuts if 0 < cut < len(self.body)}), len(self.body)]
        for start, end in pairwise(edges):
            if end > start:
                writer.write(b"%x\r\n%b\r\n" % (end - start, self.body[start:end]))
                await asyncio.sleep(0)  # the loop turns: what was written is read
        writer.write(b"0\r\n\r\n")
        await writer.drain()


async def _read(reader: asyncio.StreamReader) -> RecordedRequest:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
    headers = [(name.lower(), value) for name, _, value in (each.partition(": ") for each in lines)]
    asked = RecordedRequest(line, headers, b"")
    body = await reader.readexactly(int(asked.header("content-length") or 0))
    return RecordedRequest(line, headers, body)


@contextlib.asynccontextmanager
async def play() -> AsyncIterator[Tape]:
    """A tape on a free port."""
    tape = Tape("")
    server = await asyncio.start_server(tape.answer, "127.0.0.1", 0, limit=1 << 20)
    tape.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield tape
    finally:
        server.close()
