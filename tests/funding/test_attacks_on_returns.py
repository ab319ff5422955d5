"""Attempts to have both a payment and its credit: refunds and disputes in any order, whatever becomes of them."""

import asyncio
import random
from typing import Any

import pytest
from tests.funding.conftest import Till
from tests.funding.fake_processor import FakeProcessor
from tests.funding.test_disputes import clearing, sums
from tests.funding.test_refunds import DOLLAR, paid, refund, use_up, wish

from tokenharbor.editions.load import load_edition
from tokenharbor.funding.disputes import apply_dispute
from tokenharbor.funding.manual import ManualPayment, record_payment
from tokenharbor.funding.refund_calls import apply_reported_refund
from tokenharbor.funding.refund_types import Refund, RefundOrigin
from tokenharbor.funding.refunds import ask_refund, settle_refund
from tokenharbor.kernel.errors import Conflict, HarborError, Rejected
from tokenharbor.kernel.money import Money, Usd
from tokenharbor.ledger.types import Clawback
from tokenharbor.ledger.verify import verify
from tokenharbor.ledger.wallets import Wallets
from tokenharbor.payments.types import DisputeState, ProcessorDispute, RefundState
from tokenharbor.rewards.audit import find_reward_fault
from tokenharbor.rewards.hooks import RewardHooks

TAKEN, WON, LOST = DisputeState.FUNDS_WITHDRAWN, DisputeState.WON, DisputeState.LOST


async def disputed(
    till: Till, state: DisputeState, withdrawn: int, name: str = "dp", capture: str = "cap_obj_1"
) -> None:
    """Set the processor's dispute, whatever it was before."""
    reported = ProcessorDispute(
        dispute_id=name, capture_id=capture, state=state, money=Money("USD", 1000), withdrawn=Money("USD", withdrawn)
    )
    till.processor.disputes[name] = reported
    await apply_dispute(till.funding, till.processor.name, reported)


async def refunded(till: Till, state: RefundState, refund_id: str = "re_1") -> None:
    """Set the processor's refund, whatever it was before."""
    await apply_reported_refund(till.funding, till.processor.name, till.processor.change_refund(refund_id, state))


async def test_a_loss_to_a_refund_and_a_dispute_ends_when_the_dispute_is_won(till: Till) -> None:
    top_up = await paid(till)
    till.processor.refund_state = RefundState.PENDING
    await refund(till, top_up, "a", "5")
    await disputed(till, TAKEN, 1000)
    await refunded(till, RefundState.DONE)
    assert await clearing(till) == -5 * DOLLAR
    await disputed(till, WON, 0)
    assert await sums(till) == (5 * DOLLAR, 0, 5 * DOLLAR, 0, 0)
    assert await till.fetch("select topped_up from wallet") == [(5 * DOLLAR,)]
    assert await clearing(till) == 5 * DOLLAR


async def test_a_dispute_takes_what_a_refund_that_fails_leaves(till: Till) -> None:
    await refund(till, await paid(till), "a")
    await disputed(till, LOST, 1000)
    assert await clearing(till) == -10 * DOLLAR
    await refunded(till, RefundState.FAILED)
    assert await sums(till) == (0, 0, 0, 10 * DOLLAR, 0)
    assert await till.fetch("select taken, lost from dispute") == [(10 * DOLLAR, 0)]
    assert await clearing(till) == 0


async def test_of_two_disputes_of_one_payment_the_second_takes_what_the_first_returns(till: Till) -> None:
    await paid(till)
    await use_up(till, "4")
    await disputed(till, TAKEN, 1000, "one")
    await disputed(till, TAKEN, 1000, "two")
    await disputed(till, WON, 0, "one")
    assert await sums(till) == (0, 4 * DOLLAR, 0, 10 * DOLLAR, 0)
    await disputed(till, WON, 0, "two")
    assert await sums(till) == (6 * DOLLAR, 0, 0, 0, 0)
    assert await clearing(till) == 10 * DOLLAR


@pytest.mark.parametrize(("first", "then"), [(100, 1000), (1000, 600)])
async def test_another_sum_that_is_withdrawn_replaces_the_first(till: Till, first: int, then: int) -> None:
    await paid(till)
    await disputed(till, TAKEN, first)
    await disputed(till, LOST, then)
    assert await sums(till) == ((1000 - then) * DOLLAR // 100, 0, 0, then * DOLLAR // 100, 0)
    assert await clearing(till) == (1000 - then) * DOLLAR // 100


@pytest.fixture
def matching(till: Till) -> Till:
    """An edition with rewards."""
    till.policy = load_edition("token-harbor")
    till.processor = FakeProcessor(till.clock, name="paypal", methods={"paypal": frozenset({"USD"})})
    till.hooks = RewardHooks(till.world, lambda: till.policy)
    return till


async def locked(till: Till) -> int:
    """Check the books, with those of rewards."""
    async with till.pool.acquire() as conn:
        assert (await verify(conn)).fault is None
        assert await find_reward_fault(conn) is None
    [(amount,)] = await till.fetch(
        "select coalesce(sum(amount), 0)::bigint from restricted_credit where place = 'locked'"
    )
    return int(amount)


async def test_rewards_go_with_a_refund_that_is_done_after_it_had_failed(matching: Till) -> None:
    top_up = await paid(matching)
    await refund(matching, top_up, "a", "7", origin=RefundOrigin.OPERATOR)
    assert await locked(matching) == 3 * DOLLAR
    for _ in range(2):
        await refunded(matching, RefundState.FAILED)
        assert await locked(matching) == 10 * DOLLAR
        await refunded(matching, RefundState.DONE)
        assert await locked(matching) == 3 * DOLLAR


async def test_locked_match_is_no_more_than_what_remains_of_a_top_up_that_pays_debt(matching: Till) -> None:
    await paid(matching, key="one")
    await paid(matching, key="two")
    [(lot_id,)] = await matching.fetch("select lot_id from capture where capture_id = 'cap_obj_2'")
    async with matching.pool.acquire() as conn:
        now, amount = matching.clock.now(), Usd(4 * DOLLAR)
        spent = Clawback(matching.world.ids.new(), matching.account_id, lot_id, amount, now, "revenue/usage", "spent")
        await Wallets(conn).claw(spent)
    await disputed(matching, LOST, 1000, capture="cap_obj_2")
    assert (await matching.balance()).available == 6 * DOLLAR, "the first top-up has paid for the second"
    assert await locked(matching) == 6 * DOLLAR


def what_has_left(till: Till, capture_id: str) -> int:
    refunds = (each for each in till.processor.refunds.values() if each.state is RefundState.DONE)
    disputes = till.processor.disputes.values()
    return sum(each.money.minor for each in refunds if each.capture_id == capture_id) + sum(
        each.withdrawn.minor for each in disputes if each.capture_id == capture_id
    )


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_whatever_comes_in_whatever_order_a_payment_leaves_once(matching: Till, seed: int) -> None:
    drawn = random.Random(seed)
    await paid(matching, key="one")
    top_ups = [await paid(matching, key="two"), await paid(matching, key="three")]
    done: list[Any] = []
    for number in range(40):
        top_up = drawn.choice(top_ups)
        state = drawn.choice([RefundState.DONE, RefundState.PENDING, RefundState.FAILED])
        what = drawn.choice(["ask", "dashboard", "refund", "refund", "dispute", "dispute"])
        done.append((what, top_up.capture_id, state))
        assert top_up.capture_id is not None
        matching.processor.refund_state = state
        try:
            if what == "ask":
                order = wish(top_up, f"key{number}", drawn.choice(["1", "4.44", None]), origin=RefundOrigin.OPERATOR)
                await ask_refund(matching.funding, order)
            elif what == "dashboard":
                reported = matching.processor.refund_there(top_up.capture_id, drawn.choice([1, 333, 500]), state)
                await apply_reported_refund(matching.funding, "paypal", reported)
            elif what == "refund" and matching.processor.refunds:
                await refunded(matching, state, drawn.choice(list(matching.processor.refunds)))
            elif what == "dispute":
                now = drawn.choice([TAKEN, WON, LOST])
                withdrawn = 0 if now is WON else drawn.choice([100, 1000])
                await disputed(matching, now, withdrawn, f"{top_up.capture_id} {number % 2}", top_up.capture_id)
        except HarborError as error:
            done.append(str(error))
        for name, gone in await matching.fetch("select capture_id, refunded_minor + disputed_minor from capture"):
            assert gone == min(what_has_left(matching, name), 1000), done
        out = sum(what_has_left(matching, name) for name in matching.processor.captures())
        [(net,)] = await matching.fetch(
            """select sum(case when source = 'clearing/paypal/usd' then amount else -amount end)::bigint
               from posting where 'clearing/paypal/usd' in (source, destination)"""
        )
        assert net == (3000 - out) * DOLLAR // 100, done
        assert await locked(matching) <= 10 * DOLLAR, done


async def by_hand(till: Till, reference: str) -> Refund:
    """A refund of a bank transfer, which an operator has to pay."""
    payment = ManualPayment(till.account_id, Usd.parse("10"), reference, "kim")
    asked = await refund(till, await record_payment(till.funding, payment), reference, origin=RefundOrigin.OPERATOR)
    assert asked.state == "called"
    return asked


async def test_a_banks_reference_settles_one_refund_however_it_is_written(till: Till) -> None:
    first, second, third = [await by_hand(till, f"BANK-{number}") for number in range(3)]
    assert (await settle_refund(till.funding, first.id, "out-1", "teller")).state == "done"
    for reference, error in ((" OUT-1", Conflict), ("", Rejected), ("\udcff", Rejected), ("a", Rejected)):
        with pytest.raises(error):
            await settle_refund(till.funding, second.id, reference, "teller")
    reported = await asyncio.gather(
        *(settle_refund(till.funding, each.id, "out-2", "teller") for each in (second, third)), return_exceptions=True
    )
    assert sorted(type(each).__name__ for each in reported) == ["Conflict", "Refund"]


async def test_of_two_operators_at_once_one_says_what_became_of_a_refund(till: Till) -> None:
    asked = await by_hand(till, "BANK-1")
    reported = await asyncio.gather(
        *(settle_refund(till.funding, asked.id, reference, "teller") for reference in ("out-1", None, "out-2", None)),
        return_exceptions=True,
    )
    assert sorted(type(each).__name__ for each in reported) == ["Conflict", "Conflict", "Conflict", "Refund"]
    [(state, refunded)] = await till.fetch("select state, refunded from refund join capture using (capture_id)")
    assert (state == "done") == (refunded > 0)
    assert (await till.balance()).available == Usd.parse("10") - refunded
