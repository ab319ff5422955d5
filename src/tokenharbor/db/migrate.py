"""Migrations: forward only, each in its own transaction, recorded with the digest of its text."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import asyncpg

from tokenharbor.kernel.errors import Misconfigured

_FILE_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_LOCK = 0x746F6B656E68  # "tokenh": the key of the advisory lock
_BOOKKEEPING = """
create table if not exists migration (
    number int primary key,
    name text not null,
    sha256 bytea not null,
    applied_at timestamptz not null
);
create table if not exists meta (
    key text primary key,
    value bytea not null
);
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """A migration: one file `NNNN_name.sql`."""

    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> bytes:
        return hashlib.sha256(self.sql.encode()).digest()


def read_migrations(folder: Path | Traversable | None = None) -> tuple[Migration, ...]:
    """Return the migrations of a folder (by default the package's), numbered 1, 2, 3, … without gaps.

    Raises Misconfigured for a name of another form, and for a number that is missing or exists twice.
    """
    folder = folder or files("tokenharbor.db") / "migrations"
    found = []
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if not file.name.endswith(".sql"):
            continue
        match = _FILE_NAME.fullmatch(file.name)
        if match is None:
            raise Misconfigured(f"{file}: a migration's file must be named NNNN_name.sql")
        found.append(Migration(int(match[1]), file.name, file.read_text(encoding="utf-8")))
    for expected, migration in enumerate(found, start=1):
        if migration.number != expected:
            raise Misconfigured(f"{folder}: migration {expected:04d} is missing or exists twice")
    return tuple(found)


async def migrate(conn: asyncpg.Connection, migrations: Sequence[Migration], at: datetime) -> Sequence[Migration]:
    """Apply the pending migrations and return them; `at` is recorded as their time.

    Safe to call from many processes at the same time: they wait for each other. Raises Misconfigured if database and
    files do not match, or if a migration fails, which is then rolled back.
    """
    await conn.execute("select pg_advisory_lock($1)", _LOCK, timeout=None)
    try:
        await conn.execute(_BOOKKEEPING)
        lacking = await pending(conn, migrations)
        for migration in lacking:
            await _apply(conn, migration, at)
        return lacking
    finally:
        await conn.execute("select pg_advisory_unlock($1)", _LOCK)


async def is_migrated(conn: asyncpg.Connection) -> bool:
    """Whether any migration was ever applied to the database."""
    return await conn.fetchval("select to_regclass('migration')") is not None


async def pending(conn: asyncpg.Connection, migrations: Sequence[Migration]) -> Sequence[Migration]:
    """Return the migrations not yet applied. Raises Misconfigured if the applied ones differ from the files."""
    if not await is_migrated(conn):
        return migrations
    applied = await conn.fetch("select number, name, sha256 from migration order by number")
    for row in applied:
        _check(row["number"], row["name"], row["sha256"], migrations)
    return migrations[len(applied) :]


def _check(number: int, name: str, sha256: bytes, migrations: Sequence[Migration]) -> None:
    if number > len(migrations):
        raise Misconfigured(
            f"the database has migration {name}, which this version does not know: a newer version has migrated it"
        )
    ours = migrations[number - 1]
    if ours.sha256 != sha256 or ours.name != name:
        raise Misconfigured(
            f"migration {ours.name} differs from {name}, which the database was created with: "
            "restore the file, and add a new migration instead"
        )


async def _apply(conn: asyncpg.Connection, migration: Migration, at: datetime) -> None:
    try:
        async with conn.transaction():
            await conn.execute("set local statement_timeout = 0")
            await conn.execute(migration.sql)
            await conn.execute(
                "insert into migration (number, name, sha256, applied_at) values ($1, $2, $3, $4)",
                migration.number, migration.name, migration.sha256, at,
            )  # fmt: skip
    except asyncpg.PostgresError as error:
        line = migration.sql.count("\n", 0, int(error.position or 0)) + 1
        where = f" at line {line}" if error.position else ""
        raise Misconfigured(f"migration {migration.name} failed{where} and was rolled back: {error}") from error
