"""A session with the database: brought up if need be, migrated, and known to belong to our secret."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg

from tokenharbor.app.secrets import root_secret
from tokenharbor.app.settings import Settings, database_url
from tokenharbor.db.embedded import EmbeddedPostgres
from tokenharbor.db.fingerprint import check_fingerprint
from tokenharbor.db.migrate import migrate, read_migrations
from tokenharbor.db.partitions import ensure_partitions
from tokenharbor.db.pool import Options, connect
from tokenharbor.kernel.secret import RootSecret
from tokenharbor.kernel.world import World, real_world

_STATEMENT_TIMEOUT_MS = 600_000  # an operator waits, and presses Ctrl-C


@dataclass(frozen=True, slots=True)
class Session:
    """What a command works with."""

    settings: Settings
    world: World
    root: RootSecret
    url: str
    conn: asyncpg.Connection


@contextlib.asynccontextmanager
async def open_session(in_force: Settings) -> AsyncIterator[Session]:
    """Raises Misconfigured, BooksAway."""
    world = real_world()
    root = root_secret(in_force, world.entropy)
    async with open_database(in_force) as (url, conn):
        await prepare(conn, world, root)
        yield Session(in_force, world, root, url, conn)


@contextlib.asynccontextmanager
async def open_database(in_force: Settings) -> AsyncIterator[tuple[str, asyncpg.Connection]]:
    """The database's URL and a connection, the embedded PostgreSQL brought up if need be.

    Raises Misconfigured, BooksAway.
    """
    async with contextlib.AsyncExitStack() as stack:
        url = database_url(in_force)
        if url is None:
            url = (await stack.enter_async_context(EmbeddedPostgres(in_force.home, lasting=False))).url
        conn = await connect(Options(url, "tokenharbor-command", _STATEMENT_TIMEOUT_MS))
        stack.push_async_callback(conn.close)
        yield url, conn


async def prepare(conn: asyncpg.Connection, world: World, root: RootSecret) -> None:
    """Migrations and partitions up to now, and a database that belongs to this secret. Raises Misconfigured."""
    now = world.clock.now()
    await migrate(conn, read_migrations(), now)
    await check_fingerprint(conn, root.fingerprint)
    await ensure_partitions(conn, now)
