"""A gateway's billing in a process that can be killed, with books in memory that can fail, hang or lose data."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any, TypeVar

from tests.billing.offers import POLICY

from tokenharbor.billing.alarms import Alarms
from tokenharbor.billing.books import BookBatchers
from tokenharbor.billing.charges import Settler
from tokenharbor.billing.holds import Holds
from tokenharbor.billing.meter import Meter, MeterState
from tokenharbor.billing.quote import Offer, Quote
from tokenharbor.kernel.errors import DatabaseUnavailable, InsufficientQuota, Unavailable
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.usage import Usage
from tokenharbor.kernel.world import World
from tokenharbor.ledger.book import Answer
from tokenharbor.ledger.journal import Journal, open_journal
from tokenharbor.ledger.memory_book import MemoryBook
from tokenharbor.ledger.memory_tables import MemoryTables
from tokenharbor.ledger.types import Hold, PlacedHold, RefusedHold, Release, SettledCharge, Settlement
from tokenharbor.wire.neutral.request import Request

Row = TypeVar("Row")
Result = TypeVar("Result")

_NEXT = {
    MeterState.OPEN: {MeterState.PLACING, MeterState.CLOSED},
    MeterState.PLACING: {MeterState.OPEN, MeterState.HELD, MeterState.CLOSED},
    MeterState.HELD: {MeterState.SETTLING, MeterState.CLOSED},
    MeterState.SETTLING: {MeterState.CLOSED},
    MeterState.CLOSED: {MeterState.CLOSED},
}
"""The states that a meter may take after each."""


class DatabaseMode(Enum):
    """What the database does with a call."""

    THERE = auto()
    AWAY = auto()  # does nothing and says so
    SILENT = auto()  # does nothing until the mode changes
    UNHEARD = auto()  # does it, and the answer is lost
    SLOW_HOLDS = auto()  # no hold until the mode changes, while other calls overtake it
    SLOW_SETTLEMENTS = auto()  # likewise no settlement
    LOCKED = auto()  # does it once the mode changes, and keeps nobody else waiting


class Database:
    """The books in memory behind a connection."""

    def __init__(self, tables: MemoryTables) -> None:
        self._book = MemoryBook(tables)
        self.mode = DatabaseMode.THERE
        self._changed = asyncio.Event()

    def change(self, mode: DatabaseMode) -> None:
        self.mode = mode
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait_while(self, mode: DatabaseMode) -> None:
        while self.mode is mode:
            await self._changed.wait()

    def connect(self) -> "Connection":
        return Connection(self)

    async def call(
        self,
        do: Callable[[Sequence[Row]], Awaitable[Sequence[Answer[Result]]]],
        rows: Sequence[Row],
        connection: "Connection",
    ) -> Sequence[Answer[Result]]:
        await asyncio.sleep(0)
        await self.wait_while(DatabaseMode.SILENT)
        if self.mode is DatabaseMode.AWAY or connection.cut:
            return [DatabaseUnavailable("away") for _ in rows]
        if self.mode is DatabaseMode.LOCKED:
            return [asyncio.ensure_future(self._later(do, row, connection)) for row in rows]
        answers = await do(rows)
        return [DatabaseUnavailable("unheard") for _ in rows] if self.mode is DatabaseMode.UNHEARD else answers

    async def _later(
        self, do: Callable[[Sequence[Row]], Awaitable[Sequence[Answer[Result]]]], row: Row, connection: "Connection"
    ) -> Result:
        await self.wait_while(DatabaseMode.LOCKED)
        (answer,) = await self.call(do, [row], connection)
        if isinstance(answer, Exception):
            raise answer
        return await answer if isinstance(answer, asyncio.Future) else answer


class Connection:
    """The database as one process reaches it, until the process is killed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.cut = False

    async def place(self, holds: Sequence[Hold]) -> Sequence[Answer[PlacedHold | RefusedHold]]:
        await self._database.wait_while(DatabaseMode.SLOW_HOLDS)
        return await self._database.call(self._database._book.place, holds, self)

    async def settle(self, settlements: Sequence[Settlement]) -> Sequence[Answer[SettledCharge]]:
        await self._database.wait_while(DatabaseMode.SLOW_SETTLEMENTS)
        return await self._database.call(self._database._book.settle, settlements, self)

    async def release(self, releases: Sequence[Release]) -> Sequence[Answer[None]]:
        return await self._database.call(self._database._book.release, releases, self)

    def hand_over(self, request_id: UUID) -> None:
        self._database._book.hand_over(request_id)

    async def drop(self, request_ids: Sequence[UUID], at: Any) -> None:
        await self._database._book.drop(request_ids, at)


class FaultyJournal:
    """A journal on a disk that may be full, of a process that may be killed."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.is_full = False
        self.cut = False

    def append(self, settlement: Settlement) -> asyncio.Future[None]:
        if not (self.is_full or self.cut):
            return self._journal.append(settlement)
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        failed.set_exception(OSError(28, "No space left on device"))
        return failed

    def confirm(self, request_id: UUID) -> None:
        if not self.cut:
            self._journal.confirm(request_id)

    async def close(self) -> None:
        await self._journal.close()

    def cut_off(self) -> None:
        """Nothing is written any more."""
        self.cut = True
        if self._journal._descriptor >= 0:
            os.close(self._journal._descriptor)
            self._journal._descriptor = -1


class WatchedMeter(Meter):
    """Takes only the states that a request may go through."""

    def __setattr__(self, name: str, value: object) -> None:
        if name == "state":
            assert value in _NEXT[self.state], f"{self.state.name} is followed by {value}"
        super().__setattr__(name, value)


@dataclass
class Ending:
    """How the provider's part ends: with an answer and its usage, or with none and what it cost us."""

    complete: bool
    usage: Usage | None


@dataclass
class Call:
    """One request, and what its caller was told of it."""

    meter: Meter
    request: Request
    quote: Quote
    offer: Offer
    ending: asyncio.Future[Ending]
    told: str = ""  # complete | refused | failed | unavailable; nothing to a caller who has left
    charge: Usd | None = None
    task: asyncio.Task[None] | None = None
    billed_at_hang_up: bool | None = None  # for a caller who left: whether there was something to bill


async def nothing_due(_account_id: UUID) -> bool:
    return False


class Process:
    """A gateway from its start to its end."""

    def __init__(self, world: World, database: Database, home: Path) -> None:
        self.alarms = Alarms()
        self.connection = database.connect()
        self.journal = FaultyJournal(open_journal(home, world.ids.new()))
        self.books = BookBatchers(self.connection, self.journal, self.alarms)
        self.holds = Holds(self.books.holds, world, nothing_due)
        self.settler = Settler(self.books.settlements, self.books.releases, world)
        self.calls: list[Call] = []

    def serve(self, call: Call) -> None:
        self.calls.append(call)
        call.task = asyncio.get_running_loop().create_task(self._serve(call))

    async def _serve(self, call: Call) -> None:
        meter, settler = call.meter, self.settler
        try:
            await self.holds.place(meter, call.request, [call.offer], POLICY, call.quote)
            ending = await call.ending
            if meter.offer is None and (ending.complete or ending.usage is not None):
                meter.note_served_by(call.offer, "up", 0.0)
            if not ending.complete:
                meter.usage_so_far = ending.usage
                meter.refusal = "upstream_error"
                await settler.release_hold(meter)
                call.told = "failed"
                return
            meter.usage, meter.ended = ending.usage, True
            call.charge = await settler.settle(meter)
            call.told = "complete"
        except (InsufficientQuota, Unavailable) as refusal:
            meter.refusal = refusal.code
            await settler.release_hold(meter)
            call.told = "refused" if isinstance(refusal, InsufficientQuota) else "unavailable"
        finally:
            settler.end_unsettled(meter)

    async def stop(self) -> None:
        """As a server that is told to: with what is under way finished, or in the journal."""
        await self.books.drain()
        await self.journal.close()

    async def kill(self) -> None:
        """Nothing of it reaches the database or the disk any more."""
        self.connection.cut = True
        self.journal.cut_off()
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in others:
                task.cancel()
            await asyncio.wait(others)
