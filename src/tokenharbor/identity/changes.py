"""Changes of accounts in the database, and the audit log of all changes, written in the caller's transaction."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import asyncpg

from tokenharbor.identity.sessions import read_address
from tokenharbor.identity.store import SQL, Account, OwnBudgets, get_account
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import Missing
from tokenharbor.kernel.ids import UUID

_NAMED: Final[Sequence[ids.Kind]] = ("user", "key", "mkey", "inv")


@dataclass(frozen=True, slots=True)
class AccountChange:
    """A change in the audit log: who changed which field, and its values before and after. `wording` is the text that a
    consent agreed to, or why auto top-up stopped. `subject` is the shown id of the changed thing, "" for the account or
    user itself. `address` is the IP address of the change's request, "" by command.
    """

    at: datetime
    actor: str
    field: str
    before: str
    after: str
    wording: str = ""
    subject: str = ""
    address: str = ""


async def lock_account(conn: asyncpg.Connection, account_id: UUID) -> Account:
    """Return an account, locked until the transaction ends. Raises Missing."""
    if await conn.fetchval(SQL.lock_account, account_id) is None:
        raise Missing(f"no account {ids.show('acct', account_id)}")
    return await get_account(conn, account_id)


async def change_account(conn: asyncpg.Connection, account: Account) -> None:
    """Store an account's plan, limits and consent. Its keys in every gateway's memory follow within a second."""
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


async def change_budgets(conn: asyncpg.Connection, account_id: UUID, budgets: OwnBudgets) -> None:
    """Store an account's own budgets. They are in force for the next hold."""
    await conn.execute(SQL.change_budgets, account_id, budgets.daily, budgets.monthly)


async def share_cache(conn: asyncpg.Connection, account_id: UUID, *, shared: bool) -> None:
    """Store whether an account's keys and end users share cached answers."""
    await conn.execute(SQL.share_cache, account_id, shared)


async def set_actor(conn: asyncpg.Connection, actor: str, address: str, at: datetime) -> None:
    """Set the actor of the changes in this transaction, which triggers write to the audit log."""
    await conn.execute(SQL.set_actor, actor, str(read_address(address) or ""), at.isoformat())


async def record_change(conn: asyncpg.Connection, record_id: UUID, account_id: UUID, change: AccountChange) -> None:
    """Record a change of an account, or of a thing that belongs to it."""
    await _add(conn, record_id, change, account_id=account_id)


async def record_user_change(conn: asyncpg.Connection, record_id: UUID, user_id: UUID, change: AccountChange) -> None:
    """Record a change of a user."""
    await _add(conn, record_id, change, user_id=user_id)


async def _add(
    conn: asyncpg.Connection,
    record_id: UUID,
    change: AccountChange,
    *,
    account_id: UUID | None = None,
    user_id: UUID | None = None,
) -> None:
    await conn.execute(
        SQL.add_account_change,
        record_id,
        account_id,
        user_id,
        change.at,
        change.actor,
        change.field,
        change.before,
        change.after,
        change.wording,
        change.subject,
        read_address(change.address),
    )


async def read_changes(conn: asyncpg.Connection, account_id: UUID) -> Sequence[AccountChange]:
    """Return all changes of an account, oldest first."""
    return [_change(row) for row in await conn.fetch(SQL.account_changes, account_id)]


async def read_changes_since(conn: asyncpg.Connection, account_id: UUID, since: datetime) -> Sequence[AccountChange]:
    """Return the changes of an account since a time, oldest first."""
    return [_change(row) for row in await conn.fetch(SQL.changes_since, account_id, since)]


async def read_consent(conn: asyncpg.Connection, account_id: UUID) -> AccountChange | None:
    """Return the last consent to free models, whether or not it is in force; None if there never was one."""
    row = await conn.fetchrow(SQL.consent, account_id)
    return None if row is None else _change(row)


async def page_changes(
    conn: asyncpg.Connection, account_id: UUID, before: UUID | None, limit: int
) -> Sequence[tuple[UUID, AccountChange]]:
    """Return a page of an account's changes with their ids, newest first: those before one, or the latest."""
    rows = await conn.fetch(SQL.changes_page, account_id, before, limit)
    return [(row["id"], _change({name: value for name, value in row.items() if name != "id"})) for row in rows]


async def read_names(conn: asyncpg.Connection, account_id: UUID, shown: Collection[str]) -> Mapping[str, str]:
    """Return the present names of people and of the account's things, by shown id, as far as they are known."""
    parsed = [found for each in shown if (found := _parse(each)) is not None]
    return {row["id"]: row["name"] or "" for row in await conn.fetch(SQL.names, account_id, parsed)}


async def read_user_changes(conn: asyncpg.Connection, user_id: UUID) -> Sequence[AccountChange]:
    """Return all changes of a user, oldest first."""
    return [_change(row) for row in await conn.fetch(SQL.user_changes, user_id)]


async def forget_addresses(conn: asyncpg.Connection, before: datetime) -> None:
    """Erase the IP addresses of changes from before a time."""
    await conn.execute(SQL.forget_addresses, before)


async def count_plans(conn: asyncpg.Connection) -> Mapping[str, int]:
    """Return the number of accounts of each stated plan."""
    return {row["plan"]: row["accounts"] for row in await conn.fetch(SQL.plans)}


def _change(row: Any) -> AccountChange:
    return AccountChange(**{**row, "address": str(row["address"] or "")})


def _parse(shown: str) -> UUID | None:
    """Return the id of a thing that can have a name; None for others, such as the operator."""
    kind = next((each for each in _NAMED if shown.startswith(f"{each}_")), None)
    try:
        return None if kind is None else ids.parse(kind, shown)
    except ValueError:
        return None
