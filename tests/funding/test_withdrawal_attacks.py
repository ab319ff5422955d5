"""Thefts by withdrawal, and crashes between any two steps: nothing is paid twice, no credit comes from nowhere."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

import msgspec
import pytest
from tests.funding.conftest import Till
from tests.funding.crash import Died, Steps, dying
from tests.funding.withdrawing import (
    DOLLAR,
    REFUNDABLE_DAYS,
    ask,
    ask_and_approve,
    dispute,
    later,
    matured,
    open_withdrawals,
    paid,
    payee,
    request,
    restart,
    spend,
    state_of,
    sums,
    tell,
)

from tokenharbor.editions.policy import Policy
from tokenharbor.funding.context import NoHooks
from tokenharbor.funding.events import handle_events
from tokenharbor.funding.manual import ManualPayment, record_payment
from tokenharbor.funding.payees import ADDED, MOST, NewPayee, add_payee, remove_payee, verify_payee
from tokenharbor.funding.refund_types import RefundOrigin
from tokenharbor.funding.refunds import RefundRequest, ask_refund, settle_refund
from tokenharbor.funding.sweep import sweep_withdrawals
from tokenharbor.funding.types import TopUp
from tokenharbor.funding.withdrawal_types import SavedPayee
from tokenharbor.funding.withdrawals import (
    approve_withdrawal,
    ask_withdrawal,
    cancel_withdrawal,
    reject_withdrawal,
    settle_withdrawal,
)
from tokenharbor.kernel.errors import Conflict, ProcessorUnavailable, RateLimited, Rejected
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Money, Usd
from tokenharbor.ledger.wallets import Wallets
from tokenharbor.payments.pretended import PretendedProcessor
from tokenharbor.payments.types import PayoutState
from tokenharbor.rewards.hooks import RewardHooks


async def old(till: Till, usd: str = "10", key: str = "one") -> TopUp:
    """A top-up that its processor refunds no more."""
    top_up = await paid(till, usd, key)
    await later(till, days=REFUNDABLE_DAYS + 1)
    return top_up


async def test_withdraw_then_charge_back_makes_debt_and_freezes(till: Till) -> None:
    open_withdrawals(till)
    top_up = await old(till)
    await matured(till, "5")
    to = await payee(till)
    await ask_and_approve(till, "all", payee_id=to.id)
    assert await sums(till) == (0, 0, 0)
    await dispute(till, top_up, 1000, withdrawn=1000, state="funds_withdrawn")
    assert await sums(till) == (0, 10 * DOLLAR, 0), "what was paid out is owed"
    await matured(till, "4")
    assert await sums(till) == (0, 6 * DOLLAR, 0), "later credit pays it first"
    with pytest.raises(Conflict):
        await ask(till, "more", payee_id=to.id)


async def test_a_dispute_of_what_went_back_takes_no_more_than_was_paid(till: Till) -> None:
    open_withdrawals(till)
    top_up = await paid(till)
    await ask_and_approve(till, "a", "6", top_up_id=top_up.id)
    await dispute(till, top_up, 1000, withdrawn=1000, state="funds_withdrawn")
    assert await till.fetch("select refunded, disputed from capture") == [(6 * DOLLAR, 4 * DOLLAR)]
    assert await sums(till) == (0, 0, 0)


@pytest.mark.parametrize("approved", [False, True])
async def test_a_dispute_ends_what_no_processor_has_heard_of(till: Till, *, approved: bool) -> None:
    open_withdrawals(till)
    first = await old(till)
    second = await paid(till, "20", "two")
    to = await payee(till)
    payout, refund = await ask(till, "a", payee_id=to.id), await ask(till, "b", "5", top_up_id=second.id)
    if approved:
        await till.pool.execute("update withdrawal set state = 'approved' where id = $1", payout.id)
    assert (await sums(till))[2] == 15 * DOLLAR
    await dispute(till, first, 1000)
    assert await state_of(till) == ["failed", "failed"]
    assert await sums(till) == (20 * DOLLAR, 0, 10 * DOLLAR), "only what is disputed is frozen"
    for ended in (payout, refund):
        with pytest.raises(Conflict):
            await approve_withdrawal(till.funding, ended.id, "ops")
    assert (till.processor.paid_out, till.processor.refunds) == ([], {})


async def test_debt_that_comes_between_approval_and_call_stops_it_and_is_paid_from_it(till: Till) -> None:
    open_withdrawals(till)
    await old(till)
    lot = await matured(till, "5")
    to = await payee(till)
    await ask(till, "a", "10", payee_id=to.id)
    await till.pool.execute("update withdrawal set state = 'approved', next_look_at = $1", till.clock.now())
    await spend(till, "7", lot)
    await sweep_withdrawals(till.funding)
    assert (await state_of(till), till.processor.paid_out) == (["failed"], [])
    assert await sums(till) == (8 * DOLLAR, 0, 0)


@pytest.mark.parametrize("state", ["opened", "funds_withdrawn"])
async def test_what_goes_back_is_stopped_by_a_dispute_between_approval_and_call(till: Till, state: str) -> None:
    open_withdrawals(till)
    first, second = await paid(till), await paid(till, "20", "two")
    till.processor.is_away = True
    asked = await ask_and_approve(till, "a", "15", top_up_id=second.id)
    assert asked.state == "approved"
    await dispute(till, first, 1000, withdrawn=1000 if state == "funds_withdrawn" else 0, state=state)
    till.processor.is_away = False
    await restart(till)
    assert (await state_of(till), till.processor.refunds) == (["failed"], {})
    assert (await sums(till))[:2] == (20 * DOLLAR, 0)


async def test_what_went_back_before_a_lost_answer_and_a_dispute_is_done(till: Till) -> None:
    open_withdrawals(till)
    first, second = await paid(till), await paid(till, "20", "two")

    def lose(_call: str) -> None:
        raise ProcessorUnavailable("the answer was lost")

    till.processor.before_answer = lose
    await ask_and_approve(till, "a", "15", top_up_id=second.id)
    await dispute(till, first, 1000)
    till.processor.before_answer = lambda _call: None
    await restart(till)
    assert (await state_of(till), len(till.processor.refunds)) == (["done"], 1)


async def test_a_payee_that_is_changed_between_approval_and_call_is_paid_nothing(till: Till) -> None:
    open_withdrawals(till)
    await matured(till, "5")
    to = await payee(till)
    await ask(till, payee_id=to.id)
    await till.pool.execute("update withdrawal set state = 'approved', next_look_at = $1", till.clock.now())
    await till.pool.execute("update payee_address set address = 'thief@pay.test'")
    await sweep_withdrawals(till.funding)
    assert (await state_of(till), till.processor.paid_out) == (["failed"], [])
    assert await sums(till) == (5 * DOLLAR, 0, 0)


async def test_a_payee_that_is_changed_after_a_lost_answer_waits_for_an_operator(till: Till) -> None:
    open_withdrawals(till)
    await matured(till, "5")
    to = await payee(till)
    till.processor.is_away = True
    await ask_and_approve(till, payee_id=to.id)
    till.processor.is_away = False
    await till.pool.execute("update payee_address set address = 'thief@pay.test'")
    await restart(till)
    assert (await state_of(till), till.processor.paid_out) == (["called"], [])
    assert (await sums(till))[2] == 5 * DOLLAR


async def test_payees_are_verified_by_another_person_and_are_of_one_account(till: Till) -> None:
    open_withdrawals(till)
    await matured(till, "5")
    fields = {"processor": "stripe", "kind": "email"}
    added = await add_payee(
        till.funding, NewPayee(account_id=till.account_id, address="a@pay.test", actor="Ann", **fields)
    )
    with pytest.raises(Conflict):
        await ask(till, payee_id=added.id)
    for name in ("ann", "A nn"):
        with pytest.raises(Conflict):
            await verify_payee(till.funding, added.id, name)
    with pytest.raises(Rejected):
        await verify_payee(till.funding, added.id, "")
    stranger = await till.sign_up("eve@example.com")
    with pytest.raises(Conflict):
        await add_payee(till.funding, NewPayee(account_id=stranger, address="A@pay.test", actor="eve", **fields))
    assert await till.fetch("select count(*) from payee") == [(1,)]
    for wrong in ({"processor": "nobody"}, {"kind": "iban"}, {"address": "  "}, {"actor": ""}):
        every = {"account_id": till.account_id, "address": "b@pay.test", "actor": "Ann", **fields, **wrong}
        with pytest.raises(Rejected):
            await add_payee(till.funding, NewPayee(**every))  # type: ignore[arg-type]


async def test_a_new_payee_waits_where_the_edition_says_so(till: Till) -> None:
    open_withdrawals(till, payee_days=7)
    await matured(till, "5")
    added = await add_payee(
        till.funding,
        NewPayee(account_id=till.account_id, processor="stripe", kind="email", address="a@pay.test", actor="Ann"),
    )
    with pytest.raises(Conflict):
        await ask(till, payee_id=added.id)
    await later(till, days=7)
    assert (await ask(till, payee_id=added.id)).state == "asked"


@pytest.mark.parametrize("name", ["Customer ", "cust\u200bomer", "\uff43ustomer", "\u00a0c\u00adustomer", "\u200b"])
async def test_who_asked_approves_under_no_other_spelling(till: Till, name: str) -> None:
    open_withdrawals(till)
    top_up = await paid(till)
    asked = await ask(till, top_up_id=top_up.id)
    with pytest.raises(Conflict):
        await approve_withdrawal(till.funding, asked.id, name)


@pytest.mark.parametrize("to_payee", [False, True])
async def test_a_withdrawal_that_is_cancelled_after_its_credit_expired_brings_no_new_term(
    till: Till, *, to_payee: bool
) -> None:
    open_withdrawals(till)
    till.policy = msgspec.structs.replace(
        till.policy, topups=msgspec.structs.replace(till.policy.topups, expires_months=12)
    )
    top_up = await paid(till)
    [(expires_at,)] = await till.fetch("select expires_at from lot")
    to = await payee(till)
    if not to_payee:
        till.processor.can_refund = None
        await till.pool.execute("update capture set processor_refundable_until = null")
    till.clock.advance(expires_at - till.clock.now() - timedelta(hours=1))
    await later(till, minutes=0)
    asked = await (ask(till, payee_id=to.id) if to_payee else ask(till, top_up_id=top_up.id))
    await later(till, hours=2)
    await cancel_withdrawal(till.funding, asked.id, "customer")
    assert (await sums(till))[0] == 10 * DOLLAR
    [(last,)] = await till.fetch("select max(expires_at) from lot")
    assert last == till.clock.now() + timedelta(hours=1)


async def test_one_bank_transfer_pays_a_withdrawal_or_a_refund(till: Till) -> None:
    open_withdrawals(till)
    by_hand = await record_payment(till.funding, ManualPayment(till.account_id, Usd.parse("10"), "BANK-IN", "kim"))
    await matured(till, "5")
    to = await payee(till, "DE02 1203 0000 0000 2020 51", processor="manual", kind="bank_account")
    payout = await ask_and_approve(till, "a", "5", payee_id=to.id)
    wanted = RefundRequest(top_up_id=by_hand.id, idempotency_key="r", origin=RefundOrigin.OPERATOR, actor="kim")
    refund = await ask_refund(till.funding, wanted)
    await settle_withdrawal(till.funding, payout.id, "OUT-1", "teller")
    with pytest.raises(Conflict):
        await settle_refund(till.funding, refund.id, "out-1", "teller")


async def test_one_bank_transfer_pays_one_of_two_accounts_at_once(till: Till) -> None:
    open_withdrawals(till)
    stranger = await till.sign_up("eve@example.com")
    theirs = await record_payment(till.funding, ManualPayment(stranger, Usd.parse("10"), "BANK-2", "kim"))
    await record_payment(till.funding, ManualPayment(till.account_id, Usd.parse("10"), "BANK-1", "kim"))
    await matured(till, "5")
    to = await payee(till, "DE02 1203 0000 0000 2020 51", processor="manual", kind="bank_account")
    payout = await ask_and_approve(till, "a", "5", payee_id=to.id)
    wanted = RefundRequest(top_up_id=theirs.id, idempotency_key="r", origin=RefundOrigin.OPERATOR, actor="kim")
    refund = await ask_refund(till.funding, wanted)
    async with till.pool.acquire() as conn, conn.transaction():
        await Wallets(conn).lock_wallet(till.account_id, till.clock.now())  # so that both have begun before either ends
        await Wallets(conn).lock_wallet(stranger, till.clock.now())
        settling = asyncio.gather(
            settle_withdrawal(till.funding, payout.id, "OUT-1", "teller"),
            settle_refund(till.funding, refund.id, "out-1", "teller"),
            return_exceptions=True,
        )
        await asyncio.sleep(0.2)
    assert [type(each) for each in await settling].count(Conflict) == 1


async def test_a_refund_and_withdrawals_of_one_lot_at_once_are_within_the_capture(till: Till) -> None:
    open_withdrawals(till, approval=False)
    top_up = await paid(till)
    refunds = [
        ask_refund(
            till.funding,
            RefundRequest(
                top_up_id=top_up.id, idempotency_key=f"r{number}", origin=RefundOrigin.OPERATOR, actor="ops",
                amount=Usd.parse("4"),
            ),
        )
        for number in range(3)
    ]  # fmt: skip
    asked = [ask(till, f"w{number}", "4", top_up_id=top_up.id) for number in range(3)]
    await asyncio.gather(*refunds, *asked, return_exceptions=True)
    assert sum(each.money.minor for each in till.processor.refunds.values()) == 800, "two of 4: a third is too much"
    assert await sums(till) == (Usd.parse("2"), 0, 0)
    assert await till.fetch("select refunded_minor from capture") == [(800,)]


async def test_a_withdrawal_that_races_a_spend_never_leaves_less_than_nothing(till: Till) -> None:
    open_withdrawals(till, approval=False)
    await old(till)
    to = await payee(till)
    asked = [ask(till, key, "6", payee_id=to.id) for key in ("a", "b")]
    await asyncio.gather(spend(till, "7"), *asked, spend(till, "0.5"), return_exceptions=True)
    available, debt, in_payout = await sums(till)
    out = sum(order.money.minor for order in till.processor.paid_out) * 10_000_000
    assert in_payout == 0
    assert available - debt + out == Usd.parse("2.5")


async def test_twenty_payouts_at_once_leave_no_more_than_there_is(till: Till) -> None:
    open_withdrawals(till, approval=False)
    await old(till)
    to = await payee(till)
    asked = [ask(till, f"k{number}", "1.5", payee_id=to.id) for number in range(20)]
    await asyncio.gather(*asked, return_exceptions=True)
    assert sum(order.money.minor for order in till.processor.paid_out) == 900, "six of 1.50: a seventh is too much"
    assert await sums(till) == (Usd.parse("1"), 0, 0)


async def test_pretended_credit_is_paid_by_nobody_real_and_real_credit_by_nobody_pretended(till: Till) -> None:
    open_withdrawals(till)
    await paid(till)
    await matured(till, "5")
    till.others["pretended"] = PretendedProcessor(till.clock)
    real, play = await payee(till), await payee(till, "somebody", processor="pretended", kind="pretended")
    funding = dataclasses.replace(till.funding, pretended=frozenset({"pretended"}), may_pretend=lambda: True)
    with pytest.raises(Conflict):
        await ask_withdrawal(funding, request(till, "a", payee_id=play.id))
    await till.pool.execute("update top_up set pretended = true")
    with pytest.raises(Conflict):
        await ask_withdrawal(funding, request(till, "b", payee_id=real.id))
    asked = await ask_withdrawal(funding, request(till, "c", payee_id=play.id))
    done = await approve_withdrawal(funding, asked.id, "ops")
    assert (done.state, done.pretended, till.processor.paid_out) == ("done", True, [])


@dataclass
class EarnedCashback:
    """The rewards of an account whose old top-up earned cashback."""

    till: Till
    policy: Policy
    hooks: RewardHooks = field(init=False)

    def __post_init__(self) -> None:
        self.hooks = RewardHooks(self.till.world, lambda: self.policy)

    async def earn(self, nano: int) -> UUID:
        """The lot of the cashback that the oldest top-up earned."""
        await self.till.pool.execute(
            "insert into cashback_source (lot_id, account_id, earned) select lot_id, account_id, $1 from capture",
            nano * 10_000,
        )
        return await matured(self.till, str(Usd(nano)))


async def test_a_withdrawn_top_up_takes_its_cashback_with_it_and_a_failure_gives_it_back(till: Till) -> None:
    open_withdrawals(till)
    earned = EarnedCashback(till, till.policy)
    await old(till)
    lot = await earned.earn(2 * DOLLAR)
    till.hooks = earned.hooks
    to = await payee(till)
    half = await ask(till, "half", "5", payee_id=to.id)
    assert [(part.amount, part.reduced) for part in half.parts] == [(5 * DOLLAR, 0)]
    assert await sums(till) == (6 * DOLLAR, 0, 5 * DOLLAR), "half of the cashback is taken back"
    await reject_withdrawal(till.funding, half.id, "ops")
    assert await sums(till) == (12 * DOLLAR, 0, 0)
    await spend(till, "2", lot)
    whole = await ask(till, "whole", payee_id=to.id)
    assert (whole.money, whole.parts[0].reduced) == (Money("USD", 800), 2 * DOLLAR), "spent cashback reduces it"
    await approve_withdrawal(till.funding, whole.id, "ops")
    assert await sums(till) == (0, 0, 0)
    await tell(till, till.processor.change_payout("po_1", PayoutState.FAILED))
    assert await sums(till) == (10 * DOLLAR, 0, 0)


async def test_rewards_of_an_account_that_never_paid_stay(till: Till) -> None:
    open_withdrawals(till)
    till.hooks = RewardHooks(till.world, lambda: till.policy)
    await matured(till, "5", "referral")
    to = await payee(till)
    with pytest.raises(Conflict):
        await ask(till, payee_id=to.id)
    await paid(till)
    till.hooks = NoHooks()
    assert (await ask(till, payee_id=to.id)).amount == 5 * DOLLAR


Act = Callable[[Steps, int], Awaitable[object]]


async def _die_everywhere(till: Till, act: Act, least: int) -> int:
    """How often it was done; after each death the server starts again."""
    for number in range(200):
        try:
            await act(Steps(number), number)
            break
        except Died:
            await restart(till)
    assert number > least
    return number


async def test_a_death_at_any_step_of_a_payout_pays_it_once_or_not_at_all(till: Till) -> None:
    open_withdrawals(till, approval=False, day_usd="5000")
    await old(till, "500")
    to = await payee(till)

    async def act(steps: Steps, number: int) -> None:
        await ask_withdrawal(dying(till, steps), request(till, f"k{number}", "1", payee_id=to.id))

    await _die_everywhere(till, act, 20)
    assert set(await state_of(till)) == {"done"}
    out = len(till.processor.paid_out)
    assert out == len(await state_of(till))
    assert len({order.withdrawal_id for order in till.processor.paid_out}) == out
    assert await sums(till) == ((500 - out) * DOLLAR, 0, 0)


async def test_a_death_at_any_step_of_an_approval_pays_it_once_or_says_that_it_waits(till: Till) -> None:
    open_withdrawals(till, day_usd="5000")
    await old(till, "500")
    to = await payee(till)

    async def act(steps: Steps, number: int) -> None:
        asked = await ask(till, f"k{number}", "1", payee_id=to.id)
        await approve_withdrawal(dying(till, steps), asked.id, "ops")

    await _die_everywhere(till, act, 15)
    states = await state_of(till)
    assert set(states) <= {"asked", "done"}
    out, waiting = len(till.processor.paid_out), states.count("asked")
    assert out == states.count("done")
    assert await sums(till) == ((500 - out - waiting) * DOLLAR, 0, waiting * DOLLAR)


async def test_a_death_at_any_step_of_a_returned_payouts_event_restores_once(till: Till) -> None:
    open_withdrawals(till, approval=False, day_usd="5000")
    await old(till, "500")
    to = await payee(till)

    async def act(steps: Steps, number: int) -> None:
        made = await ask(till, f"k{number}", "1", payee_id=to.id)
        assert made.processor_payout_id is not None
        reported = till.processor.change_payout(made.processor_payout_id, PayoutState.FAILED)
        try:
            await tell_mortal(till, reported.processor_payout_id, steps)
        finally:
            till.clock.advance(timedelta(minutes=1))

    await _die_everywhere(till, act, 12)
    await restart(till)
    assert set(await state_of(till)) == {"failed"}
    assert await sums(till) == (500 * DOLLAR, 0, 0)


async def tell_mortal(till: Till, payout_id: str, steps: Steps) -> None:
    """Store a webhook's event; the process that handles it dies."""
    await till.pool.execute(
        """insert into processor_event (processor, event_id, kind, subject, object_id, at, received_at, next_look_at)
           values ('stripe', $1, 'payout.updated', 'payout', $2, $3, $3, $3)""",
        f"evt_{payout_id}", payout_id, till.clock.now(),
    )  # fmt: skip
    await handle_events(dying(till, steps))


async def test_two_processes_that_lose_answers_pay_once(till: Till) -> None:
    open_withdrawals(till, approval=False)
    await old(till)
    to = await payee(till)
    calls = 0

    def lose(_call: str) -> None:
        nonlocal calls
        calls += 1
        if calls < 4:
            raise ProcessorUnavailable("the answer was lost")

    till.processor.before_answer = lose
    await asyncio.gather(*(ask(till, "same", "5", payee_id=to.id) for _ in range(3)))
    await restart(till)
    assert (len(till.processor.paid_out), await state_of(till)) == (1, ["done"])
    assert await sums(till) == (5 * DOLLAR, 0, 0)


async def test_payees_have_an_end_and_one_that_is_removed_makes_room(till: Till) -> None:
    open_withdrawals(till)
    fields = {"account_id": till.account_id, "processor": "stripe", "kind": "email", "actor": "customer"}

    async def add(address: str) -> SavedPayee:
        return await add_payee(till.funding, NewPayee(address=address, **fields))  # type: ignore[arg-type]

    first, *_ = [await add(f"{number}@pay.test") for number in range(MOST)]
    await later(till, days=1)
    with pytest.raises(Conflict, match="20 payees: remove one first"):
        await add("more@pay.test")
    await remove_payee(till.funding, first.id)
    await add("more@pay.test")


async def test_who_adds_and_removes_payees_all_day_is_stopped(till: Till) -> None:
    """An address is no other account's while it is this one's: nobody walks through addresses."""
    open_withdrawals(till)
    fields = {"account_id": till.account_id, "processor": "stripe", "kind": "email", "actor": "customer"}

    async def add_and_remove(address: str) -> None:
        added = await add_payee(till.funding, NewPayee(address=address, **fields))  # type: ignore[arg-type]
        await remove_payee(till.funding, added.id)

    for number in range(ADDED.most):
        await add_and_remove(f"{number}@pay.test")
    with pytest.raises(RateLimited, match="try again tomorrow"):
        await add_and_remove("more@pay.test")
    await later(till, days=1)
    await add_and_remove("more@pay.test")
