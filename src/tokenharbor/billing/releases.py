"""Releases: holds given back in batches, and those that nobody waits for until they are through."""

import asyncio
from collections.abc import Sequence

import structlog

from tokenharbor.billing.alarms import Alarm, Alarms
from tokenharbor.kernel.errors import BooksError, DatabaseUnavailable
from tokenharbor.ledger.batcher import Batcher
from tokenharbor.ledger.book import Answer, RequestBook
from tokenharbor.ledger.types import Hold, PlacedHold, RefusedHold, Release

_RETRY_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0)
_log = structlog.get_logger("releases")


class Releases:
    """`submit` is done when the hold is given back."""

    def __init__(self, book: RequestBook, holds: Batcher[Hold, PlacedHold | RefusedHold], alarms: Alarms) -> None:
        self._book = book
        self._holds = holds
        self._alarms = alarms
        self._batcher: Batcher[Release, None] = Batcher(self._release)
        self._loose: set[asyncio.Task[None]] = set()
        self.submit = self._batcher.submit

    def submit_soon(self, release: Release) -> None:
        """Goes through even if the database is unavailable for now; nobody waits. After every hold that was asked for,
        so that a hold on its way cannot overtake its own release.
        """
        task = asyncio.ensure_future(self._until_released(release))
        self._loose.add(task)
        task.add_done_callback(self._loose.discard)

    def waiting(self) -> set[asyncio.Task[None]]:
        """What is under way and nobody waits for."""
        return set(self._loose)

    def close(self) -> None:
        """Nothing is asked for any more: the next gateway gives back what is left."""
        if self._loose:
            _log.warning("releases_left_to_the_next_gateway", requests=len(self._loose))
        for task in self._loose:
            task.cancel()

    async def _release(self, releases: Sequence[Release]) -> Sequence[Answer[None]]:
        answers = await self._book.release(releases)
        for release, answer in zip(releases, answers, strict=True):
            if release.loss and not isinstance(answer, Exception):
                lost, product = int(release.loss), release.product
                self._alarms.report(Alarm.UNBILLED, release.request_id, product.provider, product.model, lost_nano=lost)
        return answers

    async def _until_released(self, release: Release) -> None:
        tries = 0
        while True:
            try:
                await self._holds.barrier()
                await self.submit(release)
            except DatabaseUnavailable:
                await asyncio.sleep(_RETRY_SECONDS[min(tries, len(_RETRY_SECONDS) - 1)])
                tries += 1
            except BooksError as error:
                _log.error("books_refused", request=str(release.request_id), reason=str(error))
                return
            else:
                return
