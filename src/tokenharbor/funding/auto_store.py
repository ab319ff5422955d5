"""Reads and writes auto top-ups: settings, reasons for a stop, and the data for the brakes."""

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
    """An account's balance (held amounts included), its debt, and its automatic top-ups."""

    unspent: Usd
    debt: Usd
    latest: datetime | None
    in_flight: bool
    this_month: Usd


@dataclass(frozen=True, slots=True)
class KeySpending:
    """The spending of a key, or of the whole account (`key_id` None): today, and `before` over `days` whole days."""

    key_id: UUID | None
    today: Usd
    before: Usd
    days: int


@dataclass(frozen=True, slots=True)
class ChargeableMethod:
    """A payment method that a payer agreed to be charged later; `method` is the one of the top-up that saved it."""

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
    """Switch auto top-up on."""
    row = await conn.fetchrow(
        SQL.put,
        wanted.account_id, wanted.processor, wanted.threshold, wanted.amount, wanted.month_most, wanted.changed_at,
        wanted.actor,
    )  # fmt: skip
    return _auto_top_up(row)


async def stop(conn: asyncpg.Connection, account_id: UUID, why: AutoTopUpStop, reason: str, at: datetime) -> bool:
    """Stop auto top-up with a reason. Return whether it was on. Runs in the caller's transaction."""
    return await conn.fetchval(SQL.stop, account_id, reason, at, why.value) is not None


async def switch_off(conn: asyncpg.Connection, account_id: UUID, at: datetime, actor: str) -> AutoTopUp | None:
    """Switch auto top-up off. Return None if it was never on."""
    row = await conn.fetchrow(SQL.switch_off, account_id, at, actor)
    return None if row is None else _auto_top_up(row)


async def list_low(conn: asyncpg.Connection) -> Sequence[UUID]:
    """Return the accounts that may be due for a charge."""
    return [row["account_id"] for row in await conn.fetch(SQL.low)]


async def read_situation(conn: asyncpg.Connection, account_id: UUID, month: datetime) -> AutoTopUpSituation:
    """Return the account's balance and automatic top-ups; `this_month` counts those since `month`."""
    row = await conn.fetchrow(SQL.situation, account_id, month)
    amounts = {name: Usd(row[name]) for name in ("unspent", "debt", "this_month")}
    return AutoTopUpSituation(latest=row["latest"], in_flight=row["in_flight"], **amounts)


async def read_key_spending(conn: asyncpg.Connection, account_id: UUID, now: datetime) -> Sequence[KeySpending]:
    rows = await conn.fetch(SQL.spending, account_id, now)
    return [KeySpending(row["key_id"], Usd(row["today"]), Usd(row["before"]), row["days"]) for row in rows]


async def list_saved(conn: asyncpg.Connection, account_id: UUID) -> Sequence[ChargeableMethod]:
    """Return an account's saved methods, oldest first."""
    return [ChargeableMethod(**row) for row in await conn.fetch(SQL.saved, account_id)]


def _auto_top_up(row: asyncpg.Record) -> AutoTopUp:
    amounts = {name: Usd(row[name]) for name in ("threshold", "amount", "month_most")}
    return AutoTopUp(**{**row, **amounts, "stop_code": _stop_code(row["stop_code"])})


def _stop_code(text: str) -> AutoTopUpStop | None:
    """Return a stop code, or None if there is none or a newer release wrote it."""
    return AutoTopUpStop(text) if text in list(AutoTopUpStop) else None
