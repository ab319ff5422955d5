"""Connections: all set up alike, telling an unavailable database from a wrong setting, and reconnecting."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
import pytest
from tests.db.proxy import Proxy

from tokenharbor.db import pool
from tokenharbor.db.errors import as_database_unavailable, as_unavailable_refusal, is_unavailable
from tokenharbor.db.pool import ConnectOptions, ReconnectingConnection, connect, open_pool
from tokenharbor.kernel.errors import DatabaseUnavailable, Misconfigured, Unavailable


@pytest.fixture
async def proxy(empty_database_url: str) -> AsyncIterator[Proxy]:
    with TemporaryDirectory(prefix="th-") as folder:
        async with Proxy(empty_database_url, Path(folder)) as proxy:
            yield proxy


@pytest.fixture
async def conn(empty_database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await connect(ConnectOptions(empty_database_url, application="quay", statement_timeout_ms=300))
    yield connection
    await connection.close()


async def until(what: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not what():  # noqa: ASYNC110  another task is what we wait for
            await asyncio.sleep(0.01)


async def test_the_server_knows_our_name_our_limits_and_our_zone(conn: asyncpg.Connection) -> None:
    names = ("application_name", "statement_timeout", "lock_timeout", "timezone")
    assert [await conn.fetchval(f"show {name}") for name in names] == ["quay", "300ms", "2s", "UTC"]


async def test_json_goes_in_and_out_as_bytes(conn: asyncpg.Connection) -> None:
    row = await conn.fetchrow("select $1::jsonb as b, $2::json as j", b'{"n": 1}', b'{"n":  1}')
    assert (row["b"], row["j"]) == (b'{"n": 1}', b'{"n":  1}')


async def test_a_statement_that_takes_too_long_is_the_database_being_away(conn: asyncpg.Connection) -> None:
    with pytest.raises(Unavailable) as told, as_unavailable_refusal():
        await conn.execute("select pg_sleep(30)")
    assert told.value.retry_after == 1
    with pytest.raises(DatabaseUnavailable), as_database_unavailable():
        await conn.execute("select pg_sleep(30)")


async def test_a_closed_connection_is_the_database_being_away(conn: asyncpg.Connection) -> None:
    await conn.close()
    with pytest.raises(Unavailable), as_unavailable_refusal():
        await conn.execute("select 1")


@pytest.mark.parametrize(
    ("statement", "arguments", "mistake"),
    [
        ("select 1 / 0", (), asyncpg.DivisionByZeroError),
        ("select * from nowhere", (), asyncpg.UndefinedTableError),
        ("select $1::int", ("three",), asyncpg.DataError),
    ],
)
async def test_a_mistake_is_not_called_away(
    conn: asyncpg.Connection, statement: str, arguments: tuple[str, ...], mistake: type[Exception]
) -> None:
    with pytest.raises(mistake) as told, as_unavailable_refusal():
        await conn.fetch(statement, *arguments)
    assert not is_unavailable(told.value)


async def test_a_row_that_somebody_else_holds_is_not_called_away(
    conn: asyncpg.Connection, empty_database_url: str
) -> None:
    await conn.execute("create table berth (id int); insert into berth values (1)")
    other = await connect(ConnectOptions(empty_database_url, lock_timeout_ms=50))
    try:
        async with conn.transaction():
            await conn.execute("select from berth for update")
            with pytest.raises(asyncpg.LockNotAvailableError) as told, as_unavailable_refusal():
                await other.execute("select from berth for update")
        assert not is_unavailable(told.value)
    finally:
        await other.close()


async def test_a_wrong_url_is_said_in_one_line(empty_database_url: str) -> None:
    missing = empty_database_url.replace("?", "_missing?")
    for url, said in ((missing, '_missing" does not exist'), ("mysql://h/d", "scheme"), ("nonsense", "DSN")):
        with pytest.raises(Misconfigured, match=f"database.url: .*{said}") as told:
            await connect(ConnectOptions(url))
        assert "\n" not in str(told.value)


async def test_nobody_there_is_the_database_being_away(tmp_path: Path) -> None:
    url = f"postgresql://u@/d?host={tmp_path}"
    with pytest.raises(DatabaseUnavailable):
        await connect(ConnectOptions(url))
    with pytest.raises(DatabaseUnavailable):
        await open_pool(ConnectOptions(url))


async def test_a_server_that_accepts_and_says_nothing_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_CONNECT_SECONDS", 0.2)
    with TemporaryDirectory(prefix="th-") as folder, socket.socket(socket.AF_UNIX) as silent:
        silent.bind(f"{folder}/.s.PGSQL.5432")
        silent.listen()
        with pytest.raises(DatabaseUnavailable):
            await connect(ConnectOptions(f"postgresql://u@/d?host={folder}"))


async def test_an_old_server_is_refused(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "OLDEST", 99)
    with pytest.raises(Misconfigured, match=r"PostgreSQL \d+\.\d+ is too old; use 99 or newer"):
        await connect(ConnectOptions(empty_database_url))
    with pytest.raises(Misconfigured, match="too old"):
        await open_pool(ConnectOptions(empty_database_url))


async def test_a_pool_works_again_after_its_connections_were_lost(proxy: Proxy) -> None:
    async with await open_pool(ConnectOptions(proxy.url)) as some:
        assert await some.fetchval("select 1") == 1
        await proxy.go_away()
        with pytest.raises(Unavailable), as_unavailable_refusal():
            await some.fetchval("select 1")
        await proxy.come_back()
        assert await some.fetchval("select '{}'::jsonb") == b"{}"


async def test_a_link_is_greeted_anew_each_time_it_comes_back(proxy: Proxy) -> None:
    greeted = []

    async def greet(connection: asyncpg.Connection) -> None:
        greeted.append(await connection.fetchval("select pg_backend_pid()"))

    async with ReconnectingConnection(ConnectOptions(proxy.url), greet) as link:
        first = link.connection
        assert await first.fetchval("select pg_backend_pid()") == greeted[0]
        await proxy.go_away()
        await until(lambda: not link.is_up)
        with pytest.raises(DatabaseUnavailable):
            _ = link.connection
        await proxy.come_back()
        await until(lambda: link.is_up)
        assert link.connection is not first
        assert await link.connection.fetchval("select pg_backend_pid()") == greeted[-1]
        assert len(set(greeted)) == 2


async def test_a_link_that_the_server_ends_comes_back(proxy: Proxy, empty_database_url: str) -> None:
    async with ReconnectingConnection(ConnectOptions(proxy.url)) as link:
        first = link.connection
        pid = await first.fetchval("select pg_backend_pid()")
        admin = await connect(ConnectOptions(empty_database_url))
        await admin.execute("select pg_terminate_backend($1)", pid)
        await admin.close()
        await until(lambda: link.is_up and link.connection is not first)
        assert await link.connection.fetchval("select pg_backend_pid()") != pid


async def test_nobody_gets_a_link_whose_greeting_failed(proxy: Proxy) -> None:
    greetings = 0

    async def greet(connection: asyncpg.Connection) -> None:
        nonlocal greetings
        greetings += 1
        if greetings == 2:
            await connection.execute("select 1 / 0")

    async with ReconnectingConnection(ConnectOptions(proxy.url), greet) as link:
        await proxy.go_away()
        await proxy.come_back()
        await until(lambda: greetings == 3 and link.is_up)
        assert await link.connection.fetchval("select 1") == 1


async def test_a_link_ends_also_while_the_database_is_away(proxy: Proxy) -> None:
    async with asyncio.timeout(20), ReconnectingConnection(ConnectOptions(proxy.url)) as link:
        await proxy.go_away()
        await until(lambda: not link.is_up)


async def test_a_link_that_is_left_while_busy_ends(empty_database_url: str) -> None:
    async with asyncio.timeout(20):
        async with ReconnectingConnection(ConnectOptions(empty_database_url)) as link:
            asking = asyncio.create_task(link.connection.execute("select pg_sleep(30)"))
            await asyncio.sleep(0.05)
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
            await asking
