"""Wallets in PostgreSQL: moves of an account's credit, and its balance.

Calls use the caller's connection and transaction, so that a credit can be committed together with the rows that say why
it was granted.
"""

import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from tokenharbor.db.errors import as_database_unavailable, in_one_line
from tokenharbor.db.queries import read_queries
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import BooksRefused, DatabaseUnavailable
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import MAX_NANO, ZERO, Usd
from tokenharbor.ledger import pages
from tokenharbor.ledger.checks import check_entry
from tokenharbor.ledger.credit_book import CreditBook
from tokenharbor.ledger.credit_state import CreditEntry, CreditState
from tokenharbor.ledger.posting import Posting
from tokenharbor.ledger.reversal import LotHistory, Reversal
from tokenharbor.ledger.types import Balance, Pool

_OWN_RULE = "TH001"


@dataclass(frozen=True, slots=True)
class WalletQueries:
    """The SQL of wallets.sql."""

    lock_credit: str
    post_entry: str
    credit_posting: str
    lot_postings: str
    balance: str


SQL = read_queries(WalletQueries, "tokenharbor.ledger", "wallets.sql")


class Wallets(CreditBook):
    """A CreditBook on a PostgreSQL connection."""

    def __init__(self, conn: asyncpg.Connection) -> None:
        self._conn = conn

    async def lock_wallet(self, account_id: UUID, at: datetime) -> None:
        await self._lock(account_id, at)

    async def lock(self, account_id: UUID, at: datetime) -> CreditState:
        wallet = await self._lock(account_id, at)
        with _refusals():  # a separate statement, as the first one's snapshot is older than the lock
            credit = await pages.read_credit(self._conn, account_id)
        spent, held, debt = wallet
        return CreditState(account_id, spent, held, Usd(debt), credit.line, credit.lots, credit.restricted)

    async def _lock(self, account_id: UUID, at: datetime) -> asyncpg.Record:
        with _refusals():
            wallet = await self._conn.fetchrow(SQL.lock_credit, account_id, at)
        if wallet is None:
            raise BooksRefused(f"no such account: {ids.show('acct', account_id)}")
        return wallet

    async def post(self, entry: CreditEntry) -> bool:
        check_entry(entry)
        postings, lots = entry.postings, entry.lots
        with _refusals():
            posted: bool = await self._conn.fetchval(
                SQL.post_entry,
                entry.id, entry.account_id, entry.type, entry.at, entry.reference, entry.note,
                [posting.amount for posting in postings], [posting.lot_id for posting in postings],
                [posting.source for posting in postings], [posting.destination for posting in postings],
                [lot.id for lot in lots], [lot.pool.value for lot in lots], [lot.origin for lot in lots],
                [lot.amount for lot in lots], [lot.granted_at for lot in lots], [lot.expires_at for lot in lots],
                [lot.refundable_until for lot in lots], [lot.withdrawable_from for lot in lots],
            )  # fmt: skip
        return posted

    async def balance(self, account_id: UUID, at: datetime) -> Balance:
        with _refusals():
            rows = await self._conn.fetch(SQL.balance, account_id, at)
        if not rows:
            raise BooksRefused(f"no such account: {ids.show('acct', account_id)}")
        pools = {Pool(row["pool"]): Usd(row["amount"]) for row in rows if row["pool"] is not None}
        held = Usd(rows[0]["held"])
        spendable = sum((amount for pool, amount in pools.items() if pool is not Pool.LOCKED), ZERO)
        return Balance(spendable - held, held, Usd(rows[0]["debt"]), pools)

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        with _refusals():
            transaction = self._conn.transaction()
            await transaction.start()
        try:
            yield
        except BaseException:
            with _refusals():
                await transaction.rollback()
            raise
        with _refusals():
            await transaction.commit()

    async def _history(self, reversal: Reversal) -> LotHistory:
        with _refusals():
            row = await self._conn.fetchrow(SQL.credit_posting, reversal.reverses)
            if row is None:
                raise BooksRefused(f"no such credit: {ids.show('ent', reversal.reverses)}")
            others = await self._conn.fetch(SQL.lot_postings, row["lot_id"], reversal.reverses)
        return LotHistory(row["account_id"], _posting(row), [_posting(each) for each in others])


def _posting(row: asyncpg.Record) -> Posting:
    return Posting(Usd(row["amount"]), row["source"], row["destination"], row["lot_id"])


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    """Raise the database's errors as BooksRefused if a rule was broken, else as DatabaseUnavailable."""
    try:
        with as_database_unavailable():
            yield
    except DatabaseUnavailable as error:
        cause = error.__cause__
        if isinstance(cause, asyncpg.NumericValueOutOfRangeError):
            raise BooksRefused(f"the balance would exceed the maximum of {Usd(MAX_NANO)} USD") from cause
        if isinstance(cause, (asyncpg.IntegrityConstraintViolationError, asyncpg.DataError)) or (
            isinstance(cause, asyncpg.PostgresError) and cause.sqlstate == _OWN_RULE
        ):
            raise BooksRefused(in_one_line(cause)) from cause
        raise
