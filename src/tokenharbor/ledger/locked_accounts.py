"""Locked accounts: rows whose account another session has locked wait here in order, and delay no other rows."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import asyncpg

from tokenharbor.db.errors import is_unavailable
from tokenharbor.kernel.ids import UUID
from tokenharbor.ledger.operations import BatchOperation, do_new
from tokenharbor.ledger.outcomes import DRIVER_ERRORS, OutcomeUnknown, as_books_error
from tokenharbor.ledger.periods import by_day
from tokenharbor.ledger.statements import LedgerQueries

Row = TypeVar("Row", bound=Any)
Result = TypeVar("Result")


@dataclass(slots=True)
class LockedAccountQueue:
    """The rows of one account, and the task that does them once the account is free."""

    rows: list[tuple[Any, asyncio.Future[Any]]] = field(default_factory=list)
    task: asyncio.Task[None] | None = None


class LockedAccounts(Generic[Row, Result]):
    """A queue of rows for each locked account. Each queue waits for its account on a connection of the pool, for at
    most that connection's lock_timeout. `on_unknown` is called with each row whose outcome is unknown.
    """

    def __init__(
        self,
        operation: BatchOperation[Row, Result],
        sql: LedgerQueries,
        pool: asyncpg.Pool,
        on_unknown: Callable[[Row], None] | None,
    ) -> None:
        self._operation = operation
        self._sql = sql
        self._pool = pool
        self._on_unknown = on_unknown
        self._queues: dict[UUID, LockedAccountQueue] = {}

    def __bool__(self) -> bool:
        return bool(self._queues)

    def __contains__(self, account: UUID) -> bool:
        return account in self._queues

    async def close(self) -> None:
        """Wait until all queues are empty."""
        while tasks := [queue.task for queue in self._queues.values() if queue.task is not None]:
            await asyncio.wait(tasks)

    def add(self, row: Row) -> asyncio.Future[Result]:
        """Queue a row and return a future of its answer."""
        account = self._operation.account(row)
        queue = self._queues.setdefault(account, LockedAccountQueue())
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        queue.rows.append((row, answer))
        if queue.task is None:
            queue.task = asyncio.create_task(self._clear(account, queue))
        return answer

    async def _clear(self, account: UUID, queue: LockedAccountQueue) -> None:
        while queue.rows:
            waiting, queue.rows = queue.rows, []
            for day in by_day([row for row, _ in waiting]):
                for answer, (row, future) in zip(await self._wait_and_do(day), waiting[: len(day)], strict=True):
                    if isinstance(answer, OutcomeUnknown) and self._on_unknown is not None:
                        self._on_unknown(row)
                    _tell(future, answer)
                waiting = waiting[len(day) :]
        del self._queues[account]

    async def _wait_and_do(self, rows: Sequence[Row]) -> Sequence[Result | Exception]:
        operation = self._operation
        try:
            async with self._pool.acquire() as conn, conn.transaction():
                await conn.fetch(self._sql.lock_all, [operation.account(rows[0])])
                done = await do_new(operation, conn, rows)
                return [done[operation.request(row)] for row in rows]
        except (*DRIVER_ERRORS, ValueError) as error:
            if len(rows) == 1 or is_unavailable(error) or isinstance(error, asyncpg.LockNotAvailableError):
                return [as_books_error(error)] * len(rows)
        half = len(rows) // 2
        return [*await self._wait_and_do(rows[:half]), *await self._wait_and_do(rows[half:])]


def _tell(future: asyncio.Future[Result], answer: Result | Exception) -> None:
    if future.done():
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
