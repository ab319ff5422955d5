"""Connections in memory and over loopback, for the tests of this room."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise

from hypothesis import strategies as st

from tokenharbor.http.client import Client, Origin
from tokenharbor.http.exchange import Exchange
from tokenharbor.http.message import Deadlines, ServerLimits
from tokenharbor.http.server import Handler, Server, plain_refusal
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.errors import Refusal

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
DATE = b"date: Sat, 21 Nov 2026 12:00:00 GMT\r\n"
SOON = 5.0  # seconds; longer than anything on loopback takes on a busy machine
PATIENT = Deadlines(connect=SOON, first_event=20, between_events=20, total=30)

places = st.lists(st.integers(0, 5_000), max_size=12)
"""Where bytes are cut."""


def cut(data: bytes, at: list[int]) -> Iterator[bytes]:
    """Split the data; empty pieces are omitted."""
    edges = [0, *sorted({place % (len(data) + 1) for place in at}), len(data)]
    return (data[start:end] for start, end in pairwise(edges) if start < end)


class MemoryTransport(asyncio.Transport):
    """Records what is written; the test acts as the peer."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self.protocol = protocol
        self.written = bytearray()
        self.reading = True
        self.finished = False  # our side has sent its end
        self.closed = False
        protocol.connection_made(self)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self.closed:
            self.written += data

    def write_eof(self) -> None:
        self.finished = True

    def close(self) -> None:
        self.abort()

    def abort(self) -> None:
        if not self.closed:
            self.closed = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def feed(self, data: bytes) -> None:
        if not self.closed:
            self.protocol.data_received(data)

    def feed_eof(self) -> None:
        if not self.closed and not self.protocol.eof_received():
            self.close()


async def settle() -> None:
    """Let everything that can run without new bytes run."""
    for _ in range(8):
        await asyncio.sleep(0)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition that no event signals."""
    for _ in range(int(SOON / 0.01)):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


def make_server(handler: Handler, limits: ServerLimits | None = None, **options: object) -> Server:
    return Server(handler, limits or ServerLimits(), ManualClock(NOON), **options)  # type: ignore[arg-type]


@asynccontextmanager
async def serving(handler: Handler, limits: ServerLimits | None = None, **options: object) -> AsyncIterator[Origin]:
    """A server on a free port."""
    server = make_server(handler, limits, **options)
    try:
        yield Origin("127.0.0.1", await server.start("127.0.0.1", 0))
    finally:
        await server.drain(0.01)


@asynccontextmanager
async def http_client(**options: object) -> AsyncIterator[Client]:
    client = Client(**options)  # type: ignore[arg-type]
    try:
        yield client
    finally:
        client.close()
        await settle()


@dataclass
class RawPeer:
    """A client or an upstream that sends exactly the given bytes."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def receive(self, until: bytes) -> bytes:
        async with asyncio.timeout(SOON):
            return await self.reader.readuntil(until)

    async def receive_all(self) -> bytes:
        """Receive until the end of the connection."""
        async with asyncio.timeout(SOON):
            return await self.reader.read()

    async def receive_hang_up(self) -> None:
        """Wait until the peer has closed, normally or with a reset: it resets if bytes were left unread."""
        with suppress(ConnectionError):
            await self.receive_all()

    async def receive_answer(self) -> tuple[int, bytes, bytes]:
        """Return status, head and body of one answer."""
        head = await self.receive(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        lower = head.lower()
        if b"transfer-encoding: chunked" in lower:
            return status, head, await self._receive_chunks()
        if b"content-length: " not in lower:
            return status, head, b""
        length = int(lower.split(b"content-length: ")[1].split(b"\r\n")[0])
        async with asyncio.timeout(SOON):
            return status, head, await self.reader.readexactly(length)

    async def _receive_chunks(self) -> bytes:
        body = b""
        while size := int(await self.receive(b"\r\n"), 16):
            async with asyncio.timeout(SOON):
                body += (await self.reader.readexactly(size + 2))[:-2]
        await self.receive(b"\r\n")
        return body

    def hang_up(self) -> None:
        """Close without a message."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@asynccontextmanager
async def raw_client(origin: Origin) -> AsyncIterator[RawPeer]:
    """A raw client's connection."""
    reader, writer = await asyncio.open_connection(origin.host, origin.port, limit=1 << 20)
    try:
        yield RawPeer(reader, writer)
    finally:
        writer.close()
        await settle()


@dataclass
class Upstream:
    """A raw upstream: its connections in the order they came."""

    origin: Origin
    lines: asyncio.Queue[RawPeer] = field(default_factory=asyncio.Queue)
    accepted: int = 0

    async def line(self) -> RawPeer:
        async with asyncio.timeout(SOON):
            return await self.lines.get()


@asynccontextmanager
async def upstream() -> AsyncIterator[Upstream]:
    raws: list[RawPeer] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raws.append(RawPeer(reader, writer))
        made.accepted += 1
        made.lines.put_nowait(raws[-1])

    listener = await asyncio.start_server(accept, "127.0.0.1", 0, limit=1 << 20)
    made = Upstream(Origin("127.0.0.1", listener.sockets[0].getsockname()[1]))
    try:
        yield made
    finally:
        listener.close()
        for raw in raws:
            raw.writer.close()
        await settle()


def post(path: str = "/", body: bytes = b"", headers: bytes = b"") -> bytes:
    """A plain request."""
    head = f"POST {path} HTTP/1.1\r\nhost: harbor\r\ncontent-length: {len(body)}\r\n".encode()
    return head + headers + b"\r\n" + body


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


async def echo(exchange: Exchange) -> None:
    """Answer with the request."""
    body = await exchange.read_body()
    said = f"{exchange.method} {exchange.path} {exchange.query} ".encode() + body
    exchange.respond(200, b"x-answer: 1\r\n", said)


def refuse_with_code(path: str, refusal: Refusal) -> tuple[int, bytes, bytes]:
    """Write a refusal in a test dialect."""
    status, headers, _ = plain_refusal(path, refusal)
    return status, headers, f"{path}: {refusal.code}".encode()


async def stream(exchange: Exchange) -> None:
    exchange.start(200, b"content-type: text/event-stream\r\n")
    for piece in (b"one", b"", b"two"):
        await exchange.write(piece)
    exchange.end(b"three")
