"""The client: a connection pool for each origin, and requests sent on them."""

import asyncio
import errno
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tokenharbor.http.answer import HttpAnswer
from tokenharbor.http.message import LARGE, ConnectFailed, Deadlines, TimedOut
from tokenharbor.http.origin import Origin, origin_of
from tokenharbor.http.sweeper import DeadlineSweeper
from tokenharbor.http.upstream_connection import UpstreamConnection
from tokenharbor.kernel.errors import Unavailable

__all__ = ["Client", "Connector", "Deadlines", "HttpAnswer", "Origin", "connect_by_sockets", "origin_of"]

_NO_DESCRIPTOR = (errno.EMFILE, errno.ENFILE)  # the gateway's own shortage, not the upstream's fault

Connector = Callable[[Origin, Callable[[], UpstreamConnection]], Awaitable[UpstreamConnection]]
"""Opens a connection with the protocol that the second argument makes. Raises OSError."""


def connect_by_sockets(ca_file: str | None = None) -> Connector:
    """Return a connector that uses sockets; TLS is verified against the system's authorities and those of `ca_file`."""
    context: ssl.SSLContext | None = None

    async def connect(origin: Origin, protocol: Callable[[], UpstreamConnection]) -> UpstreamConnection:
        nonlocal context
        loop = asyncio.get_running_loop()
        if origin.unix is not None:
            return (await loop.create_unix_connection(protocol, origin.unix))[1]
        if not origin.tls:
            return (await loop.create_connection(protocol, origin.host, origin.port))[1]
        if context is None:
            context = _tls_context(ca_file)
        return (await loop.create_connection(protocol, origin.host, origin.port, ssl=context))[1]

    return connect


def _tls_context(ca_file: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    context.set_alpn_protocols(["http/1.1"])
    return context


class _OriginPool:
    """The idle connections to one origin; the last used is taken first, so that the others can age out."""

    __slots__ = ("_idle", "_idle_seconds", "_most", "loop", "origin", "sweeper")

    def __init__(self, origin: Origin, client: "Client") -> None:
        self.origin = origin
        self.loop = client.loop
        self.sweeper = client.sweeper
        self._idle: list[UpstreamConnection] = []
        self._most = client.max_idle_per_origin
        self._idle_seconds = client.idle_seconds

    def take(self) -> UpstreamConnection | None:
        idle = self._idle
        return idle.pop() if idle else None

    def put_back(self, connection: UpstreamConnection) -> None:
        if len(self._idle) < self._most:
            self._idle.append(connection)
            connection.deadline = at = self.loop.time() + self._idle_seconds
            if at < self.sweeper.due:
                self.sweeper.arm(at)
        else:
            connection.transport.close()

    def remove(self, connection: UpstreamConnection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)

    def close(self) -> None:
        for connection in list(self._idle):
            connection.transport.abort()
        self._idle.clear()


@dataclass(frozen=True, slots=True)
class Upload:
    """A body sent in pieces: `first`, then the results of `more` until b"". `length` is that of the whole body; None:
    chunked.
    """

    first: bytes
    more: Callable[[], Awaitable[bytes]]
    length: int | None


class Client:
    """Sends requests to any origins. Must be created inside the running loop. Does not follow redirects."""

    __slots__ = ("_connect", "_pools", "idle_seconds", "loop", "max_idle_per_origin", "sweeper")

    def __init__(
        self, *, max_idle_per_origin: int = 256, idle_seconds: float = 30.0, connector: Connector | None = None
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.sweeper = DeadlineSweeper(self.loop)
        self.max_idle_per_origin = max_idle_per_origin
        self.idle_seconds = idle_seconds
        self._connect = connector or connect_by_sockets()
        self._pools: dict[Origin, _OriginPool] = {}

    async def send(self, origin: Origin, head: bytes, body: bytes, deadlines: Deadlines, *, stream: bool) -> HttpAnswer:
        """Send a request; return its answer once the head has come (the whole answer, if not `stream`).

        `head` is the request line and header lines, each with its CRLF, without length and final blank line. Raises
        ConnectFailed, TimedOut, BrokenAnswer, Unavailable. If a reused connection was closed by the upstream before it
        can have received the whole request, the request is sent once more on a fresh one. A request that may have been
        read is not repeated, unless it is a GET or HEAD: a model would be paid twice.
        """
        request = _frame_request(head, body)
        loop = self.loop
        now = loop.time()
        ends_at = now + deadlines.total
        pool = self._pools.get(origin) or self._open_pool(origin)
        connection = pool.take()
        fresh = connection is None
        while True:
            if connection is None:
                connection = await self._open(pool, deadlines)
                now = loop.time()
            answer = HttpAnswer(loop, deadlines, ends_at, stream=stream)
            try:
                await connection.send(answer, request, now)
            except BaseException:  # cancelled: the upstream must stop
                answer.close()
                raise
            make_error = answer.make_error
            if make_error is None or (stream and answer.status):
                return answer
            if fresh or not (answer.never_received or (_is_safe(head) and not answer.head)):
                raise make_error()
            connection, fresh = None, True

    async def upload(self, origin: Origin, head: bytes, upload: Upload, deadlines: Deadlines) -> HttpAnswer:
        """Send like `send` without a stream, but always on a fresh connection, because the pieces cannot be sent again.
        An answer before the end of the body stops the upload. Errors of `more` propagate.
        """
        loop = self.loop
        ends_at = loop.time() + deadlines.total
        connection = await self._open(self._pools.get(origin) or self._open_pool(origin), deadlines)
        answer = HttpAnswer(loop, deadlines, ends_at, stream=False)
        try:
            connection.sending = True
            waiter = connection.send(answer, (_head_of(head, upload),), loop.time())
            await _send_upload(connection, answer, upload)
            await waiter
        except BaseException:  # cancelled, or the body was refused: the upstream must stop
            answer.close()
            raise
        if answer.make_error is not None:
            raise answer.make_error()
        return answer

    def close(self) -> None:
        """Close idle connections; open answers keep theirs."""
        for pool in self._pools.values():
            pool.close()
        self.sweeper.stop()

    def _open_pool(self, origin: Origin) -> _OriginPool:
        pool = self._pools[origin] = _OriginPool(origin, self)
        return pool

    async def _open(self, pool: _OriginPool, deadlines: Deadlines) -> UpstreamConnection:
        """Return a fresh connection. Raises ConnectFailed, TimedOut, Unavailable."""
        try:
            async with asyncio.timeout(min(deadlines.connect, deadlines.total)):
                return await self._connect(pool.origin, lambda: UpstreamConnection(pool))
        except TimeoutError as error:
            raise TimedOut("connect") from error
        except OSError as error:  # includes TLS errors
            if error.errno in _NO_DESCRIPTOR:
                raise Unavailable("Too many connections are open: try again shortly.", retry_after=1) from error
            raise ConnectFailed(f"cannot connect to {pool.origin.authority}: {error}") from error


def _head_of(head: bytes, upload: Upload) -> bytes:
    if upload.length is None:
        return head + b"transfer-encoding: chunked\r\n\r\n"
    return b"%bcontent-length: %d\r\n\r\n" % (head, upload.length)


async def _send_upload(connection: UpstreamConnection, answer: HttpAnswer, upload: Upload) -> None:
    """Send the body, as fast as the upstream reads it, until its end or the answer."""
    chunked = upload.length is None
    piece = upload.first
    while not answer.status and answer.make_error is None:
        if piece:
            await connection.feed(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        piece = await upload.more()
        if not piece:
            if chunked:
                await connection.feed(b"0\r\n\r\n")
            connection.sending = False
            return


def _frame_request(head: bytes, body: bytes) -> tuple[bytes, ...]:
    if len(body) > LARGE:
        return b"%bcontent-length: %d\r\n\r\n" % (head, len(body)), body
    if not body and _is_safe(head):
        return (head + b"\r\n",)
    return (b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body),)


def _is_safe(head: bytes) -> bool:
    """Return whether the request can be sent twice without harm."""
    return head.startswith((b"GET ", b"HEAD "))
