"""The root secret's fingerprint, stored in the database, which works with this secret only."""

import hmac

import asyncpg

from tokenharbor.kernel.errors import Misconfigured

_KEY = "root_secret_fingerprint"


async def check_fingerprint(conn: asyncpg.Connection, fingerprint: bytes) -> None:
    """Compare the fingerprint with the stored one, or store it on first use. Raises Misconfigured if they differ."""
    await conn.execute("insert into meta (key, value) values ($1, $2) on conflict (key) do nothing", _KEY, fingerprint)
    known = await conn.fetchval("select value from meta where key = $1", _KEY)
    if not hmac.compare_digest(known, fingerprint):
        raise Misconfigured(
            "the root secret does not match this database: restore HOME/secret.key (or server.secret), "
            "or use a new database"
        )
