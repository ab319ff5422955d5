"""A lapsed run's places are freed, and its holds wait for a successor, the operator or the end of the grace."""

from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from tokenharbor.kernel.errors import Conflict, Missing
from tokenharbor.kernel.money import Usd
from tokenharbor.ledger.gateways import GatewayRun, GatewaySlot, enter_gateway
from tokenharbor.ledger.lapsed import GivenUpHolds, abandon, free_lapsed_runs, give_up_overdue, list_runs
from tokenharbor.ledger.store import open_book
from tokenharbor.ledger.types import Hold, PlacedHold, SettledCharge

DAY = timedelta(days=1)


async def _run_with_hold(scene: Any, amount: int = 30) -> tuple[GatewayRun, Hold]:
    run = await enter_gateway(scene.book._pool, scene.world, GatewaySlot(scene.world.ids.new()), "/home/a")
    hold = scene.hold(amount)
    async with open_book(scene.url, run.id) as book:
        assert [type(answer) for answer in await book.place([hold])] == [PlacedHold]
    return run, hold


async def _lapse(scene: Any, run: GatewayRun, ago: timedelta = timedelta(seconds=1)) -> None:
    sql = "update gateway set alive_until = clock_timestamp() - $2::interval where id = $1"
    await scene.conn.execute(sql, run.id, ago)


async def _give_up_overdue(scene: Any) -> list[GivenUpHolds]:
    """What was reported."""
    reported: list[GivenUpHolds] = []
    await give_up_overdue(scene.book._pool, DAY, scene.clock.now(), reported.append)
    return reported


async def _open(scene: Any) -> tuple[int, int]:
    """Of the account and of the key."""
    return (
        await scene.conn.fetchval("select open from wallet where account_id = $1", scene.account),
        await scene.conn.fetchval("select open from key_meter where key_id = $1", scene.key),
    )


async def test_a_lapsed_runs_requests_count_as_open_no_more_and_their_money_stays_held(lone_scene: Any) -> None:
    scene, pool = lone_scene, lone_scene.book._pool
    await scene.credit(100)
    run, hold = await _run_with_hold(scene)
    await free_lapsed_runs(pool)
    assert await _open(scene) == (1, 1), "its lease is held"
    await _lapse(scene, run)
    for _ in range(2):
        await free_lapsed_runs(pool)
        assert (await _open(scene), await scene.held()) == ((0, 0), 30)
    assert await scene.settle(scene.settlement(hold, 30)) == [SettledCharge(Usd(30), Usd(0), Usd(0))]
    assert (await _open(scene), await scene.held(), await scene.fault()) == ((0, 0), 0, None)


async def test_what_lapsed_longer_ago_than_the_grace_is_given_up_once(lone_scene: Any) -> None:
    scene = lone_scene
    await scene.credit(100)
    run, hold = await _run_with_hold(scene)
    await _lapse(scene, run, DAY - timedelta(minutes=1))
    assert await _give_up_overdue(scene) == []
    await _lapse(scene, run, DAY)
    assert await _give_up_overdue(scene) == [GivenUpHolds(run.id, 1, Usd(30))]
    assert await _give_up_overdue(scene) == []
    assert (await scene.held(), await scene.fault()) == (0, None)
    late = await scene.settle(scene.settlement(hold, 30))
    assert late == [SettledCharge(Usd(30), Usd(0), Usd(0))], "a journal that comes back all the same is charged once"


async def test_a_gateway_is_abandoned_once_it_has_lapsed(lone_scene: Any) -> None:
    scene, now = lone_scene, lone_scene.clock.now()
    await scene.credit(100)
    run, _ = await _run_with_hold(scene)
    other, _ = await _run_with_hold(scene, 10)
    with pytest.raises(Conflict):
        await abandon(scene.conn, run.slot.gateway_id, now)
    with pytest.raises(Missing):
        await abandon(scene.conn, scene.world.ids.new(), now)
    await _lapse(scene, run)
    assert {each.id: each.state for each in await list_runs(scene.conn) if each.gateway_id} == {
        run.id: "lapsed",
        other.id: "alive",
    }
    assert await abandon(scene.conn, run.slot.gateway_id, now) == [GivenUpHolds(run.id, 1, Usd(30))]
    assert await scene.held() == 10
    assert [each.id for each in await list_runs(scene.conn) if each.gateway_id] == [other.id]


async def test_a_run_of_the_release_before_is_given_up_by_its_own_id_alone(lone_scene: Any) -> None:
    scene, run_id = lone_scene, lone_scene.world.ids.new()
    await scene.credit(100)
    sql = "insert into gateway (id, home, epoch, started_at) values ($1, '/old', 1, $2)"
    await scene.conn.execute(sql, run_id, scene.clock.now())
    async with open_book(scene.url, run_id) as book:
        await book.place([scene.hold(30)])
    assert await _give_up_overdue(scene) == [], "it may be alive"
    assert await abandon(scene.conn, run_id, scene.clock.now()) == [GivenUpHolds(run_id, 1, Usd(30))]


async def test_a_run_that_cannot_be_given_up_hides_no_other_that_was(lone_scene: Any) -> None:
    scene = lone_scene
    await scene.credit(100)
    runs = [(await _run_with_hold(scene))[0] for _ in range(3)]
    for run in runs:
        await _lapse(scene, run, DAY)
    await scene.conn.execute(
        "create function fail() returns trigger language plpgsql as $$ begin raise 'a fault'; end $$; "
        f"create trigger fail before update on gateway for each row when (new.id = '{runs[1].id}') "
        "execute function fail()"
    )
    reported: list[GivenUpHolds] = []
    with pytest.raises(asyncpg.RaiseError, match="a fault"):
        await give_up_overdue(scene.book._pool, DAY, scene.clock.now(), reported.append)
    assert {each.run_id for each in reported} == {runs[0].id, runs[2].id}
    assert await scene.held() == 30
