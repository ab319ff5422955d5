"""The simulator's records for tests and auditors: what it received and sent, one record per request."""

import asyncio
import hashlib
from collections import deque

import msgspec

from tokenharbor.kernel.usage import Usage


class SimulatorRecord(msgspec.Struct, omit_defaults=False):
    """One request and its result, updated until it ends.

    `usage` is the last reported usage, in disjoint kinds; None if none was sent or it was inconsistent. `reported` are
    the objects as sent, in order. `text_bytes` counts text, reasoning and arguments (UTF-8) written to the connection.
    `completed`: all of a good answer, its ending included, was written. `hung_up`: the peer disconnected before that.
    """

    id: str
    number: int  # from 1, since the script was set
    path: str
    wire: str
    model: str
    stream: bool
    credential: str
    body_sha256: str
    body: str | None  # only with keep_bodies, as are the headers
    headers: dict[str, str] | None
    started_ms: int  # Unix
    rule: int | None = None  # the rule's place in the script
    fault: str | None = None
    status: int | None = None
    usage: Usage | None = None
    reported: list[msgspec.Raw] = []
    text_bytes: int = 0
    events: int = 0
    completed: bool = False
    hung_up: bool = False
    ended_ms: int | None = None


class SimulatorRecords:
    """The latest `keep` records, in order of arrival."""

    def __init__(self, keep: int) -> None:
        self._records: deque[SimulatorRecord] = deque(maxlen=keep)
        self._open = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def __len__(self) -> int:
        return len(self._records)

    def list(self) -> list[SimulatorRecord]:
        return list(self._records)

    def clear(self) -> None:
        self._records.clear()

    def find(self, request_id: str) -> SimulatorRecord | None:
        return next((record for record in self._records if record.id == request_id), None)

    def begin(self, record: SimulatorRecord) -> None:
        self._records.append(record)
        self._open += 1
        self._idle.clear()

    def finish(self, record: SimulatorRecord, ended_ms: int) -> None:
        record.ended_ms = ended_ms
        self._open -= 1
        if not self._open:
            self._idle.set()

    async def settled(self) -> None:
        """Wait until no request is in progress."""
        await self._idle.wait()


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
