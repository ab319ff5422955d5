"""Passkeys in the database: public keys of users' authenticators, and challenges that are signed once."""

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
    """One of a user's. `credential` is the authenticator's id for it, `public_key` in COSE; `used_at` None: not yet."""

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
    """Whether it was one for this user (None: for whoever signs in) that was not used before."""
    return await conn.fetchval(_SQL.use_challenge, hashed, user_id, at) is not None


async def purge_challenges(conn: asyncpg.Connection, before: datetime) -> None:
    await conn.execute(_SQL.purge_challenges, before)


async def add_passkey(conn: asyncpg.Connection, passkey: Passkey) -> bool:
    """Whether the authenticator's id was not known before."""
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
    """A user's, oldest first."""
    return [Passkey(**row) for row in await conn.fetch(_SQL.passkeys, user_id)]


async def lock_passkey(conn: asyncpg.Connection, credential: bytes) -> Passkey | None:
    """By the authenticator's id for it."""
    row = await conn.fetchrow(_SQL.lock_passkey, credential)
    return None if row is None else Passkey(**row)


async def set_used(conn: asyncpg.Connection, passkey_id: UUID, sign_count: int, at: datetime) -> None:
    await conn.execute(_SQL.set_used, passkey_id, sign_count, at)


async def drop_passkey(conn: asyncpg.Connection, passkey_id: UUID, user_id: UUID) -> str:
    """Its name. Raises Missing."""
    name: str | None = await conn.fetchval(_SQL.drop_passkey, passkey_id, user_id)
    if name is None:
        raise Missing(f"no passkey {ids.show('pkey', passkey_id)}")
    return name


async def drop_passkeys(conn: asyncpg.Connection, user_id: UUID) -> None:
    """All of a user's."""
    await conn.execute(_SQL.drop_passkeys, user_id)
