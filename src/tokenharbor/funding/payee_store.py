"""Reads and writes payees. Their addresses are personal data, in a separate table that can be erased."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from tokenharbor.db.queries import read_queries
from tokenharbor.funding.withdrawal_types import SavedPayee
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import Missing
from tokenharbor.kernel.ids import UUID


@dataclass(frozen=True, slots=True)
class PayeeQueries:
    """The SQL of payees.sql."""

    add: str
    add_address: str
    payee: str
    lock: str
    address: str
    payees: str
    count: str
    set_verified: str
    set_removed: str
    erase_address: str


SQL = read_queries(PayeeQueries, "tokenharbor.funding", "payees.sql")


@dataclass(frozen=True, slots=True)
class PayeeAddress:
    """A payee's address, and the secret salt of its digest."""

    address: str
    salt: bytes

    def __repr__(self) -> str:
        return "PayeeAddress()"


async def add_payee(conn: asyncpg.Connection, payee: SavedPayee, address: PayeeAddress) -> bool:
    """Add a payee. Return False if another payee has this address; the caller must then roll back."""
    await conn.execute(
        SQL.add,
        payee.id, payee.account_id, payee.processor, payee.kind, payee.digest, payee.added_at, payee.actor,
    )  # fmt: skip
    added = await conn.fetchval(SQL.add_address, payee.id, payee.processor, payee.kind, address.address, address.salt)
    return added is not None


async def get_payee(conn: asyncpg.Connection, payee_id: UUID) -> SavedPayee:
    """Return a payee. Raises Missing."""
    return _found(await conn.fetchrow(SQL.payee, payee_id), payee_id)


async def lock_payee(conn: asyncpg.Connection, payee_id: UUID) -> SavedPayee:
    """Lock and return a payee. Raises Missing."""
    return _found(await conn.fetchrow(SQL.lock, payee_id), payee_id)


async def find_address(conn: asyncpg.Connection, payee_id: UUID) -> PayeeAddress | None:
    """Return a payee's address, None if it was erased."""
    row = await conn.fetchrow(SQL.address, payee_id)
    return None if row is None else PayeeAddress(row["address"], row["salt"])


async def list_payees(
    conn: asyncpg.Connection, account_id: UUID | None = None
) -> Sequence[tuple[SavedPayee, str | None]]:
    """Return payees with their addresses, oldest first."""
    return [(_payee(row), row["address"]) for row in await conn.fetch(SQL.payees, account_id)]


async def count_payees(conn: asyncpg.Connection, account_id: UUID) -> int:
    """Return the number of an account's payees, without removed ones."""
    found: int = await conn.fetchval(SQL.count, account_id)
    return found


async def set_verified(conn: asyncpg.Connection, payee_id: UUID, now: datetime, actor: str) -> SavedPayee:
    return _payee(await conn.fetchrow(SQL.set_verified, payee_id, now, actor))


async def set_removed(conn: asyncpg.Connection, payee_id: UUID, now: datetime) -> SavedPayee:
    """Mark a payee as removed and erase its address."""
    await conn.execute(SQL.erase_address, payee_id)
    return _payee(await conn.fetchrow(SQL.set_removed, payee_id, now))


def _found(row: asyncpg.Record | None, payee_id: UUID) -> SavedPayee:
    if row is None:
        raise Missing(f"no such payee: {ids.show('payee', payee_id)}")
    return _payee(row)


def _payee(row: asyncpg.Record) -> SavedPayee:
    fields: dict[str, Any] = {name: value for name, value in row.items() if name != "address"}
    return SavedPayee(**fields)
