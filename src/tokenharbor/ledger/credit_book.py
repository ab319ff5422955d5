"""The book that moves credit: every operation is a lock, a pure move, and a post."""

from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager
from datetime import datetime

from tokenharbor.kernel.ids import UUID
from tokenharbor.ledger import credit_moves
from tokenharbor.ledger.checks import check_clawback, check_credit
from tokenharbor.ledger.credit_state import CreditEntry, CreditState
from tokenharbor.ledger.reversal import LotHistory, Reversal
from tokenharbor.ledger.types import Balance, Clawback, Credit


class CreditBook(ABC):
    """Every call raises DatabaseUnavailable, and BooksRefused where a rule of the books forbids it: a transaction
    around it is then to be undone. `lock` and `post` belong into one transaction.
    """

    @abstractmethod
    async def lock_wallet(self, account_id: UUID, at: datetime) -> None:
        """Lock the wallet until the transaction ends, and run what is due to expire."""

    @abstractmethod
    async def lock(self, account_id: UUID, at: datetime) -> CreditState:
        """Likewise, and say what is there then."""

    @abstractmethod
    async def post(self, entry: CreditEntry) -> bool:
        """Write an entry, once. False: it was there, by its id or by its reference."""

    @abstractmethod
    async def balance(self, account_id: UUID, at: datetime) -> Balance:
        """What an account has. What has expired counts only as far as it is held."""

    @abstractmethod
    def transaction(self) -> AbstractAsyncContextManager[object]:
        """What is done in it is done as a whole, or not at all if it raises. Transactions may be nested."""

    @abstractmethod
    async def _history(self, reversal: Reversal) -> LotHistory:
        """Of the credit that is to be undone. Raises BooksRefused if it is none."""

    async def credit(self, credit: Credit) -> None:
        """Grant a lot, once: by its entry's id, and by its reference if it has one."""
        check_credit(credit)
        async with self.transaction():
            await self.post(credit_moves.grant(await self.lock(credit.account_id, credit.at), credit))

    async def claw(self, clawback: Clawback) -> None:
        """Take a lot back, as far as it is neither spent nor held; the rest becomes debt."""
        check_clawback(clawback)
        async with self.transaction():
            await self.post(credit_moves.claw(await self.lock(clawback.account_id, clawback.at), clawback))

    async def reverse(self, reversal: Reversal) -> None:
        """Undo a credit, once, as far as it has not gone back already."""
        async with self.transaction():
            account_id = (await self._history(reversal)).account_id
            state = await self.lock(account_id, reversal.at)
            entry = credit_moves.reverse(state, reversal, await self._history(reversal))
            if entry is not None:
                await self.post(entry)

    async def expire(self, account_id: UUID, at: datetime) -> None:
        """Take what has expired off the line, as the next hold would."""
        async with self.transaction():
            await self.lock_wallet(account_id, at)
