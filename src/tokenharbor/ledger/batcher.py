"""The batcher: what many ask for one by one goes out in few calls; while one is in flight, the next one fills.

There is no timer and no target size. A row that comes while nothing is in flight leaves in the same turn of the event
loop, with all others of that turn; rows that come meanwhile leave together when the call returns. So batches are as
small as the database is fast: a lone request waits for nobody, and a burst waits for two calls at most.

The invariants: one call at a time; rows leave in the order in which they came; each is answered exactly once, by its
result, its error, or the error of its whole call. A row that was submitted cannot be taken back: whoever stops waiting
for it must undo it, behind a `barrier`, so that the row cannot overtake its undoing.

A timer that waits for more rows would cost its time at low load; at high load the call in flight is that timer. Several
calls in flight would wait for each other's locks on the same wallets.
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
    """Rows are answered in the order in which they came, `batch` at most in one call. With more than `queue` of them
    waiting, `submit` raises QueueFull: the database is slower than what is asked of it. Each row that does not fit into
    the next call is told to `on_many`: what comes more slowly from then on makes no call smaller.

    A burst within one turn of the event loop goes out together: the first row only schedules the call.
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
        self._many = min(batch, queue)
        self.on_many: Callable[[], None] = _do_nothing
        self._rows: list[Row] = []
        self._futures: list[asyncio.Future[Result]] = []
        self._submitted = 0
        self._answered = 0
        self._later: set[asyncio.Future[Result]] = set()
        self._barriers: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._flight: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """How many rows wait for the next call."""
        return len(self._rows)

    def submit(self, row: Row) -> asyncio.Future[Result]:
        """The row's answer to be. Cancelling it does not take the row back."""
        if len(self._rows) >= self._many:
            self._note_many()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._rows.append(row)
        self._futures.append(future)
        self._submitted += 1
        if self._flight is None:
            self._flight = loop.create_task(self._fly())
        return future

    def _note_many(self) -> None:
        if len(self._rows) >= self._queue:
            raise QueueFull(f"{self._queue} rows are waiting for the database")
        self.on_many()

    async def barrier(self) -> None:
        """Wait until every row submitted so far has its answer."""
        if self._answered < self._submitted:
            passed = asyncio.get_running_loop().create_future()
            self._barriers.append((self._submitted, passed))
            await passed
        while self._later:
            await asyncio.wait(set(self._later))

    async def _fly(self) -> None:
        while self._rows:
            rows, self._rows = self._rows[: self._batch], self._rows[self._batch :]
            futures, self._futures = self._futures[: self._batch], self._futures[self._batch :]
            try:
                self._answer(futures, await self._call(rows))
            except Exception as error:  # noqa: BLE001  everybody who waits is told
                self._answer(futures, [error] * len(futures))
            except BaseException:
                for future in (*futures, *self._futures):
                    future.cancel()
                self._rows, self._futures, self._flight = [], [], None  # whoever comes next begins anew
                raise
        self._flight = None

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
