"""Second factors: the sealed secret of a user's authenticator app, its last code, recovery codes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import asyncpg

from tokenharbor.identity.users import SQL
from tokenharbor.kernel.errors import Misconfigured
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.secret import SecretBox


@dataclass(frozen=True, slots=True)
class TotpRow:
    """An authenticator app: its secret in base32, the time of its confirmation by a first code (None: not yet), and the
    counter up to which codes are used.
    """

    secret: str = field(repr=False)
    confirmed_at: datetime | None
    last_counter: int


async def lock_totp(conn: asyncpg.Connection, seal: SecretBox, user_id: UUID) -> TotpRow | None:
    """Return a user's app, locked until the transaction ends. Raises Misconfigured if another root secret sealed it."""
    row = await conn.fetchrow(SQL.totp, user_id)
    if row is None or row["totp"] is None:
        return None
    if row["totp_key_id"] != seal.key_id:
        raise Misconfigured("the secret of an authenticator app is encrypted with another root secret")
    return TotpRow(seal.decrypt(row["totp"], _context(user_id)).decode(), row["totp_at"], row["totp_last"])


async def set_totp(conn: asyncpg.Connection, seal: SecretBox, user_id: UUID, secret: str) -> None:
    """Store a new app, which must be confirmed, in place of the one before."""
    await conn.execute(SQL.set_totp, user_id, seal.encrypt(secret.encode(), _context(user_id)), seal.key_id)


async def confirm_totp(conn: asyncpg.Connection, user_id: UUID, at: datetime) -> None:
    await conn.execute(SQL.confirm_totp, user_id, at)


async def drop_totp(conn: asyncpg.Connection, user_id: UUID) -> None:
    """Remove a user's app and its recovery codes."""
    await conn.execute(SQL.drop_totp, user_id)
    await drop_recovery_codes(conn, user_id)


async def drop_recovery_codes(conn: asyncpg.Connection, user_id: UUID) -> None:
    """Remove a user's recovery codes."""
    await conn.execute(SQL.drop_recovery_codes, user_id)


async def use_totp(conn: asyncpg.Connection, user_id: UUID, counter: int) -> bool:
    """Mark a code as used; return False if it, or a later one, was used before."""
    return await conn.fetchval(SQL.use_totp, user_id, counter) is not None


async def add_recovery_codes(conn: asyncpg.Connection, user_id: UUID, hashes: Sequence[bytes]) -> None:
    """Store recovery codes in place of those before."""
    await conn.execute(SQL.add_recovery_codes, user_id, hashes)


async def use_recovery_code(conn: asyncpg.Connection, user_id: UUID, hashed: bytes, at: datetime) -> bool:
    """Mark a recovery code as used; return False if it is unknown or was used before."""
    return await conn.fetchval(SQL.use_recovery_code, user_id, hashed, at) is not None


def _context(user_id: UUID) -> bytes:
    return b"authenticator app of " + user_id.bytes
