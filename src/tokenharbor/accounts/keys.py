"""API keys: issuing with checked rules, listing, changing, rotating, revoking and deleting."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from ipaddress import IPv4Network, IPv6Network
from typing import Final

import asyncpg
import msgspec
from msgspec import UNSET, UnsetType

from tokenharbor.accounts.stated import stated_fields
from tokenharbor.catalog.find import NameIndex
from tokenharbor.catalog.types import Catalog
from tokenharbor.identity import store
from tokenharbor.identity.caller import StatedRates
from tokenharbor.identity.keys import make_key
from tokenharbor.identity.store import KeyRow, KeyRules
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import Conflict, Rejected
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.reasons import ErrorReason
from tokenharbor.kernel.secret import DerivedSecret
from tokenharbor.kernel.tables import did_you_mean
from tokenharbor.kernel.world import World

MOST: Final = 10_000
"""The most keys of an account, revoked ones included and deleted ones not: lists have no pages, and every gateway keeps
every key in memory.
"""

_NAMING = ("models", "providers", "denied_providers")


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new key. `key` is shown once and never stored."""

    id: UUID
    key: str = field(repr=False)


class KeyChange(msgspec.Struct, frozen=True, kw_only=True):
    """A change of a key's rules; UNSET leaves a rule as it is. Empty means no rule, None no limit, as in `KeyRules`."""

    name: str | UnsetType = UNSET
    label: str | UnsetType = UNSET
    models: tuple[str, ...] | UnsetType = UNSET
    providers: tuple[str, ...] | UnsetType = UNSET
    denied_providers: tuple[str, ...] | UnsetType = UNSET
    networks: tuple[IPv4Network | IPv6Network, ...] | UnsetType = UNSET
    quota: Usd | UnsetType | None = UNSET
    daily: Usd | UnsetType | None = UNSET
    monthly: Usd | UnsetType | None = UNSET
    expires_at: datetime | UnsetType | None = UNSET
    rpm: int | UnsetType | None = UNSET
    tpm: int | UnsetType | None = UNSET
    concurrency: int | UnsetType | None = UNSET


async def issue_key(  # noqa: PLR0913  each by its name
    conn: asyncpg.Connection,
    world: World,
    derived: DerivedSecret,
    *,
    account_id: UUID,
    rules: KeyRules,
    catalog: Catalog,
    also: Collection[str] = (),
) -> IssuedKey:
    """Issue a key. `derived` hashes keys; `also` has the names of model pools. Raises Missing for the account, Rejected
    for rules that name an unknown model or provider, Conflict if the account has MOST keys.
    """
    await store.get_account(conn, account_id)
    await _check_room(conn, account_id)
    named = resolve_rules(rules, catalog, also)
    made = make_key(world.entropy)
    key_id = await store.add_key(conn, world, derived, account_id=account_id, key=made, rules=named)
    return IssuedKey(key_id, made.key)


async def list_keys(conn: asyncpg.Connection, account_id: UUID) -> Sequence[KeyRow]:
    """Return an account's keys, oldest first, revoked ones included. Raises Missing for the account."""
    await store.get_account(conn, account_id)
    return await store.list_keys(conn, account_id)


async def change_key(
    conn: asyncpg.Connection, key_id: UUID, change: KeyChange, *, catalog: Catalog, also: Collection[str] = ()
) -> KeyRow:
    """Change the rules that `change` states; gateways follow within a second.

    Raises Missing, Conflict for a revoked key, Rejected for rules that name an unknown model or provider.
    """
    named = resolve_rules(change_rules(KeyRules(), change), catalog, also)
    stated = stated_fields(change).keys()
    change = msgspec.structs.replace(change, **{name: getattr(named, name) for name in _NAMING if name in stated})
    async with conn.transaction():
        row = await store.lock_key(conn, key_id)
        if row.revoked_at is not None:
            raise Conflict(f"{ids.show('key', key_id)} is revoked: create another key").because(ErrorReason.KEY_REVOKED)
        rules = change_rules(row.rules, change)
        await store.change_key(conn, key_id, rules)
    return replace(row, rules=rules)


async def revoke_key(conn: asyncpg.Connection, world: World, key_id: UUID) -> datetime:
    """Revoke a key, and return when it was revoked: now, or earlier. Raises Missing."""
    return await store.revoke_key(conn, key_id, world.clock.now())


async def rotate_key(
    conn: asyncpg.Connection, world: World, derived: DerivedSecret, key_id: UUID, overlap: timedelta
) -> IssuedKey:
    """Issue another key with the same rules. The old key expires after `overlap`, or earlier if it expires earlier.

    Raises Missing; Conflict for a revoked or expired key, and if the account has MOST keys.
    """
    now = world.clock.now()
    async with conn.transaction():
        row = await store.lock_key(conn, key_id)
        expires_at = row.rules.expires_at
        if row.revoked_at is not None or (expires_at is not None and expires_at <= now):
            raise Conflict(f"{ids.show('key', key_id)} is revoked or expired: create another key").because(
                ErrorReason.KEY_REVOKED
            )
        await _check_room(conn, row.account_id)
        made = make_key(world.entropy)
        new_id = await store.add_key(conn, world, derived, account_id=row.account_id, key=made, rules=row.rules)
        ends_at = now + overlap if expires_at is None else min(expires_at, now + overlap)
        await store.change_key(conn, key_id, replace(row.rules, expires_at=ends_at))
    return IssuedKey(new_id, made.key)


async def delete_key(conn: asyncpg.Connection, world: World, key_id: UUID) -> None:
    """Revoke a key and remove it from lists. Raises Missing."""
    async with conn.transaction():
        await store.delete_key(conn, key_id, world.clock.now())


def change_rules(rules: KeyRules, change: KeyChange) -> KeyRules:
    """Return the rules with those that `change` states."""
    stated = stated_fields(change)
    rates = {name: stated.pop(name) for name in StatedRates.__struct_fields__ if name in stated}
    return replace(rules, **stated, rates=msgspec.structs.replace(rules.rates, **rates))


def resolve_rules(rules: KeyRules, catalog: Catalog, also: Collection[str] = ()) -> KeyRules:
    """Return the rules with models by their canonical names, which the gateway compares. Raises Rejected for an unknown
    model or provider: such a rule would exclude everything.
    """
    for param, names in (("providers", rules.providers), ("deny_providers", rules.denied_providers)):
        _check_providers(names, catalog.providers, param)
    return replace(rules, models=_canonical_models(rules.models, catalog, also))


async def _check_room(conn: asyncpg.Connection, account_id: UUID) -> None:
    """Raise Conflict if the account has MOST keys."""
    if await store.count_keys(conn, account_id) >= MOST:
        raise Conflict(f"the account has {MOST} keys: delete some first").because(ErrorReason.KEYS_MOST, most=MOST)


def _canonical_models(names: Collection[str], catalog: Catalog, also: Collection[str]) -> tuple[str, ...]:
    index = NameIndex(catalog)
    found = []
    for name in names:
        if name in also:
            found.append(name)
            continue
        model = index.find(name)
        if model is None:
            near = index.nearest(name, 1)
            hint = f"did you mean {near[0]!r}?" if near else "the catalogue lists them all"
            raise Rejected(f"no model {name!r}; {hint}", param="models").because(
                ErrorReason.MODEL_UNKNOWN, name=name, near=near[0] if near else ""
            )
        found.append(model.model.name)
    return tuple(dict.fromkeys(found))


def _check_providers(names: Collection[str], known: Collection[str], param: str) -> None:
    for name in names:
        if name not in known:
            raise Rejected(f"no provider {name!r}{did_you_mean(name, known)}", param=param).because(
                ErrorReason.PROVIDER_UNKNOWN, name=name
            )
