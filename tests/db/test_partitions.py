"""Partitions exist before their time, and every id has one."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone

import asyncpg
import pytest

from tokenharbor.db import partitions
from tokenharbor.db.partitions import PARTITIONED, PartitionedTable, ensure_partitions, lowest_id
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.entropy import SeededEntropy
from tokenharbor.kernel.ids import Ids, made_at

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SMALL = (
    PartitionedTable("visit", "day", ahead=timedelta(days=2), settings="fillfactor = 70"),
    PartitionedTable(
        "fee",
        "month",
        ahead=timedelta(days=32),
        guards="create trigger kept before truncate on {partition} for each statement execute function refuse()",
    ),
)
TABLES = """
    create table visit (id uuid primary key, ship text) partition by range (id);
    create index on visit (ship);
    create table fee (id uuid primary key) partition by range (id);
    create function refuse() returns trigger language plpgsql as $$ begin raise 'kept'; end $$;
"""


@pytest.fixture
async def conn(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[asyncpg.Connection]:
    monkeypatch.setattr(partitions, "PARTITIONED", SMALL)
    connection = await asyncpg.connect(empty_database_url)
    await connection.execute(TABLES)
    yield connection
    await connection.close()


async def test_they_reach_from_yesterday_to_the_days_ahead(conn: asyncpg.Connection) -> None:
    assert await ensure_partitions(conn, NOON) == [
        "visit_20261120", "visit_20261121", "visit_20261122", "visit_20261123", "fee_202611", "fee_202612",
    ]  # fmt: skip


async def test_what_is_there_is_left_alone(conn: asyncpg.Connection) -> None:
    await ensure_partitions(conn, NOON)
    assert await ensure_partitions(conn, NOON) == []
    assert await ensure_partitions(conn, NOON + timedelta(days=1)) == ["visit_20261124"]


@pytest.mark.parametrize(
    ("moment", "first", "months"),
    [
        (datetime(2026, 1, 1, 0, 0, tzinfo=UTC), "visit_20251231", ["fee_202512", "fee_202601", "fee_202602"]),
        (datetime(2028, 1, 31, 23, 59, tzinfo=UTC), "visit_20280130", ["fee_202801", "fee_202802", "fee_202803"]),
        (datetime(2026, 3, 1, 4, 0, tzinfo=timezone(timedelta(hours=5))), "visit_20260227",
         ["fee_202602", "fee_202603", "fee_202604"]),
    ],
)  # fmt: skip
async def test_months_and_years_turn(conn: asyncpg.Connection, moment: datetime, first: str, months: list[str]) -> None:
    made = await ensure_partitions(conn, moment)
    assert made[0] == first
    assert [name for name in made if name.startswith("fee")] == months


async def test_an_id_lies_in_the_partition_of_its_own_time(conn: asyncpg.Connection) -> None:
    await ensure_partitions(conn, NOON)
    clock = ManualClock(datetime(2026, 11, 20, tzinfo=UTC))
    ids = Ids(clock, SeededEntropy(7))
    while clock.now() < datetime(2026, 11, 24, tzinfo=UTC) - timedelta(hours=1):
        await conn.execute("insert into visit values ($1)", ids.new())
        clock.advance(timedelta(hours=1) - timedelta(milliseconds=1))
    rows = await conn.fetch("select tableoid::regclass::text as partition, id from visit")
    assert len(rows) == 96
    assert all(row["partition"] == f"visit_{made_at(row['id']):%Y%m%d}" for row in rows)


async def test_the_last_millisecond_and_the_first_lie_apart(conn: asyncpg.Connection) -> None:
    await ensure_partitions(conn, NOON)
    midnight = datetime(2026, 11, 22, tzinfo=UTC)
    for moment in (midnight, midnight - timedelta(milliseconds=1)):
        await conn.execute("insert into visit values ($1)", lowest_id(moment))
    rows = await conn.fetch("select tableoid::regclass::text as partition from visit order by id")
    assert [row["partition"] for row in rows] == ["visit_20261121", "visit_20261122"]


async def test_each_has_the_indexes_the_settings_and_the_guards(conn: asyncpg.Connection) -> None:
    await ensure_partitions(conn, NOON)
    indexes = await conn.fetchval("select count(*) from pg_indexes where tablename = 'visit_20261121'")
    options = await conn.fetchval("select reloptions from pg_class where relname = 'visit_20261121'")
    assert (indexes, options) == (2, ["fillfactor=70"])
    with pytest.raises(asyncpg.RaiseError, match="kept"):
        await conn.execute("truncate fee_202611")


async def test_many_gateways_may_make_them_at_once(conn: asyncpg.Connection, empty_database_url: str) -> None:
    others = [await asyncpg.connect(empty_database_url) for _ in range(3)]
    try:
        made = await asyncio.gather(*(ensure_partitions(one, NOON) for one in (conn, *others)))
    finally:
        for other in others:
            await other.close()
    assert sorted(len(names) for names in made) == [0, 0, 0, 6]


async def test_nobody_who_writes_is_kept_waiting(conn: asyncpg.Connection, empty_database_url: str) -> None:
    await ensure_partitions(conn, NOON)
    busy = await asyncpg.connect(empty_database_url)
    try:
        async with asyncio.timeout(10), busy.transaction():
            await busy.execute("insert into visit values ($1)", lowest_id(NOON))
            assert await ensure_partitions(conn, NOON + timedelta(days=1)) == ["visit_20261124"]
    finally:
        await busy.close()


async def test_the_houses_own_tables_are_served(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await ensure_partitions(connection, NOON)
        parents = await connection.fetch("select relname from pg_class where relkind = 'p' order by relname")
        assert [row["relname"] for row in parents] == sorted(kind.table for kind in PARTITIONED)
        for kind in PARTITIONED:
            children = await connection.fetchval(
                "select count(*) from pg_inherits where inhparent = $1::regclass", kind.table
            )
            assert children > 0
        with pytest.raises(asyncpg.RestrictViolationError):
            await connection.execute("truncate entry_202611")
    finally:
        await connection.close()
