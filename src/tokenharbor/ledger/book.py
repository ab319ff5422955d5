"""The request book: the protocol that each store of the ledger implements to serve requests."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol, TypeAlias, TypeVar

from tokenharbor.kernel.ids import UUID
from tokenharbor.ledger.types import Hold, PlacedHold, RefusedHold, Release, SettledCharge, Settlement

Result = TypeVar("Result")
Answer: TypeAlias = Result | Exception | asyncio.Future[Result]
"""The answer to one row of a batch: its result, its error, or a future. A row gets a future if another session has
locked its account, so that the other rows need not wait for it.
"""


class RequestBook(Protocol):
    """The book that places holds and ends them. (`wallets.py` moves credit.) A batch is admitted in order. An item that
    fails is answered by a BooksError in its place and does not affect the others. Every call is idempotent by request
    id.
    """

    async def place(self, holds: Sequence[Hold]) -> Sequence[Answer[PlacedHold | RefusedHold]]: ...

    async def settle(self, settlements: Sequence[Settlement]) -> Sequence[Answer[SettledCharge]]: ...

    async def release(self, releases: Sequence[Release]) -> Sequence[Answer[None]]: ...

    async def drop(self, request_ids: Sequence[UUID], at: datetime) -> None:
        """Give holds back and record nothing about their requests."""

    def hand_over(self, request_id: UUID) -> None:
        """Forget a hold without ending it: another owner ends it. It is not placed again if the database loses it."""


async def wait_for_answers(answers: Sequence[Answer[Result]]) -> Sequence[Result | Exception]:
    """Wait for the answers that are futures, and return all answers in order."""
    results: list[Result | Exception] = []
    for answer in answers:
        try:
            results.append(await answer if isinstance(answer, asyncio.Future) else answer)
        except Exception as error:  # noqa: BLE001  it is the answer
            results.append(error)
    return results
