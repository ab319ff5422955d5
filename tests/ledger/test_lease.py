"""A lease is timed by the worker's own clock, ends in time, and can be renewed late, unless its run was ended."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from tokenharbor.db.pool import ConnectOptions, ReconnectingConnection
from tokenharbor.kernel.errors import DatabaseUnavailable, GatewayEnded
from tokenharbor.kernel.money import Usd
from tokenharbor.ledger.gateways import LEASE, GatewaySlot, enter_gateway
from tokenharbor.ledger.lease import Lease
from tokenharbor.ledger.store import open_book
from tokenharbor.ledger.types import PlacedHold, SettledCharge

NEARLY = LEASE - timedelta(seconds=2)


@pytest.fixture
async def link(lone_scene: Any) -> AsyncIterator[ReconnectingConnection]:
    async with ReconnectingConnection(ConnectOptions(lone_scene.url)) as link:
        yield link


async def _enter(scene: Any, link: ReconnectingConnection, place: GatewaySlot | None = None) -> Lease:
    place = place or GatewaySlot(scene.world.ids.new())
    return Lease(await enter_gateway(scene.book._pool, scene.world, place, "/home/a"), link, scene.clock)


async def test_a_lease_that_is_renewed_goes_on_and_one_that_is_not_ends_what_is_open(
    lone_scene: Any, link: ReconnectingConnection
) -> None:
    lease = await _enter(lone_scene, link)
    ended: list[bool] = []
    lease.on_lapse(lambda: ended.append(lease.is_held()))
    for _ in range(3):
        lone_scene.clock.advance(NEARLY)
        lease.check()
        assert (lease.is_held(), await lease.renew()) == (True, True)
    lone_scene.clock.advance(LEASE)
    lease.check()
    lease.check()
    assert ended == [False], "told once"
    assert await lease.renew()
    assert lease.is_held()
    lone_scene.clock.advance(LEASE)
    lease.check()
    assert ended == [False, False]


async def test_the_lease_counts_from_before_the_database_was_asked(
    lone_scene: Any, link: ReconnectingConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the answer takes, the database's own count ends later."""
    lease, answer = await _enter(lone_scene, link), link.connection.fetchval

    async def slowly(*args: Any) -> Any:
        lone_scene.clock.advance(NEARLY)
        return await answer(*args)

    monkeypatch.setattr("asyncpg.Connection.fetchval", lambda _, *args: slowly(*args))
    assert await lease.renew()
    lone_scene.clock.advance(timedelta(seconds=2))
    assert not lease.is_held()


async def test_nothing_is_held_while_the_lease_is_not(lone_scene: Any, link: ReconnectingConnection) -> None:
    scene = lone_scene
    await scene.credit(100)
    lease = await _enter(scene, link)
    run_id = await scene.conn.fetchval("select id from gateway where home_id is not null")
    async with open_book(scene.url, run_id, lease.is_held) as book:
        before = scene.hold(10)
        assert await book.place([before]) == [PlacedHold(Usd(10))]
        scene.clock.advance(LEASE)
        assert [book.is_up] == [False]
        with pytest.raises(DatabaseUnavailable):
            await book.place([scene.hold(10)])
        settled = await book.settle([scene.settlement(before, 10)])
        assert settled == [SettledCharge(Usd(10), Usd(0), Usd(0))], "what was held before is settled once, late or not"
        assert await lease.renew()
        assert [book.is_up] == [True]
        assert await book.place([scene.hold(10)]) == [PlacedHold(Usd(10))]
    assert await scene.fault() is None


async def test_a_run_that_a_later_one_has_ended_says_so(lone_scene: Any, link: ReconnectingConnection) -> None:
    place = GatewaySlot(lone_scene.world.ids.new())
    first = await _enter(lone_scene, link, place)
    second = await _enter(lone_scene, link, place)
    with pytest.raises(GatewayEnded, match="copied"):
        await first.renew()
    assert await second.renew()


async def test_a_run_that_was_given_up_says_so(lone_scene: Any, link: ReconnectingConnection) -> None:
    lease = await _enter(lone_scene, link)
    await lone_scene.conn.execute("update gateway set ended_at = clock_timestamp() where home_id is not null")
    with pytest.raises(GatewayEnded, match="abandon"):
        await lease.renew()
