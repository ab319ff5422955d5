"""Wallets in PostgreSQL: what moves an account's credit, and what it has.

A call takes the connection as it is and leaves the transaction to whoever calls: a credit can be committed together
with the rows that say why it was granted.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from tokenharbor.db.errors import as_database_unavailable, in_one_line
from tokenharbor.db.queries import read_queries
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import BooksRefused, DatabaseUnavailable
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import MAX_NANO, ZERO, Usd
from tokenharbor.ledger.checks import check_clawback, check_credit
from tokenharbor.ledger.posting import Posting, credit_source
from tokenharbor.ledger.reversal import Reversal
from tokenharbor.ledger.types import Balance, Clawback, Credit, Pool

_OWN_RULE = "TH001"


@dataclass(frozen=True, slots=True)
class WalletQueries:
    """The SQL of wallets.sql."""

    grant_credit: str
    claw_credit: str
    expire_account: str
    credit_posting: str
    returned_of_lot: str
    balance: str


SQL = read_queries(WalletQueries, "tokenharbor.ledger", "wallets.sql")


class Wallets:
    """Every call raises DatabaseUnavailable, and BooksRefused where a rule of the books forbids it: a transaction
    around it is then to be undone.
    """

    def __init__(self, conn: asyncpg.Connection) -> None:
        self._conn = conn

    async def credit(self, credit: Credit) -> None:
        """Grant a lot, once: by its entry's id, and by its reference if it has one."""
        check_credit(credit)
        with _refusals():
            await self._conn.fetchval(
                SQL.grant_credit,
                credit.entry_id, credit.lot_id, credit.account_id, credit.pool.value, credit.origin, credit.amount,
                credit.at, credit.expires_at, credit.refundable_until, credit.withdrawable_from,
                credit_source(credit), credit.reference, credit.reason,
            )  # fmt: skip

    async def claw(self, clawback: Clawback) -> None:
        """Take a lot back, as far as it is neither spent nor held; the rest becomes debt."""
        check_clawback(clawback)
        with _refusals():
            await self._conn.fetchval(
                SQL.claw_credit,
                clawback.entry_id, clawback.account_id, clawback.lot_id, clawback.amount, clawback.at,
                clawback.destination, clawback.reason,
            )  # fmt: skip

    async def reverse(self, reversal: Reversal) -> None:
        """Undo a credit, once, as far as it has not gone back already."""
        with _refusals():
            row = await self._conn.fetchrow(SQL.credit_posting, reversal.reverses)
        if row is None:
            raise BooksRefused(f"no such credit: {ids.show('ent', reversal.reverses)}")
        account_id, credit = row["account_id"], Posting(row["amount"], row["source"], row["destination"], row["lot_id"])
        async with self._conn.transaction():
            await self.expire(account_id, reversal.at)  # and nobody else changes the wallet from here on
            with _refusals():
                returned = Usd(await self._conn.fetchval(SQL.returned_of_lot, account_id, credit.lot_id))
            clawback = reversal.undo(account_id, credit, returned)
            if clawback is not None:
                await self.claw(clawback)

    async def expire(self, account_id: UUID, at: datetime) -> None:
        """Take what has expired off the line, as the next hold would."""
        with _refusals():
            await self._conn.fetchval(SQL.expire_account, account_id, at)

    async def balance(self, account_id: UUID, at: datetime) -> Balance:
        with _refusals():
            rows = await self._conn.fetch(SQL.balance, account_id, at)
        if not rows:
            raise BooksRefused(f"no such account: {account_id}")
        pools = {Pool(row["pool"]): Usd(row["amount"]) for row in rows if row["pool"] is not None and row["amount"]}
        held = Usd(rows[0]["held"])
        return Balance(sum(pools.values(), ZERO) - held, held, Usd(rows[0]["debt"]), pools)


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    """What breaks a rule of the database is refused; whatever else it says is its own trouble."""
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
