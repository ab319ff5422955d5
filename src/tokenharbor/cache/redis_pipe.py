"""A pipelined client for Redis or Valkey: GET and SET only, and all calls of one turn of the event loop in one write.

The idea. A stock client costs more than the lookup that it makes. A cache needs only GET and SET, so a call is a few
bytes that are collected until the loop's next turn, and a future in a queue. Replies come in order, and resolve the
futures in order.

Invariants:

- A call never raises, and waits at most `_CALL_SECONDS` (twice that in the worst case). If the server is unreachable,
  slow or replies with an error, the call returns None.
- While the server lags, no new commands are sent; it is used again once all outstanding replies have come. If they have
  not after `_LAG_SECONDS`, the connection is closed. A lost connection is reopened with growing delays.
- At most `_MOST_WAITING` calls wait, and at most `_MOST_BYTES` are unsent. Beyond that, a call returns None at once.
- A reply larger than the largest value allowed closes the connection.
"""

import asyncio
from collections import deque
from typing import Any

import hiredis
import structlog

from tokenharbor.cache.redis_url import RedisAddress

_log = structlog.get_logger("cache")

_CALL_SECONDS = 0.005
"""A server in the same network replies in a tenth of this. Rather than wait longer, ask the provider."""
_LAG_SECONDS = 1.0
_CONNECT_SECONDS = 2.0
_RETRY_SECONDS = (0.1, 0.5, 2.0, 10.0)
_MOST_WAITING = 4_096
_MOST_BYTES = 8 << 20
_REPLY_BYTES = 1 << 10  # overhead of a reply beside its value


class RedisPipe(asyncio.Protocol):
    """One connection, which is reopened whenever it is lost."""

    def __init__(self, address: RedisAddress, most_value: int) -> None:
        self._address = address
        self._most_value = most_value
        self._transport: asyncio.Transport | None = None
        self._reader = hiredis.Reader()
        self._ready = False
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._unsent: list[bytes] = []
        self._unsent_bytes = 0
        self._watch: asyncio.TimerHandle | None = None
        self._due = 0  # the value of `_answered` that the watch expects when it fires
        self._answered = 0
        self._lags_since: float | None = None
        self._coming = 0  # bytes of a reply that is not complete yet
        self._keeper: asyncio.Task[None] | None = None
        self._lost = asyncio.Event()
        self.failures = 0

    @property
    def is_up(self) -> bool:
        return self._ready and self._lags_since is None

    def start(self) -> None:
        self._keeper = asyncio.ensure_future(self._keep_connected())

    async def stop(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self._transport is not None:
            self._lost.clear()
            self._transport.abort()
            await self._lost.wait()

    def get(self, name: bytes) -> "asyncio.Future[bytes | None]":
        """Return a future of the value, or of None."""
        return self._call(b"*2\r\n$3\r\nGET\r\n$%d\r\n%b\r\n" % (len(name), name))

    def set(self, name: bytes, value: bytes, seconds: int) -> None:
        """Set a value that expires after `seconds`. The reply is ignored."""
        if len(value) <= self._most_value:
            args = (len(name), name, len(value), value, len(str(seconds)), seconds)
            self._call(b"*5\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n$2\r\nEX\r\n$%d\r\n%d\r\n" % args)

    def _call(self, command: bytes) -> "asyncio.Future[Any]":
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        crowded = len(self._waiting) >= _MOST_WAITING or self._unsent_bytes + len(command) > _MOST_BYTES
        if not self.is_up or crowded:
            answer.set_result(None)
            return answer
        if not self._unsent:
            loop.call_soon(self._flush)
        self._unsent.append(command)
        self._unsent_bytes += len(command)
        self._waiting.append(answer)
        if self._watch is None:
            self._set_watch(loop)
        return answer

    def _flush(self) -> None:
        unsent, self._unsent = self._unsent, []
        if self._transport is not None and unsent:
            self._transport.write(b"".join(unsent))
            self._unsent_bytes = self._transport.get_write_buffer_size()

    def _set_watch(self, loop: asyncio.AbstractEventLoop) -> None:
        self._due = self._answered + len(self._waiting)
        self._watch = loop.call_later(_CALL_SECONDS, self._check_lag, loop.time() + _CALL_SECONDS)

    def _check_lag(self, at: float) -> None:
        """Give up on calls that have waited since the watch was set. If this process itself was late, wait once more:
        the replies may have come but not been read yet.
        """
        self._watch = None
        if not self._waiting:
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        if self._answered >= self._due or now - at > _CALL_SECONDS / 2:
            self._set_watch(loop)
            return
        if self._lags_since is None:
            self._lags_since = now
            self.failures += 1
        elif now - self._lags_since > _LAG_SECONDS:
            self._fail("slow")
            return
        for answer in self._waiting:
            if not answer.done():
                answer.set_result(None)
        self._set_watch(loop)

    # The connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a stream connection has a Transport
        self._reader = hiredis.Reader(protocolError=_Spoiled, replyError=_Refused)
        self._coming = 0

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        self._coming += len(data)
        try:
            while (reply := self._reader.gets()) is not False:
                self._coming = 0
                self._take(reply)
        except _Spoiled:
            self._fail("spoiled")
        if self._coming > self._most_value + _REPLY_BYTES:
            self._fail("overlong")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  the cause does not matter
        self._drop()
        self._lost.set()

    def _take(self, reply: object) -> None:
        self._answered += 1
        if not self._waiting:
            return
        answer = self._waiting.popleft()
        if not answer.done():
            answer.set_result(None if self._ready and isinstance(reply, _Refused) else reply)
        if not self._waiting:
            self._lags_since = None

    def _fail(self, why: str) -> None:
        self.failures += 1
        _log.warning("redis_unused", reason=why, address=self._address.shown)
        transport = self._transport
        self._drop()
        if transport is not None:
            transport.abort()
        self._lost.set()

    def _drop(self) -> None:
        self._ready = False
        self._lags_since = None
        self._transport = None
        self._unsent.clear()
        self._unsent_bytes = 0
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        while self._waiting:
            answer = self._waiting.popleft()
            if not answer.done():
                answer.set_result(None)
        self._answered = self._due = 0

    async def _keep_connected(self) -> None:
        tries = 0
        while True:
            self._lost.clear()
            try:
                async with asyncio.timeout(_CONNECT_SECONDS):
                    await self._connect()
                tries = 0
                await self._lost.wait()
            except (OSError, TimeoutError, _Refused) as error:
                _log.warning("redis_not_reached", reason=str(error) or "timeout", address=self._address.shown)
                self._drop_connection()
            await asyncio.sleep(_RETRY_SECONDS[min(tries, len(_RETRY_SECONDS) - 1)])
            tries += 1

    def _drop_connection(self) -> None:
        transport = self._transport
        self._drop()
        if transport is not None:
            transport.abort()

    async def _connect(self) -> None:
        """Connect and greet. Raises OSError, and `_Refused` if the server rejects the password or the database."""
        address, loop = self._address, asyncio.get_running_loop()
        if address.path:
            await loop.create_unix_connection(lambda: self, address.path)
        else:
            await loop.create_connection(lambda: self, address.host, address.port, ssl=address.tls or None)
        for command in address.greeting():
            reply = loop.create_future()
            self._waiting.append(reply)
            if self._transport is None:
                raise ConnectionResetError("closed")
            self._transport.write(command)
            outcome = await reply
            if isinstance(outcome, _Refused):
                raise outcome
        self._ready = self._transport is not None


class _Spoiled(Exception):
    """The bytes received are not a valid reply."""


class _Refused(Exception):
    """An error reply of the server."""
