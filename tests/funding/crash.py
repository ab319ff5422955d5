"""Crashes between every two steps: each call of the database or the processor is a step, and so is each commit."""

import contextlib
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
from asyncpg.transaction import Transaction
from tests.funding.conftest import Till

from tokenharbor.funding.context import Funding


class Died(BaseException):  # no HarborError and no Exception: nothing of ours catches it, as nothing catches a kill
    """The simulated death of the process."""


ANSWERED = "answered"
"""The step at which a processor has done its work, and its answer is lost."""


class Steps:
    """Counts steps, and dies before the one with this number or name; None: never."""

    def __init__(self, die_before: int | str | None) -> None:
        self.taken = 0
        self._die_before = die_before

    def take(self, step: str = "") -> None:
        if self._die_before in (self.taken, step):
            raise Died
        self.taken += 1


class DyingConnection:
    """A connection on which each call is a step."""

    def __init__(self, conn: asyncpg.Connection, steps: Steps) -> None:
        self._conn = conn
        self._steps = steps

    def __getattr__(self, name: str) -> Any:
        call: Callable[..., Awaitable[Any]] = getattr(self._conn, name)

        async def step(*args: Any) -> Any:
            self._steps.take()
            return await call(*args)

        return step

    def transaction(self) -> "DyingTransaction":
        return DyingTransaction(self._conn.transaction(), self._steps)


class DyingTransaction:
    """A transaction whose beginning and commit are steps."""

    def __init__(self, transaction: Transaction, steps: Steps) -> None:
        self._transaction = transaction
        self._steps = steps

    async def start(self) -> None:
        self._steps.take()
        await self._transaction.start()

    async def commit(self) -> None:
        self._steps.take()  # all is done, and nothing is committed
        await self._transaction.commit()

    async def rollback(self) -> None:
        await self._transaction.rollback()

    async def __aenter__(self) -> None:
        await self.start()

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            return await self.rollback()
        try:
            await self.commit()
        except Died:
            await self.rollback()
            raise


class DyingProcessor:
    """A processor whose answers may be lost after it has done its work."""

    def __init__(self, processor: Any, steps: Steps) -> None:
        self._processor = processor
        self._steps = steps

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._processor, name)
        if not callable(found):
            return found

        async def step(*args: Any) -> Any:
            self._steps.take()
            answer = await found(*args)
            self._steps.take(ANSWERED)
            return answer

        return step


def dying(till: Till, steps: Steps) -> Funding:
    """The till's `Funding` in a process that dies before one of the steps."""
    return mortal(till.funding, steps)


def mortal(usual: Funding, steps: Steps) -> Funding:
    """A `Funding` in a process that dies before one of the steps."""

    @contextlib.asynccontextmanager
    async def acquire() -> AsyncIterator[Any]:
        async with usual.acquire() as conn:
            yield DyingConnection(conn, steps)

    return dataclasses.replace(
        usual,
        processors={name: DyingProcessor(each, steps) for name, each in usual.processors.items()},
        acquire=acquire,
    )
