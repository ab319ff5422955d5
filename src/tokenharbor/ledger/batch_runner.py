"""The runner of batches: what a connection does with a batch, and what is done when it does not go through."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import asyncpg

from tokenharbor.db.errors import in_one_line, is_unavailable
from tokenharbor.db.pool import ReconnectingConnection
from tokenharbor.kernel.errors import BooksRefused, DatabaseUnavailable
from tokenharbor.kernel.ids import UUID
from tokenharbor.ledger.book import Answer
from tokenharbor.ledger.operations import BatchOperation
from tokenharbor.ledger.periods import by_day
from tokenharbor.ledger.statements import LedgerQueries

Row = TypeVar("Row", bound=Any)
Result = TypeVar("Result")

LOOK_FIRST = (
    asyncpg.UniqueViolationError,  # somebody did one of them before
    asyncpg.LockNotAvailableError,  # somebody else keeps an account locked
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
)
"""Errors after which a batch is tried with its eyes open."""

_DRIVERS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
_RULES = (asyncpg.IntegrityConstraintViolationError, asyncpg.DataError, asyncpg.InterfaceError, ValueError)
_OWN_RULE = "TH001"


class OutcomeUnknown(DatabaseUnavailable):
    """The database was asked and did not answer: it may have been done."""


@dataclass(slots=True)
class SharedConnection:
    """A connection, for one at a time."""

    link: ReconnectingConnection
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(slots=True)
class LockedAccountQueue:
    """Where rows wait whose account somebody else keeps locked, in order, out of the others' way."""

    rows: list[tuple[Any, asyncio.Future[Any]]] = field(default_factory=list)
    task: asyncio.Task[None] | None = None


class BatchRunner(Generic[Row, Result]):
    """Runs batches of one kind on one connection.

    A batch in which something was done before, or an account is locked, is tried again more carefully; one that
    fails otherwise is split, until only the rows fail that are at fault; one whose outcome is not known (the
    connection was lost) is asked again: the request ids make it once. `pauses` are the seconds before each
    time, after which the rows are DatabaseUnavailable.
    """

    def __init__(
        self,
        operation: BatchOperation[Row, Result],
        sql: LedgerQueries,
        shared: SharedConnection,
        pool: asyncpg.Pool,
        pauses: Sequence[float],
    ) -> None:
        self._operation = operation
        self._sql = sql
        self._shared = shared
        self._pool = pool
        self._pauses = pauses
        self._locked_accounts: dict[UUID, LockedAccountQueue] = {}

    async def run(self, rows: Sequence[Row]) -> Sequence[Answer[Result]]:
        if not rows:
            return []
        if self._locked_accounts:
            return await self._run_beside_locked(rows)
        return await self._run_by_day(rows)

    async def close(self) -> None:
        """Wait for the rows that were set aside."""
        while tasks := [queue.task for queue in self._locked_accounts.values() if queue.task is not None]:
            await asyncio.wait(tasks)

    async def _run_beside_locked(self, rows: Sequence[Row]) -> Sequence[Answer[Result]]:
        answers: list[Any] = [None] * len(rows)
        free: list[int] = []
        for i, row in enumerate(rows):
            if self._operation.account(row) in self._locked_accounts:
                answers[i] = self._set_aside(row)
            else:
                free.append(i)
        if free:
            for i, answer in zip(free, await self._run_by_day([rows[i] for i in free]), strict=True):
                answers[i] = answer
        return answers

    async def _run_by_day(self, rows: Sequence[Row]) -> Sequence[Answer[Result]]:
        days = list(by_day(rows))
        if len(days) == 1:
            return await self._insist(rows)
        return [answer for day in days for answer in await self._insist(day)]

    async def _insist(self, rows: Sequence[Row]) -> Sequence[Answer[Result]]:
        kind = DatabaseUnavailable
        for pause in (*self._pauses, None):
            try:
                async with self._shared.turn:
                    return await self._once(rows)
            except (DatabaseUnavailable, *_DRIVERS) as error:
                if not isinstance(error, DatabaseUnavailable):
                    kind = OutcomeUnknown
                if pause is None:
                    return [kind(in_one_line(error))] * len(rows)
                await asyncio.sleep(pause)
        raise AssertionError("the last turn returns")

    async def _once(self, rows: Sequence[Row]) -> Sequence[Answer[Result]]:
        conn = self._shared.link.connection
        try:
            return await self._try(conn, rows)
        except _DRIVERS:
            conn.terminate()  # nobody knows what it is doing: the link makes a new one
            raise

    async def _try(self, conn: asyncpg.Connection, rows: Sequence[Row]) -> Sequence[Answer[Result]]:
        try:
            return await self._operation.run(conn, rows)
        except LOOK_FIRST:
            return await self._carefully(conn, rows)
        except asyncpg.PostgresError as error:
            if is_unavailable(error):
                raise
            return await self._split(conn, rows, error)
        except (asyncpg.InterfaceError, ValueError) as error:
            if is_unavailable(error):
                raise
            return await self._split(conn, rows, error)

    async def _split(self, conn: asyncpg.Connection, rows: Sequence[Row], error: Exception) -> Sequence[Answer[Result]]:
        if len(rows) == 1:
            return [_as_books_error(error)]
        half = len(rows) // 2
        return [*await self._try(conn, rows[:half]), *await self._try(conn, rows[half:])]

    async def _carefully(self, conn: asyncpg.Connection, rows: Sequence[Row]) -> Sequence[Answer[Result]]:
        """Look first what is locked and what was done before; what is locked is set aside."""
        accounts = [*{self._operation.account(row) for row in rows}]
        try:
            async with conn.transaction():
                ours = {r["account_id"] for r in await conn.fetch(self._sql.lock_free, accounts)}
                missing = [account for account in accounts if account not in ours]
                ours |= {r["id"] for r in await conn.fetch(self._sql.unknown_accounts, missing)}
                done = await self._do_new(conn, [row for row in rows if self._operation.account(row) in ours])
        except (asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
            if is_unavailable(error):
                raise
            if len(rows) == 1:
                return [_as_books_error(error)]
            half = len(rows) // 2
            return [*await self._carefully(conn, rows[:half]), *await self._carefully(conn, rows[half:])]
        return [
            done[self._operation.request(row)] if self._operation.account(row) in ours else self._set_aside(row)
            for row in rows
        ]

    async def _do_new(self, conn: asyncpg.Connection, rows: Sequence[Row]) -> Mapping[UUID, Result | Exception]:
        """Do what was not done before; every row's answer by request id. The wallets are locked."""
        if not rows:
            return {}
        request = self._operation.request
        done = dict(await self._operation.recall(conn, rows))
        new = [row for row in rows if request(row) not in done]
        if new:
            done.update(zip(map(request, new), await self._operation.run(conn, new), strict=True))
        return done

    def _set_aside(self, row: Row) -> asyncio.Future[Result]:
        account = self._operation.account(row)
        queue = self._locked_accounts.setdefault(account, LockedAccountQueue())
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        queue.rows.append((row, answer))
        if queue.task is None:
            queue.task = asyncio.create_task(self._clear(account, queue))
        return answer

    async def _clear(self, account: UUID, queue: LockedAccountQueue) -> None:
        while queue.rows:
            waiting, queue.rows = queue.rows, []
            for day in by_day([row for row, _ in waiting]):
                for answer, (_, future) in zip(await self._wait_and_do(day), waiting[: len(day)], strict=True):
                    _tell(future, answer)
                waiting = waiting[len(day) :]
        del self._locked_accounts[account]

    async def _wait_and_do(self, rows: Sequence[Row]) -> Sequence[Result | Exception]:
        """As often as one waits for a lock (the pool's lock_timeout), on a connection of its own."""
        accounts = [self._operation.account(rows[0])]
        try:
            async with self._pool.acquire() as conn, conn.transaction():
                await conn.fetch(self._sql.lock_all, accounts)
                done = await self._do_new(conn, rows)
                return [done[self._operation.request(row)] for row in rows]
        except (
            asyncpg.PostgresError,
            asyncpg.InterfaceError,
            asyncpg.InternalClientError,
            OSError,
            ValueError,
        ) as error:
            if len(rows) == 1 or is_unavailable(error) or isinstance(error, asyncpg.LockNotAvailableError):
                return [_as_books_error(error)] * len(rows)
        half = len(rows) // 2
        return [*await self._wait_and_do(rows[:half]), *await self._wait_and_do(rows[half:])]


def _tell(future: asyncio.Future[Result], answer: Result | Exception) -> None:
    if future.done():
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)


def _as_books_error(error: Exception) -> Exception:
    """A row that breaks a rule is refused; whatever else the database says is its own trouble."""
    if _breaks_a_rule(error):
        ours: Exception = BooksRefused(in_one_line(error))
    else:
        ours = (OutcomeUnknown if is_unavailable(error) else DatabaseUnavailable)(in_one_line(error))
    ours.__cause__ = error
    return ours


def _breaks_a_rule(error: Exception) -> bool:
    if isinstance(error, asyncpg.CheckViolationError) and error.constraint_name is None:
        return False  # there is no partition for the row yet
    own = isinstance(error, asyncpg.PostgresError) and error.sqlstate == _OWN_RULE
    return own or (isinstance(error, _RULES) and not is_unavailable(error))
