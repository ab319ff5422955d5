"""Reads and writes withdrawals. A wallet is locked before any row of this room."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from tokenharbor.db.queries import read_queries
from tokenharbor.funding.withdrawal_types import Withdrawal, WithdrawalPart, WithdrawalProgress
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import Missing
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Money, Usd


@dataclass(frozen=True, slots=True)
class WithdrawalQueries:
    """The SQL of withdrawals.sql."""

    add: str
    add_part: str
    withdrawal: str
    by_key: str
    by_object: str
    withdrawals: str
    parts: str
    asked_since: str
    uncalled: str
    from_top_ups: str
    topped_up: str
    has_pretended: str
    count_open_to: str
    set_decided: str
    set_calling: str
    set_called: str
    set_done: str
    set_failed: str
    set_settled_by: str
    set_fault: str
    claim_due: str


SQL = read_queries(WithdrawalQueries, "tokenharbor.funding", "withdrawals.sql")


async def add_withdrawal(conn: asyncpg.Connection, withdrawal: Withdrawal) -> Withdrawal:
    await conn.execute(
        SQL.add,
        withdrawal.id, withdrawal.account_id, withdrawal.idempotency_key, withdrawal.actor, withdrawal.reason,
        withdrawal.payee_id, withdrawal.refund_id, withdrawal.processor, withdrawal.pretended, withdrawal.asked,
        withdrawal.amount, withdrawal.money.currency, withdrawal.money.minor, withdrawal.state.value,
        withdrawal.asked_at, withdrawal.next_look_at,
    )  # fmt: skip
    for part in withdrawal.parts:
        await conn.execute(SQL.add_part, part.id, withdrawal.id, part.lot_id, part.amount, part.reduced)
    return await get_withdrawal(conn, withdrawal.id)


async def get_withdrawal(conn: asyncpg.Connection, withdrawal_id: UUID) -> Withdrawal:
    """Return a withdrawal. Raises Missing."""
    row = await conn.fetchrow(SQL.withdrawal, withdrawal_id)
    if row is None:
        raise Missing(f"no such withdrawal: {ids.show('withdrawal', withdrawal_id)}")
    return (await _read(conn, [row]))[0]


async def find_by_key(conn: asyncpg.Connection, account_id: UUID, key: str) -> Withdrawal | None:
    row = await conn.fetchrow(SQL.by_key, account_id, key)
    return None if row is None else (await _read(conn, [row]))[0]


async def find_by_object(conn: asyncpg.Connection, processor: str, processor_payout_id: str) -> Withdrawal | None:
    row = await conn.fetchrow(SQL.by_object, processor, processor_payout_id)
    return None if row is None else (await _read(conn, [row]))[0]


async def list_withdrawals(
    conn: asyncpg.Connection, account_id: UUID | None = None, state: WithdrawalProgress | None = None
) -> Sequence[Withdrawal]:
    """Return withdrawals, oldest first."""
    return await _read(conn, await conn.fetch(SQL.withdrawals, account_id, state))


async def sum_asked_since(conn: asyncpg.Connection, account_id: UUID, since: datetime) -> Usd:
    """Return the sum of the account's withdrawals asked for since a time, without those that ended unpaid."""
    return Usd(await conn.fetchval(SQL.asked_since, account_id, since))


async def list_uncalled(conn: asyncpg.Connection, account_id: UUID) -> Sequence[UUID]:
    """Return the account's withdrawals of which no processor can know yet."""
    return [row["id"] for row in await conn.fetch(SQL.uncalled, account_id)]


async def sum_from_top_ups(conn: asyncpg.Connection, account_id: UUID) -> Usd:
    """Return the sum that top-ups have given for payouts, without payouts that ended unpaid."""
    return Usd(await conn.fetchval(SQL.from_top_ups, account_id))


async def read_topped_up(conn: asyncpg.Connection, account_id: UUID) -> Usd:
    """Return the account's sum of top-ups, less what went back."""
    return Usd(await conn.fetchval(SQL.topped_up, account_id))


async def has_pretended(conn: asyncpg.Connection, account_id: UUID) -> bool:
    """Return whether a payment of the account was pretended."""
    found: bool = await conn.fetchval(SQL.has_pretended, account_id)
    return found


async def count_open_to(conn: asyncpg.Connection, payee_id: UUID) -> int:
    """Return the number of open withdrawals to a payee."""
    count: int = await conn.fetchval(SQL.count_open_to, payee_id)
    return count


async def set_decided(
    conn: asyncpg.Connection, withdrawal: Withdrawal, actor: str, reason: str, now: datetime
) -> Withdrawal:
    """Store a decision. `withdrawal` has its new state and the time of its next sweep."""
    await conn.execute(
        SQL.set_decided, withdrawal.id, withdrawal.state.value, actor, now, withdrawal.next_look_at, reason
    )
    return await get_withdrawal(conn, withdrawal.id)


async def set_calling(conn: asyncpg.Connection, withdrawal_id: UUID, now: datetime) -> Withdrawal:
    await conn.execute(SQL.set_calling, withdrawal_id, now)
    return await get_withdrawal(conn, withdrawal_id)


async def set_called(
    conn: asyncpg.Connection, withdrawal_id: UUID, processor_payout_id: str, now: datetime
) -> Withdrawal:
    await conn.execute(SQL.set_called, withdrawal_id, processor_payout_id, now)
    return await get_withdrawal(conn, withdrawal_id)


async def set_done(
    conn: asyncpg.Connection, withdrawal_id: UUID, processor_payout_id: str, fee: Usd, now: datetime
) -> Withdrawal:
    await conn.execute(SQL.set_done, withdrawal_id, processor_payout_id, fee, now)
    return await get_withdrawal(conn, withdrawal_id)


async def set_failed(
    conn: asyncpg.Connection, withdrawal_id: UUID, processor_payout_id: str | None, now: datetime, fault: str
) -> Withdrawal:
    await conn.execute(SQL.set_failed, withdrawal_id, processor_payout_id, now, fault)
    return await get_withdrawal(conn, withdrawal_id)


async def set_settled_by(conn: asyncpg.Connection, withdrawal_id: UUID, actor: str) -> None:
    """Store who records the outcome by hand."""
    await conn.execute(SQL.set_settled_by, withdrawal_id, actor)


async def note_fault(conn: asyncpg.Connection, withdrawal_id: UUID, fault: str, *, final: bool = False) -> Withdrawal:
    """Store why the last try failed. With `final`, the sweep does not try again."""
    await conn.execute(SQL.set_fault, withdrawal_id, fault, final)
    return await get_withdrawal(conn, withdrawal_id)


async def claim_due(conn: asyncpg.Connection, now: datetime, most: int) -> Sequence[UUID]:
    """Claim at most `most` withdrawals that are due to be swept. Return their ids."""
    return [row["id"] for row in await conn.fetch(SQL.claim_due, now, most)]


async def _read(conn: asyncpg.Connection, rows: Sequence[asyncpg.Record]) -> Sequence[Withdrawal]:
    found = await conn.fetch(SQL.parts, [row["id"] for row in rows])
    return [_withdrawal(row, [part for part in found if part["withdrawal_id"] == row["id"]]) for row in rows]


def _withdrawal(row: asyncpg.Record, parts: Sequence[asyncpg.Record]) -> Withdrawal:
    fields: dict[str, Any] = {name: value for name, value in row.items() if name not in ("currency", "amount_minor")}
    fields |= {
        "asked": None if row["asked"] is None else Usd(row["asked"]),
        "amount": Usd(row["amount"]),
        "fee": Usd(row["fee"]),
        "money": Money(row["currency"], row["amount_minor"]),
        "state": WithdrawalProgress(row["state"]),
        "parts": tuple(
            WithdrawalPart(part["id"], part["lot_id"], Usd(part["amount"]), Usd(part["reduced"])) for part in parts
        ),
    }
    return Withdrawal(**fields)
