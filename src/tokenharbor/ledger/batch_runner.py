"""The batch runner: runs a batch on a connection, and recovers if it fails.

The fast path is `run`, `_once`, `_try` and the operation: one statement, which is one transaction. It assumes that no
row was done before and that no account stays locked. If the database reports otherwise, nothing of the batch was done,
and the runner tries the same rows again with more care:

    done before (unique violation)     in one transaction, read what was done and do the rest
    locked by another session          the same without that account; its rows wait in a separate queue
    locked by our other connection     keep waiting: holds and ends have a connection each, and both lock wallets
    a row that breaks a rule           halve the batch until that row fails alone
    a lost or silent connection        the same batch again after a pause; request ids make it idempotent

The invariant: a row's answer is what the database has committed, or OutcomeUnknown.

A lock timeout alone does not prove that another session has the account: when CPU is short, our own other transaction
takes longer than that. Setting such rows aside was tried: it made the slow path the usual one just when time was short.
A longer timeout would let another session's lock stall every account. So the runner asks the database who has the lock.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import asyncpg

from tokenharbor.db.errors import in_one_line, is_unavailable
from tokenharbor.db.pool import ReconnectingConnection
from tokenharbor.kernel.errors import DatabaseUnavailable
from tokenharbor.ledger.book import Answer
from tokenharbor.ledger.locked_accounts import LockedAccounts
from tokenharbor.ledger.operations import BatchOperation, do_new
from tokenharbor.ledger.outcomes import DRIVER_ERRORS, ROW_ERRORS, OutcomeUnknown, as_books_error
from tokenharbor.ledger.periods import by_day, is_one_day
from tokenharbor.ledger.statements import LedgerQueries

Row = TypeVar("Row", bound=Any)
Result = TypeVar("Result")

_CONFLICTS = (
    asyncpg.UniqueViolationError,  # one of the rows was done before
    asyncpg.LockNotAvailableError,  # another session has locked an account
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
)
"""Errors after which a batch is tried by `_run_with_checks`."""

_MOST_WAITS = 20  # times the lock timeout: longer than the timeout of any statement of ours


@dataclass(slots=True)
class ExclusiveConnection:
    """A connection for one user at a time; `other` is our second connection, which locks the same wallets."""

    link: ReconnectingConnection
    other: ReconnectingConnection
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class BatchRunner(Generic[Row, Result]):
    """A runner of batches of one operation, on one connection. `pauses` are the seconds before each retry on a new one;
    after the last retry the rows' answers are DatabaseUnavailable. `on_unknown` is called with each row whose answer is
    OutcomeUnknown.
    """

    def __init__(
        self,
        operation: BatchOperation[Row, Result],
        *,
        sql: LedgerQueries,
        shared: ExclusiveConnection,
        pool: asyncpg.Pool,
        pauses: Sequence[float],
        on_unknown: Callable[[Row], None] | None = None,
    ) -> None:
        self._operation = operation
        self._sql = sql
        self._shared = shared
        self._pauses = pauses
        self._on_unknown = on_unknown
        self._locked = LockedAccounts(operation, sql, pool, on_unknown)

    async def run(self, rows: Sequence[Row]) -> Sequence[Answer[Result]]:
        if self._locked or not is_one_day(rows):
            return await self._run_apart(rows)
        try:
            return await self._once(rows)
        except (DatabaseUnavailable, *DRIVER_ERRORS) as error:
            return await self._retry(rows, error)

    async def close(self) -> None:
        """Wait for the rows of locked accounts."""
        await self._locked.close()

    async def _once(self, rows: Sequence[Row]) -> Sequence[Answer[Result]]:
        async with self._shared.lock:
            conn = self._shared.link.connection
            try:
                return await self._try(conn, rows)
            except DRIVER_ERRORS:
                conn.terminate()  # its state is unknown: the link opens a new one
                raise

    async def _try(self, conn: asyncpg.Connection, rows: Sequence[Row]) -> Sequence[Answer[Result]]:
        try:
            return await self._operation.run(conn, rows)
        except ROW_ERRORS as error:
            return await self._recover(conn, rows, error)

    async def _run_apart(self, rows: Sequence[Row]) -> Sequence[Answer[Result]]:
        """Run each day as a batch, and queue the rows of locked accounts behind those that already wait."""
        account = self._operation.account
        answers: list[Any] = [self._locked.add(row) if account(row) in self._locked else None for row in rows]
        free = [i for i, answer in enumerate(answers) if answer is None]
        for day in by_day([rows[i] for i in free]):
            try:
                done = await self._once(day)
            except (DatabaseUnavailable, *DRIVER_ERRORS) as error:
                done = await self._retry(day, error)
            for i, answer in zip(free[: len(day)], done, strict=True):
                answers[i] = answer
            free = free[len(day) :]
        return answers

    async def _retry(self, rows: Sequence[Row], error: Exception) -> Sequence[Answer[Result]]:
        """Retry after a failure of the connection or the database."""
        kind = DatabaseUnavailable if isinstance(error, DatabaseUnavailable) else OutcomeUnknown
        for pause in self._pauses:
            await asyncio.sleep(pause)
            try:
                return await self._once(rows)
            except (DatabaseUnavailable, *DRIVER_ERRORS) as again:
                error = again
                if not isinstance(error, DatabaseUnavailable):
                    kind = OutcomeUnknown
        if kind is OutcomeUnknown and self._on_unknown is not None:
            for row in rows:
                self._on_unknown(row)
        return [kind(in_one_line(error))] * len(rows)

    async def _recover(
        self, conn: asyncpg.Connection, rows: Sequence[Row], error: Exception
    ) -> Sequence[Answer[Result]]:
        """Recover from an error after which nothing of the batch was done."""
        for _ in range(_MOST_WAITS):
            if not isinstance(error, asyncpg.LockNotAvailableError) or await self._is_locked_by_others(conn, rows):
                break
            try:
                return await self._operation.run(conn, rows)
            except ROW_ERRORS as again:
                error = again
        if isinstance(error, _CONFLICTS):
            return await self._run_with_checks(conn, rows)
        if is_unavailable(error):
            raise error
        if len(rows) == 1:
            return [as_books_error(error)]
        half = len(rows) // 2
        return [*await self._try(conn, rows[:half]), *await self._try(conn, rows[half:])]

    async def _is_locked_by_others(self, conn: asyncpg.Connection, rows: Sequence[Row]) -> bool:
        """Whether a session other than our second connection has locked one of the accounts."""
        accounts = [*{self._operation.account(row) for row in rows}]
        other = self._shared.other
        pid = other.connection.get_server_pid() if other.is_up else 0
        locked: bool = await conn.fetchval(self._sql.is_locked_by_others, accounts, pid)
        return locked

    async def _run_with_checks(self, conn: asyncpg.Connection, rows: Sequence[Row]) -> Sequence[Answer[Result]]:
        """Read first which rows were done before; queue the rows of locked accounts, and do the rest."""
        operation = self._operation
        accounts = [*{operation.account(row) for row in rows}]
        try:
            async with conn.transaction():
                ours = {r["account_id"] for r in await conn.fetch(self._sql.lock_free, accounts)}
                missing = [account for account in accounts if account not in ours]
                ours |= {r["id"] for r in await conn.fetch(self._sql.unknown_accounts, missing)}
                done = await do_new(operation, conn, [row for row in rows if operation.account(row) in ours])
        except ROW_ERRORS as error:
            if is_unavailable(error):
                raise
            if len(rows) == 1:
                return [as_books_error(error)]
            half = len(rows) // 2
            return [*await self._run_with_checks(conn, rows[:half]), *await self._run_with_checks(conn, rows[half:])]
        return [
            done[operation.request(row)] if operation.account(row) in ours else self._locked.add(row) for row in rows
        ]
