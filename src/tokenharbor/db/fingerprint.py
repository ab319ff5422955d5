"""The root secret's fingerprint, kept in the database: a database and a secret belong together."""

import hmac

import asyncpg

from tokenharbor.kernel.errors import Misconfigured

_KEY = "root_secret_fingerprint"


async def check_fingerprint(conn: asyncpg.Connection, fingerprint: bytes) -> None:
    """Store it on first use. Raises Misconfigured where the database knows another one."""
    await conn.execute("insert into meta (key, value) values ($1, $2) on conflict (key) do nothing", _KEY, fingerprint)
    known = await conn.fetchval("select value from meta where key = $1", _KEY)
    if not hmac.compare_digest(known, fingerprint):
        raise Misconfigured(
            "the root secret does not match this database: restore HOME/secret.key (or server.secret), "
            "or use a new database"
        )
