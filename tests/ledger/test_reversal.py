"""Reversals: a credit is undone once, as far as it has not gone back already."""

from datetime import timedelta
from typing import Any

import pytest

from tokenharbor.kernel.errors import BooksRefused
from tokenharbor.kernel.money import Usd
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


async def test_only_a_credit_is_reversed(scene: Any) -> None:
    await scene.credit(100)
    hold = scene.hold(10)
    await scene.place(hold)
    await scene.settle(scene.settlement(hold, 10))
    for entry_id in (hold.request_id, scene.world.ids.new()):
        with pytest.raises(BooksRefused):
            await scene.wallets.reverse(Reversal(entry_id, scene.clock.now()))
