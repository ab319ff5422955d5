"""The books as requests use them: each asks for its own, and what many ask for at once goes out in one call."""

import asyncio
from collections.abc import Sequence

import structlog

from tokenharbor.billing.alarms import Alarm, Alarms
from tokenharbor.billing.settlements import SettlementJournal, Settlements
from tokenharbor.kernel.errors import BooksError, DatabaseUnavailable
from tokenharbor.ledger.batcher import Batcher
from tokenharbor.ledger.book import Answer, RequestBook
from tokenharbor.ledger.types import Hold, PlacedHold, RefusedHold, Release, SettledCharge, Settlement

_RETRY_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0)
_DRAIN_SECONDS = 5.0
_log = structlog.get_logger("books")


class BatchedBook:
    """Holds and settlements of one process; see money.md, "A request's money"."""

    def __init__(self, book: RequestBook, journal: SettlementJournal, alarms: Alarms) -> None:
        self._book = book
        self._alarms = alarms
        self._holds: Batcher[Hold, PlacedHold | RefusedHold] = Batcher(book.place)
        self._settlements = Settlements(book, journal, alarms)
        self._releases: Batcher[Release, None] = Batcher(self._release)
        self._loose: set[asyncio.Task[None]] = set()

    def place(self, hold: Hold) -> asyncio.Future[PlacedHold | RefusedHold]:
        return self._holds.submit(hold)

    def settle(self, settlement: Settlement) -> asyncio.Future[SettledCharge]:
        """Durable when done: in the database, or in the journal and soon in the database."""
        return self._settlements.submit(settlement)

    def release(self, release: Release) -> asyncio.Future[None]:
        return self._releases.submit(release)

    def settle_soon(self, settlement: Settlement) -> None:
        """Goes through even if the database is unavailable for now; nobody waits."""
        self._settlements.submit_soon(settlement)

    def release_soon(self, release: Release) -> None:
        """Goes through even if the database is unavailable for now; nobody waits. After every hold that was asked for,
        so that a hold on its way cannot overtake its own release.
        """
        task = asyncio.ensure_future(self._until_released(release))
        self._loose.add(task)
        task.add_done_callback(self._loose.discard)

    async def drain(self) -> None:
        """Wait for what is under way, as far as the database is there. What is left then: settlements go to the
        journal, and the next gateway gives back the holds of releases.
        """
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + _DRAIN_SECONDS
        while (waiting := self._loose | self._settlements.waiting()) and (left := ends_at - loop.time()) > 0:
            await asyncio.wait(waiting, timeout=left)
        await self._settlements.close()
        if self._loose:
            _log.warning("releases_left_to_the_next_gateway", requests=len(self._loose))
        for task in self._loose:
            task.cancel()

    async def _release(self, releases: Sequence[Release]) -> Sequence[Answer[None]]:
        answers = await self._book.release(releases)
        for release, answer in zip(releases, answers, strict=True):
            if release.loss and not isinstance(answer, Exception):
                lost = int(release.loss)
                self._alarms.report(
                    Alarm.UNBILLED, release.request_id, release.product.provider, release.product.model, lost_nano=lost
                )
        return answers

    async def _until_released(self, release: Release) -> None:
        tries = 0
        while True:
            try:
                await self._holds.barrier()
                await self._releases.submit(release)
            except DatabaseUnavailable:
                await asyncio.sleep(_RETRY_SECONDS[min(tries, len(_RETRY_SECONDS) - 1)])
                tries += 1
            except BooksError as error:
                _log.error("books_refused", request=str(release.request_id), reason=str(error))
                return
            else:
                return
