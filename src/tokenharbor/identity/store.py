"""Accounts, users, memberships and API keys in the database.

Each function uses the caller's connection and transaction, so that moves of credit can be part of it.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network
from typing import Any

import asyncpg

from tokenharbor.db.queries import read_queries
from tokenharbor.identity.caller import UNSTATED, SemanticState, StatedRates
from tokenharbor.identity.keys import NewKey, key_hasher
from tokenharbor.identity.roles import AccountRole
from tokenharbor.identity.users import ensure_user, is_member, lock_user, normalise_email
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import Conflict, Missing
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.secret import DerivedSecret
from tokenharbor.kernel.world import World

_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class IdentityQueries:
    """The SQL of queries.sql."""

    add_account: str
    add_membership: str
    account: str
    accounts: str
    lock_account: str
    change_account: str
    change_budgets: str
    share_cache: str
    add_account_change: str
    account_changes: str
    changes_since: str
    consent: str
    set_actor: str
    changes_page: str
    names: str
    user_changes: str
    forget_addresses: str
    plans: str
    account_of: str
    has_keys: str
    add_key: str
    keys: str
    count_keys: str
    key: str
    lock_key: str
    key_labels: str
    change_key: str
    revoke_key: str
    delete_key: str
    changed_keys: str
    add_made_once: str
    made_once: str
    set_credential: str
    credential_change: str
    credentials: str


SQL = read_queries(IdentityQueries, "tokenharbor.identity")


@dataclass(frozen=True, slots=True)
class AccountLimits:
    """The limits that an account's row states for itself and for each of its keys. Budgets are per UTC day and UTC
    month; None means no budget.
    """

    rates: StatedRates = UNSTATED
    key_rates: StatedRates = UNSTATED
    daily: Usd | None = None
    monthly: Usd | None = None


@dataclass(frozen=True, slots=True)
class OwnBudgets:
    """An account's own budgets per UTC day and UTC month; None means no budget. They cannot raise a limit."""

    daily: Usd | None = None
    monthly: Usd | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """An account and its members' e-mails. `plan` is "" if not stated. `free_models`: whether consent is in force."""

    id: UUID
    created_at: datetime
    name: str
    region: str
    edition: str
    emails: tuple[str, ...]
    plan: str = ""
    limits: AccountLimits = AccountLimits()
    free_models: bool = False
    budgets: OwnBudgets = OwnBudgets()
    shared_cache: bool = False
    semantic: SemanticState = "off"
    semantic_compared: int = 0
    semantic_stopped_at: datetime | None = None
    semantic_requests: bool = True


@dataclass(frozen=True, slots=True)
class KeyRules:
    """The rules of a key. Empty means no rule, None no limit. Spending is limited in total (`quota`), per UTC day and
    per UTC month. `label` groups the account's keys.
    """

    name: str = ""
    models: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    denied_providers: tuple[str, ...] = ()
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    quota: Usd | None = None
    daily: Usd | None = None
    monthly: Usd | None = None
    expires_at: datetime | None = None
    rates: StatedRates = UNSTATED
    label: str = ""


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key as its account sees it."""

    id: UUID
    account_id: UUID
    first4: str
    last4: str
    rules: KeyRules
    created_at: datetime
    revoked_at: datetime | None


async def create_account(conn: asyncpg.Connection, world: World, email: str, edition: str) -> Account:
    """Create an account, its user and the membership. Raises Rejected for an invalid e-mail, Conflict for one that
    exists.
    """
    email, user_id = normalise_email(email), world.ids.new()
    async with conn.transaction():
        found = await ensure_user(conn, user_id, email, world.clock.now())
        if found != user_id and ((await lock_user(conn, found)).verified_at or await is_member(conn, found)):
            raise Conflict(f"a user with the e-mail {email} already exists")
        return await get_account(conn, await add_account(conn, world, found, edition))


async def add_account(conn: asyncpg.Connection, world: World, owner: UUID, edition: str) -> UUID:
    """Create an account that an existing user owns; return its id."""
    account_id, now = world.ids.new(), world.clock.now()
    await conn.execute(SQL.add_account, account_id, now, "", edition)
    await conn.execute(SQL.add_membership, account_id, owner, AccountRole.OWNER.value, now)
    return account_id


async def get_account(conn: asyncpg.Connection, account_id: UUID) -> Account:
    """Return an account. Raises Missing."""
    row = await conn.fetchrow(SQL.account, account_id)
    if row is None:
        raise Missing(f"no account {ids.show('acct', account_id)}")
    return _account(row)


async def list_accounts(conn: asyncpg.Connection) -> AsyncIterator[Account]:
    """Yield all accounts, oldest first."""
    last: UUID | None = None
    while accounts := await read_accounts(conn, last, _PAGE):
        for account in accounts:
            yield account
        last = accounts[-1].id


async def read_accounts(conn: asyncpg.Connection, after: UUID | None, limit: int) -> Sequence[Account]:
    """Return a page of accounts, oldest first: those after one, or the first."""
    rows = await conn.fetch(SQL.accounts, after or UUID(int=0), limit)
    return [_account(row) for row in rows]


async def account_of(conn: asyncpg.Connection, email: str) -> UUID | None:
    """Return the account that the user of an e-mail owns; the oldest of several."""
    account_id: UUID | None = await conn.fetchval(SQL.account_of, email.strip().lower())
    return account_id


async def has_keys(conn: asyncpg.Connection) -> bool:
    """Whether a key was ever issued, in force or not."""
    return bool(await conn.fetchval(SQL.has_keys))


async def add_key(
    conn: asyncpg.Connection, world: World, derived: DerivedSecret, *, account_id: UUID, key: NewKey, rules: KeyRules
) -> UUID:
    """Store a key's hash and rules; return its id. Raises Missing for the account."""
    key_id = world.ids.new()
    found = await conn.fetchval(
        SQL.add_key,
        key_id,
        account_id,
        rules.name,
        key_hasher(derived)(key.key.encode()),
        derived.id,
        key.first4,
        key.last4,
        rules.models,
        rules.providers,
        rules.denied_providers,
        rules.networks,
        rules.quota,
        rules.daily,
        rules.monthly,
        world.clock.now(),
        rules.expires_at,
        rules.rates.rpm,
        rules.rates.tpm,
        rules.rates.concurrency,
        rules.label,
    )
    if found is None:
        raise Missing(f"no account {ids.show('acct', account_id)}")
    return key_id


async def list_keys(conn: asyncpg.Connection, account_id: UUID) -> Sequence[KeyRow]:
    """Return an account's keys, oldest first, revoked ones included, deleted ones not."""
    return [_key(row) for row in await conn.fetch(SQL.keys, account_id)]


async def count_keys(conn: asyncpg.Connection, account_id: UUID) -> int:
    """Return the number of an account's keys, without deleted ones."""
    found: int = await conn.fetchval(SQL.count_keys, account_id)
    return found


async def read_key_labels(conn: asyncpg.Connection, account_id: UUID) -> Mapping[UUID, str]:
    """Return the labels of an account's keys, deleted ones included, keys without a label not."""
    return {row["id"]: row["label"] for row in await conn.fetch(SQL.key_labels, account_id)}


async def get_key(conn: asyncpg.Connection, key_id: UUID) -> KeyRow:
    """Return a key. Raises Missing, also for a deleted one."""
    row = await conn.fetchrow(SQL.key, key_id)
    if row is None:
        raise Missing(f"no API key {ids.show('key', key_id)}")
    return _key(row)


async def lock_key(conn: asyncpg.Connection, key_id: UUID) -> KeyRow:
    """Return a key, locked until the transaction ends. Raises Missing."""
    row = await conn.fetchrow(SQL.lock_key, key_id)
    if row is None:
        raise Missing(f"no API key {ids.show('key', key_id)}")
    return _key(row)


async def change_key(conn: asyncpg.Connection, key_id: UUID, rules: KeyRules) -> None:
    """Replace a key's rules."""
    await conn.execute(
        SQL.change_key,
        key_id,
        rules.name,
        rules.models,
        rules.providers,
        rules.denied_providers,
        rules.networks,
        rules.quota,
        rules.daily,
        rules.monthly,
        rules.expires_at,
        rules.rates.rpm,
        rules.rates.tpm,
        rules.rates.concurrency,
        rules.label,
    )


async def revoke_key(conn: asyncpg.Connection, key_id: UUID, at: datetime) -> datetime:
    """Revoke a key; return when it was revoked: `at`, or earlier. Raises Missing for an unknown key."""
    row = await conn.fetchrow(SQL.revoke_key, key_id, at)
    if row is None:
        raise Missing(f"no API key {ids.show('key', key_id)}")
    revoked_at: datetime = row["revoked_at"]
    return revoked_at


async def delete_key(conn: asyncpg.Connection, key_id: UUID, at: datetime) -> None:
    """Revoke a key and remove it from lists. Raises Missing."""
    await revoke_key(conn, key_id, at)
    await conn.execute(SQL.delete_key, key_id, at)


def _account(row: Any) -> Account:
    limits = AccountLimits(
        rates=StatedRates(row["rpm"], row["tpm"], row["concurrency"]),
        key_rates=StatedRates(row["key_rpm"], row["key_tpm"], row["key_concurrency"]),
        daily=_usd(row["daily"]),
        monthly=_usd(row["monthly"]),
    )
    return Account(
        id=row["id"],
        created_at=row["created_at"],
        name=row["name"],
        region=row["region"],
        edition=row["edition"],
        emails=tuple(row["emails"]),
        plan=row["plan"],
        limits=limits,
        free_models=row["free_models"],
        budgets=OwnBudgets(_usd(row["daily_budget"]), _usd(row["monthly_budget"])),
        shared_cache=row["shared_cache"],
        semantic=row["semantic_cache"],
        semantic_compared=row["semantic_compared"],
        semantic_stopped_at=row["semantic_stopped_at"],
        semantic_requests=row["semantic_requests"],
    )


def _key(row: Any) -> KeyRow:
    rules = KeyRules(
        name=row["name"],
        label=row["label"],
        models=tuple(row["models"]),
        providers=tuple(row["providers"]),
        denied_providers=tuple(row["denied_providers"]),
        networks=tuple(row["networks"]),
        quota=_usd(row["quota"]),
        daily=_usd(row["daily"]),
        monthly=_usd(row["monthly"]),
        expires_at=row["expires_at"],
        rates=StatedRates(row["rpm"], row["tpm"], row["concurrency"]),
    )
    return KeyRow(
        row["id"], row["account_id"], row["first4"], row["last4"], rules, row["created_at"], row["revoked_at"]
    )


def _usd(nano: int | None) -> Usd | None:
    return None if nano is None else Usd(nano)
