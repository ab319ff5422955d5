"""Changes of accounts in the database, and their record. Each is made in the transaction of who asks for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from tokenharbor.identity.store import SQL, Account, get_account
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import Missing
from tokenharbor.kernel.ids import UUID


@dataclass(frozen=True, slots=True)
class AccountChange:
    """What was changed, by whom: a field, from what to what. `wording` is what a consent agreed to."""

    at: datetime
    actor: str
    field: str
    before: str
    after: str
    wording: str = ""


async def lock_account(conn: asyncpg.Connection, account_id: UUID) -> Account:
    """An account, locked until the transaction ends. Raises Missing."""
    if await conn.fetchval(SQL.lock_account, account_id) is None:
        raise Missing(f"no account {ids.show('acct', account_id)}")
    return await get_account(conn, account_id)


async def change_account(conn: asyncpg.Connection, account: Account) -> None:
    """Store what an account may do. Its keys in every gateway's memory follow within a second."""
    limits = account.limits
    await conn.execute(
        SQL.change_account,
        account.id,
        account.plan,
        limits.rates.rpm,
        limits.rates.tpm,
        limits.rates.concurrency,
        limits.key_rates.rpm,
        limits.key_rates.tpm,
        limits.key_rates.concurrency,
        limits.daily,
        limits.monthly,
        account.free_models,
    )


async def record_change(conn: asyncpg.Connection, record_id: UUID, account_id: UUID, change: AccountChange) -> None:
    """Keep the record of a change."""
    await conn.execute(
        SQL.add_account_change,
        record_id,
        account_id,
        change.at,
        change.actor,
        change.field,
        change.before,
        change.after,
        change.wording,
    )


async def read_changes(conn: asyncpg.Connection, account_id: UUID) -> Sequence[AccountChange]:
    """All changes of an account, oldest first."""
    return [AccountChange(**row) for row in await conn.fetch(SQL.account_changes, account_id)]


async def count_plans(conn: asyncpg.Connection) -> Mapping[str, int]:
    """How many accounts have each plan that some account's row states."""
    return {row["plan"]: row["accounts"] for row in await conn.fetch(SQL.plans)}
