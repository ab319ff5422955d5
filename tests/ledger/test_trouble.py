"""A bad row, an account locked by a stranger, a database that is down: other rows are not affected."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import asyncpg
import pytest

from tokenharbor.kernel.errors import BooksRefused, DatabaseUnavailable
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.kernel.payer import Payer
from tokenharbor.ledger.batcher import Batcher
from tokenharbor.ledger.types import Hold, PlacedHold, Product, RefusedHold, SettledCharge, Settlement


@pytest.mark.parametrize(
    "poison",
    [
        lambda scene, hold: scene.settlement(hold, -5),
        lambda scene, hold: scene.settlement(hold, 5, fee=6),
        lambda scene, hold: scene.settlement(hold, 2**63),
        lambda scene, hold: _with_model(scene, hold, "no\0zero"),
        lambda scene, hold: _with_model(scene, hold, "lone \ud800 surrogate"),
        lambda scene, hold: scene.settlement(_of_nobody(scene, hold), 5),
    ],
    ids=["negative", "fee above cost", "out of range", "zero byte", "surrogate", "no such account"],
)
async def test_a_poisonous_settlement_stops_only_itself(scene: Any, poison: Any) -> None:
    await scene.credit(1000)
    holds = [scene.hold(10) for _ in range(30)]
    await scene.place(*holds)
    batch = [scene.settlement(hold, 10) for hold in holds]
    batch[11] = poison(scene, holds[11])
    answers = await scene.settle(*batch)
    assert isinstance(answers.pop(11), BooksRefused)
    assert answers == [SettledCharge(Usd(10), ZERO, ZERO)] * 29
    assert (await scene.available(), await scene.held()) == (700, 10)
    assert await scene.fault() is None


@pytest.mark.parametrize("amount", [-1, 2**63])
async def test_a_poisonous_hold_stops_only_itself(scene: Any, amount: int) -> None:
    await scene.credit(1000)
    holds = [scene.hold(10), scene.hold(amount), scene.hold(10)]
    first, bad, last = await scene.place(*holds)
    assert isinstance(bad, BooksRefused)
    assert (first, last) == (PlacedHold(Usd(10)), PlacedHold(Usd(10)))


async def test_a_settlement_does_not_take_somebody_elses_hold(scene: Any) -> None:
    stranger = await scene.open_account()
    await scene.credit(100)
    await scene.credit(100, account=stranger)
    hold = scene.hold(50)
    await scene.place(hold)
    theirs = Hold(hold.request_id, scene.payer(stranger), hold.amount, hold.at)
    (answer,) = await scene.settle(scene.settlement(theirs, 50))
    assert isinstance(answer, BooksRefused)
    assert (await scene.available(), await scene.held(), await scene.available(stranger)) == (50, 50, 100)


async def test_a_locked_wallet_does_not_stall_others(scene: Any) -> None:
    other = await scene.open_account()
    await scene.credit(100)
    await scene.credit(100, account=other)
    holds: Batcher[Hold, PlacedHold | RefusedHold] = Batcher(scene.book.place)
    ends: Batcher[Settlement, SettledCharge] = Batcher(scene.book.settle)
    stuck, free = scene.hold(10), scene.hold(10, other)
    await scene.place(stuck, free)
    async with scene.conn.transaction():
        await scene.conn.execute("select from wallet where account_id = $1 for update", scene.account)
        stuck_settlement = ends.submit(scene.settlement(stuck, 10))
        assert await ends.submit(scene.settlement(free, 10)) == SettledCharge(Usd(10), ZERO, ZERO)
        stuck_hold = holds.submit(scene.hold(20))
        for _ in range(20):
            assert await holds.submit(scene.hold(1, other)) == PlacedHold(Usd(1))
        assert not stuck_hold.done()
        assert not stuck_settlement.done()
    assert await stuck_settlement == SettledCharge(Usd(10), ZERO, ZERO)
    assert await stuck_hold == PlacedHold(Usd(20))
    assert await scene.fault() is None


async def test_a_wallet_that_stays_locked_is_away_and_neither_refused_nor_charged(scene: Any) -> None:
    await scene.credit(100)
    async with scene.conn.transaction():
        await scene.conn.execute("select from wallet where account_id = $1 for update", scene.account)
        (answer,) = await scene.place(scene.hold(10))
    assert isinstance(answer, DatabaseUnavailable)
    assert (await scene.available(), await scene.held()) == (100, 0)


async def test_settlements_of_one_request_on_two_connections_charge_once(scene: Any) -> None:
    await scene.credit(1000)
    hold = scene.hold(100)
    await scene.place(hold)
    settlement = scene.settlement(hold, 100)
    async with scene.second_book() as second:
        answers = await asyncio.gather(scene.book.settle([settlement]), second.settle([settlement]))
    assert sorted(answer[0].repeated for answer in answers) == [False, True]
    assert await scene.available() == 900


async def test_a_connection_lost_on_the_way_is_made_up_for_by_the_request_id(scene: Any) -> None:
    await scene.credit(1000)
    holds = [scene.hold(10) for _ in range(5)]
    await scene.place(*holds)
    async with scene.conn.transaction():
        await scene.conn.execute("select from wallet where account_id = $1 for update", scene.account)
        settling = asyncio.create_task(scene.settle(*[scene.settlement(hold, 10) for hold in holds]))
        await _until_waiting(scene.conn)
        await _cut_connections(scene)
    assert [answer.charge for answer in await settling] == [10] * 5
    assert (await scene.available(), await scene.held()) == (950, 0)
    assert await scene.fault() is None


async def test_a_commit_whose_answer_was_lost_is_not_charged_again(scene: Any) -> None:
    await scene.credit(1000)
    hold = scene.hold(10)
    await scene.place(hold)
    settlement = scene.settlement(hold, 10)
    await scene.settle(settlement)
    await _cut_connections(scene)
    (answer,) = await scene.settle(settlement)
    assert answer == SettledCharge(Usd(10), ZERO, ZERO, repeated=True)
    assert await scene.available() == 990


@pytest.mark.parametrize("ends_wait", [False, True])
async def test_an_account_that_we_lock_ourselves_is_waited_for(
    scene: Any, monkeypatch: pytest.MonkeyPatch, *, ends_wait: bool
) -> None:
    """Where CPU is short, our own other transaction takes longer than the lock timeout."""
    await scene.credit(1000)
    hold, settled = scene.hold(10), scene.hold(20)
    await scene.place(settled)
    hot, asked = scene.book._connections, asyncio.Semaphore(0)
    runner, other = (scene.book._settles, hot.holds) if ends_wait else (scene.book._places, hot.ends)
    _never_with_checks(runner, monkeypatch, asked)
    async with other.link.connection.transaction():
        await other.link.connection.execute("select from wallet where account_id = $1 for update", scene.account)
        work = scene.book.settle([scene.settlement(settled, 5)]) if ends_wait else scene.book.place([hold])
        waiting = asyncio.create_task(work)
        for _ in range(2):
            await asked.acquire()
    assert await waiting == [SettledCharge(Usd(5), ZERO, ZERO) if ends_wait else PlacedHold(Usd(10))]


async def test_a_lock_timeout_that_nobody_holds_is_tried_again(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    await scene.credit(1000)
    runner, asked = scene.book._places, asyncio.Semaphore(0)
    _never_with_checks(runner, monkeypatch, asked)
    run, failures = runner._operation.run, [asyncpg.LockNotAvailableError("timeout")]

    async def starved(conn: Any, rows: Any) -> Any:
        if failures:
            raise failures.pop()
        return await run(conn, rows)

    monkeypatch.setattr(runner._operation, "run", starved)
    assert await scene.book.place([scene.hold(10)]) == [PlacedHold(Usd(10))]
    assert not asked.locked()


@pytest.mark.slow  # leaves a core no CPU for a while
async def test_no_batch_is_set_aside_where_cpu_is_short(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Holds and settlements of one wallet wait for each other while twenty processes want their core."""
    await scene.credit(1_000_000)
    asked = asyncio.Semaphore(0)
    for runner in (scene.book._places, scene.book._settles):
        _never_with_checks(runner, monkeypatch, asked)
    places, settles = Batcher(scene.book.place), Batcher(scene.book.settle)
    backends = await scene.conn.fetch("select pid from pg_stat_activity where datname = current_database()")
    with _no_cpu_left([row["pid"] for row in backends], busy=20):
        ends_at = time.monotonic() + 8
        spent = await asyncio.gather(*[_spend_until(ends_at, scene, places, settles) for _ in range(64)])
    assert await scene.available() == 1_000_000 - sum(spent)


async def _spend_until(ends_at: float, scene: Any, places: Batcher[Any, Any], settles: Batcher[Any, Any]) -> int:
    """How many requests of 1 nano-USD were held and settled."""
    spent = 0
    while time.monotonic() < ends_at:
        hold = scene.hold(1)
        assert await places.submit(hold) == PlacedHold(Usd(1))
        assert await settles.submit(scene.settlement(hold, 1)) == SettledCharge(Usd(1), ZERO, ZERO)
        spent += 1
    return spent


@contextlib.contextmanager
def _no_cpu_left(backends: Sequence[int], *, busy: int) -> Iterator[None]:
    """For us and these processes, all on one core: tests that run beside this one have the others."""
    usual = os.sched_getaffinity(0)
    for pid in (0, *backends):
        os.sched_setaffinity(pid, {min(usual)})
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(busy)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()
        os.sched_setaffinity(0, usual)


def _never_with_checks(runner: Any, monkeypatch: pytest.MonkeyPatch, asked: asyncio.Semaphore) -> None:
    """Fail if the runner takes its slow path; the semaphore counts how often it asked who has the lock."""
    look = runner._is_locked_by_others

    async def counted(conn: Any, rows: Any) -> bool:
        locked: bool = await look(conn, rows)
        asked.release()
        return locked

    async def slow(*_: Any) -> None:
        raise AssertionError("the slow path")

    monkeypatch.setattr(runner, "_is_locked_by_others", counted)
    monkeypatch.setattr(runner, "_run_with_checks", slow)


async def test_a_database_that_is_away_is_never_a_refusal(lone_scene: Any) -> None:
    scene = lone_scene
    await scene.credit(1000)
    name = await scene.conn.fetchval("select current_database()")
    admin = await asyncpg.connect(scene.url.replace(f"/{name}", "/postgres"))
    await admin.execute(f"alter database {name} allow_connections false")
    await _cut_connections(scene, admin)
    try:
        hold = scene.hold(10)
        (placed,) = await scene.place(hold)
        (settled,) = await scene.settle(scene.settlement(hold, 10))
        (released,) = await scene.release(hold)
        await scene.conn.close()
        with pytest.raises(DatabaseUnavailable):
            await scene.credit(1)
    finally:
        await admin.execute(f"alter database {name} allow_connections true")
        await admin.close()
    assert all(isinstance(answer, DatabaseUnavailable) for answer in (placed, settled, released))


async def test_a_hold_that_nobody_was_told_of_is_given_back(lone_scene: Any) -> None:
    """PostgreSQL places the hold, and the connection is lost before the answer; a retry is not possible."""
    scene = lone_scene
    await scene.credit(100)
    lost = scene.hold(60)
    name = await scene.conn.fetchval("select current_database()")
    admin = await asyncpg.connect(scene.url.replace(f"/{name}", "/postgres"))
    async with scene.conn.transaction():
        await scene.conn.execute("select from wallet where account_id = $1 for update", scene.account)
        placing = asyncio.create_task(scene.place(lost))
        await _until_waiting(scene.conn)
        await admin.execute(f"alter database {name} allow_connections false")
        await _cut_connections(scene, admin)
    (answer,) = await placing
    await scene.conn.execute(
        "insert into hold values ($1, $2, $3, 60, $1)", lost.request_id, lost.payer.account_id, lost.payer.key_id
    )
    await scene.conn.execute("update wallet set held = 60")
    await scene.conn.execute("update key_meter set held = 60")
    await admin.execute(f"alter database {name} allow_connections true")
    await admin.close()
    assert isinstance(answer, DatabaseUnavailable)
    while not scene.book.is_up:  # noqa: ASYNC110  it comes back by itself
        await asyncio.sleep(0.01)
    assert await scene.place(scene.hold(100)) == [PlacedHold(Usd(100))]
    assert await scene.fault() is None


async def _until_waiting(conn: asyncpg.Connection) -> None:
    while not await conn.fetchval(  # noqa: ASYNC110  PostgreSQL tells nobody that somebody waits
        "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    ):
        await asyncio.sleep(0.001)


async def _cut_connections(scene: Any, by: asyncpg.Connection | None = None) -> None:
    """As a database does that is restarted."""
    name = await scene.conn.fetchval("select current_database()")
    cut = await (by or scene.conn).fetch(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and application_name like $2",
        name,
        "tokenharbor%",
    )
    assert cut


def _with_model(scene: Any, hold: Hold, model: str) -> Settlement:
    product = Product(model, "alibaba", "token-harbor")
    settlement: Settlement = scene.settlement(hold, 5, product=product)
    return settlement


def _of_nobody(scene: Any, hold: Hold) -> Hold:
    return Hold(hold.request_id, Payer(scene.world.ids.new(), hold.payer.key_id), hold.amount, hold.at)
