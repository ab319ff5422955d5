"""Credentials: our own secrets at the providers, sealed in the database."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

import asyncpg

from tokenharbor.db.errors import as_database_unavailable
from tokenharbor.identity.store import SQL
from tokenharbor.kernel.errors import DatabaseUnavailable, Misconfigured
from tokenharbor.kernel.secret import SecretBox

_POLL_SECONDS = 0.4  # as the key ring's


async def set_credential(conn: asyncpg.Connection, seal: SecretBox, provider: str, secret: str, at: datetime) -> None:
    """Store a provider's credential in place of the one before."""
    sealed = seal.encrypt(secret.encode(), _context(provider))
    await conn.execute(SQL.set_credential, provider, sealed, seal.key_id, at)


async def read_credentials(conn: asyncpg.Connection, seal: SecretBox) -> Mapping[str, str]:
    """Return all stored credentials by provider. Raises Misconfigured for one sealed with another root secret."""
    found = {}
    for row in await conn.fetch(SQL.credentials):
        provider = row["provider"]
        if row["seal_key_id"] != seal.key_id:
            raise Misconfigured(
                f"the stored credential of {provider} is encrypted with another root secret; store it again"
            )
        found[provider] = seal.decrypt(row["sealed"], _context(provider)).decode()
    return found


class CredentialWatch:
    """A watch that detects changes of stored credentials. It asks the database every 0.4 s, since a notification may be
    lost, and at once after `check_soon`.
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._seen = 0
        self._nudged = asyncio.Event()

    async def start(self) -> None:
        """Begin to watch: changes of credentials read from here on are detected. Raises DatabaseUnavailable."""
        self._seen = await self._last_change()

    def check_soon(self) -> None:
        """Check now, as a credential may have changed."""
        self._nudged.set()

    async def run(self, reload: Callable[[], Awaitable[bool]]) -> None:
        """Call `reload` after each change, until cancelled; and again if it returns False."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL_SECONDS):
                    await self._nudged.wait()
            self._nudged.clear()
            try:
                change = await self._last_change()
            except DatabaseUnavailable:
                continue  # the key ring logs it
            if change != self._seen and await reload():
                self._seen = change

    async def _last_change(self) -> int:
        with as_database_unavailable():
            change: int = await self._pool.fetchval(SQL.credential_change)
        return change


def _context(provider: str) -> bytes:
    return b"credential of " + provider.encode()
