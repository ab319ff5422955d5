"""Credentials: our own secrets at the providers, sealed in the database."""

from collections.abc import Mapping
from datetime import datetime

import asyncpg

from tokenharbor.identity.store import SQL
from tokenharbor.kernel.errors import Misconfigured
from tokenharbor.kernel.secret import SecretBox


async def set_credential(conn: asyncpg.Connection, seal: SecretBox, provider: str, secret: str, at: datetime) -> None:
    """Store a provider's credential in place of the one before."""
    sealed = seal.encrypt(secret.encode(), _context(provider))
    await conn.execute(SQL.set_credential, provider, sealed, seal.key_id, at)


async def read_credentials(conn: asyncpg.Connection, seal: SecretBox) -> Mapping[str, str]:
    """Every stored credential, by provider. Raises Misconfigured for one that another root secret sealed."""
    found = {}
    for row in await conn.fetch(SQL.credentials):
        provider = row["provider"]
        if row["seal_key_id"] != seal.key_id:
            raise Misconfigured(
                f"the stored credential of {provider} is encrypted with another root secret; store it again"
            )
        found[provider] = seal.decrypt(row["sealed"], _context(provider)).decode()
    return found


def _context(provider: str) -> bytes:
    return b"credential of " + provider.encode()
