"""A command's session with the database: started if needed, migrated, and checked against the root secret."""

import contextlib
import shlex
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from tokenharbor.app.database_urls import database_url
from tokenharbor.app.secrets import SECRET_FILE, root_secret
from tokenharbor.app.settings import Settings
from tokenharbor.db.embedded import EmbeddedPostgres
from tokenharbor.db.errors import command_errors
from tokenharbor.db.fingerprint import check_fingerprint
from tokenharbor.db.migrate import is_migrated, migrate, read_migrations
from tokenharbor.db.partitions import ensure_partitions
from tokenharbor.db.pool import ConnectOptions, close, connect
from tokenharbor.kernel.errors import Misconfigured
from tokenharbor.kernel.secret import RootSecret
from tokenharbor.kernel.world import World, real_world

_STATEMENT_TIMEOUT_MS = 600_000  # an operator can press Ctrl-C before


@dataclass(frozen=True, slots=True)
class CommandSession:
    """The settings, world, root secret and database connection of a command."""

    settings: Settings
    world: World
    root: RootSecret
    database: ConnectOptions
    conn: asyncpg.Connection


@contextlib.asynccontextmanager
async def open_session(settings: Settings, *, create_missing: bool = False) -> AsyncIterator[CommandSession]:
    """Open a session. With `create_missing`, create the secret, database and tables if missing; else create nothing.

    Raises Misconfigured, DatabaseUnavailable.
    """
    if not create_missing:
        require_home(settings)
    world = real_world()
    root = root_secret(settings, world.entropy)
    async with connect_for_command(settings) as (database, conn):
        if not create_missing and not await is_migrated(conn):
            raise _not_found_error(f"the database at {database.address}", "it has no tables", settings.home)
        await prepare_database(conn, world, root)
        yield CommandSession(settings, world, root, database, conn)


@contextlib.asynccontextmanager
async def connect_for_command(settings: Settings) -> AsyncIterator[tuple[ConnectOptions, asyncpg.Connection]]:
    """Open a connection to the database, and yield it with its options. Starts the embedded PostgreSQL if needed.

    Raises Misconfigured, DatabaseUnavailable.
    """
    async with contextlib.AsyncExitStack() as stack:
        url = database_url(settings)
        if url is None:
            url = (await stack.enter_async_context(EmbeddedPostgres(settings.home, lasting=False))).url
        options = ConnectOptions(url, "tokenharbor-command", _STATEMENT_TIMEOUT_MS)
        conn = await connect(options)
        stack.push_async_callback(close, conn)
        with command_errors(options.address):
            yield options, conn


def require_home(settings: Settings) -> None:
    """Check that HOME has all its parts. Raises Misconfigured."""
    missing = missing_parts(settings)
    if missing:
        raise no_home_error(settings, f"missing {' and '.join(missing)}")


def missing_parts(settings: Settings) -> list[str]:
    """Return the parts that belong under HOME in this configuration but are missing: root secret, embedded database."""
    own = []
    if settings.server.secret is None:
        own.append(SECRET_FILE)
    if settings.database.url is None:
        own.append("postgres/data")
    return [part for part in own if not (settings.home / part).exists()]


def no_home_error(settings: Settings, why: str) -> Misconfigured:
    home = settings.home
    if not home.exists():
        why = "no such folder"
    elif not home.is_dir():
        why = "not a folder"
    return _not_found_error(str(home), why, home)


def _not_found_error(place: str, why: str, home: Path) -> Misconfigured:
    return Misconfigured(
        f"no Token Harbor in {place}: {why}. Name its folder with --home, "
        f"or start a new one: tokenharbor serve --home {shlex.quote(str(home))}"
    )


async def prepare_database(conn: asyncpg.Connection, world: World, root: RootSecret) -> None:
    """Apply migrations, check that the database belongs to this secret, and create partitions. Raises Misconfigured."""
    now = world.clock.now()
    await migrate(conn, read_migrations(), now)
    await check_fingerprint(conn, root.fingerprint)
    await ensure_partitions(conn, now)
