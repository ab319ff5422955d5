"""The charge rule: never above the quote's bound, never past a key's limits, never more than the balance."""

from datetime import timedelta
from typing import Any

import pytest

from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.ledger.types import KeyLimits, PlacedHold, SettledCharge

LIMITS = [KeyLimits(quota=Usd(150)), KeyLimits(daily=Usd(150)), KeyLimits(monthly=Usd(150))]


def charged(charge: int, over: int, fee: int = 0) -> SettledCharge:
    return SettledCharge(Usd(charge), Usd(fee), Usd(over))


async def test_F6_a_cost_above_the_bound_of_the_quote_is_lost_and_not_charged(scene: Any) -> None:
    await scene.credit(1_000_000)
    hold = scene.hold(100)
    await scene.place(hold)
    enormous = scene.settlement(hold, 999_999, fee=40_000, vendor_cost=900_000)
    assert await scene.settle(enormous) == [charged(100, 999_899)]
    assert (await scene.available(), await scene.held()) == (999_900, 0)
    assert await scene.fault() is None


async def test_F6_the_fee_is_what_the_bound_leaves_after_the_models_part(scene: Any) -> None:
    await scene.credit(1000)
    hold = scene.hold(100)
    await scene.place(hold)
    assert await scene.settle(scene.settlement(hold, 110, fee=30)) == [charged(100, 10, fee=20)]


async def test_F6_the_bound_holds_without_the_row_of_the_hold(scene: Any) -> None:
    await scene.credit(1000)
    hold = scene.hold(100)
    await scene.place(hold)
    await scene.book.drop([hold.request_id], scene.clock.now())
    assert await scene.settle(scene.settlement(hold, 400)) == [charged(100, 300)]


@pytest.mark.parametrize("limits", LIMITS, ids=["quota", "daily", "monthly"])
async def test_F6_an_overrun_never_passes_a_limit_of_the_key(scene: Any, limits: KeyLimits) -> None:
    """Where the hold does not cover the cost and the quote would allow it."""
    await scene.credit(1000)
    await scene.limit(limits)
    await scene.spend(60)
    ours, other = scene.hold(30), scene.hold(40)
    await scene.place(ours, other)
    assert await scene.settle(scene.settlement(ours, 500, bound=500)) == [charged(50, 450)]
    assert await scene.settle(scene.settlement(other, 41, bound=500)) == [charged(40, 1)]
    assert await scene.available() == 850


@pytest.mark.parametrize("limits", LIMITS, ids=["quota", "daily", "monthly"])
async def test_F6_a_lost_hold_does_not_open_the_limits_of_the_key(scene: Any, limits: KeyLimits) -> None:
    await scene.credit(1000)
    await scene.limit(limits)
    lost = [scene.hold(75) for _ in range(2)]
    assert await scene.place(*lost) == [PlacedHold(Usd(75))] * 2
    await scene.book.drop([hold.request_id for hold in lost], scene.clock.now())
    later = scene.hold(100)
    assert await scene.place(later) == [PlacedHold(Usd(100))]
    answers = await scene.settle(*[scene.settlement(hold, 75) for hold in lost], scene.settlement(later, 100))
    assert answers == [charged(50, 25), charged(0, 75), charged(100, 0)]
    assert await scene.fault() is None


async def test_F9_sixty_costs_above_their_bounds_stay_within_wallet_and_key(scene: Any) -> None:
    """In one batch each request has its own bound, and charges of earlier ones count for later ones."""
    await scene.credit(1000)
    await scene.limit(KeyLimits(quota=Usd(700)))
    holds = [scene.hold(10) for _ in range(60)]
    await scene.place(*holds)
    answers = await scene.settle(*[scene.settlement(hold, 35, vendor_cost=35, bound=20) for hold in holds])
    assert answers == [charged(20, 15)] * 10 + [charged(10, 25)] * 50
    assert (await scene.available(), await scene.held()) == (300, 0)
    assert await scene.fault() is None


async def test_F9_a_limit_that_was_lowered_meanwhile_takes_nothing_from_what_was_held(scene: Any) -> None:
    """Otherwise a user who may change a key could make its open requests free."""
    await scene.credit(1000)
    await scene.limit(KeyLimits(quota=Usd(500)))
    holds = [scene.hold(100), scene.hold(100)]
    await scene.place(*holds)
    await scene.limit(KeyLimits(quota=ZERO))
    answers = await scene.settle(*[scene.settlement(hold, 130, bound=200) for hold in holds])
    assert answers == [charged(100, 30)] * 2


async def test_F9_a_new_day_opens_the_daily_budget_and_not_the_quota(scene: Any) -> None:
    await scene.credit(1000)
    await scene.limit(KeyLimits(daily=Usd(100), quota=Usd(180)))
    await scene.spend(90)
    scene.clock.advance(timedelta(days=1))
    hold = scene.hold(50)
    await scene.place(hold)
    assert await scene.settle(scene.settlement(hold, 120, bound=200)) == [charged(90, 30)]
