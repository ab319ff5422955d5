"""Auto top-ups in the database: what accounts want, why one was stopped, and what the brakes look at."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from tokenharbor.db.queries import read_queries
from tokenharbor.funding.types import AutoTopUp, AutoTopUpStop
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd


@dataclass(frozen=True, slots=True)
class AutoTopUpQueries:
    """The SQL of auto.sql."""

    get: str
    lock: str
    put: str
    stop: str
    switch_off: str
    low: str
    situation: str
    spending: str
    saved: str


SQL = read_queries(AutoTopUpQueries, "tokenharbor.funding", "auto.sql")


@dataclass(frozen=True, slots=True)
class AutoTopUpSituation:
    """What is left of an account, held or not, what it owes, and its automatic top-ups."""

    unspent: Usd
    debt: Usd
    latest: datetime | None
    in_flight: bool
    this_month: Usd


@dataclass(frozen=True, slots=True)
class KeySpending:
    """What a key, or all of an account's together (None), has spent today, and before on how many whole days."""

    key_id: UUID | None
    today: Usd
    before: Usd
    days: int


@dataclass(frozen=True, slots=True)
class ChargeableMethod:
    """A method of payment that a payer has agreed to be charged later; `method` as it was at that top-up."""

    processor: str
    method: str | None
    saved_at: datetime


async def get(conn: asyncpg.Connection, account_id: UUID) -> AutoTopUp | None:
    row = await conn.fetchrow(SQL.get, account_id)
    return None if row is None else _auto_top_up(row)


async def lock(conn: asyncpg.Connection, account_id: UUID) -> AutoTopUp | None:
    row = await conn.fetchrow(SQL.lock, account_id)
    return None if row is None else _auto_top_up(row)


async def put(conn: asyncpg.Connection, wanted: AutoTopUp) -> AutoTopUp:
    """Switched on."""
    row = await conn.fetchrow(
        SQL.put,
        wanted.account_id, wanted.processor, wanted.threshold, wanted.amount, wanted.month_most, wanted.changed_at,
        wanted.actor,
    )  # fmt: skip
    return _auto_top_up(row)


async def stop(conn: asyncpg.Connection, account_id: UUID, why: AutoTopUpStop, reason: str, at: datetime) -> bool:
    """Whether it was on. A refund, a withdrawal and a dispute call this in their own transaction."""
    return await conn.fetchval(SQL.stop, account_id, reason, at, why.value) is not None


async def switch_off(conn: asyncpg.Connection, account_id: UUID, at: datetime, actor: str) -> AutoTopUp | None:
    """None: it was never switched on."""
    row = await conn.fetchrow(SQL.switch_off, account_id, at, actor)
    return None if row is None else _auto_top_up(row)


async def list_low(conn: asyncpg.Connection) -> Sequence[UUID]:
    """The accounts that may be due."""
    return [row["account_id"] for row in await conn.fetch(SQL.low)]


async def read_situation(conn: asyncpg.Connection, account_id: UUID, month: datetime) -> AutoTopUpSituation:
    """The sum of this month is that since `month`."""
    row = await conn.fetchrow(SQL.situation, account_id, month)
    amounts = {name: Usd(row[name]) for name in ("unspent", "debt", "this_month")}
    return AutoTopUpSituation(latest=row["latest"], in_flight=row["in_flight"], **amounts)


async def read_key_spending(conn: asyncpg.Connection, account_id: UUID, now: datetime) -> Sequence[KeySpending]:
    rows = await conn.fetch(SQL.spending, account_id, now)
    return [KeySpending(row["key_id"], Usd(row["today"]), Usd(row["before"]), row["days"]) for row in rows]


async def list_saved(conn: asyncpg.Connection, account_id: UUID) -> Sequence[ChargeableMethod]:
    """Oldest first."""
    return [ChargeableMethod(**row) for row in await conn.fetch(SQL.saved, account_id)]


def _auto_top_up(row: asyncpg.Record) -> AutoTopUp:
    amounts = {name: Usd(row[name]) for name in ("threshold", "amount", "month_most")}
    return AutoTopUp(**{**row, **amounts, "stop_code": _stop_code(row["stop_code"])})


def _stop_code(text: str) -> AutoTopUpStop | None:
    """None: it was not stopped, or by another release."""
    return AutoTopUpStop(text) if text in list(AutoTopUpStop) else None
