"""Settlements: made durable in the database, or after two seconds in the journal until the database has them."""

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
_CHECK_SECONDS = 0.1
_RETRY_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0)
_log = structlog.get_logger("settlements")


class SettlementJournal(Protocol):
    """The journal, as settlements use it; see `ledger/journal.py`."""

    def append(self, settlement: Settlement) -> asyncio.Future[None]: ...

    def confirm(self, request_id: UUID) -> None: ...


class _Submitted(msgspec.Struct, frozen=True):
    at_seconds: float
    settlement: Settlement
    future: asyncio.Future[SettledCharge]


class _Journaled(NamedTuple):
    settlement: Settlement
    written: asyncio.Future[SettledCharge]


class Settlements:
    """Settles in batches. A settlement is identified by its object: the same object may be submitted again."""

    def __init__(self, book: RequestBook, journal: SettlementJournal, alarms: Alarms) -> None:
        self._book = book
        self._journal = journal
        self._alarms = alarms
        self._batcher: Batcher[Settlement, SettledCharge] = Batcher(self._settle)
        self._unanswered: dict[int, _Submitted] = {}  # without an answer yet, the oldest first
        self._journaled: dict[int, _Journaled] = {}  # in the journal or being written to it, not yet in the database
        self._retrying: set[int] = set()
        self._background: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def submit(self, settlement: Settlement) -> asyncio.Future[SettledCharge]:
        """Settle a request. The future is done once the settlement is durable, and cancelling it does not stop the
        settlement. It raises DatabaseUnavailable if neither database nor journal confirmed it, and BooksRefused.
        """
        loop = asyncio.get_running_loop()
        try:
            future = self._batcher.submit(settlement)
        except DatabaseUnavailable:  # too many wait
            self._retry(settlement)
            return self._write_to_journal(settlement)
        self._unanswered.setdefault(id(settlement), _Submitted(loop.time(), settlement, future))
        if self._timer is None:
            self._timer = loop.call_later(_CHECK_SECONDS, self._journal_overdue)
        return future

    def submit_soon(self, settlement: Settlement) -> None:
        """Settle in the background, with retries until the settlement is durable or refused."""
        self._run(self._until_durable(settlement))

    @property
    def queued(self) -> int:
        """The number of settlements that wait for the database's next call."""
        return self._batcher.waiting

    def waiting(self) -> set[asyncio.Future[Any]]:
        """Return all pending settlements."""
        return {
            *self._background,
            *(submitted.future for submitted in self._unanswered.values() if not submitted.future.done()),
        }

    async def close(self) -> None:
        """Write all unconfirmed settlements to the journal, and stop retrying."""
        writes = [self._write_to_journal(submitted.settlement) for submitted in [*self._unanswered.values()]]
        writes += [each.written for each in self._journaled.values()]
        outcomes = await asyncio.gather(*writes, return_exceptions=True)
        failures = [each for each in outcomes if isinstance(each, Exception)]
        if failures:
            _log.error("settlements_lost", requests=len(failures), reason=str(failures[0]))
        if self._timer is not None:
            self._timer.cancel()
        for task in self._background:
            task.cancel()

    async def _settle(self, rows: Sequence[Settlement]) -> Sequence[Answer[SettledCharge]]:
        answers = await self._book.settle(rows)
        if not self._journaled and _all_covered(answers):
            for row in rows:
                self._unanswered.pop(id(row), None)
            return answers
        return [
            self._confirmed(row, answer) if isinstance(answer, SettledCharge) else self._unconfirmed(row, answer)
            for row, answer in zip(rows, answers, strict=True)
        ]

    def _confirmed(self, settlement: Settlement, settled: SettledCharge) -> SettledCharge:
        was_journaled, first = id(settlement) in self._journaled, self._forget(settlement)
        # A repeated answer was reported before, unless the first answer was lost on its way here.
        if settled.overrun and (was_journaled or (first and not settled.repeated)):
            self._report(Alarm.OVERRUN, settlement, lost_nano=int(settled.overrun))
        return settled

    def _unconfirmed(
        self, settlement: Settlement, answer: Exception | asyncio.Future[SettledCharge]
    ) -> Answer[SettledCharge]:
        if isinstance(answer, asyncio.Future):
            return asyncio.ensure_future(self._await_locked(settlement, answer))
        if isinstance(answer, BooksRefused):
            self._forget(settlement)
            _log.error("settlement_refused", request=_request_name(settlement), reason=str(answer))
            return answer
        written = self._write_to_journal(settlement)
        self._retry(settlement)
        return written

    async def _await_locked(
        self, settlement: Settlement, answer_future: asyncio.Future[SettledCharge]
    ) -> SettledCharge:
        """Wait for the answer to a settlement whose account another transaction has locked."""
        try:
            return self._confirmed(settlement, await answer_future)
        except BooksError as error:
            answer = self._unconfirmed(settlement, error)
        if isinstance(answer, asyncio.Future):
            return await answer
        raise answer if isinstance(answer, Exception) else AssertionError("a failed answer is not a success")

    def _journal_overdue(self) -> None:
        """Write settlements to the journal that have waited for `_CONFIRM_SECONDS`."""
        self._timer = None
        loop = asyncio.get_running_loop()
        latest = loop.time() - _CONFIRM_SECONDS
        for submitted in [*takewhile(lambda submitted: submitted.at_seconds <= latest, self._unanswered.values())]:
            self._write_to_journal(submitted.settlement).add_done_callback(partial(_pass_on, submitted.future))
        if self._unanswered:
            self._timer = loop.call_later(_CHECK_SECONDS, self._journal_overdue)

    def _write_to_journal(self, settlement: Settlement) -> asyncio.Future[SettledCharge]:
        """Write a settlement to the journal, once. Return the future of its charge."""
        key = id(settlement)
        self._unanswered.pop(key, None)
        if key not in self._journaled:
            self._journaled[key] = _Journaled(settlement, asyncio.ensure_future(self._write(settlement)))
        return self._journaled[key].written

    async def _write(self, settlement: Settlement) -> SettledCharge:
        try:
            await self._journal.append(settlement)
        except (OSError, DatabaseUnavailable) as error:
            self._journaled.pop(id(settlement), None)
            _log.error("journal_not_written", request=_request_name(settlement), reason=str(error))
            raise DatabaseUnavailable("neither the database nor the journal confirmed the settlement") from error
        self._report(Alarm.JOURNALED, settlement)
        charge = Usd(min(settlement.cost, settlement.bound))
        overrun = settlement.cost - charge
        return SettledCharge(charge, Usd(max(settlement.fee - overrun, 0)), overrun)

    def _retry(self, settlement: Settlement) -> None:
        """Retry in the background until the database has the settlement."""
        if id(settlement) not in self._retrying:
            self._retrying.add(id(settlement))
            self._run(self._until_confirmed(settlement))

    async def _until_confirmed(self, settlement: Settlement) -> None:
        key, tries = id(settlement), 0
        while key in self._journaled:
            await asyncio.sleep(_RETRY_SECONDS[min(tries, len(_RETRY_SECONDS) - 1)])
            tries += 1
            try:
                await self._batcher.submit(settlement)
            except BooksError as error:
                _log.debug("settlement_not_confirmed", request=_request_name(settlement), reason=str(error))
        self._retrying.discard(key)

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
        """Drop an answered settlement, also from the journal. Return whether this is its first answer."""
        key = id(settlement)
        submitted = self._unanswered.pop(key, None)
        journaled = self._journaled.pop(key, None) if self._journaled else None
        if journaled is not None:
            self._journal.confirm(settlement.request_id)
        return submitted is not None or journaled is not None

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def _report(self, alarm: Alarm, settlement: Settlement, **facts: int | str) -> None:
        product = settlement.product
        self._alarms.report(alarm, settlement.request_id, product.provider, product.model, **facts)


def _pass_on(future: asyncio.Future[SettledCharge], written: asyncio.Future[SettledCharge]) -> None:
    """Pass the journal's outcome on to the future that `submit` returned."""
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


def _all_covered(answers: Sequence[Answer[SettledCharge]]) -> bool:
    """Return whether every settlement of a batch is in the database without an overrun, as nearly always."""
    for answer in answers:  # noqa: SIM110  a generator costs more than the comparison
        if type(answer) is not SettledCharge or answer.overrun:
            return False
    return True


def _request_name(settlement: Settlement) -> str:
    return show("req", settlement.request_id)
