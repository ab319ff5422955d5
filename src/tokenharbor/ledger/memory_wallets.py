"""Wallets in memory: the rules of `wallets.py`."""

from datetime import datetime

from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import BooksRefused
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.ledger import line
from tokenharbor.ledger.chain import line_digest, lot_digest, sealed_digest
from tokenharbor.ledger.checks import check_clawback, check_credit
from tokenharbor.ledger.entry import Entry
from tokenharbor.ledger.line import LotAmount
from tokenharbor.ledger.memory_rows import WalletRow
from tokenharbor.ledger.memory_tables import MemoryTables
from tokenharbor.ledger.posting import claw_postings, credit_postings
from tokenharbor.ledger.reversal import Reversal
from tokenharbor.ledger.types import Balance, Clawback, Credit, Pool


class MemoryWallets:
    """As `Wallets`: each call is a transaction, durable when answered."""

    def __init__(self, tables: MemoryTables) -> None:
        self._tables = tables

    async def credit(self, credit: Credit) -> None:
        check_credit(credit)
        wallet = self._tables.wallet(credit.account_id)
        with self._tables.changing([credit.account_id], credit.at):
            if credit.entry_id not in self._tables.entries and credit.reference not in self._tables.references:
                self._credit(wallet, credit)
        self._tables.sync()

    async def claw(self, clawback: Clawback) -> None:
        check_clawback(clawback)
        wallet = self._tables.wallet(clawback.account_id)
        if clawback.lot_id not in wallet.lots:
            raise BooksRefused(f"no such lot: {clawback.lot_id}")
        with self._tables.changing([clawback.account_id], clawback.at):
            if clawback.entry_id not in self._tables.entries:
                self._claw(wallet, clawback)
        self._tables.sync()

    async def reverse(self, reversal: Reversal) -> None:
        entry = self._tables.entries.get(reversal.reverses)
        if entry is None or entry.type != "credit":
            raise BooksRefused(f"no such credit: {ids.show('ent', reversal.reverses)}")
        credit = self._tables.postings[entry.id][0]
        await self.expire(entry.account_id, reversal.at)
        clawback = reversal.undo(entry.account_id, credit, self._returned(credit.lot_id))
        if clawback is not None:
            await self.claw(clawback)

    def _returned(self, lot_id: UUID | None) -> Usd:
        """How much of a lot was taken back, perhaps as debt, or has expired."""
        gone = [entry.id for entry in self._tables.entries.values() if entry.type in ("claw", "expiry")]
        postings = [posting for each in gone for posting in self._tables.postings[each] if posting.lot_id == lot_id]
        return sum([posting.amount for posting in postings], ZERO)

    async def expire(self, account_id: UUID, at: datetime) -> None:
        with self._tables.changing([account_id], at):
            pass
        self._tables.sync()

    async def balance(self, account_id: UUID, at: datetime) -> Balance:
        wallet = self._tables.wallet(account_id)
        left, _ = line.split_expired(wallet.line, wallet.lots, wallet.cut, at)
        pools: dict[Pool, Usd] = {}
        for piece in line.tail(left, wallet.lots, wallet.spent):
            pools[piece.lot.pool] = pools.get(piece.lot.pool, ZERO) + piece.amount
        return Balance(Usd(line.line_end(left) - wallet.cut), Usd(wallet.held), Usd(wallet.debt), pools)

    def _credit(self, wallet: WalletRow, credit: Credit) -> None:
        lot = line.Lot(
            credit.lot_id,
            credit.pool,
            credit.origin,
            credit.amount,
            credit.at,
            credit.expires_at,
            credit.refundable_until,
            credit.withdrawable_from,
        )
        postings = credit_postings(credit, Usd(wallet.debt))
        rest = LotAmount(lot, credit.amount - min(wallet.debt, credit.amount))
        wallet.debt -= min(wallet.debt, credit.amount)
        wallet.lots = {**wallet.lots, lot.id: lot}
        wallet.relay(line.insert(wallet.line, wallet.lots, wallet.cut, rest))
        entry = Entry(
            id=credit.entry_id,
            account_id=wallet.account_id,
            at=credit.at,
            type="credit",
            amount=credit.amount,
            detail_digest=sealed_digest(postings, lot_digest(wallet.account_id, lot), line_digest(wallet.line)),
            reference=credit.reference or "",
        )
        self._tables.write(wallet, entry, postings)
        if credit.reference is not None:
            self._tables.references[credit.reference] = credit.entry_id

    def _claw(self, wallet: WalletRow, clawback: Clawback) -> None:
        lot = wallet.lots[clawback.lot_id]
        there = sum(p.amount for p in line.tail(wallet.line, wallet.lots, wallet.cut) if p.lot == lot)
        taken = Usd(min(there, clawback.amount))
        wallet.relay(line.take(wallet.line, wallet.lots, wallet.cut, LotAmount(lot, taken)))
        wallet.debt += clawback.amount - taken
        postings = claw_postings(clawback, lot.pool, taken)
        entry = Entry(
            id=clawback.entry_id,
            account_id=wallet.account_id,
            at=clawback.at,
            type="claw",
            amount=clawback.amount,
            detail_digest=sealed_digest(postings, b"", line_digest(wallet.line)),
        )
        self._tables.write(wallet, entry, postings)
