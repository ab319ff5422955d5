"""Credit that is due to an account: asked for once before a hold is refused for want of balance."""

from collections.abc import Awaitable, Callable
from typing import Final

from tokenharbor.kernel.ids import UUID
from tokenharbor.ledger.types import HoldRefusal, RefusedHold

RunDue = Callable[[UUID], Awaitable[bool]]
"""Does what is due on an account; whether credit came of it. Raises BooksError."""

_MOST: Final = 10_000


class DueCredit:
    """What an account has left, held included, changes with all that it spends. So who asks again and again without
    balance costs a look into memory, and nothing more.
    """

    def __init__(self, run_due: RunDue) -> None:
        self._run_due = run_due
        self._left: dict[UUID, int] = {}

    async def comes(self, account_id: UUID, refused: RefusedHold) -> bool:
        """Whether credit came, so that the hold is to be asked for again. Raises BooksError."""
        left = refused.available + refused.held
        if refused.why is not HoldRefusal.BALANCE or self._left.get(account_id) == left:
            return False
        came = await self._run_due(account_id)
        if len(self._left) >= _MOST:
            self._left.clear()
        self._left[account_id] = left
        return came
