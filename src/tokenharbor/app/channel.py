"""The channel between a server's parent and one of its workers: what they tell each other, and that the other lives.

Each has one end of a socket pair that nobody else holds. An end that closes says that its process is dead, however it
died. What goes over it never leaves the machine, so that it may name the database with its password.
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
    """Why a worker ended: what an operator must mend, a database that does not answer, or something else."""

    MISCONFIGURED = "misconfigured"
    DATABASE = "database"
    FAULT = "fault"


class ChannelMessage(msgspec.Struct, frozen=True, tag=True):
    """A line of the channel."""


class Reload(ChannelMessage, frozen=True):
    """To a worker: read configuration, catalogue, edition and credentials anew."""


class Drain(ChannelMessage, frozen=True):
    """To a worker: accept nothing new, let open requests finish, then end."""


class StandIn(ChannelMessage, frozen=True):
    """To a worker: accept for these slots, too, whose workers are dead; for no others."""

    slots: Sequence[int]


class CountsWanted(ChannelMessage, frozen=True):
    """To a worker: say what you have counted."""


class AllMetrics(ChannelMessage, frozen=True):
    """To a worker, which has asked: what all workers have counted, added up."""

    families: Sequence[MetricFamily]


class WorkerReady(ChannelMessage, frozen=True):
    """From a worker: it serves."""


class WorkerEnding(ChannelMessage, frozen=True):
    """From a worker, its last words: why it ends. One line, without a secret."""

    reason: str
    kind: EndKind


class Counts(ChannelMessage, frozen=True):
    """From a worker: what it has counted."""

    families: Sequence[MetricFamily]


class AllMetricsWanted(ChannelMessage, frozen=True):
    """From a worker: say what all of you have counted."""


AnyMessage = (
    Reload | Drain | StandIn | CountsWanted | AllMetrics | WorkerReady | WorkerEnding | Counts | AllMetricsWanted
)
_DECODER: Final = msgspec.json.Decoder(AnyMessage)


class Channel:
    """One end. Iterating over it gives the other's messages, until the other is dead."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, end: socket.socket) -> Self:
        return cls(*await asyncio.open_unix_connection(sock=end, limit=_LONGEST_LINE))

    def send(self, message: AnyMessage) -> None:
        """Without waiting; what a dead one does not read is lost."""
        self._writer.write(msgspec.json.encode(message) + b"\n")

    async def flush(self) -> None:
        """Wait until what was sent has left this process, or the other is dead."""
        try:
            await self._writer.drain()
        except ConnectionError:
            return

    async def messages(self) -> AsyncIterator[AnyMessage]:
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
