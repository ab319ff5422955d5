"""The rules of a request's money: holds, settlements, releases, expiry, debt, quotas and budgets."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from tokenharbor.kernel.errors import BooksRefused
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.kernel.payer import Payer
from tokenharbor.ledger.batcher import Batcher
from tokenharbor.ledger.types import (
    Clawback,
    Hold,
    HoldRefusal,
    KeyLimits,
    PlacedHold,
    Pool,
    RefusedHold,
    SettledCharge,
)


async def test_a_hold_and_its_settlement_move_exactly_the_charge(scene: Any) -> None:
    await scene.credit(1000)
    hold = scene.hold(400)
    assert await scene.place(hold) == [PlacedHold(Usd(400))]
    assert (await scene.available(), await scene.held()) == (600, 400)
    assert await scene.settle(scene.settlement(hold, 250, fee=10)) == [SettledCharge(Usd(250), Usd(10), ZERO)]
    assert (await scene.available(), await scene.held()) == (750, 0)
    assert await scene.fault() is None


async def test_one_oversized_hold_in_a_batch_of_50_refuses_only_itself(scene: Any) -> None:
    await scene.credit(49 * 10)
    holds = [scene.hold(10) for _ in range(50)]
    holds[17] = scene.hold(1_000_000)
    answers = await scene.place(*holds)
    assert answers.pop(17) == RefusedHold(HoldRefusal.BALANCE, Usd(490 - 170), Usd(170))
    assert answers == [PlacedHold(Usd(10))] * 49


async def test_300_concurrent_holds_on_a_wallet_that_affords_40_place_exactly_40(scene: Any) -> None:
    await scene.credit(40 * 7 + 6)
    batcher: Batcher[Hold, PlacedHold | RefusedHold] = Batcher(scene.book.place, batch=64)
    answers = await asyncio.gather(*[batcher.submit(scene.hold(7)) for _ in range(300)])
    assert [type(answer) for answer in answers] == [PlacedHold] * 40 + [RefusedHold] * 260
    assert (await scene.available(), await scene.held()) == (6, 280)


async def test_a_hold_of_the_same_request_stands_once_even_if_nothing_is_left(scene: Any) -> None:
    await scene.credit(100)
    hold = scene.hold(100)
    assert await scene.place(hold, hold) == [PlacedHold(Usd(100))] * 2
    assert await scene.place(hold) == [PlacedHold(Usd(100))]
    assert await scene.held() == 100


async def test_a_replayed_settlement_charges_once_and_answers_what_the_first_did(scene: Any) -> None:
    await scene.credit(1000)
    first, other = scene.hold(300), scene.hold(100)
    await scene.place(first, other)
    await scene.settle(scene.settlement(first, 200, fee=6))
    again, new = await scene.settle(scene.settlement(first, 999, fee=9), scene.settlement(other, 50))
    assert again == SettledCharge(Usd(200), Usd(6), ZERO, repeated=True)
    assert new == SettledCharge(Usd(50), ZERO, ZERO)
    assert await scene.available() == 750


async def test_a_settlement_twice_in_one_batch_charges_once(scene: Any) -> None:
    await scene.credit(1000)
    hold = scene.hold(300)
    await scene.place(hold)
    first, again = await scene.settle(scene.settlement(hold, 200), scene.settlement(hold, 200))
    assert (first.charge, first.repeated, again.charge, again.repeated) == (200, False, 200, True)
    assert (await scene.available(), await scene.held()) == (800, 0)
    assert await scene.fault() is None


async def test_a_replay_gives_back_a_hold_that_was_placed_again(scene: Any) -> None:
    await scene.credit(1000)
    hold = scene.hold(300)
    await scene.place(hold)
    await scene.settle(scene.settlement(hold, 200))
    await scene.place(hold)
    await scene.settle(scene.settlement(hold, 200))
    assert (await scene.available(), await scene.held()) == (800, 0)


async def test_a_charge_goes_beyond_its_hold_only_as_far_as_there_is_balance(scene: Any) -> None:
    await scene.credit(1000)
    ours, other = scene.hold(100), scene.hold(600)
    await scene.place(ours, other)
    assert await scene.settle(scene.settlement(ours, 150, bound=200)) == [SettledCharge(Usd(150), ZERO, ZERO)]
    beyond = scene.settlement(other, 900, fee=100, bound=900)
    assert await scene.settle(beyond) == [SettledCharge(Usd(850), Usd(50), Usd(50))]
    assert await scene.available() == 0
    assert await scene.fault() is None


async def test_an_overrun_never_takes_what_others_hold(scene: Any) -> None:
    await scene.credit(1000)
    ours, other = scene.hold(100), scene.hold(900)
    await scene.place(ours, other)
    assert await scene.settle(scene.settlement(ours, 5000, fee=5000, bound=5000)) == [
        SettledCharge(Usd(100), Usd(100), Usd(4900))
    ]
    assert await scene.settle(scene.settlement(other, 900)) == [SettledCharge(Usd(900), ZERO, ZERO)]


async def test_an_overrun_is_a_loss_in_the_postings(scene: Any) -> None:
    await scene.credit(100)
    hold = scene.hold(100)
    await scene.place(hold)
    await scene.settle(scene.settlement(hold, 130, fee=10, vendor_cost=90))
    assert await _postings(scene, hold.request_id) == {
        (f"account/{scene.account}/paid", "revenue/usage"): 100,
        ("loss/overrun", "revenue/usage"): 30,
        ("payable/provider/alibaba", "expense/provider/alibaba"): 90,
    }


async def test_a_charge_across_lots_takes_the_fee_last(scene: Any) -> None:
    await scene.credit(60)
    await scene.credit(100, Pool.TRIAL, timedelta(days=7))
    hold = scene.hold(150)
    await scene.place(hold)
    await scene.settle(scene.settlement(hold, 150, fee=20))
    assert await _postings(scene, hold.request_id) == {
        (f"account/{scene.account}/trial", "revenue/usage"): 100,
        (f"account/{scene.account}/paid", "revenue/usage"): 30,
        (f"account/{scene.account}/paid", "revenue/service_fee"): 20,
    }


async def test_a_release_gives_the_hold_back_and_books_the_vendors_cost_as_ours(scene: Any) -> None:
    await scene.credit(100)
    hold = scene.hold(60)
    await scene.place(hold)
    assert await scene.release(hold, loss=7) == [None]
    assert await scene.release(hold, loss=7) == [None]
    assert (await scene.available(), await scene.held()) == (100, 0)
    assert await _postings(scene, hold.request_id) == {("payable/provider/alibaba", "loss/unbilled"): 7}
    assert await scene.fault() is None


@pytest.mark.parametrize("loss", [0, 7])
async def test_what_was_released_is_not_settled(scene: Any, loss: int) -> None:
    await scene.credit(100)
    hold, other = scene.hold(60), scene.hold(40)
    await scene.place(hold, other)
    await scene.release(hold, loss=loss)
    refused, fine = await scene.settle(scene.settlement(hold, 10), scene.settlement(other, 10))
    assert isinstance(refused, BooksRefused)
    assert fine == SettledCharge(Usd(10), ZERO, ZERO)


async def test_a_settlement_without_its_hold_is_taken_as_far_as_there_is_balance(scene: Any) -> None:
    await scene.credit(100)
    assert await scene.settle(scene.settlement(scene.hold(130), 130)) == [SettledCharge(Usd(100), ZERO, Usd(30))]


async def test_a_free_request_needs_no_hold_and_has_its_entry(scene: Any) -> None:
    hold = scene.hold(0)
    assert await scene.settle(scene.settlement(hold, 0)) == [SettledCharge(ZERO, ZERO, ZERO)]
    assert await scene.conn.fetchval("select amount from entry where id = $1", hold.request_id) == 0
    assert await scene.fault() is None


async def test_unknown_accounts_and_other_peoples_keys_hold_nothing(scene: Any) -> None:
    stranger = await scene.open_account()
    await scene.credit(100)
    hold = scene.hold(10)
    nobody = Hold(scene.world.ids.new(), Payer(scene.world.ids.new(), scene.key), Usd(1), scene.clock.now())
    theirs = Hold(scene.world.ids.new(), Payer(scene.account, scene.keys[stranger]), Usd(1), scene.clock.now())
    unknown = RefusedHold(HoldRefusal.UNKNOWN, ZERO, ZERO)
    assert await scene.place(nobody, theirs, hold) == [unknown, unknown, PlacedHold(Usd(10))]


# Expiry


async def test_credit_is_gone_when_its_time_is_over_without_any_job(scene: Any) -> None:
    await scene.credit(100, Pool.TRIAL, timedelta(days=7))
    await scene.credit(50)
    scene.clock.advance(timedelta(days=7))
    assert await scene.available() == 50
    assert await scene.place(scene.hold(51)) == [RefusedHold(HoldRefusal.BALANCE, Usd(50), ZERO)]
    assert await scene.place(scene.hold(50)) == [PlacedHold(Usd(50))]
    assert await scene.fault() is None


async def test_a_moment_before_its_end_credit_is_still_good(scene: Any) -> None:
    await scene.credit(100, Pool.TRIAL, timedelta(days=7))
    scene.clock.advance(timedelta(days=7) - timedelta(microseconds=1))
    assert await scene.place(scene.hold(100)) == [PlacedHold(Usd(100))]


async def test_what_a_hold_covers_expires_when_it_is_given_back(scene: Any) -> None:
    await scene.credit(100, Pool.TRIAL, timedelta(hours=1))
    hold = scene.hold(40)
    await scene.place(hold)
    scene.clock.advance(timedelta(hours=2))
    await scene.wallets.expire(scene.account, scene.clock.now())
    assert (await scene.available(), await scene.held()) == (0, 40)
    assert await scene.settle(scene.settlement(hold, 30)) == [SettledCharge(Usd(30), ZERO, ZERO)]
    assert (await scene.available(), await scene.held()) == (0, 0)
    gone = await scene.conn.fetch(
        "select amount from entry where account_id = $1 and type = 'expiry' order by seq", scene.account
    )
    assert [row["amount"] for row in gone] == [60, 10]
    assert await scene.fault() is None


async def test_expired_payments_are_income_and_expired_grants_no_expense(scene: Any) -> None:
    await scene.credit(100, Pool.PAID, timedelta(days=1))
    await scene.credit(30, Pool.PROMO, timedelta(days=1))
    scene.clock.advance(timedelta(days=2))
    await scene.wallets.expire(scene.account, scene.clock.now())
    (entry,) = await scene.conn.fetch("select id from entry where account_id = $1 and type = 'expiry'", scene.account)
    assert await _postings(scene, entry["id"]) == {
        (f"account/{scene.account}/paid", "revenue/breakage"): 100,
        (f"account/{scene.account}/promo", "expense/promotion"): 30,
    }


async def test_the_soonest_to_expire_is_spent_first_then_trial_promo_match_paid(scene: Any) -> None:
    for pool, lifetime in [
        (Pool.PAID, None),
        (Pool.MATCH, None),
        (Pool.PROMO, None),
        (Pool.TRIAL, None),
        (Pool.PAID, timedelta(days=30)),
        (Pool.TRIAL, timedelta(days=3)),
    ]:
        await scene.credit(10, pool, lifetime)
    order = await scene.conn.fetch(
        "select pool, expires_at from segment s join lot on lot.id = lot_id where s.account_id = $1 order by start_at",
        scene.account,
    )
    assert [(row["pool"], row["expires_at"] is not None) for row in order] == [
        ("trial", True),
        ("paid", True),
        ("trial", False),
        ("promo", False),
        ("match", False),
        ("paid", False),
    ]


async def test_a_grant_goes_behind_what_is_held(scene: Any) -> None:
    await scene.credit(100)
    hold = scene.hold(60)
    await scene.place(hold)
    await scene.credit(50, Pool.TRIAL, timedelta(days=7))
    await scene.settle(scene.settlement(hold, 60))
    balance = await scene.wallets.balance(scene.account, scene.clock.now())
    assert balance.pools == {Pool.TRIAL: 50, Pool.PAID: 40}


# Debt


async def test_debt_freezes_holds_until_a_credit_has_paid_it(scene: Any) -> None:
    credit = await scene.credit(100)
    await scene.spend(70)
    now = scene.clock.now()
    claw = Clawback(scene.world.ids.new(), scene.account, credit.lot_id, Usd(100), now, "clearing/manual/usd")
    await scene.wallets.claw(claw)
    await scene.wallets.claw(claw)
    assert (await scene.wallets.balance(scene.account, now)).debt == 70
    await scene.credit(60)
    assert await scene.place(scene.hold(0)) == [RefusedHold(HoldRefusal.DEBT, ZERO, ZERO)]
    await scene.credit(60)
    balance = await scene.wallets.balance(scene.account, now)
    assert (balance.debt, balance.available) == (0, 50)
    assert await scene.place(scene.hold(50)) == [PlacedHold(Usd(50))]
    assert await scene.fault() is None


async def test_a_credit_belongs_to_its_callers_transaction(scene: Any) -> None:
    transaction = scene.conn.transaction()
    await transaction.start()
    await scene.credit(100)
    assert await scene.available() == 100
    await transaction.rollback()
    assert await scene.available() == 0


async def test_a_clawback_leaves_what_is_held(scene: Any) -> None:
    credit = await scene.credit(100)
    hold = scene.hold(80)
    await scene.place(hold)
    now = scene.clock.now()
    await scene.wallets.claw(
        Clawback(scene.world.ids.new(), scene.account, credit.lot_id, Usd(50), now, "clearing/manual/usd")
    )
    assert (await scene.wallets.balance(scene.account, now)).debt == 30
    assert await scene.settle(scene.settlement(hold, 80)) == [SettledCharge(Usd(80), ZERO, ZERO)]


async def test_a_credit_with_a_known_reference_is_granted_once(scene: Any) -> None:
    reference = f"stripe/{scene.account}"
    await scene.credit(100, reference=reference)
    await scene.credit(100, reference=reference)
    assert await scene.available() == 100


@pytest.mark.parametrize(
    ("amount", "pool", "lifetime"),
    [(0, Pool.PAID, None), (-5, Pool.PAID, None), (5, Pool.LOCKED, None), (5, Pool.TRIAL, timedelta(0))],
)
async def test_a_credit_of_nothing_or_of_the_past_is_refused(
    scene: Any, amount: int, pool: Pool, lifetime: timedelta | None
) -> None:
    with pytest.raises(BooksRefused):
        await scene.credit(amount, pool, lifetime)


async def test_a_credit_for_nobody_is_refused(scene: Any) -> None:
    with pytest.raises(BooksRefused, match="no such account"):
        await scene.credit(5, account=scene.world.ids.new())


# Quotas and budgets


async def test_a_quota_counts_what_is_spent_and_what_is_held(scene: Any) -> None:
    await scene.credit(1000)
    await scene.limit(KeyLimits(quota=Usd(100)))
    await scene.spend(50)
    assert await scene.place(scene.hold(30), scene.hold(30), scene.hold(20)) == [
        PlacedHold(Usd(30)),
        RefusedHold(HoldRefusal.QUOTA, Usd(920), Usd(30), Usd(20)),
        PlacedHold(Usd(20)),
    ]


@pytest.mark.parametrize(
    ("limits", "why", "last_moment"),
    [
        (KeyLimits(daily=Usd(100)), HoldRefusal.DAILY, datetime.fromisoformat("2026-11-25T23:59:59.999999Z")),
        (KeyLimits(monthly=Usd(100)), HoldRefusal.MONTHLY, datetime.fromisoformat("2026-11-30T23:59:59.999999Z")),
    ],
)
async def test_a_budget_starts_again_with_its_utc_period(
    scene: Any, limits: KeyLimits, why: HoldRefusal, last_moment: datetime
) -> None:
    await scene.credit(1000)
    await scene.limit(limits)
    scene.clock.advance(last_moment - scene.clock.now())
    await scene.spend(70)
    assert await scene.place(scene.hold(31)) == [RefusedHold(why, Usd(930), ZERO, Usd(30))]
    scene.clock.advance(timedelta(microseconds=1))
    assert await scene.place(scene.hold(100)) == [PlacedHold(Usd(100))]


async def test_holds_of_a_batch_across_midnight_count_for_their_own_days(scene: Any) -> None:
    await scene.credit(1000)
    await scene.limit(KeyLimits(daily=Usd(100)))
    await scene.spend(100)
    before = scene.hold(1)
    scene.clock.advance(timedelta(hours=12))
    assert await scene.place(before, scene.hold(100)) == [
        RefusedHold(HoldRefusal.DAILY, Usd(900), ZERO, ZERO),
        PlacedHold(Usd(100)),
    ]


async def test_a_limit_that_is_taken_back_no_longer_counts(scene: Any) -> None:
    await scene.credit(1000)
    await scene.limit(KeyLimits(quota=ZERO))
    assert await scene.place(scene.hold(1)) == [RefusedHold(HoldRefusal.QUOTA, Usd(1000), ZERO, ZERO)]
    await scene.limit(KeyLimits())
    assert await scene.place(scene.hold(1)) == [PlacedHold(Usd(1))]


async def _postings(scene: Any, entry_id: UUID) -> dict[tuple[str, str], int]:
    rows = await scene.conn.fetch(
        "select source, destination, sum(amount)::bigint as amount from posting_all where entry_id = $1 group by 1, 2",
        entry_id,
    )
    return {(row["source"], row["destination"]): row["amount"] for row in rows}
