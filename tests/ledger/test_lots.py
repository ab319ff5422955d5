"""The balances of an account's lots, in spending order."""

from datetime import timedelta
from typing import Any

from tokenharbor.kernel.money import Usd
from tokenharbor.ledger import credit_moves
from tokenharbor.ledger.lots import join_alike, read_lot_balances
from tokenharbor.ledger.types import Pool, Restriction


async def _left(scene: Any) -> list[tuple[Pool, int, int, Restriction | None]]:
    found = await read_lot_balances(scene.conn, scene.account, scene.clock.now())
    return [(each.lot.pool, each.remaining, each.held, each.restriction) for each in found]


async def test_lots_stand_in_the_order_in_which_they_are_spent_with_what_is_held(scene: Any) -> None:
    paid = await scene.credit(60)
    await scene.credit(100, Pool.TRIAL, timedelta(hours=1))
    await scene.match(80)
    await scene.spend(50)
    await scene.place(scene.hold(70))
    await scene.move(lambda state: credit_moves.set_aside(state, scene.stamp(), {paid.lot_id: Usd(15)}))
    assert await _left(scene) == [
        (Pool.TRIAL, 50, 50, None),
        (Pool.PAID, 45, 20, None),
        (Pool.MATCH, 80, 0, Restriction.LOCKED),
        (Pool.PAID, 15, 0, Restriction.PAYOUT),
    ]
    balance = await scene.wallets.balance(scene.account, scene.clock.now())
    spendable = [each for each in await _left(scene) if each[3] is None]
    assert sum(left for _, left, _, _ in spendable) == balance.available + balance.held
    assert sum(held for _, _, held, _ in spendable) == balance.held


async def test_what_has_expired_is_there_only_as_far_as_it_is_held(scene: Any) -> None:
    await scene.credit(100, Pool.TRIAL, timedelta(hours=1))
    await scene.credit(10)
    await scene.match(80, timedelta(hours=1))
    await scene.place(scene.hold(30))
    scene.clock.advance(timedelta(hours=2))
    assert await _left(scene) == [(Pool.TRIAL, 30, 30, None), (Pool.PAID, 10, 0, None)]


async def test_an_account_without_credit_has_no_lots(scene: Any) -> None:
    assert await _left(scene) == []
    await scene.credit(5)
    await scene.spend(5)
    assert await _left(scene) == []


async def test_neighbours_that_are_alike_are_one_lot_of_the_same_sum(scene: Any) -> None:
    await scene.credit(100, Pool.TRIAL, timedelta(hours=1))
    paid = [await scene.credit(cents) for cents in (60, 30, 10)]
    await scene.spend(150)
    await scene.place(scene.hold(30))
    found = await read_lot_balances(scene.conn, scene.account, scene.clock.now())
    [joined] = join_alike(found)
    assert (joined.lot.id, joined.more) == (paid[0].lot_id, [each.lot_id for each in paid[1:]])
    assert (joined.lot.amount, joined.remaining, joined.held) == (100, 50, 30)
    await scene.credit(5, Pool.PROMO, timedelta(days=1))
    found = await read_lot_balances(scene.conn, scene.account, scene.clock.now())
    assert sum(each.remaining for each in join_alike(found)) == sum(each.remaining for each in found)
    assert [each.lot.pool for each in join_alike(found)] == [Pool.PAID, Pool.PROMO, Pool.PAID]
