"""The spending of an account and its keys, as their budgets and quotas count it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from tokenharbor.db.queries import read_queries
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd


@dataclass(frozen=True, slots=True)
class SpendingQueries:
    """The SQL of spending.sql."""

    account: str
    keys: str


SQL = read_queries(SpendingQueries, "tokenharbor.accounts", "spending.sql")


@dataclass(frozen=True, slots=True)
class AccountSpending:
    """An account's spending in the current UTC day and month."""

    day: Usd
    month: Usd


@dataclass(frozen=True, slots=True)
class MeteredKey:
    """A key's spending in its life and in the current UTC day and month. `used_hour` is the start of the last hour in
    which it was used, as far as totals are summed.
    """

    life: Usd
    day: Usd
    month: Usd
    used_hour: datetime | None


async def read_account_spending(conn: asyncpg.Connection, account_id: UUID, now: datetime) -> AccountSpending:
    """Return the spending of an account, which must exist."""
    row = await conn.fetchrow(SQL.account, account_id, now)
    return AccountSpending(Usd(row["day"]), Usd(row["month"]))


async def read_key_spending(conn: asyncpg.Connection, account_id: UUID, now: datetime) -> Mapping[UUID, MeteredKey]:
    """Return the spending of each key that the account ever had."""
    rows = await conn.fetch(SQL.keys, account_id, now)
    return {
        row["key_id"]: MeteredKey(Usd(row["life"]), Usd(row["day"]), Usd(row["month"]), row["used_hour"])
        for row in rows
    }
