"""The server: listens, holds its connections' shared state, and drains."""

import asyncio
import itertools
import logging
import socket
import traceback
from collections.abc import Callable, Sequence

from tokenharbor.http.exchange import DONE, Handler
from tokenharbor.http.forwarded import TrustedProxies
from tokenharbor.http.message import ServerLimits
from tokenharbor.http.phase import HANDLING
from tokenharbor.http.server_connection import ServerConnection
from tokenharbor.http.server_state import ReportCrash, ServerHooks, ServerState, WriteRefusal
from tokenharbor.kernel.clock import Clock
from tokenharbor.kernel.errors import Refusal

__all__ = ["Handler", "Server", "WriteRefusal", "log_crash", "plain_refusal"]

_MOST_WAITING = 2048  # connections in the kernel's accept queue
_LEAST_WAITING = 16
_UNWINDING = 5.0  # seconds for cancelled handlers to clean up


def plain_refusal(_path: str, refusal: Refusal) -> tuple[int, bytes, bytes]:
    """Return a refusal as one line of text, for servers that speak no dialect."""
    return refusal.status, b"content-type: text/plain; charset=utf-8\r\n", refusal.message.encode() + b"\n"


def log_crash(path: str, error: Exception) -> None:
    """Log an error's place and type, but never its message, which may quote a caller's content."""
    frames = traceback.extract_tb(error.__traceback__)
    where = " < ".join(f"{frame.filename}:{frame.lineno}" for frame in reversed(frames))
    logging.getLogger(__name__).error(
        "internal error in the handler of %s: %s at %s", path, type(error).__name__, where
    )


class Server:
    """Serves one handler on any number of addresses in one loop. Must be created inside the running loop."""

    __slots__ = ("_handler", "_listeners", "_shared")

    def __init__(
        self,
        handler: Handler,
        limits: ServerLimits,
        clock: Clock,
        *,
        trusted_proxies: Sequence[str] = (),
        refuse: WriteRefusal = plain_refusal,
        report_crash: ReportCrash = log_crash,
    ) -> None:
        hooks = ServerHooks(refuse, report_crash, limits, TrustedProxies(trusted_proxies))
        self._shared = ServerState(hooks, clock)
        self._handler = handler
        self._listeners: list[asyncio.Server] = []

    def accept(self) -> asyncio.Protocol:
        """Return the protocol for a new connection on any transport."""
        return ServerConnection(self._shared, self._handler)

    async def start(self, host: str, port: int) -> int:
        """Listen on TCP; return the port (a free one for 0). Raises OSError."""
        listener = await self._shared.loop.create_server(self.accept, host, port, backlog=self._backlog)
        self._listeners.append(listener)
        bound: int = listener.sockets[0].getsockname()[1]
        return bound

    async def start_on(self, bound: socket.socket) -> asyncio.Server:
        """Listen on a bound socket, which its owner keeps; close the result to stop listening."""
        listener = await self._shared.loop.create_server(self.accept, sock=bound.dup(), backlog=self._backlog)
        self._listeners.append(listener)
        return listener

    async def start_unix(self, path: str) -> None:
        """Listen on a unix socket. Raises OSError."""
        self._listeners.append(await self._shared.loop.create_unix_server(self.accept, path, backlog=self._backlog))

    @property
    def _backlog(self) -> int:
        """The accept queue's length: as many as one turn of the loop may accept before those over
        the limit are closed.
        """
        return min(_MOST_WAITING, max(_LEAST_WAITING, self._shared.limits.connections // 2))

    @property
    def connections(self) -> int:
        """The number of open connections."""
        return len(self._shared.connections)

    def read_held(self, most: int) -> None:
        """End the overload: read up to `most` of the held connections, and all new ones."""
        shared = self._shared
        shared.crowded_until = 0.0
        for connection in list(itertools.islice(shared.held, most)):
            shared.read_on(connection)

    async def drain(self, seconds: float) -> int:
        """Stop accepting, close idle connections, and let open requests finish for `seconds`; return how many were
        stopped then.
        """
        shared = self._shared
        shared.draining = True
        for listener in self._listeners:
            listener.close()
        for connection in list(shared.connections):
            connection.close_if_idle()
        finished = await self._emptied(seconds)
        late = list(shared.connections)
        for connection in late:
            connection.stop()
        if not finished:
            await self._emptied(_UNWINDING)
        for connection in list(shared.connections):
            connection.abort()
        shared.sweeper.stop()
        return len(late)

    def stop_requests(self, which: Callable[[object], bool]) -> int:
        """Stop the open requests whose `Exchange.work` matches, as at the end of a drain; return their number."""
        stopped = 0
        for connection in list(self._shared.connections):
            exchange = connection.exchange
            if (
                connection.phase == HANDLING
                and exchange is not None
                and exchange.stage != DONE
                and which(exchange.work)
            ):
                exchange.keep_alive = False
                connection.stop()
                stopped += 1
        return stopped

    async def _emptied(self, seconds: float) -> bool:
        shared = self._shared
        if not shared.connections:
            return True
        shared.all_closed = shared.loop.create_future()
        done, _ = await asyncio.wait([shared.all_closed], timeout=seconds)
        return bool(done)
