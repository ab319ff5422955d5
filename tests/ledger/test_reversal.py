"""Reversals: a credit is undone once, as far as it has not already gone back."""

from datetime import timedelta
from typing import Any

import pytest

from tokenharbor.kernel.errors import BooksRefused
from tokenharbor.kernel.money import Usd
from tokenharbor.ledger import credit_moves
from tokenharbor.ledger.reversal import Reversal
from tokenharbor.ledger.types import Clawback, Pool


async def test_a_credit_is_reversed_once_back_to_where_it_came_from(scene: Any) -> None:
    credit = await scene.credit(100)
    await scene.spend(30)
    reversal = Reversal(credit.entry_id, scene.clock.now(), "refunded")
    await scene.wallets.reverse(reversal)
    await scene.wallets.reverse(reversal)
    balance = await scene.wallets.balance(scene.account, scene.clock.now())
    assert (balance.available, balance.debt) == (0, 30)
    (landed,) = await scene.postings(credit.entry_id)
    undone = await scene.postings(reversal.entry_id)
    assert [(amount, destination) for amount, _, destination in undone] == [(70, landed[1]), (30, landed[1])]
    assert undone[0][1] == landed[2]
    assert await scene.fault() is None


async def test_what_went_back_already_is_not_taken_back_again(scene: Any) -> None:
    now = scene.clock.now()
    claimed = await scene.credit(500)
    claw = Clawback(scene.world.ids.new(), scene.account, claimed.lot_id, Usd(300), now, "expense/promotion")
    await scene.wallets.claw(claw)
    await scene.wallets.reverse(Reversal(claimed.entry_id, now))
    balance = await scene.wallets.balance(scene.account, now)
    assert (balance.available, balance.debt) == (0, 0)
    assert [amount for amount, *_ in await scene.postings(Reversal(claimed.entry_id, now).entry_id)] == [200]
    whole = await scene.credit(70)
    await scene.wallets.claw(Clawback(scene.world.ids.new(), scene.account, whole.lot_id, Usd(70), now, "x/y"))
    await scene.wallets.reverse(Reversal(whole.entry_id, now))
    balance = await scene.wallets.balance(scene.account, now)
    assert (balance.available, balance.debt) == (0, 0)
    assert await scene.fault() is None


async def test_a_gift_that_has_expired_leaves_no_debt_when_it_is_reversed(scene: Any) -> None:
    gift = await scene.credit(50, pool=Pool.PROMO, lifetime=timedelta(hours=1))
    scene.clock.advance(timedelta(hours=2))
    await scene.wallets.reverse(Reversal(gift.entry_id, scene.clock.now()))
    balance = await scene.wallets.balance(scene.account, scene.clock.now())
    assert (balance.available, balance.debt) == (0, 0)
    assert await scene.fault() is None


async def test_what_had_expired_to_income_is_no_income_when_its_payment_is_reversed(scene: Any) -> None:
    """The customer owes what was spent, and nothing for credit that expired unused."""
    payment = await scene.credit(100, lifetime=timedelta(hours=1))
    await scene.spend(30)
    scene.clock.advance(timedelta(hours=2))
    reversal = Reversal(payment.entry_id, scene.clock.now())
    await scene.wallets.reverse(reversal)
    await scene.wallets.reverse(reversal)
    source = (await scene.postings(payment.entry_id))[0][1]
    assert await scene.postings(reversal.entry_id) == [
        (70, "revenue/breakage", source),
        (30, f"account/{scene.account}/debt", source),
    ]
    balance = await scene.wallets.balance(scene.account, scene.clock.now())
    assert (balance.available, balance.debt) == (0, 30)
    assert await scene.fault() is None


async def test_a_match_is_reversed_with_what_of_it_is_locked(scene: Any) -> None:
    match = await scene.match(100)
    await scene.move(lambda state: credit_moves.unlock(state, scene.stamp(), match.lot_id, Usd(40)))
    await scene.spend(15)
    await scene.wallets.reverse(Reversal(match.entry_id, scene.clock.now()))
    balance = await scene.wallets.balance(scene.account, scene.clock.now())
    assert (balance.available, balance.debt, balance.pools) == (0, 15, {})
    assert await scene.fault() is None


async def test_a_credit_that_is_being_paid_out_is_not_reversed(scene: Any) -> None:
    payment = await scene.credit(100)
    await scene.move(lambda state: credit_moves.set_aside(state, scene.stamp(), {payment.lot_id: Usd(40)}))
    reversal = Reversal(payment.entry_id, scene.clock.now())
    with pytest.raises(BooksRefused):
        await scene.wallets.reverse(reversal)
    await scene.move(
        lambda state: credit_moves.pay_out(state, scene.stamp(), {payment.lot_id: Usd(40)}, "clearing/a/usd")
    )
    await scene.wallets.reverse(reversal)
    assert [amount for amount, *_ in await scene.postings(reversal.entry_id)] == [60]


async def test_only_a_credit_is_reversed(scene: Any) -> None:
    await scene.credit(100)
    hold = scene.hold(10)
    await scene.place(hold)
    await scene.settle(scene.settlement(hold, 10))
    for entry_id in (hold.request_id, scene.world.ids.new()):
        with pytest.raises(BooksRefused):
            await scene.wallets.reverse(Reversal(entry_id, scene.clock.now()))
