"""The book of requests: what every store of the ledger does for them."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol, TypeAlias, TypeVar

from tokenharbor.kernel.ids import UUID
from tokenharbor.ledger.types import Hold, PlacedHold, RefusedHold, Release, SettledCharge, Settlement

Result = TypeVar("Result")
Answer: TypeAlias = Result | Exception | asyncio.Future[Result]
"""What stands in a row's place: its result, why it failed, or, where somebody else keeps the row's account locked
and the others shall not wait for it, a result to come.
"""


class RequestBook(Protocol):
    """What serves requests: holds and their ends. What moves credit is in `wallets.py`. Each batch is admitted in
    order; an item that fails is an exception in its place (BooksError) and does not touch the others. Every call is
    idempotent by request id.
    """

    async def place(self, holds: Sequence[Hold]) -> Sequence[Answer[PlacedHold | RefusedHold]]: ...

    async def settle(self, settlements: Sequence[Settlement]) -> Sequence[Answer[SettledCharge]]: ...

    async def release(self, releases: Sequence[Release]) -> Sequence[Answer[None]]: ...

    async def drop(self, request_ids: Sequence[UUID], at: datetime) -> None:
        """Give holds back without a word about their requests."""

    def hand_over(self, request_id: UUID) -> None:
        """The hold stands on, and is somebody else's: it is not placed again if the database loses it."""


async def all_answers(answers: Sequence[Answer[Result]]) -> Sequence[Result | Exception]:
    """The answers, once those to come have come."""
    come: list[Result | Exception] = []
    for answer in answers:
        try:
            come.append(await answer if isinstance(answer, asyncio.Future) else answer)
        except Exception as error:  # noqa: BLE001  it is the answer
            come.append(error)
    return come
