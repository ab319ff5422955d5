"""The books as requests use them: holds, settlements and releases, gathered into batched database calls."""

import asyncio
from typing import Any

from tokenharbor.billing.alarms import Alarms
from tokenharbor.billing.releases import Releases
from tokenharbor.billing.settlements import SettlementJournal, Settlements
from tokenharbor.ledger.batcher import Batcher
from tokenharbor.ledger.book import RequestBook
from tokenharbor.ledger.types import Hold, PlacedHold, RefusedHold

_DRAIN_SECONDS = 5.0
MOST_QUEUED = 1_000
"""The most holds that may wait for the database: a fraction of a second's work."""


class BookBatchers:
    """The batchers of one process's holds, settlements and releases; see money.md, "A request's money"."""

    def __init__(self, book: RequestBook, journal: SettlementJournal, alarms: Alarms) -> None:
        self.holds: Batcher[Hold, PlacedHold | RefusedHold] = Batcher(book.place, queue=MOST_QUEUED)
        self.settlements = Settlements(book, journal, alarms)
        self.releases = Releases(book, self.holds, alarms)

    @property
    def queued(self) -> int:
        """The number of requests that wait for holds, or for settlements, whichever is greater."""
        return max(self.holds.waiting, self.settlements.queued)

    async def drain(self) -> None:
        """Wait for pending settlements and releases, for `_DRAIN_SECONDS` at most. After that, settlements go to the
        journal, and the next gateway releases the remaining holds.
        """
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + _DRAIN_SECONDS
        while (waiting := self._waiting()) and (left := ends_at - loop.time()) > 0:
            await asyncio.wait(waiting, timeout=left)
        await self.settlements.close()
        self.releases.close()

    def _waiting(self) -> set[asyncio.Future[Any]]:
        return {*self.releases.waiting(), *self.settlements.waiting()}
