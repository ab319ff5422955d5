"""Releases: gives holds back in batches, and retries in the background those that no request waits for."""

import asyncio
from collections.abc import Sequence
from functools import partial

import structlog

from tokenharbor.billing.alarms import Alarm, Alarms
from tokenharbor.kernel.errors import BooksError, DatabaseUnavailable
from tokenharbor.kernel.ids import UUID
from tokenharbor.ledger.batcher import Batcher
from tokenharbor.ledger.book import Answer, RequestBook
from tokenharbor.ledger.types import Hold, PlacedHold, RefusedHold, Release

_RETRY_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0)
_log = structlog.get_logger("releases")


class Releases:
    """Gives holds back. The future of `submit` is done once the hold is given back."""

    def __init__(self, book: RequestBook, holds: Batcher[Hold, PlacedHold | RefusedHold], alarms: Alarms) -> None:
        self._book = book
        self._holds = holds
        self._alarms = alarms
        self._batcher: Batcher[Release, None] = Batcher(self._release)
        self._loose: set[asyncio.Task[None]] = set()
        self.submit = self._batcher.submit

    def submit_soon(self, release: Release, under_way: asyncio.Future[None] | None = None) -> None:
        """Release in the background, with retries while the database is unavailable. It is sent after every hold asked
        for so far, so that a hold cannot be placed after its own release. `under_way` is an earlier `submit` of it that
        may still succeed; waiting for it first reports the loss only once.
        """
        task = asyncio.ensure_future(self._until_released(release, under_way))
        self._loose.add(task)
        task.add_done_callback(self._loose.discard)

    def hand_over(self, request_id: UUID) -> None:
        """Leave the hold of a request to its task, which will end it."""
        self._book.hand_over(request_id)

    def waiting(self) -> set[asyncio.Task[None]]:
        """Return the releases in the background."""
        return set(self._loose)

    def close(self) -> None:
        """Stop retrying. The next gateway releases the remaining holds."""
        if self._loose:
            _log.warning("releases_left_to_the_next_gateway", requests=len(self._loose))
        for task in self._loose:
            task.cancel()

    async def _release(self, releases: Sequence[Release]) -> Sequence[Answer[None]]:
        answers = await self._book.release(releases)
        for release, answer in zip(releases, answers, strict=True):
            if not release.loss or isinstance(answer, Exception):
                continue
            if isinstance(answer, asyncio.Future):
                answer.add_done_callback(partial(self._report_if_released, release))
            else:
                self._report(release)
        return answers

    def _report_if_released(self, release: Release, answer: asyncio.Future[None]) -> None:
        if not answer.cancelled() and answer.exception() is None:
            self._report(release)

    def _report(self, release: Release) -> None:
        lost, product = int(release.loss), release.product
        self._alarms.report(Alarm.UNBILLED, release.request_id, product.provider, product.model, lost_nano=lost)

    async def _until_released(self, release: Release, attempt: asyncio.Future[None] | None) -> None:
        tries = 0
        while True:
            try:
                if attempt is None:
                    await self._holds.barrier()
                    attempt = self.submit(release)
                await attempt
            except DatabaseUnavailable:
                attempt = None
                await asyncio.sleep(_RETRY_SECONDS[min(tries, len(_RETRY_SECONDS) - 1)])
                tries += 1
            except BooksError as error:
                _log.error("books_refused", request=str(release.request_id), reason=str(error))
                return
            else:
                return
