"""The audit log: triggers record every change of a row, with actor, address and time, whichever code makes it."""

from datetime import timedelta

import asyncpg
import pytest
from tests.identity.conftest import START

from tokenharbor.identity import changes, store
from tokenharbor.identity.keys import make_key
from tokenharbor.identity.store import KeyRules
from tokenharbor.kernel import ids
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.secret import DerivedSecret
from tokenharbor.kernel.world import World


@pytest.fixture
async def account_id(conn: asyncpg.Connection, world: World) -> UUID:
    return (await store.create_account(conn, world, "ada@example.com", "e")).id


async def add_key(conn: asyncpg.Connection, world: World, derived: DerivedSecret, account_id: UUID) -> UUID:
    made, rules = make_key(world.entropy), KeyRules(name="ci", quota=Usd.parse("5"))
    return await store.add_key(conn, world, derived, account_id=account_id, key=made, rules=rules)


async def test_each_change_of_a_key_is_told_before_and_after(
    conn: asyncpg.Connection, world: World, derived: DerivedSecret, account_id: UUID
) -> None:
    async with conn.transaction():
        await changes.set_actor(conn, "user_x", "192.0.2.7", START)
        key_id = await add_key(conn, world, derived, account_id)
        await store.change_key(conn, key_id, KeyRules(name="ci", quota=Usd.parse("2.5"), models=("m",)))
        await store.change_key(conn, key_id, KeyRules(name="ci", quota=Usd.parse("2.5"), models=("m",)))
        await store.revoke_key(conn, key_id, START)
    told = await changes.read_changes(conn, account_id)
    shown = ids.show("key", key_id)
    assert {(each.actor, each.address, each.at, each.subject) for each in told} == {
        ("user_x", "192.0.2.7", START, shown)
    }
    first, *rest = [(each.field, each.before, each.after) for each in sorted(told, key=lambda each: each.field)]
    assert first[:2] == ("key", "")
    assert '"quota_usd": "5.000000000"' in first[2]
    assert rest == [
        ("key.models", "[]", '["m"]'),
        ("key.quota_usd", "5.000000000", "2.500000000"),
        ("key.revoked_at", "", "2026-03-01T12:00:00+00:00"),
    ]


async def test_what_nobody_asked_for_by_name_is_the_operators_or_the_servers(
    conn: asyncpg.Connection, world: World, derived: DerivedSecret, account_id: UUID
) -> None:
    for application, actor in (("tokenharbor-command", "operator"), ("tokenharbor", "server")):
        await conn.execute(f"set application_name = '{application}'")
        key_id = await add_key(conn, world, derived, account_id)
        last = (await changes.read_changes(conn, account_id))[-1]
        assert (last.actor, last.subject, last.address) == (actor, ids.show("key", key_id), "")


async def test_a_page_of_the_log_is_in_the_order_of_time(
    conn: asyncpg.Connection, world: World, derived: DerivedSecret, account_id: UUID, clock: ManualClock
) -> None:
    for number in range(5):
        async with conn.transaction():
            await changes.set_actor(conn, f"user_{number}", "", clock.now())
            await add_key(conn, world, derived, account_id)
        clock.advance(timedelta(seconds=1))
    page = await changes.page_changes(conn, account_id, None, 3)
    rest = await changes.page_changes(conn, account_id, page[-1][0], 3)
    assert [change.actor for _, change in [*page, *rest]] == [f"user_{number}" for number in (4, 3, 2, 1, 0)]
    assert all(ids.made_at(change_id) == change.at for change_id, change in page)


async def test_a_webhooks_address_is_not_told(conn: asyncpg.Connection, account_id: UUID) -> None:
    await conn.execute(
        "insert into alert_webhook values ($1, 'https://hooks.example/s3cret', '', '', $2)", account_id, START
    )
    await conn.execute("delete from alert_webhook")
    told = await changes.read_changes(conn, account_id)
    assert [each.field for each in told] == ["alert_webhook"] * 2
    assert "s3cret" not in str(told)


async def test_sql_shows_ids_as_python_does(conn: asyncpg.Connection, world: World) -> None:
    for uuid in (UUID(int=0), UUID(int=(1 << 128) - 1), *(world.ids.new() for _ in range(20))):
        assert await conn.fetchval("select show_id('key', $1)", uuid) == ids.show("key", uuid)
