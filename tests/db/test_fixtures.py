"""The shared database fixtures: fresh, migrated, and separate from each other."""

import asyncpg


async def test_a_fresh_database_has_the_migrations_bookkeeping(database_url: str) -> None:
    conn = await asyncpg.connect(database_url)
    try:
        assert await conn.fetchval("select count(*) from meta") == 0
        await conn.execute("insert into meta values ('left', 'behind')")
    finally:
        await conn.close()


async def test_the_next_test_sees_nothing_of_the_one_before(database_url: str) -> None:
    conn = await asyncpg.connect(database_url)
    try:
        assert await conn.fetchval("select count(*) from meta") == 0
    finally:
        await conn.close()
