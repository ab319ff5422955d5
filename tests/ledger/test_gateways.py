"""A gateway is known by its id: a new run takes over from the slot's earlier runs, and from no others."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.ledger.gateways import (
    LEASE,
    GatewayRun,
    GatewaySlot,
    enter_gateway,
    journals_of_slot,
    leave_gateway,
    take_over_holds,
)
from tokenharbor.ledger.store import open_book
from tokenharbor.ledger.types import PlacedHold


async def _start(scene: Any, place: GatewaySlot, home: str = "/home/a") -> GatewayRun:
    """Enter as a server does."""
    run = await enter_gateway(scene.book._pool, scene.world, place, home)
    await take_over_holds(scene.book._pool, scene.world, run)
    return run


async def _hold(scene: Any, run_id: UUID, *amounts: int) -> None:
    async with open_book(scene.url, run_id) as book:
        holds = [scene.hold(amount) for amount in amounts]
        assert await book.place(holds) == [PlacedHold(Usd(amount)) for amount in amounts]


async def _rows(scene: Any, columns: str) -> Sequence[tuple[Any, ...]]:
    sql = f"select {columns} from gateway where home like '/home/_' order by home_id, slot, epoch"  # noqa: S608
    return [tuple(row) for row in await scene.conn.fetch(sql)]


async def test_the_holds_of_the_dead_are_given_back_and_only_theirs(lone_scene: Any) -> None:
    scene = lone_scene
    await scene.credit(100)
    here, elsewhere = GatewaySlot(scene.world.ids.new()), GatewaySlot(scene.world.ids.new())
    await _hold(scene, (await _start(scene, here)).id, 30, 20)
    await _hold(scene, (await _start(scene, elsewhere)).id, 10)  # the same path, on another machine
    assert await scene.held() == 60
    run = await enter_gateway(scene.book._pool, scene.world, here, "/home/a")
    assert await scene.held() == 60, "until their journals are in the books"
    await take_over_holds(scene.book._pool, scene.world, run)
    assert await scene.held() == 10
    assert await scene.fault() is None


async def test_runs_of_a_slot_are_counted_and_end(lone_scene: Any) -> None:
    scene = lone_scene
    place = GatewaySlot(scene.world.ids.new())
    first, second = await _start(scene, place), await _start(scene, place)
    await leave_gateway(scene.book._pool, second, scene.world)
    now = scene.clock.now()
    assert await _rows(scene, "id, epoch, ended_at") == [(first.id, 1, now), (second.id, 2, now)]
    assert (first.epoch, second.epoch) == (1, 2)
    assert await scene.fault() is None


async def test_a_slot_leaves_the_runs_of_the_other_slots_alone(lone_scene: Any) -> None:
    scene = lone_scene
    await scene.credit(100)
    gateway = scene.world.ids.new()
    places = [GatewaySlot(gateway, number, 3) for number in range(3)]
    runs = [await _start(scene, place) for place in places]
    for run in runs:
        await _hold(scene, run.id, 10)
    await _start(scene, places[1])
    assert await scene.held() == 20
    assert await _rows(scene, "slot, epoch, ended_at is null") == [
        (0, 1, True),
        (1, 1, False),
        (1, 2, True),
        (2, 1, True),
    ]
    await _start(scene, GatewaySlot(gateway, 0, 2))  # the server was started with fewer workers
    assert await scene.held() == 0
    running = await _rows(scene, "slot, epoch, ended_at is null")
    assert running == [(0, 1, False), (0, 2, True), (1, 1, False), (1, 2, True), (2, 1, False)]


async def test_the_runs_of_the_release_before_are_those_of_the_first_gateway_at_their_path(lone_scene: Any) -> None:
    scene = lone_scene
    await scene.credit(100)
    old = [scene.world.ids.new() for _ in range(3)]
    for epoch, (run_id, home) in enumerate(zip(old, ("/home/a", "/home/a", "/home/b"), strict=True), 1):
        sql = "insert into gateway (id, home, epoch, started_at) values ($1, $2, $3, $4)"
        await scene.conn.execute(sql, run_id, home, epoch if home == "/home/a" else 1, scene.clock.now())
        await _hold(scene, run_id, 10)
    place = GatewaySlot(scene.world.ids.new())
    run = await _start(scene, place)
    assert (run.epoch, await scene.held()) == (3, 10), "path /home/b has another gateway"
    assert await scene.fault() is None


async def test_a_lease_is_by_the_databases_clock(lone_scene: Any) -> None:
    scene = lone_scene
    scene.clock.advance(timedelta(days=400))
    await _start(scene, GatewaySlot(scene.world.ids.new()))
    sql = "select alive_until - clock_timestamp() from gateway where home_id is not null"
    assert timedelta() < await scene.conn.fetchval(sql) <= LEASE


async def test_a_journal_is_looked_after_by_its_runs_slot_and_a_strangers_by_the_first(lone_scene: Any) -> None:
    scene = lone_scene
    gateway, pool = scene.world.ids.new(), scene.book._pool
    places = [GatewaySlot(gateway, number, 2) for number in range(2)]
    runs = [await _start(scene, place) for place in places]
    other = await _start(scene, GatewaySlot(scene.world.ids.new()))
    names = [str(run.id) for run in (*runs, other)] + ["moved-here"]
    files = [Path(f"/journal/{name}.journal") for name in names]
    assert await journals_of_slot(pool, places[0], files) == [files[0], files[2], files[3]]
    assert await journals_of_slot(pool, places[1], files) == [files[1]]
    assert await journals_of_slot(pool, GatewaySlot(gateway), files) == files
