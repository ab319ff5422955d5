"""Reads and writes refunds and the balances of captures. A wallet is locked before any row of this room."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from tokenharbor.db.queries import read_queries
from tokenharbor.funding.refund_types import CaptureBalance, Refund, RefundOrigin, RefundProgress
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import Missing
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Money, Usd


@dataclass(frozen=True, slots=True)
class RefundQueries:
    """The SQL of refunds.sql."""

    capture: str
    captures: str
    add_returned: str
    short: str
    add: str
    refund: str
    by_key: str
    by_object: str
    lock_reference: str
    refunds: str
    recent: str
    set_decided: str
    set_called: str
    set_done: str
    set_failed: str
    set_settled_by: str
    set_fault: str
    claim_due: str


SQL = read_queries(RefundQueries, "tokenharbor.funding", "refunds.sql")

_AMOUNTS = ("amount", "reduced", "set_aside", "closed")
_CAPTURE_AMOUNTS = ("captured", "tax", "refunded", "disputed", "leaving")
_CAPTURE_FIELDS = frozenset(CaptureBalance.__dataclass_fields__)


async def find_capture(conn: asyncpg.Connection, processor: str, capture_id: str) -> CaptureBalance | None:
    row = await conn.fetchrow(SQL.capture, processor, capture_id)
    return None if row is None else _capture(row)


async def list_captures(conn: asyncpg.Connection, account_id: UUID) -> Sequence[CaptureBalance]:
    """Return an account's captures, oldest first."""
    return [_capture(row) for row in await conn.fetch(SQL.captures, account_id)]


async def add_returned(conn: asyncpg.Connection, refund: Refund, amount: Usd, minor: int) -> None:
    """Add to the amount of the refund's capture that has gone back; a negative amount has come back to us."""
    await conn.execute(SQL.add_returned, refund.processor, refund.capture_id, amount, minor)


async def list_short(conn: asyncpg.Connection, processor: str, capture_id: str) -> Sequence[Refund]:
    """Return the capture's refunds that are done and left us a loss, oldest first."""
    return [_refund(row) for row in await conn.fetch(SQL.short, processor, capture_id)]


async def add_refund(conn: asyncpg.Connection, refund: Refund) -> Refund:
    row = await conn.fetchrow(
        SQL.add,
        refund.id, refund.top_up_id, refund.account_id, refund.processor, refund.capture_id, refund.lot_id,
        refund.idempotency_key, refund.origin.value, refund.actor, refund.reason, refund.asked, refund.amount,
        refund.reduced, refund.set_aside, refund.money.currency, refund.money.minor, refund.state.value,
        refund.processor_refund_id, refund.asked_at, refund.next_look_at,
    )  # fmt: skip
    return _refund(row)


async def get_refund(conn: asyncpg.Connection, refund_id: UUID) -> Refund:
    """Return a refund. Raises Missing."""
    row = await conn.fetchrow(SQL.refund, refund_id)
    if row is None:
        raise Missing(f"no such refund: {ids.show('refund', refund_id)}")
    return _refund(row)


async def find_by_key(conn: asyncpg.Connection, account_id: UUID, key: str) -> Refund | None:
    row = await conn.fetchrow(SQL.by_key, account_id, key)
    return None if row is None else _refund(row)


async def find_by_object(conn: asyncpg.Connection, processor: str, processor_refund_id: str) -> Refund | None:
    row = await conn.fetchrow(SQL.by_object, processor, processor_refund_id)
    return None if row is None else _refund(row)


async def list_refunds(
    conn: asyncpg.Connection, account_id: UUID | None = None, state: RefundProgress | None = None
) -> Sequence[Refund]:
    """Return refunds, oldest first."""
    return [_refund(row) for row in await conn.fetch(SQL.refunds, account_id, state)]


async def count_recent(conn: asyncpg.Connection, account_id: UUID, since: datetime) -> int:
    """Return how many refunds the customer has asked for since a time, without those that failed or were rejected."""
    count: int = await conn.fetchval(SQL.recent, account_id, since)
    return count


async def set_decided(conn: asyncpg.Connection, refund: Refund, actor: str, reason: str, now: datetime) -> Refund:
    """Store an operator's decision. `refund` has its new state and the time of its next sweep."""
    row = await conn.fetchrow(SQL.set_decided, refund.id, refund.state.value, actor, reason, refund.next_look_at, now)
    return _refund(row)


async def set_called(conn: asyncpg.Connection, refund_id: UUID, processor_refund_id: str) -> Refund:
    return _refund(await conn.fetchrow(SQL.set_called, refund_id, processor_refund_id))


async def set_done(conn: asyncpg.Connection, refund: Refund, now: datetime) -> Refund:
    """Mark a refund as done. `refund` has the processor's id and the closed amounts."""
    row = await conn.fetchrow(
        SQL.set_done, refund.id, refund.processor_refund_id, refund.closed, refund.closed_minor, now
    )
    return _refund(row)


async def set_failed(
    conn: asyncpg.Connection, refund_id: UUID, processor_refund_id: str | None, now: datetime, fault: str
) -> Refund:
    return _refund(await conn.fetchrow(SQL.set_failed, refund_id, processor_refund_id, now, fault))


async def set_settled_by(conn: asyncpg.Connection, refund_id: UUID, actor: str) -> None:
    """Store who records the outcome by hand."""
    await conn.execute(SQL.set_settled_by, refund_id, actor)


async def note_fault(conn: asyncpg.Connection, refund_id: UUID, fault: str, *, final: bool = False) -> Refund:
    """Store why the last try failed. With `final`, the sweep does not try again."""
    return _refund(await conn.fetchrow(SQL.set_fault, refund_id, fault, final))


async def claim_due(conn: asyncpg.Connection, now: datetime, most: int) -> Sequence[UUID]:
    """Claim at most `most` refunds that are due to be swept. Return their ids."""
    return [row["id"] for row in await conn.fetch(SQL.claim_due, now, most)]


def _capture(row: asyncpg.Record) -> CaptureBalance:
    fields: dict[str, Any] = {name: value for name, value in row.items() if name in _CAPTURE_FIELDS}
    amounts = {name: Usd(row[name]) for name in _CAPTURE_AMOUNTS}
    return CaptureBalance(**{**fields, **amounts, "money": Money(row["currency"], row["captured_minor"])})


def _refund(row: asyncpg.Record) -> Refund:
    fields: dict[str, Any] = {name: value for name, value in row.items() if name not in ("currency", "amount_minor")}
    fields |= {name: Usd(row[name]) for name in _AMOUNTS}
    fields |= {
        "asked": None if row["asked"] is None else Usd(row["asked"]),
        "money": Money(row["currency"], row["amount_minor"]),
        "state": RefundProgress(row["state"]),
        "origin": RefundOrigin(row["origin"]),
    }
    return Refund(**fields)
