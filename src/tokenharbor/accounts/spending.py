"""What an account and its keys have spent, as their budgets and quotas count it."""

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
    """In the UTC day and month of now."""

    day: Usd
    month: Usd


@dataclass(frozen=True, slots=True)
class MeteredKey:
    """What a key has spent in its life, and in the UTC day and month of now; `used_hour` is the start of the last hour
    in which it was used, as far as totals are added up.
    """

    life: Usd
    day: Usd
    month: Usd
    used_hour: datetime | None


async def read_account_spending(conn: asyncpg.Connection, account_id: UUID, now: datetime) -> AccountSpending:
    """The account is there."""
    row = await conn.fetchrow(SQL.account, account_id, now)
    return AccountSpending(Usd(row["day"]), Usd(row["month"]))


async def read_key_spending(conn: asyncpg.Connection, account_id: UUID, now: datetime) -> Mapping[UUID, MeteredKey]:
    """By key, of all the keys that the account ever had."""
    rows = await conn.fetch(SQL.keys, account_id, now)
    return {
        row["key_id"]: MeteredKey(Usd(row["life"]), Usd(row["day"]), Usd(row["month"]), row["used_hour"])
        for row in rows
    }
