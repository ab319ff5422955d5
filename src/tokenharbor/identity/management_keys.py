"""Management keys: credentials of programs for the control API, each for one account and with a role."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import asyncpg

from tokenharbor.identity.keys import MANAGEMENT_PREFIX, NewKey, is_well_formed, key_hasher
from tokenharbor.identity.members import MEMBER_SQL
from tokenharbor.identity.roles import AccountRole
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import Missing
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.secret import DerivedSecret


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagementKey:
    """A management key as its account sees it. `created_by` is None if no user made it."""

    id: UUID
    account_id: UUID
    created_by: UUID | None
    first4: str
    last4: str
    name: str = field(repr=False)
    role: AccountRole
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None = None

    @property
    def shown_id(self) -> str:
        return ids.show("mkey", self.id)


async def add_management_key(
    conn: asyncpg.Connection, derived: DerivedSecret, key: ManagementKey, secret: NewKey
) -> None:
    await conn.execute(
        MEMBER_SQL.add_management_key,
        key.id,
        key.account_id,
        key.created_by,
        key_hasher(derived)(secret.key.encode()),
        derived.id,
        key.first4,
        key.last4,
        key.name,
        key.role.value,
        key.created_at,
        key.expires_at,
    )


async def find_management_key(
    conn: asyncpg.Connection, derived: DerivedSecret, presented: str, at: datetime
) -> ManagementKey | None:
    """Return the management key that was presented, or None if it is not in force."""
    key = presented.encode(errors="replace")
    if not is_well_formed(key, MANAGEMENT_PREFIX):
        return None
    row = await conn.fetchrow(MEMBER_SQL.find_management_key, key_hasher(derived)(key), at)
    return None if row is None else _key(row)


async def find_role_of_key(
    conn: asyncpg.Connection, account_id: UUID, key_id: UUID, at: datetime
) -> AccountRole | None:
    """Return the role of an account's management key, or None if it is not in force."""
    role = await conn.fetchval(MEMBER_SQL.management_key_role, key_id, account_id, at)
    return None if role is None else AccountRole(role)


async def list_management_keys(conn: asyncpg.Connection, account_id: UUID) -> Sequence[ManagementKey]:
    """Return an account's management keys, oldest first, revoked ones included."""
    return [_key(row) for row in await conn.fetch(MEMBER_SQL.management_keys, account_id)]


async def count_management_keys(conn: asyncpg.Connection, account_id: UUID) -> int:
    """Return the number of an account's management keys that are not revoked, expired ones included."""
    found: int = await conn.fetchval(MEMBER_SQL.count_management_keys, account_id)
    return found


async def revoke_management_key(
    conn: asyncpg.Connection, key_id: UUID, account_id: UUID, at: datetime
) -> tuple[str, datetime]:
    """Revoke a key; return its name and when it was revoked: now, or earlier. Raises Missing."""
    row = await conn.fetchrow(MEMBER_SQL.revoke_management_key, key_id, account_id, at)
    if row is None:
        raise Missing(f"no management key {ids.show('mkey', key_id)}")
    return row["name"], row["revoked_at"]


async def revoke_keys_of(
    conn: asyncpg.Connection, account_id: UUID, user_id: UUID, roles: Collection[AccountRole], at: datetime
) -> Sequence[UUID]:
    """Revoke the keys with these roles that a member made; return their ids."""
    values = [role.value for role in roles]
    return [row["id"] for row in await conn.fetch(MEMBER_SQL.revoke_keys_of, account_id, user_id, values, at)]


def _key(row: Any) -> ManagementKey:
    return ManagementKey(**{**row, "role": AccountRole(row["role"])})
