"""Holds that a restart of PostgreSQL has lost are placed again, before new ones."""

import asyncio
from typing import Any

import pytest

from tokenharbor.kernel.money import Usd
from tokenharbor.ledger.types import HoldRefusal, PlacedHold, RefusedHold, SettledCharge

FINDS_AGAIN_S = 20


async def lose(scene: Any, *holds: Any) -> None:
    """Lose holds as a crash does, with all that they counted for. The book's connections are cut and opened anew."""
    await scene.conn.fetchval("select drop_holds($1, $2)", [hold.request_id for hold in holds], scene.clock.now())
    await cut(scene)
    await until_held(scene, sum(hold.amount for hold in holds))
    async with asyncio.timeout(FINDS_AGAIN_S):
        while not scene.book.is_up:  # noqa: ASYNC110  it tells nobody
            await asyncio.sleep(0.02)


async def cut(scene: Any) -> None:
    await scene.conn.fetch(
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where application_name = 'tokenharbor-book' and datname = current_database()"
    )


async def until_held(scene: Any, amount: int) -> None:
    async with asyncio.timeout(FINDS_AGAIN_S):
        while await scene.held() < amount:  # noqa: ASYNC110  the database tells nobody
            await asyncio.sleep(0.02)


@pytest.fixture
def scene(lone_scene: Any) -> Any:
    return lone_scene


async def test_a_lost_hold_is_placed_again_before_new_ones(scene: Any) -> None:
    await scene.credit(100)
    hold = scene.hold(80)
    assert await scene.place(hold) == [PlacedHold(Usd(80))]
    await lose(scene, hold)
    assert await scene.held() == 80
    assert await scene.place(scene.hold(30)) == [RefusedHold(HoldRefusal.BALANCE, Usd(20), Usd(80))]
    assert await scene.settle(scene.settlement(hold, 75)) == [SettledCharge(Usd(75), Usd(0), Usd(0))]
    assert await scene.conn.fetchval("select open from wallet where account_id = $1", scene.account) == 0
    assert await scene.fault() is None


async def test_what_the_account_no_longer_covers_is_held_as_far_as_it_does(scene: Any) -> None:
    await scene.credit(100)
    hold = scene.hold(60)
    await scene.place(hold)
    await scene.conn.fetchval("select drop_holds($1, $2)", [hold.request_id], scene.clock.now())
    async with scene.second_book() as theirs:
        assert await theirs.place([scene.hold(50)]) == [PlacedHold(Usd(50))]
        await cut(scene)
        await until_held(scene, 100)
    assert await scene.available() == 0


async def test_what_has_ended_is_not_placed_again(scene: Any) -> None:
    await scene.credit(100)
    open_, settled, released = scene.hold(20), scene.hold(20), scene.hold(20)
    await scene.place(open_, settled, released)
    await scene.settle(scene.settlement(settled, 10))
    await scene.release(released)
    await lose(scene, open_)
    assert await scene.held() == 20
