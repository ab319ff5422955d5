"""The credit book: each of its operations locks a wallet, makes an entry by a pure move, and posts the entry."""

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
    """The book that moves credit. Every call raises DatabaseUnavailable, and BooksRefused if a rule of the books
    forbids it; the caller must then roll back its transaction. `lock` and `post` belong in one transaction.
    """

    @abstractmethod
    async def lock_wallet(self, account_id: UUID, at: datetime) -> None:
        """Lock the wallet until the transaction ends, and run due expiries."""

    @abstractmethod
    async def lock(self, account_id: UUID, at: datetime) -> CreditState:
        """Lock the wallet likewise, and return its credit after the expiries."""

    @abstractmethod
    async def post(self, entry: CreditEntry) -> bool:
        """Write an entry once. Return False if its id or its reference was already there."""

    @abstractmethod
    async def balance(self, account_id: UUID, at: datetime) -> Balance:
        """Return an account's balance. Of expired credit only the held part counts."""

    @abstractmethod
    def transaction(self) -> AbstractAsyncContextManager[object]:
        """Return a transaction that commits as a whole, or not at all if it raises. Transactions may be nested."""

    @abstractmethod
    async def _history(self, reversal: Reversal) -> LotHistory:
        """Return the history of the credit to be undone. Raises BooksRefused if it is no credit."""

    async def credit(self, credit: Credit) -> None:
        """Grant a lot once, by its entry's id and, if it has one, by its reference."""
        check_credit(credit)
        async with self.transaction():
            await self.post(credit_moves.grant(await self.lock(credit.account_id, credit.at), credit))

    async def claw(self, clawback: Clawback) -> None:
        """Take a lot back as far as it is neither spent nor held; the rest becomes debt."""
        check_clawback(clawback)
        async with self.transaction():
            await self.post(credit_moves.claw(await self.lock(clawback.account_id, clawback.at), clawback))

    async def reverse(self, reversal: Reversal) -> None:
        """Undo a credit once, as far as it has not already gone back."""
        async with self.transaction():
            account_id = (await self._history(reversal)).account_id
            state = await self.lock(account_id, reversal.at)
            entry = credit_moves.reverse(state, reversal, await self._history(reversal))
            if entry is not None:
                await self.post(entry)

    async def expire(self, account_id: UUID, at: datetime) -> None:
        """Take expired credit off the line, as the next hold would."""
        async with self.transaction():
            await self.lock_wallet(account_id, at)
