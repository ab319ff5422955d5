"""Wallets in memory, with the same rules as `wallets.py`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import BooksRefused
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.ledger.checks import check_entry
from tokenharbor.ledger.credit_book import CreditBook
from tokenharbor.ledger.credit_moves import expire
from tokenharbor.ledger.credit_rules import after
from tokenharbor.ledger.credit_state import CreditEntry, CreditState
from tokenharbor.ledger.memory_tables import MemoryTables
from tokenharbor.ledger.reversal import LotHistory, Reversal
from tokenharbor.ledger.types import Balance, Pool, Restriction


class MemoryWallets(CreditBook):
    """A CreditBook in memory. A call outside a transaction is a transaction by itself."""

    def __init__(self, tables: MemoryTables) -> None:
        self._tables = tables

    async def lock_wallet(self, account_id: UUID, at: datetime) -> None:
        self._tables.wallet(account_id)
        with self._tables.transaction(), self._tables.changing([account_id], at):
            pass

    async def lock(self, account_id: UUID, at: datetime) -> CreditState:
        await self.lock_wallet(account_id, at)
        return self._tables.wallet(account_id).state

    async def post(self, entry: CreditEntry) -> bool:
        check_entry(entry)
        wallet = self._tables.wallet(entry.account_id)
        with self._tables.transaction(), self._tables.changing([entry.account_id], entry.at):
            is_new = entry.id not in self._tables.entries and entry.reference not in self._tables.references
            if is_new:
                self._tables.post(wallet, entry)
        return is_new

    async def balance(self, account_id: UUID, at: datetime) -> Balance:
        state = self._tables.wallet(account_id).state
        expiry = expire(state, at, 1)
        left = state if expiry is None else after(state, expiry)
        pools: dict[Pool, Usd] = {}
        for lot_id, lot in left.lots.items():
            pools[lot.pool] = pools.get(lot.pool, ZERO) + left.remaining(lot_id)
        spendable = sum(pools.values(), ZERO)
        pools[Pool.LOCKED] = sum(
            (amount for (_, place), amount in left.restricted.items() if place is Restriction.LOCKED), ZERO
        )
        held = Usd(left.held)
        return Balance(spendable - held, held, left.debt, {pool: amount for pool, amount in pools.items() if amount})

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        with self._tables.transaction():
            yield

    async def _history(self, reversal: Reversal) -> LotHistory:
        entry = self._tables.entries.get(reversal.reverses)
        if entry is None or entry.type != "credit":
            raise BooksRefused(f"no such credit: {ids.show('ent', reversal.reverses)}")
        credit = self._tables.postings[entry.id][0]
        others = [
            posting
            for entry_id, postings in self._tables.postings.items()
            for posting in postings
            if entry_id != entry.id and posting.lot_id == credit.lot_id
        ]
        return LotHistory(entry.account_id, credit, others)
