"""The operator's balances: every address of the books outside of accounts, and all accounts together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from tokenharbor.db.errors import as_database_unavailable
from tokenharbor.db.queries import read_queries
from tokenharbor.kernel.money import ZERO, Usd

_MOST_SECONDS: Final = 310


@dataclass(frozen=True, slots=True)
class BalanceQueries:
    """The SQL of balances.sql."""

    allow_long: str
    balances: str
    accounts: str


SQL = read_queries(BalanceQueries, "tokenharbor.funding", "balances.sql")


@dataclass(frozen=True, slots=True)
class AddressBalance:
    """The amounts that came to an address, less those that left it."""

    address: str
    amount: Usd


@dataclass(frozen=True, slots=True)
class AddressBalances:
    """Balances by address. `accounts` is the sum of all wallets; together with `balances` it is zero."""

    balances: Sequence[AddressBalance]
    accounts: Usd

    @property
    def difference(self) -> Usd:
        """The sum of all balances: 0, unless an amount has come from nowhere."""
        return sum((each.amount for each in self.balances), self.accounts)


async def read_address_balances(conn: asyncpg.Connection) -> AddressBalances:
    """Return the balances of one moment. Reads all entries. Raises DatabaseUnavailable."""
    with as_database_unavailable():
        async with conn.transaction(isolation="repeatable_read", readonly=True):
            await conn.execute(SQL.allow_long)
            rows = await conn.fetch(SQL.balances, timeout=_MOST_SECONDS)
            accounts = await conn.fetchval(SQL.accounts)
    return AddressBalances([AddressBalance(row["address"], Usd(row["amount"])) for row in rows], Usd(accounts or ZERO))
