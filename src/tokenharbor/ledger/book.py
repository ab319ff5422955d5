"""The book: what every store of the ledger can do."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from tokenharbor.kernel.ids import UUID
from tokenharbor.ledger.types import (
    Balance,
    Credit,
    Hold,
    KeyLimits,
    Placed,
    Refused,
    Release,
    Settled,
    Settlement,
)


class Book(Protocol):
    """Accounts' lines, holds and entries. Each batch is admitted in order; an item that fails is an exception in its
    place (BooksError) and does not touch the others. Every call is idempotent by request id.
    """

    async def place(self, holds: Sequence[Hold]) -> Sequence[Placed | Refused | Exception]: ...

    async def settle(self, settlements: Sequence[Settlement]) -> Sequence[Settled | Exception]: ...

    async def release(self, releases: Sequence[Release]) -> Sequence[Exception | None]: ...

    async def credit(self, credit: Credit) -> None: ...

    async def expire(self, account_id: UUID, at: datetime) -> None: ...

    async def balance(self, account_id: UUID, at: datetime) -> Balance: ...

    async def open_account(self, account_id: UUID) -> None: ...

    async def open_key(self, key_id: UUID, account_id: UUID, limits: KeyLimits) -> None: ...
