"""Reads and writes disputes: their states, and what each took from which lot. A wallet is locked before any row."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import asyncpg

from tokenharbor.db.queries import read_queries
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import Missing
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Money, Usd
from tokenharbor.payments.types import DisputeState


@dataclass(frozen=True, slots=True)
class DisputeQueries:
    """The SQL of disputes.sql."""

    add: str
    dispute: str
    by_object: str
    disputes: str
    short: str
    count_open: str
    set: str
    set_fault: str
    add_taken: str
    add_move: str
    add_part: str
    pop_parts: str
    claim_due: str


SQL = read_queries(DisputeQueries, "tokenharbor.funding", "disputes.sql")

_AMOUNTS = ("frozen", "taken", "lost")


class DisputeShare(StrEnum):
    """Why a lot gave credit for a dispute: see the table `dispute_part`."""

    OWN = "own"
    OTHER = "other"
    REWARD = "reward"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute:
    """A payment that its payer disputes. `frozen` is the lot's credit that is set aside until the end; `taken` is the
    credit that has left and counts against the capture; `lost` is what the processor took beyond that, our loss.
    """

    id: UUID
    processor: str
    dispute_id: str
    capture_id: str
    top_up_id: UUID
    account_id: UUID
    lot_id: UUID
    money: Money
    state: DisputeState
    opened_at: datetime
    respond_until: datetime | None
    frozen: Usd = ZERO
    taken: Usd = ZERO
    taken_minor: int = 0
    lost: Usd = ZERO
    withdrawn_minor: int = 0
    ended_at: datetime | None = None
    looks: int = 0
    next_look_at: datetime | None = None
    fault: str = ""

    @property
    def shown_id(self) -> str:
        """The id as people see it."""
        return ids.show("dispute", self.id)


@dataclass(frozen=True, slots=True)
class DisputePart:
    """The credit that a dispute took from a lot."""

    share: DisputeShare
    lot_id: UUID
    amount: Usd


async def add_dispute(conn: asyncpg.Connection, dispute: Dispute) -> Dispute:
    row = await conn.fetchrow(
        SQL.add,
        dispute.id, dispute.processor, dispute.dispute_id, dispute.capture_id, dispute.top_up_id, dispute.account_id,
        dispute.lot_id, dispute.money.currency, dispute.money.minor, dispute.opened_at, dispute.respond_until,
    )  # fmt: skip
    return _dispute(row)


async def get_dispute(conn: asyncpg.Connection, dispute_id: UUID) -> Dispute:
    """Return a dispute. Raises Missing."""
    row = await conn.fetchrow(SQL.dispute, dispute_id)
    if row is None:
        raise Missing(f"no such dispute: {ids.show('dispute', dispute_id)}")
    return _dispute(row)


async def find_by_object(conn: asyncpg.Connection, processor: str, dispute_id: str) -> Dispute | None:
    row = await conn.fetchrow(SQL.by_object, processor, dispute_id)
    return None if row is None else _dispute(row)


async def list_disputes(
    conn: asyncpg.Connection, account_id: UUID | None = None, *, open_only: bool = False
) -> Sequence[Dispute]:
    """Return disputes, oldest first."""
    return [_dispute(row) for row in await conn.fetch(SQL.disputes, account_id, open_only)]


async def list_short(conn: asyncpg.Connection, processor: str, capture_id: str) -> Sequence[Dispute]:
    """Return the capture's disputes that left us a loss, oldest first."""
    return [_dispute(row) for row in await conn.fetch(SQL.short, processor, capture_id)]


async def count_open(conn: asyncpg.Connection, account_id: UUID) -> int:
    count: int = await conn.fetchval(SQL.count_open, account_id)
    return count


async def set_dispute(conn: asyncpg.Connection, dispute: Dispute) -> Dispute:
    row = await conn.fetchrow(
        SQL.set,
        dispute.id, dispute.state.value, dispute.frozen, dispute.taken, dispute.taken_minor, dispute.lost,
        dispute.withdrawn_minor, dispute.respond_until, dispute.ended_at, dispute.fault,
    )  # fmt: skip
    return _dispute(row)


async def note_fault(conn: asyncpg.Connection, dispute_id: UUID, fault: str) -> None:
    await conn.execute(SQL.set_fault, dispute_id, fault)


async def add_taken(conn: asyncpg.Connection, dispute: Dispute, amount: Usd, minor: int) -> None:
    """Add to the disputed amount of the dispute's capture; a negative amount has come back."""
    await conn.execute(SQL.add_taken, dispute.processor, dispute.capture_id, amount, minor)


async def add_move(conn: asyncpg.Connection, dispute: Dispute, minor: int, at: datetime, *, fees: Usd | None) -> None:
    """Record money that the processor took (negative: gave back). `fees` is the sum of its fees so far, None if
    unknown.
    """
    await conn.execute(SQL.add_move, dispute.id, at, minor, fees)


async def add_part(conn: asyncpg.Connection, dispute: Dispute, part: DisputePart) -> None:
    await conn.execute(SQL.add_part, dispute.id, part.share.value, part.lot_id, part.amount)


async def pop_parts(conn: asyncpg.Connection, dispute: Dispute) -> Sequence[DisputePart]:
    """Delete and return the dispute's parts, which are about to be given back."""
    rows = await conn.fetch(SQL.pop_parts, dispute.id)
    return [DisputePart(DisputeShare(row["share"]), row["lot_id"], Usd(row["amount"])) for row in rows]


async def claim_due(conn: asyncpg.Connection, now: datetime, most: int) -> Sequence[UUID]:
    """Claim at most `most` disputes that are due to be read again. Return their ids."""
    return [row["id"] for row in await conn.fetch(SQL.claim_due, now, most)]


def _dispute(row: asyncpg.Record) -> Dispute:
    fields: dict[str, Any] = {name: value for name, value in row.items() if name not in ("currency", "amount_minor")}
    amounts = {name: Usd(row[name]) for name in _AMOUNTS}
    money = Money(row["currency"], row["amount_minor"])
    return Dispute(**{**fields, **amounts, "money": money, "state": DisputeState(row["state"])})
