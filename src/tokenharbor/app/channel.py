"""The channel between a server's parent and one of its workers, and the messages on it.

Each process holds one end of a socket pair, and no other process does. So an end that closes means that its process is
dead, however it died. Messages never leave the machine, so they may contain the database's password.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from enum import StrEnum
from typing import Final, Self

import msgspec

from tokenharbor.gateway.metric_families import MetricFamily

_LONGEST_LINE = 64 << 20  # metrics of thousands of models


class EndKind(StrEnum):
    """Why a worker ended: a mistake that an operator must fix, an unavailable database, or any other failure."""

    MISCONFIGURED = "misconfigured"
    DATABASE = "database"
    FAULT = "fault"


class ChannelMessage(msgspec.Struct, frozen=True, tag=True):
    """A message; each is one line of JSON."""


class Reload(ChannelMessage, frozen=True):
    """To a worker: reload configuration, catalogue, edition and credentials."""


class Drain(ChannelMessage, frozen=True):
    """To a worker: accept no new connections, finish open requests, then exit."""


class ShareSockets(ChannelMessage, frozen=True):
    """To a worker: also accept connections on the sockets of these slots, whose workers are dead, and of no others."""

    slots: Sequence[int]


class MetricsRequest(ChannelMessage, frozen=True):
    """To a worker: send its metrics."""


class AllMetrics(ChannelMessage, frozen=True):
    """To a worker, on its request: the metrics of all workers, added up."""

    families: Sequence[MetricFamily]


class WorkerReady(ChannelMessage, frozen=True):
    """From a worker: it is serving."""


class WorkerEnding(ChannelMessage, frozen=True):
    """From a worker, as its last message: why it ends, in one line without secrets."""

    reason: str
    kind: EndKind


class WorkerMetrics(ChannelMessage, frozen=True):
    """From a worker: its metrics."""

    families: Sequence[MetricFamily]


class AllMetricsRequest(ChannelMessage, frozen=True):
    """From a worker: send it the metrics of all workers."""


AnyMessage = (
    Reload
    | Drain
    | ShareSockets
    | MetricsRequest
    | AllMetrics
    | WorkerReady
    | WorkerEnding
    | WorkerMetrics
    | AllMetricsRequest
)
_DECODER: Final = msgspec.json.Decoder(AnyMessage)


class Channel:
    """One end of the channel."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, end: socket.socket) -> Self:
        return cls(*await asyncio.open_unix_connection(sock=end, limit=_LONGEST_LINE))

    def send(self, message: AnyMessage) -> None:
        """Send a message without waiting. It is lost if the other process is dead."""
        self._writer.write(msgspec.json.encode(message) + b"\n")

    async def flush(self) -> None:
        """Wait until all messages have left this process, or the other process is dead."""
        try:
            await self._writer.drain()
        except ConnectionError:
            return

    async def messages(self) -> AsyncIterator[AnyMessage]:
        """Yield the other process's messages until it is dead."""
        while True:
            try:
                line = await self._reader.readline()
            except ConnectionError:
                return
            if not line.endswith(b"\n"):
                return
            yield _DECODER.decode(line)

    def close(self) -> None:
        self._writer.close()
