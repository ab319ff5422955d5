"""Migrations: applied once and in order, and nothing starts on a database that does not match them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from tokenharbor.db.migrate import migrate, pending, read_migrations
from tokenharbor.kernel.errors import Misconfigured

AT = datetime(2026, 11, 21, tzinfo=UTC)
FIRST = "create table harbor (name text);"
SECOND = "alter table harbor add column berths int;\ninsert into harbor values ('north', 3);"


@pytest.fixture
async def conn(empty_database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(empty_database_url)
    yield connection
    await connection.close()


def write(folder: Path, *texts: str) -> Path:
    folder.mkdir(exist_ok=True)
    for number, text in enumerate(texts, start=1):
        (folder / f"{number:04d}_step.sql").write_text(text)
    return folder


async def test_each_is_applied_once_and_remembered(conn: asyncpg.Connection, tmp_path: Path) -> None:
    one = read_migrations(write(tmp_path / "m", FIRST))
    both = read_migrations(write(tmp_path / "m", FIRST, SECOND))
    assert [migration.number for migration in await migrate(conn, one, AT)] == [1]
    assert [migration.number for migration in await migrate(conn, both, AT)] == [2]
    assert list(await migrate(conn, both, AT)) == []
    assert await conn.fetchval("select berths from harbor") == 3
    rows = await conn.fetch("select number, name, applied_at from migration order by number")
    assert [tuple(row) for row in rows] == [(1, "0001_step.sql", AT), (2, "0002_step.sql", AT)]


async def test_processes_that_start_together_wait_for_each_other(
    conn: asyncpg.Connection, empty_database_url: str, tmp_path: Path
) -> None:
    migrations = read_migrations(write(tmp_path / "m", FIRST + "select pg_sleep(0.2);", SECOND))
    other = await asyncpg.connect(empty_database_url)
    try:
        applied = await asyncio.gather(migrate(conn, migrations, AT), migrate(other, migrations, AT))
    finally:
        await other.close()
    assert sorted(len(some) for some in applied) == [0, 2]
    assert await conn.fetchval("select count(*) from harbor") == 1


async def test_a_changed_file_is_refused(conn: asyncpg.Connection, tmp_path: Path) -> None:
    await migrate(conn, read_migrations(write(tmp_path / "m", FIRST)), AT)
    changed = read_migrations(write(tmp_path / "m", FIRST + " "))
    with pytest.raises(Misconfigured, match=r"0001_step\.sql"):
        await migrate(conn, changed, AT)
    with pytest.raises(Misconfigured, match=r"0001_step\.sql"):
        await pending(conn, changed)


async def test_a_database_of_a_newer_version_is_refused(conn: asyncpg.Connection, tmp_path: Path) -> None:
    both = read_migrations(write(tmp_path / "m", FIRST, SECOND))
    await migrate(conn, both, AT)
    with pytest.raises(Misconfigured, match=r"0002_step\.sql"):
        await migrate(conn, both[:1], AT)


async def test_one_that_fails_leaves_no_trace_and_says_where(conn: asyncpg.Connection, tmp_path: Path) -> None:
    broken = "create table quay (n int);\n\ninsert into nowhere values (1);"
    migrations = read_migrations(write(tmp_path / "m", FIRST, broken))
    with pytest.raises(Misconfigured, match=r'0002_step\.sql failed at line 3 .* "nowhere" does not exist'):
        await migrate(conn, migrations, AT)
    assert await conn.fetchval("select to_regclass('quay')") is None
    assert [migration.number for migration in await pending(conn, migrations)] == [2]
    mended = read_migrations(write(tmp_path / "m", FIRST, SECOND))
    assert len(await migrate(conn, mended, AT)) == 1


async def test_a_lock_that_a_failed_run_held_is_free_again(
    conn: asyncpg.Connection, empty_database_url: str, tmp_path: Path
) -> None:
    with pytest.raises(Misconfigured):
        await migrate(conn, read_migrations(write(tmp_path / "m", "nonsense")), AT)
    other = await asyncpg.connect(empty_database_url)
    try:
        async with asyncio.timeout(10):
            await migrate(other, read_migrations(write(tmp_path / "m", FIRST)), AT)
    finally:
        await other.close()


async def test_a_database_without_any_has_all_before_it(conn: asyncpg.Connection, tmp_path: Path) -> None:
    migrations = read_migrations(write(tmp_path / "m", FIRST, SECOND))
    assert await pending(conn, migrations) == migrations


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["0001_a.sql", "0003_c.sql"], "0002 is missing"),
        (["0001_a.sql", "0001_b.sql"], "0002"),
        (["0002_b.sql"], "0001 is missing"),
        (["1_a.sql"], "NNNN_name.sql"),
        (["0001_A-b.sql"], "NNNN_name.sql"),
    ],
)
def test_a_folder_that_is_out_of_order_is_refused(tmp_path: Path, names: list[str], said: str) -> None:
    for name in names:
        (tmp_path / name).write_text(FIRST)
    with pytest.raises(Misconfigured, match=said):
        read_migrations(tmp_path)


def test_the_packages_own_are_in_order() -> None:
    numbers = [migration.number for migration in read_migrations()]
    assert numbers == [*range(1, len(numbers) + 1)]
