"""Passkeys in the database: the public keys of users' authenticators, and challenges that can be signed once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import asyncpg

from tokenharbor.db.queries import read_queries
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import Missing
from tokenharbor.kernel.ids import UUID


@dataclass(frozen=True, slots=True)
class _PasskeyQueries:
    """The SQL of passkeys.sql."""

    add_challenge: str
    use_challenge: str
    purge_challenges: str
    add_passkey: str
    passkeys: str
    lock_passkey: str
    set_used: str
    drop_passkey: str
    drop_passkeys: str


_SQL = read_queries(_PasskeyQueries, "tokenharbor.identity", "passkeys.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Passkey:
    """A passkey of a user. `credential` is its id at the authenticator; `public_key` is in COSE; `used_at` is None
    before its first use.
    """

    id: UUID
    user_id: UUID
    credential: bytes
    public_key: bytes
    sign_count: int
    name: str = field(repr=False)
    created_at: datetime
    used_at: datetime | None = None

    @property
    def shown_id(self) -> str:
        return ids.show("pkey", self.id)


async def add_challenge(conn: asyncpg.Connection, hashed: bytes, user_id: UUID | None, until: datetime) -> None:
    await conn.execute(_SQL.add_challenge, hashed, user_id, until)


async def use_challenge(conn: asyncpg.Connection, hashed: bytes, user_id: UUID | None, at: datetime) -> bool:
    """Use up a challenge; return False if it is unknown, used, expired, or for another user. `user_id` is None for a
    sign-in.
    """
    return await conn.fetchval(_SQL.use_challenge, hashed, user_id, at) is not None


async def purge_challenges(conn: asyncpg.Connection, before: datetime) -> None:
    await conn.execute(_SQL.purge_challenges, before)


async def add_passkey(conn: asyncpg.Connection, passkey: Passkey) -> bool:
    """Add a passkey; return False if its id at the authenticator is already known."""
    found = await conn.fetchval(
        _SQL.add_passkey,
        passkey.id,
        passkey.user_id,
        passkey.credential,
        passkey.public_key,
        passkey.sign_count,
        passkey.name,
        passkey.created_at,
    )
    return found is not None


async def list_passkeys(conn: asyncpg.Connection, user_id: UUID) -> Sequence[Passkey]:
    """Return a user's passkeys, oldest first."""
    return [Passkey(**row) for row in await conn.fetch(_SQL.passkeys, user_id)]


async def lock_passkey(conn: asyncpg.Connection, credential: bytes) -> Passkey | None:
    """Return the passkey with an id at an authenticator, locked until the transaction ends."""
    row = await conn.fetchrow(_SQL.lock_passkey, credential)
    return None if row is None else Passkey(**row)


async def set_used(conn: asyncpg.Connection, passkey_id: UUID, sign_count: int, at: datetime) -> None:
    await conn.execute(_SQL.set_used, passkey_id, sign_count, at)


async def drop_passkey(conn: asyncpg.Connection, passkey_id: UUID, user_id: UUID) -> str:
    """Delete a passkey and return its name. Raises Missing."""
    name: str | None = await conn.fetchval(_SQL.drop_passkey, passkey_id, user_id)
    if name is None:
        raise Missing(f"no passkey {ids.show('pkey', passkey_id)}")
    return name


async def drop_passkeys(conn: asyncpg.Connection, user_id: UUID) -> None:
    """Delete all passkeys of a user."""
    await conn.execute(_SQL.drop_passkeys, user_id)
