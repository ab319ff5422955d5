"""Statements: opening balance + movements = closing balance, over any span, with late entries."""

import csv
import random
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from tests.ledger.conftest import SOLD, START, Scene, open_meter, open_scene

from tokenharbor.db.partitions import ensure_partitions
from tokenharbor.db.pool import ConnectOptions, connect
from tokenharbor.funding.statements import Statement, StatementSpan, read_statement
from tokenharbor.funding.store import read_lot_payments
from tokenharbor.identity.store import create_account
from tokenharbor.kernel.errors import Missing, Rejected
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.ledger import credit_moves
from tokenharbor.ledger.export import EntryFilter, export
from tokenharbor.ledger.types import Clawback, KeyLimits, Pool

HOUR = timedelta(hours=1)
NAME = "北京港口科技有限公司 Łódź & <Söhne>"


@pytest.fixture
async def scene(database_url: str) -> AsyncIterator[Scene]:
    """A scene whose account is one of identity, too."""
    conn = await connect(ConnectOptions(database_url))
    for weeks in range(3):
        await ensure_partitions(conn, START + timedelta(weeks=weeks))
    await conn.close()
    async with open_scene(database_url) as opened:
        account = await create_account(opened.conn, opened.world, "ada@example.com", "token-hub")
        await opened.conn.execute("update account set name = $2 where id = $1", account.id, NAME)
        opened.account, opened.keys[account.id] = account.id, opened.world.ids.new()
        await open_meter(opened.conn, opened.key, account.id, KeyLimits())
        yield opened


async def state(scene: Scene, since: datetime, until: datetime) -> Statement:
    return await read_statement(scene.conn, scene.account, StatementSpan(since, until))


async def live(scene: Scene, dice: random.Random, steps: int) -> None:
    """Credits, charges, some of them late, expiries, clawbacks, a match, money that leaves."""
    paid = [await scene.credit(1000)]
    match = await scene.match(300)
    late: list[Any] = []
    for _ in range(steps):
        scene.clock.advance(timedelta(minutes=dice.randrange(1, 200)))
        move = dice.choice((_credit, _spend, _spend, _answer_late, _claw, _move, _add_up))
        await move(scene, dice, (paid, match.lot_id, late))
    await scene.settle(*late)


async def _credit(scene: Scene, dice: random.Random, lots: Any) -> None:
    lots[0].append(await scene.credit(dice.randrange(1, 500)))
    await scene.credit(dice.randrange(1, 200), dice.choice((Pool.TRIAL, Pool.PROMO)), 5 * HOUR)


async def _spend(scene: Scene, dice: random.Random, lots: Any) -> None:
    amount = min(dice.randrange(1, 90), int(await scene.available()))
    if amount > 0 and not await owes(scene):
        await scene.spend(amount)


async def _answer_late(scene: Scene, dice: random.Random, lots: Any) -> None:
    """Post a charge hours after its time, as from a journal."""
    if lots[2] and dice.randrange(2):
        await scene.settle(lots[2].pop())
    elif await scene.available() > 100 and not await owes(scene):
        hold = scene.hold(7)
        await scene.place(hold)
        lots[2].append(scene.settlement(hold, 7))


async def _claw(scene: Scene, dice: random.Random, lots: Any) -> None:
    claw = scene.world.ids.new(), scene.account, dice.choice(lots[0]).lot_id
    await scene.wallets.claw(Clawback(*claw, Usd(dice.randrange(1, 30)), scene.clock.now(), "clearing/a/usd"))


async def _move(scene: Scene, dice: random.Random, lots: Any) -> None:
    await scene.move(lambda now: credit_moves.unlock(now, scene.stamp(), lots[1], Usd(2)))
    newest = await scene.credit(10)
    if not await owes(scene):
        await scene.move(lambda now: credit_moves.set_aside(now, scene.stamp(), {newest.lot_id: Usd(5)}))
        await scene.move(lambda now: credit_moves.restore(now, scene.stamp(), {newest.lot_id: Usd(2)}))


async def _add_up(scene: Scene, dice: random.Random, lots: Any) -> None:
    """A step of the job that keeps totals."""
    await scene.conn.execute("select roll_up_usage($1, $2)", scene.account, dice.randrange(1, 20))


async def owes(scene: Scene) -> bool:
    return bool(await scene.conn.fetchval("select debt from wallet where account_id = $1", scene.account))


async def ledger(scene: Scene) -> Sequence[tuple[datetime, str, str, Usd]]:
    """Every row of the ledger's CSV: time, type, pool, amount."""
    lines = [line async for line in export(scene.conn, scene.account, EntryFilter(), read_lot_payments)]
    return [
        (datetime.fromisoformat(row["Date (ISO UTC)"]), row["Type"], row["Source pool"], Usd.parse(row["Amount USD"]))
        for row in csv.DictReader(lines)
    ]


async def test_a_statement_of_any_span_is_what_the_ledgers_rows_add_up_to(scene: Scene) -> None:
    for seed in range(3):
        dice = random.Random(seed)
        await live(scene, dice, 40)
        rows = await ledger(scene)
        assert len({kind for _, kind, _, _ in rows}) > 4
        end = scene.clock.now() + HOUR
        for _ in range(25):
            moments = [START + (end - START) * dice.random() for _ in range(2)]
            moments[dice.randrange(2)] = dice.choice(rows)[0]
            since, until = sorted([*moments])
            if since == until:
                continue
            made = await state(scene, since, until)
            for pool in made.opening:
                before = sum((amount for at, _, place, amount in rows if place == pool and at < since), ZERO)
                assert made.opening[pool] == before, (seed, since, until, pool)
            moved: dict[tuple[str, str], Usd] = {}
            for at, kind, place, amount in rows:
                if since <= at < until:
                    moved[kind, place] = moved.get((kind, place), ZERO) + amount
            found = {(each.kind, each.pool): each.amount for each in made.movements}
            assert found == {what: amount for what, amount in moved.items() if amount}
            charged = sum((each.cost for each in made.charges), ZERO)
            assert charged == -sum((amount for (kind, _), amount in moved.items() if kind == "usage"), ZERO)
            total = sum(made.opening.values(), ZERO) + sum(found.values(), ZERO)
            assert total == sum(made.closing.values(), ZERO)
    assert await scene.fault() is None


async def test_a_statement_has_payments_and_charges_by_day_and_model(scene: Scene) -> None:
    await scene.credit(1000)
    for amount, fee in ((50, 5), (30, 3)):
        hold = scene.hold(amount)
        await scene.place(hold)
        await scene.settle(scene.settlement(hold, amount, fee=fee))
    scene.clock.advance(24 * HOUR)
    await scene.spend(7)
    made = await state(scene, START, START + 48 * HOUR)
    assert [(each.day, each.model, each.requests, each.cost, each.fee) for each in made.charges] == [
        (date(2026, 11, 25), SOLD.model, 2, 80, 8),
        (date(2026, 11, 26), SOLD.model, 1, 7, 0),
    ]
    assert made.fees == 8
    assert made.account.name == NAME


async def test_there_is_no_statement_of_nobody_or_of_no_time(scene: Scene) -> None:
    with pytest.raises(Missing):
        await read_statement(scene.conn, scene.world.ids.new(), StatementSpan(START, START + HOUR))
    with pytest.raises(Rejected):
        await state(scene, START, START)
    first = datetime(2020, 1, 1, tzinfo=UTC)
    assert sum((await state(scene, first, first + HOUR)).closing.values(), ZERO) == ZERO
