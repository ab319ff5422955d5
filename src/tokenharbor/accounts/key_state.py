"""The state of an API key, which the key itself may read: its limits and spending, and its account's usage."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

import asyncpg

from tokenharbor.accounts.spending import MeteredKey, read_key_spending
from tokenharbor.db.errors import as_database_unavailable
from tokenharbor.identity.store import KeyRow, KeyRules, get_key
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.ledger.live import read_marks
from tokenharbor.ledger.rollup import UsageDimension, UsageTotal, read_totals

_BY_DAY: Final[Collection[UsageDimension]] = ("day", "model", "provider")

RESETS: Final[Mapping[str | None, str]] = {None: "quota", "monthly": "monthly", "daily": "daily"}
"""The resets of a key's spending limits (None: never), and the names of these limits in its rules."""


@dataclass(frozen=True, slots=True)
class MainLimit:
    """A key's spending limit for clients that know only one. `limit` None: no limit; `reset` None: a total quota."""

    limit: Usd | None = None
    left: Usd | None = None
    reset: Literal["daily", "monthly"] | None = None


def main_limit(rules: KeyRules, spent: MeteredKey) -> MainLimit:
    """Return the total quota of a key, else its monthly limit, else its daily limit."""
    if rules.quota is not None:
        return MainLimit(rules.quota, max(rules.quota - spent.life, ZERO))
    if rules.monthly is not None:
        return MainLimit(rules.monthly, max(rules.monthly - spent.month, ZERO), "monthly")
    if rules.daily is not None:
        return MainLimit(rules.daily, max(rules.daily - spent.day, ZERO), "daily")
    return MainLimit()


@dataclass(frozen=True, slots=True)
class KeyState:
    """A key and its spending: in its life, in the UTC day and month, and in the week since Monday."""

    key: KeyRow
    spent: MeteredKey
    week: Usd


class KeyStateReader:
    """A reader of keys' states. Every call raises DatabaseUnavailable."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def state(self, account_id: UUID, key_id: UUID, now: datetime) -> KeyState:
        today = now.replace(hour=0, minute=0, second=0, microsecond=0)
        monday = today - timedelta(days=today.weekday())
        with as_database_unavailable():
            async with self._pool.acquire() as conn:
                key = await get_key(conn, key_id)
                spent = await read_key_spending(conn, account_id, now)
                week = await read_totals(conn, account_id, since=monday, until=now, by=["key"])
        none = MeteredKey(ZERO, ZERO, ZERO, None)
        used = next((total.charge for total in week if total.key_id == key_id), ZERO)
        return KeyState(key, spent.get(key_id, none), used)

    async def used(self, account_id: UUID) -> Usd:
        """Return the account's spending in its life."""
        with as_database_unavailable():
            async with self._pool.acquire() as conn:
                return Usd((await read_marks(conn, [account_id]))[account_id].spent)

    async def days(self, account_id: UUID, since: datetime, until: datetime) -> Sequence[UsageTotal]:
        """Return the account's usage by day, model and provider."""
        with as_database_unavailable():
            async with self._pool.acquire() as conn:
                return await read_totals(conn, account_id, since=since, until=until, by=_BY_DAY)
