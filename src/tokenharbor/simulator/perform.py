"""Execution of a plan on a connection, with a record of each step."""

import asyncio
import socket
import struct

from tokenharbor.http.exchange import Exchange
from tokenharbor.simulator.dialect import AnswerPiece
from tokenharbor.simulator.record import SimulatorRecord
from tokenharbor.simulator.steps import CloseConnection, EndBody, Pause, SendHead, SendPiece, SendWhole, Step

_RESET = struct.pack("ii", 1, 0)  # linger for zero seconds: the close is a reset
_FOREVER_SECONDS = 3600.0


async def perform(exchange: Exchange, steps: list[Step], record: SimulatorRecord) -> None:
    """Execute the steps. Raises Disconnected, or is cancelled, when the peer disconnects."""
    answer = _Answer(exchange, record)
    for step in steps:
        match step:
            case SendPiece():
                await answer.send(step.piece)
            case Pause():
                await answer.wait(step)
            case SendWhole():
                record.status = step.status
                answer.note(step.piece)
                exchange.respond(step.status, step.headers, step.piece.data)
                record.completed = step.piece.role == "whole"
            case SendHead():
                answer.head(step)
            case CloseConnection():
                answer.cut(step)
            case EndBody():
                answer.done()


class _Answer:
    """One answer in progress. With a declared length it writes past the exchange, which only frames chunks and would
    never send less than announced.
    """

    def __init__(self, exchange: Exchange, record: SimulatorRecord) -> None:
        self._exchange = exchange
        self._record = record
        self._transport = exchange._connection.transport  # noqa: SLF001  faults are injected below HTTP
        self._raw = False
        self._ended = False

    def head(self, head: SendHead) -> None:
        self._record.status = head.status
        self._raw = head.length is not None
        if head.length is None:
            self._exchange.start(head.status, head.headers)
            self._exchange.send(b"")
        else:
            framing = b"content-length: %d\r\nconnection: close\r\n\r\n" % head.length
            self._transport.write(b"HTTP/1.1 %d OK\r\n" % head.status + head.headers + framing)

    async def send(self, piece: AnswerPiece) -> None:
        self.note(piece)
        if self._raw:
            self._transport.write(piece.data)
            await self._exchange.drained()
        else:
            await self._exchange.write(piece.data)
        self._ended = self._ended or piece.role in {"end", "whole"}

    def note(self, piece: AnswerPiece) -> None:
        """Count a piece before it is sent: the record may count too much, never too little."""
        record = self._record
        record.events += 1
        record.text_bytes += piece.text_bytes
        if piece.report is not None:
            record.usage = piece.report.usage
            record.reported.append(piece.report.raw)

    async def wait(self, wait: Pause) -> None:
        left = _FOREVER_SECONDS if wait.ms is None else wait.ms / 1000
        if wait.ping_ms is None:
            await asyncio.sleep(left)
            return
        pace = wait.ping_ms / 1000
        while left > 0:
            await asyncio.sleep(min(pace, left))
            left -= pace
            await self._exchange.write(wait.ping)

    def cut(self, cut: CloseConnection) -> None:
        if cut.how == "reset":
            connection: socket.socket | None = self._transport.get_extra_info("socket")
            if connection is not None:  # absent in a simulated transport
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._transport.abort()
        self._exchange.abort()

    def done(self) -> None:
        if self._raw:
            self._exchange.abort()
        else:
            self._exchange.end()
        self._record.completed = self._ended
