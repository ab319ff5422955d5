"""What is due: unlocked match, cashback and referrals; and attempts to multiply credit with them."""

from datetime import timedelta

import pytest
from tests.rewards.conftest import DISPUTED, START, Scene

from tokenharbor.kernel.errors import Rejected
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.ledger import credit_moves
from tokenharbor.ledger.credit_moves import EntryStamp
from tokenharbor.ledger.types import Clawback, Pool
from tokenharbor.ledger.wallets import Wallets
from tokenharbor.rewards.audit import find_reward_fault
from tokenharbor.rewards.referrals import list_referrals, record_sign_up, referral_code
from tokenharbor.rewards.store import list_rewards
from tokenharbor.rewards.types import RewardKind


async def reasons(scene: Scene, account: UUID) -> list[str]:
    return [each.reason for each in await list_rewards(scene.conn, account) if each.reason]


async def referred(scene: Scene, referrer: UUID, email: str = "") -> UUID:
    account = await scene.sign_up(email)
    await record_sign_up(scene.conn, scene.world, await referral_code(scene.conn, scene.world, referrer), account)
    return account


async def test_TH_B5_the_match_lands_locked_and_unlocks_a_dollar_for_each_that_is_spent_of_its_top_up(
    scene: Scene,
) -> None:
    scene.change("cashback", max_bp=0, chat_tiers={})
    account = await scene.sign_up()
    await scene.top_up(account, "150", "card-1")
    assert await scene.pools(account) == {"paid": "150", "locked": "100"}
    await scene.spend(account, "30")
    assert await scene.run_due(account)
    assert await scene.pools(account) == {"paid": "120", "locked": "70", "match": "30"}
    assert not await scene.run_due(account)
    await scene.spend(account, "30")  # the match, since it expires: it unlocks nothing
    assert not await scene.run_due(account)
    assert await scene.pools(account) == {"paid": "120", "locked": "70"}
    await scene.spend(account, "90")
    await scene.run_due(account)
    assert await scene.pools(account) == {"paid": "30", "match": "70"}
    await scene.check_books()


async def test_TH_B5_trial_promo_and_other_top_ups_unlock_nothing(scene: Scene) -> None:
    scene.change("cashback", max_bp=0, chat_tiers={})
    account = await scene.sign_up()
    first = await scene.top_up(account, "10", "card-1")
    await scene.credit(account, "5")
    await scene.spend(account, "5")
    await scene.run_due(account)
    assert await scene.pools(account) == {"paid": "10", "locked": "10"}
    await scene.top_up(account, "100", "card-1")
    await scene.refund(account, first, "10")
    assert await scene.pools(account) == {"paid": "100"}
    await scene.spend(account, "100")
    await scene.run_due(account)
    assert await scene.pools(account) == {}


async def test_no_match_without_a_first_top_up_in_time_by_a_new_instrument(scene: Scene) -> None:
    matched, second, blank, late, auto = [await scene.sign_up() for _ in range(5)]
    await scene.top_up(matched, "10", "card-1")
    await scene.top_up(second, "10", "card-1")  # a new account for each instrument
    await scene.top_up(blank, "10")
    await scene.top_up(auto, "10", "card-3", automatic=True)
    scene.clock.advance(timedelta(days=14, seconds=1))
    await scene.top_up(late, "10", "card-2")
    await scene.top_up(matched, "100", "card-4")
    for account in (second, blank, late, auto):
        assert "locked" not in await scene.pools(account)
        assert len(await reasons(scene, account)) == 1
    assert await scene.pools(matched) == {"paid": "110", "locked": "10"}


async def test_pump_top_up_spend_a_little_unlock_refund(scene: Scene) -> None:
    scene.change("cashback", max_bp=0, chat_tiers={})
    account = await scene.sign_up()
    lot = await scene.top_up(account, "100", "card-1")
    await scene.spend(account, "10")
    paid, return_id = await scene.refund(account, lot, "90")
    assert paid == "90"
    assert await scene.pools(account) == {"match": "10"}  # what was unlocked stays, what was locked is gone
    await scene.restore(account, lot, "90")
    await scene.hooks.give_back(scene.conn, account, return_id=return_id)
    assert await scene.pools(account) == {"paid": "90", "match": "10", "locked": "90"}
    await scene.check_books()


async def test_a_partial_refund_reclaims_locked_down_to_what_remains(scene: Scene) -> None:
    scene.change("cashback", max_bp=0, chat_tiers={})
    account = await scene.sign_up()
    lot = await scene.top_up(account, "150", "card-1")
    await scene.refund(account, lot, "40")
    assert await scene.pools(account) == {"paid": "110", "locked": "100"}
    await scene.refund(account, lot, "40")
    assert await scene.pools(account) == {"paid": "70", "locked": "70"}


async def test_what_an_open_dispute_freezes_of_a_matched_top_up_still_remains(scene: Scene) -> None:
    account = await scene.sign_up()
    lot = await scene.top_up(account, "100", "card")
    await scene.spend(account, "30")
    await scene.run_due(account)
    frozen = EntryStamp(scene.world.ids.new(), scene.clock.now(), "a dispute was opened")
    entry = credit_moves.set_aside(await scene.state(account), frozen, {lot: Usd.parse("70")})
    await Wallets(scene.conn).post(entry)
    assert (await scene.pools(account))["locked"] == "70"
    assert await find_reward_fault(scene.conn) is None


async def test_a_dispute_takes_the_whole_match_and_its_spent_part_becomes_debt(scene: Scene) -> None:
    scene.change("cashback", max_bp=0, chat_tiers={})
    account = await scene.sign_up()
    lot = await scene.top_up(account, "100", "card-1")
    await scene.spend(account, "40")
    await scene.run_due(account)
    await scene.spend(account, "15")
    return_id = await scene.dispute(account, lot, "100")
    assert (await scene.pools(account), await scene.debt(account)) == ({}, "55")  # 40 of the top-up, 15 of the match
    await scene.hooks.take_back(
        scene.conn, account, lot, (await scene.state(account)).lots[lot].amount, return_id=return_id, disputed=True
    )
    assert await scene.debt(account) == "55"
    await scene.restore(account, lot, "60")
    await scene.hooks.give_back(scene.conn, account, return_id=return_id)
    assert await scene.pools(account) == {"paid": "60", "match": "25", "locked": "60"}
    assert await scene.debt(account) == "40"
    await scene.check_books()


async def test_TH_B8_cashback_rises_with_lifetime_spend_and_is_withdrawable_after_the_last_dispute(
    scene: Scene,
) -> None:
    account = await scene.sign_up()
    await scene.top_up(account, "100")
    await scene.spend(account, "10")
    await scene.run_due(account)
    await scene.spend(account, "10")
    await scene.run_due(account)
    lots = await scene.fetch(
        "select amount, origin, pool, withdrawable_from from lot where origin = 'cashback' order by id"
    )
    terms = ("cashback", "paid", START + DISPUTED)
    assert lots == [(1_000_000_000, *terms), (1_100_000_000, *terms)]  # 10 %, then 11 %
    scene.clock.advance(timedelta(days=1))
    await scene.spend(account, "80")
    await scene.run_due(account)
    assert (await scene.fetch("select granted from cashback_day order by day"))[1] == (9_600_000_000,)  # 12 % before it
    scene.clock.advance(timedelta(days=1))
    await scene.top_up(account, "100")
    await scene.spend(account, "110")  # of which 10 were cashback
    await scene.run_due(account)
    assert (await scene.fetch("select granted from cashback_day order by day"))[2] == (10_000_000_000,)  # a day's most
    await scene.check_books()


async def test_pump_cashback_on_promotional_credit(scene: Scene) -> None:
    account = await scene.sign_up()
    await scene.credit(account, "20")
    await scene.credit(account, "20", Pool.PAID, "cashback")
    await scene.credit(account, "20", Pool.PAID, "referral")
    await scene.spend(account, "60")
    assert not await scene.run_due(account)
    assert await scene.pools(account) == {}


async def test_TH_B8_trial_credit_earns_fifty_cents_for_life(scene: Scene) -> None:
    account = await scene.sign_up()
    for _ in range(2):
        await scene.credit(account, "4", Pool.TRIAL)
        await scene.spend(account, "4")
        await scene.run_due(account)
        scene.clock.advance(timedelta(days=1))
    granted = await scene.fetch("select granted from cashback_day order by day")
    assert granted == [(400_000_000,), (100_000_000,)]


async def test_TH_B8_a_refund_reverses_its_part_of_the_cashback_and_is_reduced_by_what_is_spent(scene: Scene) -> None:
    account = await scene.sign_up()
    lot = await scene.top_up(account, "100")
    await scene.spend(account, "20")
    await scene.run_due(account)
    assert await scene.pools(account) == {"paid": "82"}  # 2 of cashback
    paid, return_id = await scene.refund(account, lot, "50")
    assert (paid, await scene.pools(account)) == ("50", {"paid": "31"})
    await scene.hooks.give_back(scene.conn, account, return_id=return_id)
    assert await scene.pools(account) == {"paid": "32"}  # the rest is still being paid out
    await scene.check_books()


async def test_TH_B8_cashback_that_is_spent_reduces_the_refund(scene: Scene) -> None:
    account = await scene.sign_up()
    lot = await scene.top_up(account, "100")
    await scene.spend(account, "20")
    await scene.run_due(account)
    async with scene.conn.transaction():  # the cashback of 2 is gone before the rest of the top-up
        state = await scene.state(account)
        (cashback,) = [each for each in state.lots.values() if each.origin == "cashback"]
        clawback = Clawback(
            scene.world.ids.new(), account, cashback.id, Usd.parse("2"), scene.clock.now(), "loss/unbilled"
        )
        await Wallets(scene.conn).claw(clawback)
    paid, return_id = await scene.refund(account, lot, "50")
    assert (paid, await scene.pools(account)) == ("49", {"paid": "30"})
    await scene.hooks.give_back(scene.conn, account, return_id=return_id)
    assert await scene.pools(account) == {"paid": "31"}
    await scene.check_books()


async def test_a_dispute_makes_debt_of_cashback_that_is_spent(scene: Scene) -> None:
    account = await scene.sign_up()
    lot = await scene.top_up(account, "10")
    await scene.spend(account, "10")
    await scene.run_due(account)
    await scene.spend(account, "1")
    await scene.dispute(account, lot, "10")
    assert await scene.debt(account) == "11"
    await scene.check_books()


async def test_TH_B6_a_referral_is_rewarded_when_the_referred_account_is_billed_first(scene: Scene) -> None:
    referrer = await scene.sign_up()
    account = await referred(scene, referrer)
    assert not await scene.run_due(referrer)
    await scene.credit(account, "1")
    await scene.spend(account, "0")  # a free model, a cached answer
    assert not await scene.run_due(referrer)
    await scene.spend(account, "0.01")
    assert await scene.run_due(referrer)
    assert not await scene.run_due(referrer)
    assert await scene.pools(referrer) == {"paid": "2"}
    assert [(each.state, each.active) for each in await list_referrals(scene.conn, referrer)] == [("granted", True)]
    await scene.check_books()


async def test_TH_B6_three_referrals_are_rewarded_unpaid_and_later_ones_when_they_have_paid(scene: Scene) -> None:
    referrer = await scene.sign_up()
    accounts = [await referred(scene, referrer) for _ in range(5)]
    for account in accounts:
        await scene.credit(account, "1")
        await scene.spend(account, "0.5")
    await scene.run_due(referrer)
    assert await scene.pools(referrer) == {"paid": "6"}
    await scene.top_up(accounts[4], "10", "card-9")
    await scene.run_due(referrer)
    assert await scene.pools(referrer) == {"paid": "8"}


async def test_pump_referral_by_oneself(scene: Scene) -> None:
    referrer = await scene.sign_up("ada@example.com")
    await scene.top_up(referrer, "10", "card-1")
    twin, payer, other = [await referred(scene, referrer, each) for each in ("ada+1@example.com", "", "")]
    for account, instrument in ((twin, ""), (payer, "card-1"), (other, "card-2")):
        await scene.top_up(account, "10", instrument)
        await scene.spend(account, "1")
    await scene.run_due(referrer)
    found = {
        each.key: each.state.value
        for each in await list_rewards(scene.conn, referrer)
        if each.kind == RewardKind.REFERRAL
    }
    assert found == {str(twin): "review", str(payer): "refused", str(other): "granted"}
    with pytest.raises(Rejected):
        await record_sign_up(scene.conn, scene.world, "NOBODY", twin)


async def test_a_referral_is_held_back_until_the_referred_account_has_spent_a_matured_dollar(scene: Scene) -> None:
    referrer = await scene.sign_up()
    account = await referred(scene, referrer)
    await scene.credit(account, "1")
    await scene.spend(account, "0.5")
    await scene.run_due(referrer)
    await scene.top_up(referrer, "10", "card-1")
    (lot,) = await scene.hooks.held_back(scene.conn, referrer)
    await scene.top_up(account, "10", "card-2")
    await scene.spend(account, "2")  # 0.50 of promotional credit, 1.50 that were paid for
    scene.clock.advance(DISPUTED - timedelta(seconds=1))
    assert await scene.hooks.held_back(scene.conn, referrer) == {lot}
    scene.clock.advance(timedelta(seconds=1))
    assert await scene.hooks.held_back(scene.conn, referrer) == frozenset()
    await scene.conn.execute("update top_up set pretended = true where account_id = $1", account)
    assert await scene.hooks.held_back(scene.conn, referrer) == {lot}, "no real money leaves for a pretended payment"
    await scene.conn.execute("update top_up set pretended = true")
    assert await scene.hooks.held_back(scene.conn, referrer) == frozenset()


async def test_TH_B7_cashback_match_and_referrals_count_for_the_cap_for_life(scene: Scene) -> None:
    scene.change("incentives", life_usd="101")
    account = await scene.sign_up()
    lot = await scene.top_up(account, "100", "card-1")
    await scene.spend(account, "20")
    await scene.run_due(account)
    assert await scene.pools(account) == {"paid": "81", "locked": "80", "match": "20"}  # cashback: 1 of 2
    await scene.refund(account, lot, "80")
    await scene.top_up(account, "100", "card-1")
    await scene.spend(account, "100")
    await scene.run_due(account)
    assert await scene.fetch("select granted from reward_account where account_id = $1", account) == [(101 * 10**9,)]
