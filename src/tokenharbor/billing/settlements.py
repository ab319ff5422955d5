"""Settlements: durable in the database, or after two seconds in the journal until the database has them."""

import asyncio
from collections.abc import Coroutine, Sequence
from functools import partial
from itertools import takewhile
from typing import Any, NamedTuple, Protocol

import msgspec
import structlog

from tokenharbor.billing.alarms import Alarm, Alarms
from tokenharbor.kernel.errors import BooksError, BooksRefused, DatabaseUnavailable
from tokenharbor.kernel.ids import UUID, show
from tokenharbor.kernel.money import Usd
from tokenharbor.ledger.batcher import Batcher
from tokenharbor.ledger.book import Answer, RequestBook
from tokenharbor.ledger.types import SettledCharge, Settlement

_CONFIRM_SECONDS = 2.0
_LOOK_SECONDS = 0.1
_RETRY_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0)
_log = structlog.get_logger("settlements")


class SettlementJournal(Protocol):
    """A journal; see `ledger/journal.py`."""

    def append(self, settlement: Settlement) -> asyncio.Future[None]: ...

    def confirm(self, request_id: UUID) -> None: ...


class _Asked(msgspec.Struct, frozen=True):
    at_seconds: float
    settlement: Settlement
    future: asyncio.Future[SettledCharge]


class _Kept(NamedTuple):
    settlement: Settlement
    written: asyncio.Future[SettledCharge]


class Settlements:
    """Settles, many in one call. A settlement is known by its object: the same object may be submitted again."""

    def __init__(self, book: RequestBook, journal: SettlementJournal, alarms: Alarms) -> None:
        self._book = book
        self._journal = journal
        self._alarms = alarms
        self._batcher: Batcher[Settlement, SettledCharge] = Batcher(self._settle)
        self._asked: dict[int, _Asked] = {}  # without an answer yet, oldest first
        self._kept: dict[int, _Kept] = {}  # in the journal or on the way there, not yet in the database
        self._insisting: set[int] = set()
        self._loose: set[asyncio.Task[None]] = set()
        self._look: asyncio.TimerHandle | None = None

    def submit(self, settlement: Settlement) -> asyncio.Future[SettledCharge]:
        """Durable when done. Goes through even if the future is cancelled. Raises DatabaseUnavailable: neither database
        nor journal has it for certain; BooksRefused.
        """
        loop = asyncio.get_running_loop()
        try:
            future = self._batcher.submit(settlement)
        except DatabaseUnavailable:  # too many wait
            self._insist(settlement)
            return self._keep(settlement)
        self._asked.setdefault(id(settlement), _Asked(loop.time(), settlement, future))
        if self._look is None:
            self._look = loop.call_later(_LOOK_SECONDS, self._keep_overdue)
        return future

    def submit_soon(self, settlement: Settlement) -> None:
        """As `submit`, by nobody who waits: until it is durable or refused."""
        self._run(self._until_durable(settlement))

    @property
    def queued(self) -> int:
        """How many wait for the database's next call."""
        return self._batcher.waiting

    def waiting(self) -> set[asyncio.Future[Any]]:
        """What is under way."""
        return {*self._loose, *(asked.future for asked in self._asked.values() if not asked.future.done())}

    async def close(self) -> None:
        """Whatever is not confirmed goes to the journal; nothing is asked for any more."""
        kept = [self._keep(asked.settlement) for asked in [*self._asked.values()]]
        kept += [each.written for each in self._kept.values()]
        failures = [each for each in await asyncio.gather(*kept, return_exceptions=True) if isinstance(each, Exception)]
        if failures:
            _log.error("settlements_lost", requests=len(failures), reason=str(failures[0]))
        if self._look is not None:
            self._look.cancel()
        for task in self._loose:
            task.cancel()

    async def _settle(self, rows: Sequence[Settlement]) -> Sequence[Answer[SettledCharge]]:
        answers = await self._book.settle(rows)
        if not self._kept and _all_in_full(answers):
            for row in rows:
                self._asked.pop(id(row), None)
            return answers
        return [
            self._confirmed(row, answer) if isinstance(answer, SettledCharge) else self._unconfirmed(row, answer)
            for row, answer in zip(rows, answers, strict=True)
        ]

    def _confirmed(self, settlement: Settlement, settled: SettledCharge) -> SettledCharge:
        was_kept, first = id(settlement) in self._kept, self._forget(settlement)
        # An answer that comes again was heard before, unless it is that of a settlement whose first answer was lost.
        if settled.overrun and (was_kept or (first and not settled.again)):
            self._report(Alarm.OVERRUN, settlement, lost_nano=int(settled.overrun))
        return settled

    def _unconfirmed(
        self, settlement: Settlement, answer: Exception | asyncio.Future[SettledCharge]
    ) -> Answer[SettledCharge]:
        if isinstance(answer, asyncio.Future):
            return asyncio.ensure_future(self._later(settlement, answer))
        if isinstance(answer, BooksRefused):
            self._forget(settlement)
            _log.error("settlement_refused", request=_shown(settlement), reason=str(answer))
            return answer
        kept = self._keep(settlement)
        self._insist(settlement)
        return kept

    async def _later(self, settlement: Settlement, coming: asyncio.Future[SettledCharge]) -> SettledCharge:
        """The answer of one whose account somebody else keeps locked."""
        try:
            return self._confirmed(settlement, await coming)
        except BooksError as error:
            answer = self._unconfirmed(settlement, error)
        if isinstance(answer, asyncio.Future):
            return await answer
        raise answer if isinstance(answer, Exception) else AssertionError("a failed answer is not a success")

    def _keep_overdue(self) -> None:
        self._look = None
        loop = asyncio.get_running_loop()
        latest = loop.time() - _CONFIRM_SECONDS
        for asked in [*takewhile(lambda asked: asked.at_seconds <= latest, self._asked.values())]:
            self._keep(asked.settlement).add_done_callback(partial(_pass_on, asked.future))
        if self._asked:
            self._look = loop.call_later(_LOOK_SECONDS, self._keep_overdue)

    def _keep(self, settlement: Settlement) -> asyncio.Future[SettledCharge]:
        """Into the journal, once."""
        key = id(settlement)
        self._asked.pop(key, None)
        if key not in self._kept:
            self._kept[key] = _Kept(settlement, asyncio.ensure_future(self._write(settlement)))
        return self._kept[key].written

    async def _write(self, settlement: Settlement) -> SettledCharge:
        try:
            await self._journal.append(settlement)
        except (OSError, DatabaseUnavailable) as error:
            self._kept.pop(id(settlement), None)
            _log.error("journal_not_written", request=_shown(settlement), reason=str(error))
            raise DatabaseUnavailable("neither the database nor the journal confirmed the settlement") from error
        self._report(Alarm.JOURNALED, settlement)
        charge = Usd(min(settlement.cost, settlement.bound))
        over = settlement.cost - charge
        return SettledCharge(charge, Usd(max(settlement.fee - over, 0)), over)

    def _insist(self, settlement: Settlement) -> None:
        if id(settlement) not in self._insisting:
            self._insisting.add(id(settlement))
            self._run(self._until_confirmed(settlement))

    async def _until_confirmed(self, settlement: Settlement) -> None:
        key, tries = id(settlement), 0
        while key in self._kept:
            await asyncio.sleep(_RETRY_SECONDS[min(tries, len(_RETRY_SECONDS) - 1)])
            tries += 1
            try:
                await self._batcher.submit(settlement)
            except BooksError as error:
                _log.debug("settlement_not_confirmed", request=_shown(settlement), reason=str(error))
        self._insisting.discard(key)

    async def _until_durable(self, settlement: Settlement) -> None:
        tries = 0
        while True:
            try:
                await self.submit(settlement)
            except DatabaseUnavailable:
                await asyncio.sleep(_RETRY_SECONDS[min(tries, len(_RETRY_SECONDS) - 1)])
                tries += 1
            except BooksRefused:
                return
            else:
                return

    def _forget(self, settlement: Settlement) -> bool:
        """Whether this is its first answer."""
        key = id(settlement)
        asked = self._asked.pop(key, None)
        kept = self._kept.pop(key, None) if self._kept else None
        if kept is not None:
            self._journal.confirm(settlement.request_id)
        return asked is not None or kept is not None

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._loose.add(task)
        task.add_done_callback(self._loose.discard)

    def _report(self, alarm: Alarm, settlement: Settlement, **facts: int | str) -> None:
        product = settlement.product
        self._alarms.report(alarm, settlement.request_id, product.provider, product.model, **facts)


def _pass_on(future: asyncio.Future[SettledCharge], written: asyncio.Future[SettledCharge]) -> None:
    """To whoever waits."""
    if written.cancelled():
        future.cancel()
        return
    error = written.exception()
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(written.result())


def _all_in_full(answers: Sequence[Answer[SettledCharge]]) -> bool:
    """Whether every settlement of a batch is in the database, without a loss: as nearly always."""
    for answer in answers:  # noqa: SIM110  a generator costs more than the comparison
        if type(answer) is not SettledCharge or answer.overrun:
            return False
    return True


def _shown(settlement: Settlement) -> str:
    return show("req", settlement.request_id)
