"""A gateway started in the HOME of a dead one gives back that one's holds, and nobody else's."""

from typing import Any

from tokenharbor.kernel.money import Usd
from tokenharbor.ledger.gateways import enter_gateway, leave_gateway
from tokenharbor.ledger.store import open_book
from tokenharbor.ledger.types import PlacedHold


async def test_the_holds_of_the_dead_are_given_back_and_only_theirs(lone_scene: Any) -> None:
    scene = lone_scene
    await scene.credit(100)
    pool = scene.book._pool
    dead = await enter_gateway(pool, scene.world, "/home/a")
    elsewhere = await enter_gateway(pool, scene.world, "/home/b")
    async with open_book(scene.url, dead) as first, open_book(scene.url, elsewhere) as second:
        assert await first.place([scene.hold(30), scene.hold(20)]) == [PlacedHold(Usd(30)), PlacedHold(Usd(20))]
        assert await second.place([scene.hold(10)]) == [PlacedHold(Usd(10))]
    assert await scene.held() == 60
    await enter_gateway(pool, scene.world, "/home/a")
    assert await scene.held() == 10
    assert await scene.fault() is None


async def test_gateways_of_a_home_are_counted_and_end(lone_scene: Any) -> None:
    scene = lone_scene
    first = await enter_gateway(scene.book._pool, scene.world, "/home/a")
    second = await enter_gateway(scene.book._pool, scene.world, "/home/a")
    await leave_gateway(scene.book._pool, second, scene.world)
    rows = await scene.conn.fetch("select id, epoch, ended_at from gateway where home = '/home/a' order by epoch")
    assert [(row["id"], row["epoch"]) for row in rows] == [(first, 1), (second, 2)]
    assert all(row["ended_at"] == scene.clock.now() for row in rows)
