"""The books as requests use them: each asks for its own, and what many ask for at once goes out in one call."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from tokenharbor.kernel.errors import BooksAway, BooksError
from tokenharbor.ledger.book import Book
from tokenharbor.ledger.gather import Gather
from tokenharbor.ledger.types import Hold, Placed, Record, Refused, Release, Settled, Settlement

_RETRY_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0)
_DRAIN_SECONDS = 5.0
_log = structlog.get_logger("books")
T = TypeVar("T")


class Books:
    """Holds and settlements of one process; see money.md, "A request's money"."""

    def __init__(self, book: Book) -> None:
        self._holds: Gather[Hold, Placed | Refused] = Gather(book.place)
        self._settlements: Gather[Settlement, Settled] = Gather(book.settle)
        self._releases: Gather[Release, None] = Gather(book.release)
        self._loose: set[asyncio.Task[None]] = set()

    def place(self, hold: Hold) -> asyncio.Future[Placed | Refused]:
        return self._holds.submit(hold)

    def settle(self, settlement: Settlement) -> asyncio.Future[Settled]:
        return self._settlements.submit(settlement)

    def release(self, release: Release) -> asyncio.Future[None]:
        return self._releases.submit(release)

    def settle_soon(self, settlement: Settlement) -> None:
        """Goes through even if the books are away for now; nobody waits."""
        self._insist(lambda: self._settlements.submit(settlement), settlement.record)

    def release_soon(self, release: Release) -> None:
        """Goes through even if the books are away for now; nobody waits. After every hold that was asked for, so
        that a hold on its way cannot overtake its own release.
        """

        async def after_holds() -> None:
            await self._holds.barrier()
            await self._releases.submit(release)

        self._insist(after_holds, release.record)

    async def drain(self) -> None:
        """Wait for what nobody waits for, as far as the books are there: what is left of it bills nobody, and its
        holds are given back by the next gateway.
        """
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + _DRAIN_SECONDS
        while self._loose and (left := ends_at - loop.time()) > 0:
            await asyncio.wait(set(self._loose), timeout=left)
        if self._loose:
            _log.error("books_not_told", requests=len(self._loose))
        for task in self._loose:
            task.cancel()

    def _insist(self, ask: Callable[[], Awaitable[object]], record: Record) -> None:
        task = asyncio.ensure_future(_until_done(ask, record))
        self._loose.add(task)
        task.add_done_callback(self._loose.discard)


async def _until_done(ask: Callable[[], Awaitable[object]], record: Record) -> None:
    tries = 0
    while True:
        try:
            await ask()
        except BooksAway:
            await asyncio.sleep(_RETRY_SECONDS[min(tries, len(_RETRY_SECONDS) - 1)])
            tries += 1
        except BooksError as error:
            _log.error("books_refused", request=str(record.request_id), reason=str(error))
            return
        else:
            return
