"""The reads of the books that the gateway makes for callers: balances and receipts."""

from collections.abc import Awaitable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from tokenharbor.kernel.ids import UUID
from tokenharbor.ledger.types import Balance


class AccountReads(Protocol):
    """Reads of balances and receipts. Each raises BooksError while the database is unavailable."""

    def balance(self, account_id: UUID, at: datetime) -> Awaitable[Balance]: ...

    def receipt(self, account_id: UUID, request_id: UUID) -> Awaitable[Mapping[str, Any] | None]: ...

    def receipts(self, account_id: UUID, limit: int) -> Awaitable[Sequence[Mapping[str, Any]]]: ...
