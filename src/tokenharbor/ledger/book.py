"""The book: what every store of the ledger can do."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol, TypeAlias, TypeVar

from tokenharbor.kernel.ids import UUID
from tokenharbor.ledger.types import (
    Balance,
    Clawback,
    Credit,
    Hold,
    KeyLimits,
    Placed,
    Refused,
    Release,
    Settled,
    Settlement,
)

Result = TypeVar("Result")
Answer: TypeAlias = Result | Exception | asyncio.Future[Result]
"""What stands in a row's place: its result, why it failed, or, where somebody else keeps the row's account locked
and the others shall not wait for it, a result to come.
"""


class Book(Protocol):
    """Accounts' lines, holds and entries. Each batch is admitted in order; an item that fails is an exception in its
    place (BooksError) and does not touch the others. Every call is idempotent by request id.
    """

    async def place(self, holds: Sequence[Hold]) -> Sequence[Answer[Placed | Refused]]: ...

    async def settle(self, settlements: Sequence[Settlement]) -> Sequence[Answer[Settled]]: ...

    async def release(self, releases: Sequence[Release]) -> Sequence[Answer[None]]: ...

    async def drop(self, request_ids: Sequence[UUID], at: datetime) -> None:
        """Give holds back without a word about their requests."""

    async def credit(self, credit: Credit) -> None:
        """Grant a lot, once. Raises BooksRefused, BooksAway."""

    async def claw(self, clawback: Clawback) -> None:
        """Take a lot back, as far as it is neither spent nor held; the rest becomes debt. Raises as `credit` does."""

    async def expire(self, account_id: UUID, at: datetime) -> None: ...

    async def balance(self, account_id: UUID, at: datetime) -> Balance: ...

    async def open_account(self, account_id: UUID) -> None: ...

    async def open_key(self, key_id: UUID, account_id: UUID, limits: KeyLimits) -> None: ...


async def all_answers(answers: Sequence[Answer[Result]]) -> Sequence[Result | Exception]:
    """The answers, once those to come have come."""
    come: list[Result | Exception] = []
    for answer in answers:
        try:
            come.append(await answer if isinstance(answer, asyncio.Future) else answer)
        except Exception as error:  # noqa: BLE001  it is the answer
            come.append(error)
    return come
