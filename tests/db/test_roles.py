"""The console's role: its rights in the books, and their limits."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from tokenharbor.db.pool import ConnectOptions, Login, connect
from tokenharbor.db.roles import ensure_console_role

APPEND_ONLY = ("entry", "posting", "price", "lot", "entry_seal", "signed_root", "signed_cut", "account_change")


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await connect(ConnectOptions(database_url))
    yield connection
    await connection.close()


@pytest.fixture
async def console(owner: asyncpg.Connection, database_url: str) -> AsyncIterator[asyncpg.Connection]:
    login = await ensure_console_role(owner, "a password")
    connection = await connect(ConnectOptions(database_url, login=login))
    yield connection
    await connection.close()


@pytest.mark.parametrize("table", APPEND_ONLY)
async def test_what_is_appended_to_only_cannot_be_changed_by_the_console(
    console: asyncpg.Connection, owner: asyncpg.Connection, table: str
) -> None:
    column = await owner.fetchval(
        "select attname from pg_attribute where attrelid = $1::text::regclass and attnum > 0 limit 1", table
    )
    for statement in (
        f"update {table} set {column} = {column}",  # noqa: S608
        f"delete from {table}",  # noqa: S608
        f"truncate {table}",
        f"alter table {table} disable trigger all",
        f"drop table {table}",
        f"select from {table} for update",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await console.execute(statement)
    assert await console.fetchval(f"select count(*) from {table}") is not None  # noqa: S608
    assert await console.fetchval("select has_table_privilege($1, 'insert')", table)


async def test_the_console_has_no_part_in_schema_migrations_and_roles(
    console: asyncpg.Connection, owner: asyncpg.Connection
) -> None:
    name = await owner.fetchval("select current_user")
    for statement in (
        "create table mine ()",
        "delete from migration",
        "update meta set value = ''",
        "create role another",
        f"set role {name}",
        f"select set_config('role', '{name}', false)",
        "create function refuse_nothing() returns int language sql as 'select 1'",
        "alter function refuse_change() owner to current_user",
    ):
        with pytest.raises(asyncpg.PostgresError, match=r"permission denied|must be owner|cannot set"):
            await console.execute(statement)


async def test_partitions_that_come_later_are_reached_by_their_table_alone(
    console: asyncpg.Connection, owner: asyncpg.Connection
) -> None:
    await owner.execute("create table later partition of entry default")
    assert await console.fetchval("select count(*) from entry") == 0
    for statement in ("select from later", "delete from later"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await console.execute(statement)


async def test_another_start_gives_a_new_table_its_rights_and_takes_back_what_is_too_much(
    console: asyncpg.Connection, owner: asyncpg.Connection
) -> None:
    role = await console.fetchval("select current_user")
    await owner.execute("create table noticed (id int)")
    await owner.execute(f"grant delete on entry to {role}; grant update on meta to {role}")

    again = await ensure_console_role(owner, "another password")

    assert again == Login(role, "another password")
    await console.execute("insert into noticed values (1); update noticed set id = 2; delete from noticed")
    assert not await owner.fetchval("select has_table_privilege($1, 'entry', 'delete')", role)
    assert not await owner.fetchval("select has_table_privilege($1, 'meta', 'update')", role)


async def test_an_owner_who_may_not_make_roles_is_told(owner: asyncpg.Connection, database_url: str) -> None:
    name = f"{await owner.fetchval('select current_database()')}_owner"
    await owner.execute(f"create role {name} login")
    modest = await connect(ConnectOptions(database_url, login=Login(name, "")))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await ensure_console_role(modest, "a password")
    await modest.close()
    await owner.execute(f"drop role {name}")
