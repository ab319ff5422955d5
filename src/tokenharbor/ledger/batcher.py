"""The batcher: joins rows of many requests into few database calls; while one call is in flight, the next batch fills.

There is no timer and no target size. A row that arrives while no call is in flight leaves in the same turn of the event
loop, with all other rows of that turn; rows that arrive during a call leave together when it returns. The faster the
database, the smaller the batches: a lone row waits for no other, and a burst waits for two calls at most.

The invariants: one call at a time; rows leave in order of arrival; each row is answered exactly once, by its result,
its error, or the error of its whole call. A submitted row cannot be taken back: a caller that stops waiting for it must
undo it after a `barrier`, so that the row cannot overtake its undoing.

Rejected: a timer that waits for more rows adds its delay at low load, and at high load the call in flight already does
its work; several calls in flight would wait for each other's locks on the same wallets.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from tokenharbor.kernel.errors import QueueFull
from tokenharbor.ledger.book import Answer

Row = TypeVar("Row")
Result = TypeVar("Result")


def _do_nothing() -> None:
    pass


class Batcher(Generic[Row, Result]):
    """A queue of rows for the next call, which takes at most `batch` of them. With `queue` rows waiting, `submit`
    raises QueueFull: the database cannot keep up. `on_full_batch` is called for each row that does not fit into the
    next call: from then on, slowing down arrivals makes no batch smaller.

    The first row only schedules the call, so a burst within one turn of the event loop leaves together.
    """

    def __init__(
        self,
        call: Callable[[Sequence[Row]], Awaitable[Sequence[Answer[Result]]]],
        *,
        batch: int = 256,
        queue: int = 10_000,
    ) -> None:
        self._call = call
        self._batch = batch
        self._queue = queue
        self._full_batch = min(batch, queue)
        self.on_full_batch: Callable[[], None] = _do_nothing
        self._rows: list[Row] = []
        self._futures: list[asyncio.Future[Result]] = []
        self._submitted = 0
        self._answered = 0
        self._later: set[asyncio.Future[Result]] = set()
        self._barriers: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._sending: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """The number of rows that wait for a call."""
        return len(self._rows)

    def submit(self, row: Row) -> asyncio.Future[Result]:
        """Queue a row and return a future of its answer. Cancelling the future does not take the row back."""
        if len(self._rows) >= self._full_batch:
            self._note_full_batch()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._rows.append(row)
        self._futures.append(future)
        self._submitted += 1
        if self._sending is None:
            self._sending = loop.create_task(self._send())
        return future

    def _note_full_batch(self) -> None:
        if len(self._rows) >= self._queue:
            raise QueueFull(f"{self._queue} rows are waiting for the database")
        self.on_full_batch()

    async def barrier(self) -> None:
        """Wait until every row submitted so far has its answer."""
        if self._answered < self._submitted:
            passed = asyncio.get_running_loop().create_future()
            self._barriers.append((self._submitted, passed))
            await passed
        while self._later:
            await asyncio.wait(set(self._later))

    async def _send(self) -> None:
        while self._rows:
            rows, self._rows = self._rows[: self._batch], self._rows[self._batch :]
            futures, self._futures = self._futures[: self._batch], self._futures[self._batch :]
            try:
                self._answer(futures, await self._call(rows))
            except Exception as error:  # noqa: BLE001  it is the answer of every row
                self._answer(futures, [error] * len(futures))
            except BaseException:
                for future in (*futures, *self._futures):
                    future.cancel()
                self._rows, self._futures, self._sending = [], [], None  # the next row starts a new task
                raise
        self._sending = None

    def _answer(self, futures: Sequence[asyncio.Future[Result]], answers: Sequence[Answer[Result]]) -> None:
        for future, answer in zip(futures, answers, strict=True):
            if isinstance(answer, asyncio.Future):
                self._answer_later(future, answer)
            elif future.done():
                continue
            elif isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)
        self._answered += len(futures)
        while self._barriers and self._barriers[0][0] <= self._answered:
            passed = self._barriers.popleft()[1]
            if not passed.done():
                passed.set_result(None)

    def _answer_later(self, future: asyncio.Future[Result], answer: asyncio.Future[Result]) -> None:
        def forward(answer: asyncio.Future[Result]) -> None:
            self._later.discard(answer)
            error = None if answer.cancelled() else answer.exception()
            if future.done():
                return
            if answer.cancelled():
                future.cancel()
            elif error is not None:
                future.set_exception(error)
            else:
                future.set_result(answer.result())

        self._later.add(answer)
        answer.add_done_callback(forward)
