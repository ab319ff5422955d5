"""Credit that is due to an account: granted before a hold is refused for insufficient balance."""

from collections.abc import Awaitable, Callable
from typing import Final

from tokenharbor.kernel.ids import UUID
from tokenharbor.ledger.types import HoldRefusal, RefusedHold

RunDue = Callable[[UUID], Awaitable[bool]]
"""Grants the credit that is due to an account. Returns whether any was granted. Raises BooksError."""

_MOST: Final = 10_000


class DueCredit:
    """Remembers each account's balance, including held credit, when due credit was last granted. While it is unchanged,
    nothing new can be due, so an account without balance that keeps asking costs only a lookup in memory.
    """

    def __init__(self, run_due: RunDue) -> None:
        self._run_due = run_due
        self._left: dict[UUID, int] = {}

    async def grant(self, account_id: UUID, refused: RefusedHold) -> bool:
        """Grant due credit. Return whether any was granted: then ask for the hold again. Raises BooksError."""
        left = refused.available + refused.held
        if refused.reason is not HoldRefusal.BALANCE or self._left.get(account_id) == left:
            return False
        came = await self._run_due(account_id)
        if len(self._left) >= _MOST:
            self._left.clear()
        self._left[account_id] = left
        return came
