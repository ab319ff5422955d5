"""Reads and writes top-ups, captures, saved methods and exchange rates.

Each function takes a connection and leaves the transaction to its caller. A wallet is locked before any row of this
room.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from tokenharbor.db.queries import read_queries
from tokenharbor.funding.types import Capture, ExchangeRate, TopUp, TopUpMatch, TopUpState
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import Missing
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Money, Usd
from tokenharbor.ledger.export import LotPayment
from tokenharbor.payments.types import Payment, SavedMethod


@dataclass(frozen=True, slots=True)
class FundingQueries:
    """The SQL of queries.sql."""

    add_top_up: str
    top_up: str
    lock_top_up: str
    top_up_by_key: str
    top_up_by_object: str
    count_open: str
    top_ups: str
    set_checkout: str
    set_state: str
    set_confirmed: str
    set_fault: str
    set_paid: str
    add_capture: str
    pretended: str
    lot_payments: str
    matches: str
    add_topped_up: str
    save_method: str
    saved_method: str
    claim_due: str
    rate: str
    set_rate: str
    rates_since: str
    lock_rate: str
    confirm_rate: str
    rates: str


@dataclass(frozen=True, slots=True)
class PretendedCredit:
    """A pretended top-up, and the unspent part of its credit."""

    top_up_id: UUID
    account_id: UUID
    left: Usd


SQL = read_queries(FundingQueries, "tokenharbor.funding")

_OF_MONEY = frozenset({"currency", "amount_minor"})


async def add_top_up(conn: asyncpg.Connection, top_up: TopUp) -> TopUp | None:
    """Add a top-up. Return None if the account has already used the idempotency key."""
    row = await conn.fetchrow(
        SQL.add_top_up,
        top_up.id, top_up.account_id, top_up.idempotency_key, top_up.processor, top_up.method, top_up.created_at,
        top_up.actor, top_up.money.currency, top_up.money.minor, top_up.tax_minor, top_up.credit, top_up.rate,
        top_up.rate_until, top_up.state.value, top_up.automatic, top_up.pretended, top_up.save_method,
        top_up.processor_id, top_up.next_look_at,
    )  # fmt: skip
    return None if row is None else _top_up(row)


async def get_top_up(conn: asyncpg.Connection, top_up_id: UUID) -> TopUp:
    """Return a top-up. Raises Missing."""
    return _found(await conn.fetchrow(SQL.top_up, top_up_id), top_up_id)


async def lock_top_up(conn: asyncpg.Connection, top_up_id: UUID) -> TopUp:
    """Lock and return a top-up. Raises Missing."""
    return _found(await conn.fetchrow(SQL.lock_top_up, top_up_id), top_up_id)


async def find_by_key(conn: asyncpg.Connection, account_id: UUID, key: str) -> TopUp | None:
    row = await conn.fetchrow(SQL.top_up_by_key, account_id, key)
    return None if row is None else _top_up(row)


async def find_by_object(conn: asyncpg.Connection, processor: str, processor_id: str) -> TopUp | None:
    row = await conn.fetchrow(SQL.top_up_by_object, processor, processor_id)
    return None if row is None else _top_up(row)


async def count_open(conn: asyncpg.Connection, account_id: UUID) -> int:
    count: int = await conn.fetchval(SQL.count_open, account_id)
    return count


@dataclass(frozen=True, slots=True)
class TopUpFilter:
    """A selection of top-ups: of an account, in a state, older than another one, at most `most`. None: no
    restriction.
    """

    account_id: UUID | None = None
    state: TopUpState | None = None
    before: UUID | None = None
    most: int = 100


async def list_top_ups(conn: asyncpg.Connection, wanted: TopUpFilter) -> Sequence[TopUp]:
    """Return top-ups, newest first."""
    rows = await conn.fetch(SQL.top_ups, wanted.account_id, wanted.state, wanted.before, wanted.most)
    return [_top_up(row) for row in rows]


async def set_checkout(conn: asyncpg.Connection, top_up_id: UUID, processor_id: str, url: str) -> TopUp | None:
    """Store where the payer pays. Return None if the top-up is no longer open."""
    row = await conn.fetchrow(SQL.set_checkout, top_up_id, processor_id, url)
    return None if row is None else _top_up(row)


async def set_state(
    conn: asyncpg.Connection, top_up_id: UUID, state: TopUpState, fault: str, processor_id: str | None = None
) -> TopUp:
    """Set the state of a top-up, unless it is paid. Return the top-up as it is then. Raises Missing."""
    row = await conn.fetchrow(SQL.set_state, top_up_id, state.value, fault, processor_id)
    return await get_top_up(conn, top_up_id) if row is None else _top_up(row)


async def set_confirmed(conn: asyncpg.Connection, top_up_id: UUID, actor: str) -> TopUp:
    """Store the second person of a recorded payment. Raises Missing."""
    return _found(await conn.fetchrow(SQL.set_confirmed, top_up_id, actor), top_up_id)


async def note_fault(conn: asyncpg.Connection, top_up_id: UUID, fault: str) -> None:
    await conn.execute(SQL.set_fault, top_up_id, fault)


async def set_paid(conn: asyncpg.Connection, top_up_id: UUID, payment: Payment, at: datetime) -> TopUp:
    """Mark a top-up as paid. Raises Missing."""
    row = await conn.fetchrow(
        SQL.set_paid,
        top_up_id, payment.capture_id, at, payment.processor_id, payment.money.minor, payment.tax_minor,
    )  # fmt: skip
    return _found(row, top_up_id)


async def add_capture(conn: asyncpg.Connection, capture: Capture) -> bool:
    """Add a capture. Return False if it was there, that is, credited before."""
    added = await conn.fetchval(
        SQL.add_capture,
        capture.processor, capture.capture_id, capture.top_up_id, capture.account_id, capture.lot_id,
        capture.money.currency, capture.captured, capture.money.minor, capture.fee, capture.instrument,
        capture.paid_at, capture.refundable_until, capture.processor_refundable_until, capture.dispute_until,
        capture.tax,
    )  # fmt: skip
    return added is not None


async def read_lot_payments(conn: asyncpg.Connection, account_id: UUID) -> Mapping[UUID, LotPayment]:
    """Return the payments of an account's top-ups, by lot."""
    rows = await conn.fetch(SQL.lot_payments, account_id)
    return {row["lot_id"]: _lot_payment(row) for row in rows}


async def read_matches(conn: asyncpg.Connection, top_up_ids: Collection[UUID]) -> Mapping[UUID, TopUpMatch]:
    """Return the matches of top-ups, by top-up; those without a match are left out."""
    rows = await conn.fetch(SQL.matches, [*top_up_ids])
    return {row["top_up_id"]: _match(row) for row in rows}


async def add_topped_up(conn: asyncpg.Connection, account_id: UUID, amount: Usd) -> None:
    await conn.execute(SQL.add_topped_up, account_id, amount)


async def save_method(
    conn: asyncpg.Connection, account_id: UUID, processor: str, method: SavedMethod, at: datetime
) -> None:
    """Store a saved method in place of the one before."""
    await conn.execute(SQL.save_method, account_id, processor, method.customer_id, method.method_id, at)


async def read_saved_method(conn: asyncpg.Connection, account_id: UUID, processor: str) -> SavedMethod | None:
    row = await conn.fetchrow(SQL.saved_method, account_id, processor)
    return None if row is None else SavedMethod(row["customer_id"], row["method_id"])


async def claim_due(conn: asyncpg.Connection, now: datetime, most: int) -> Sequence[UUID]:
    """Claim at most `most` top-ups that are due to be read again. Return their ids."""
    return [row["id"] for row in await conn.fetch(SQL.claim_due, now, most)]


async def read_rate(conn: asyncpg.Connection, currency: str, at: datetime | None = None) -> ExchangeRate | None:
    """Return the last rate that counts; with `at`, only if it is in force then."""
    row = await conn.fetchrow(SQL.rate, currency, at)
    return None if row is None else ExchangeRate(**row)


async def set_rate(conn: asyncpg.Connection, rate: ExchangeRate) -> None:
    await conn.execute(SQL.set_rate, rate.currency, rate.set_at, rate.per_usd, rate.ends_at, rate.actor, rate.waits)


async def list_rates_since(conn: asyncpg.Connection, currency: str, since: datetime) -> Sequence[ExchangeRate]:
    """Return the rates that have counted since a time, from the one in force then (or the last confirmed one) on."""
    return [ExchangeRate(**row) for row in await conn.fetch(SQL.rates_since, currency, since)]


async def lock_last_rate(conn: asyncpg.Connection, currency: str) -> ExchangeRate | None:
    """Lock and return the rate that was set last, even if it waits for a second person."""
    row = await conn.fetchrow(SQL.lock_rate, currency)
    return None if row is None else ExchangeRate(**row)


async def confirm_rate(conn: asyncpg.Connection, rate: ExchangeRate, actor: str, at: datetime) -> ExchangeRate:
    """Confirm a rate from `at` on. The row is locked by the caller."""
    return ExchangeRate(**await conn.fetchrow(SQL.confirm_rate, rate.currency, rate.set_at, actor, at))


async def list_rates(conn: asyncpg.Connection) -> Sequence[ExchangeRate]:
    """Return all rates, ordered by currency, oldest first."""
    return [ExchangeRate(**row) for row in await conn.fetch(SQL.rates)]


def _match(row: asyncpg.Record) -> TopUpMatch:
    return TopUpMatch(Usd(row["granted"]), Usd(row["unlocked"]), Usd(row["locked"]), row["expires_at"])


def _lot_payment(row: asyncpg.Record) -> LotPayment:
    return LotPayment(ids.show("topup", row["top_up_id"]), row["capture_id"], Usd(row["captured"]))


def _found(row: asyncpg.Record | None, top_up_id: UUID) -> TopUp:
    if row is None:
        raise Missing(f"no such top-up: {ids.show('topup', top_up_id)}")
    return _top_up(row)


def _top_up(row: asyncpg.Record) -> TopUp:
    fields: dict[str, Any] = {name: value for name, value in row.items() if name not in _OF_MONEY}
    money = Money(row["currency"], row["amount_minor"])
    return TopUp(**{**fields, "money": money, "credit": Usd(row["credit"]), "state": TopUpState(row["state"])})


async def list_pretended(conn: asyncpg.Connection) -> Sequence[PretendedCredit]:
    """Return the pretended top-ups of which at least a cent is unspent."""
    rows = await conn.fetch(SQL.pretended)
    return [PretendedCredit(row["id"], row["account_id"], Usd(row["unspent"])) for row in rows]
