"""LISTEN that survives reconnects, and reports when notifications may have been missed."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import asyncpg

from tokenharbor.db.pool import ConnectOptions, ReconnectingConnection

_HEARTBEAT_SECONDS = 20
_MOST_WAITING = 1000


@dataclass(frozen=True, slots=True)
class Notification:
    """A NOTIFY of another session."""

    channel: str
    payload: str


@dataclass(frozen=True, slots=True)
class MayHaveMissed:
    """A sign that notifications may have been missed, as the connection is new (also at first): reload everything."""


class NotificationListener:
    """The notifications of some channels, in order, while the `async with` lasts.

    The first item, and the first after every reconnect, is a MayHaveMissed: data that is loaded after it misses no
    change, since later changes are notified. If the reader falls far behind, a MayHaveMissed replaces the waiting
    notifications.
    """

    def __init__(
        self, options: ConnectOptions, channels: Sequence[str], *, heartbeat_seconds: float = _HEARTBEAT_SECONDS
    ) -> None:
        self._channels = channels
        self._heartbeat_seconds = heartbeat_seconds
        self._connection = ReconnectingConnection(options, self._subscribe)
        self._waiting: deque[Notification | MayHaveMissed] = deque()
        self._arrived = asyncio.Event()
        self._heartbeat: asyncio.Task[None]

    async def __aenter__(self) -> Self:
        await self._connection.__aenter__()
        self._heartbeat = asyncio.create_task(self._send_heartbeats())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._heartbeat.cancel()
        await asyncio.gather(self._heartbeat, return_exceptions=True)
        await self._connection.__aexit__(kind, error, trace)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Notification | MayHaveMissed:
        while not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()
        return self._waiting.popleft()

    async def _subscribe(self, connection: asyncpg.Connection) -> None:
        for channel in self._channels:
            await connection.add_listener(channel, self._on_notification)
        self._put(MayHaveMissed())

    def _on_notification(self, _connection: asyncpg.Connection, _pid: int, channel: str, payload: str) -> None:
        self._put(Notification(channel, payload))

    def _put(self, news: Notification | MayHaveMissed) -> None:
        if isinstance(news, MayHaveMissed) or len(self._waiting) >= _MOST_WAITING:
            self._waiting.clear()
            news = MayHaveMissed()
        self._waiting.append(news)
        self._arrived.set()

    async def _send_heartbeats(self) -> None:
        """Query regularly: an idle connection would not notice that its peer is gone."""
        while True:
            await asyncio.sleep(self._heartbeat_seconds)
            if self._connection.is_up:
                await self._check(self._connection.connection)

    async def _check(self, connection: asyncpg.Connection) -> None:
        try:
            await connection.execute("select 1", timeout=self._heartbeat_seconds)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
            connection.terminate()  # the link opens a new one
