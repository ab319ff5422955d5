"""Withdrawals: previewed first; back to the payment while possible, later to a payee; once."""

import asyncio

import msgspec
import pytest
from tests.funding.conftest import Till
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

from tokenharbor.editions.load import load_edition
from tokenharbor.funding.audit import find_capture_fault
from tokenharbor.funding.manual import ManualPayment, record_payment
from tokenharbor.funding.payees import remove_payee
from tokenharbor.funding.rates import set_exchange_rate
from tokenharbor.funding.refunds import approve_refund, settle_refund
from tokenharbor.funding.withdrawable import DestinationKind, WithheldReason
from tokenharbor.funding.withdrawals import (
    approve_withdrawal,
    cancel_withdrawal,
    preview_account,
    preview_withdrawal,
    reject_withdrawal,
    settle_withdrawal,
)
from tokenharbor.kernel.errors import Conflict, HarborError, Missing, ProcessorUnavailable, Rejected
from tokenharbor.kernel.money import Money, Usd
from tokenharbor.kernel.reasons import ErrorReason
from tokenharbor.ledger.types import Credit, Pool
from tokenharbor.ledger.wallets import Wallets
from tokenharbor.payments.types import PayoutState, ProcessorPayout


async def test_a_top_up_leaves_to_what_paid_while_its_processor_can_refund_it(till: Till) -> None:
    open_withdrawals(till)
    top_up = await paid(till)
    await spend(till, "3.456789")
    await later(till, days=100)  # past the window of refunds
    shown = await preview_withdrawal(till.funding, request(till, top_up_id=top_up.id))
    assert (shown.withdrawal.money, shown.withdrawal.amount) == (Money("USD", 654), Usd.parse("6.54"))
    assert await state_of(till) == [], "nothing has moved"
    asked = await ask(till, top_up_id=top_up.id)
    assert (asked.state, till.processor.refunds) == ("asked", {})
    assert await sums(till) == (Usd.parse("0.003211"), 0, Usd.parse("6.54"))
    done = await approve_withdrawal(till.funding, asked.id, "ops")
    assert (done.state, done.decided_by) == ("done", "ops")
    assert [each.money for each in till.processor.refunds.values()] == [Money("USD", 654)]
    assert await till.fetch("select refunded, refunded_minor from capture") == [(Usd.parse("6.54"), 654)]
    assert await sums(till) == (Usd.parse("0.003211"), 0, 0)


async def test_later_it_leaves_to_a_payee_and_rewards_do_once_they_have_matured(till: Till) -> None:
    open_withdrawals(till)
    top_up = await paid(till)
    await matured(till, "3", days=200)
    await matured(till, "2.005", "referral", days=45)
    to = await payee(till)
    with pytest.raises(Conflict):
        await ask(till, payee_id=to.id)
    await later(till, days=REFUNDABLE_DAYS, seconds=1)
    shown = await preview_account(till.funding, till.account_id)
    assert [(each.lot.origin, each.destination, each.amount) for each in shown.lots] == [
        ("top-up", DestinationKind.PAYEE, 10 * DOLLAR),
        ("cashback", DestinationKind.PAYEE, 3 * DOLLAR),
        ("referral", DestinationKind.PAYEE, Usd.parse("2.005")),
    ]
    assert [each.why for each in shown.lots] == [None, WithheldReason.NOT_MATURED, None]
    with pytest.raises(Conflict):
        await ask(till, "back", top_up_id=top_up.id)
    done = await ask_and_approve(till, payee_id=to.id)
    assert (done.state, done.money, done.amount) == ("done", Money("USD", 1200), 12 * DOLLAR)
    assert [(each.money, each.payee.address) for each in till.processor.paid_out] == [
        (Money("USD", 1200), "ada@pay.test")
    ]
    assert await sums(till) == (Usd.parse("3.005"), 0, 0)
    own = f"account/{till.account_id}"
    ends = await till.fetch("select distinct source, destination from posting where source like '%payout'")
    assert ends == [(f"{own}/payout", "clearing/stripe/usd")]


async def test_more_than_can_leave_to_a_payee_is_refused_with_the_most(till: Till) -> None:
    open_withdrawals(till)
    await paid(till)
    await matured(till, "2.005")
    to = await payee(till)
    await later(till, days=REFUNDABLE_DAYS, seconds=1)
    for usd in ("12.01", "500"):
        wanted = request(till, usd=usd, payee_id=to.id)
        for refused in (preview_withdrawal(till.funding, wanted), ask(till, usd=usd, payee_id=to.id)):
            with pytest.raises(Rejected, match=r"at most \$12\.00 can be withdrawn") as error:
                await refused
            assert (error.value.param, error.value.facts) == ("amount", {"most_usd": 12 * DOLLAR})
    assert await sums(till) == (Usd.parse("12.005"), 0, 0)
    assert (await ask(till, usd="12.00", payee_id=to.id)).amount == 12 * DOLLAR


async def test_a_top_up_that_can_be_disputed_leaves_to_no_payee(till: Till) -> None:
    open_withdrawals(till)
    await paid(till)
    await till.pool.execute("update capture set processor_refundable_until = paid_at + interval '90 days'")
    to = await payee(till)
    await later(till, days=119)  # it can be disputed for 120 days
    with pytest.raises(Conflict):
        await ask(till, "early", payee_id=to.id)
    await later(till, days=2)
    assert (await ask_and_approve(till, payee_id=to.id)).state == "done"


async def test_what_was_given_never_leaves(till: Till) -> None:
    open_withdrawals(till)
    await paid(till)
    ids, now = till.world.ids, till.clock.now()
    async with till.pool.acquire() as conn:
        given = ((Pool.PROMO, "operator"), (Pool.TRIAL, "welcome"), (Pool.PAID, "operator"), (Pool.MATCH, "match"))
        for pool, origin in given:
            lot = Credit(
                ids.new(), ids.new(), till.account_id, pool, origin, Usd.parse("5"), now, "", withdrawable_from=now
            )
            await Wallets(conn).credit(lot)
    to = await payee(till)
    await spend(till, "10")
    await later(till, days=REFUNDABLE_DAYS + 1)
    shown = await preview_account(till.funding, till.account_id)
    assert {each.destination for each in shown.lots} == {DestinationKind.NONE}
    with pytest.raises(Conflict):
        await ask(till, payee_id=to.id)
    assert (await sums(till))[0] == 20 * DOLLAR


async def test_CNY_goes_back_only_by_how_it_was_paid_and_in_CNY(till: Till) -> None:
    open_withdrawals(till)
    await set_exchange_rate(till.funding, "CNY", "7.1234", lasts=None, actor="ops")
    top_up = await paid(till, currency="CNY", method="alipay")
    to = await payee(till)
    with pytest.raises(Conflict):
        await ask(till, "usd", payee_id=to.id)
    half = await ask_and_approve(till, "half", "5", top_up_id=top_up.id)
    assert (half.state, half.money) == ("done", Money("CNY", 3562))
    await later(till, days=REFUNDABLE_DAYS + 1)
    with pytest.raises(Conflict):
        await ask(till, "late", payee_id=to.id)
    with pytest.raises(Conflict):
        await ask(till, "late", top_up_id=top_up.id)
    [lot] = (await preview_account(till.funding, till.account_id)).lots
    assert (lot.destination, lot.why) == (DestinationKind.NONE, WithheldReason.CURRENCY)
    assert till.processor.paid_out == []


async def test_minimum_and_daily_maximum_count_all_that_was_asked_for(till: Till) -> None:
    open_withdrawals(till, day_usd="6")
    top_up = await paid(till, "20")
    with pytest.raises(Rejected):
        await ask(till, "small", "0.99", top_up_id=top_up.id)
    for number in range(6):
        await ask(till, f"k{number}", "1", top_up_id=top_up.id)
    with pytest.raises(Conflict):
        await ask(till, "seventh", "1", top_up_id=top_up.id)
    assert (await preview_account(till.funding, till.account_id)).day_left == 0
    withdrawals = await till.fetch("select id from withdrawal order by id")
    await cancel_withdrawal(till.funding, withdrawals[0][0], "customer")
    await ask(till, "seventh", "1", top_up_id=top_up.id)
    await later(till, hours=12)  # the next UTC day
    await ask(till, "tomorrow", "6", top_up_id=top_up.id)
    assert await sums(till) == (8 * DOLLAR, 0, 12 * DOLLAR)


async def test_twenty_at_once_are_one_by_their_key_and_never_more_than_the_day_or_the_lot(till: Till) -> None:
    open_withdrawals(till, day_usd="8")
    top_up = await paid(till)
    same = await asyncio.gather(*(ask(till, "same", "1", top_up_id=top_up.id) for _ in range(20)))
    assert len({each.id for each in same}) == 1
    several = [ask(till, f"k{number}", "1", top_up_id=top_up.id) for number in range(20)]
    outcomes = await asyncio.gather(*several, return_exceptions=True)
    assert sum(not isinstance(each, BaseException) for each in outcomes) == 7
    assert {type(each) for each in outcomes if isinstance(each, BaseException)} == {Conflict}
    assert await sums(till) == (2 * DOLLAR, 0, 8 * DOLLAR)


async def test_a_key_that_is_used_again_is_the_same_withdrawal_or_refused(till: Till) -> None:
    open_withdrawals(till)
    top_up = await paid(till)
    to = await payee(till)
    first = await ask(till, "k", "2", top_up_id=top_up.id)
    assert await ask(till, "k", "2", top_up_id=top_up.id) == first
    with pytest.raises(Conflict):
        await ask(till, "k", "3", top_up_id=top_up.id)
    with pytest.raises(Conflict):
        await ask(till, "k", "2", payee_id=to.id)


async def test_who_asked_does_not_approve_and_nothing_is_decided_twice(till: Till) -> None:
    open_withdrawals(till)
    top_up = await paid(till)
    asked = await ask(till, "a", "2", top_up_id=top_up.id, actor="Ann")
    for name in ("Ann", " ann", "AN N"):
        with pytest.raises(Conflict):
            await approve_withdrawal(till.funding, asked.id, name)
    with pytest.raises(Rejected):
        await approve_withdrawal(till.funding, asked.id, " ")
    with pytest.raises(Conflict):  # nor by the refund that it is
        await approve_refund(till.funding, asked.refund_id or asked.id, "bob")
    assert (await reject_withdrawal(till.funding, asked.id, "bob", "no")).state == "rejected"
    for decide in (approve_withdrawal, reject_withdrawal, cancel_withdrawal):
        with pytest.raises(Conflict):
            await decide(till.funding, asked.id, "bob")
    assert await sums(till) == (10 * DOLLAR, 0, 0)


async def test_where_no_approval_is_asked_for_it_goes_at_once(till: Till) -> None:
    open_withdrawals(till, approval=False)
    top_up = await paid(till)
    assert (await ask(till, "a", "2", top_up_id=top_up.id)).state == "done"
    await matured(till, "5")
    to = await payee(till)
    assert (await ask(till, "b", "5", payee_id=to.id)).state == "done"
    assert await sums(till) == (8 * DOLLAR, 0, 0)


async def test_an_edition_without_withdrawals_pays_nothing_out(till: Till) -> None:
    till.policy = load_edition("token-hub")
    top_up = await paid(till)
    with pytest.raises(Rejected):
        await ask(till, top_up_id=top_up.id)
    frozen = (await preview_account(till.funding, till.account_id)).frozen
    assert frozen is not None
    assert frozen.reason is ErrorReason.WITHDRAWALS_NOT_OFFERED


async def test_debt_and_open_disputes_freeze_withdrawals(till: Till) -> None:
    open_withdrawals(till)
    first = await paid(till)
    second = await paid(till, "20", "two")
    await dispute(till, first, 1000)
    with pytest.raises(Conflict):
        await ask(till, "a", top_up_id=second.id)
    frozen = (await preview_account(till.funding, till.account_id)).frozen
    assert frozen is not None
    assert frozen.reason is ErrorReason.WITHDRAWAL_DISPUTE
    await dispute(till, first, 1000, state="won")
    assert (await ask(till, "a", "2", top_up_id=second.id)).state == "asked"
    lot = await till.pool.fetchval("select lot_id from capture where top_up_id = $1", second.id)
    await spend(till, "50", lot)
    with pytest.raises(Conflict):
        await ask(till, "b", "1", top_up_id=first.id)


async def test_a_withdrawal_that_fails_restores_the_same_lots(till: Till) -> None:
    open_withdrawals(till)
    await paid(till)
    await matured(till, "3")
    await matured(till, "4", "referral")
    to = await payee(till)
    till.processor.refuses = "no such receiver"
    failed = await ask_and_approve(till, "a", "6", payee_id=to.id)
    assert (failed.state, failed.fault) == ("failed", "no such receiver")
    assert till.alarms[-1] == ("withdrawal_failed", failed.shown_id)
    assert await sums(till) == (17 * DOLLAR, 0, 0)
    till.processor.refuses = ""
    till.processor.payout_state = PayoutState.PENDING
    called = await ask_and_approve(till, "b", "6", payee_id=to.id)
    assert (called.state, [part.amount for part in called.parts]) == ("called", [3 * DOLLAR, 3 * DOLLAR])
    assert await sums(till) == (11 * DOLLAR, 0, 6 * DOLLAR)
    await tell(till, till.processor.change_payout("po_1", PayoutState.FAILED))
    assert await sums(till) == (17 * DOLLAR, 0, 0)
    lots = await till.fetch("select sum(end_at - start_at)::bigint from segment group by lot_id order by 1")
    assert lots == [(3 * DOLLAR,), (4 * DOLLAR,), (10 * DOLLAR,)]


async def test_a_payout_that_is_returned_restores_the_lots_and_an_echo_does_nothing(till: Till) -> None:
    open_withdrawals(till)
    await matured(till, "6")
    to = await payee(till)
    assert (await ask_and_approve(till, payee_id=to.id)).state == "done"
    made = till.processor.payouts["po_1"]
    await asyncio.gather(*(tell(till, made, number) for number in (1, 1, 2)))
    assert await sums(till) == (0, 0, 0)
    returned = till.processor.change_payout("po_1", PayoutState.FAILED)
    await asyncio.gather(*(tell(till, returned, number) for number in (3, 4)))
    assert await sums(till) == (6 * DOLLAR, 0, 0)
    assert await state_of(till) == ["failed"]
    await tell(till, till.processor.change_payout("po_1", PayoutState.DONE), 5)  # paid after all
    assert await sums(till) == (0, 0, 0)
    assert [kind for kind, _ in till.alarms] == ["withdrawal_waits", "withdrawal_failed"]  # each once


async def test_a_lost_answer_is_searched_for_and_paid_once(till: Till) -> None:
    open_withdrawals(till)
    await matured(till, "6")
    to = await payee(till)

    def lose(_call: str) -> None:
        raise ProcessorUnavailable("the answer was lost")

    till.processor.before_answer = lose
    waiting = await ask_and_approve(till, payee_id=to.id)
    assert (waiting.state, waiting.fault) == ("called", "the answer was lost")
    till.processor.before_answer = lambda _call: None
    await restart(till)
    assert (await state_of(till), len(till.processor.paid_out)) == (["done"], 1)
    assert await sums(till) == (0, 0, 0)


async def test_a_later_call_that_is_refused_says_nothing_of_the_first(till: Till) -> None:
    open_withdrawals(till)
    await matured(till, "6")
    to = await payee(till)

    def lose(_call: str) -> None:
        raise ProcessorUnavailable("the answer was lost")

    till.processor.before_answer = lose
    lost = await ask_and_approve(till, payee_id=to.id)
    till.processor.refuses = "insufficient funds"
    await restart(till)
    assert await sums(till) == (0, 0, 6 * DOLLAR), "it may have been paid: an operator looks"
    [(fault, next_look_at)] = await till.fetch("select fault, next_look_at from withdrawal")
    assert (fault, next_look_at) == ("insufficient funds", None)
    till.processor.refuses, till.processor.before_answer = "", lambda _call: None
    assert (await settle_withdrawal(till.funding, lost.id, "po_1", "teller")).state == "done"
    assert await sums(till) == (0, 0, 0)


async def test_nobody_calls_again_when_processors_have_forgotten_the_id(till: Till) -> None:
    open_withdrawals(till)
    await matured(till, "6")
    to = await payee(till)
    till.processor.is_away = True
    waiting = await ask_and_approve(till, payee_id=to.id)
    await later(till, days=30)
    till.processor.is_away = False
    await restart(till)
    assert (await state_of(till), till.processor.paid_out) == (["called"], [])
    assert (await settle_withdrawal(till.funding, waiting.id, None, "teller")).state == "failed"
    assert await sums(till) == (6 * DOLLAR, 0, 0)


async def test_a_bank_transfer_is_paid_when_an_operator_says_so_with_its_reference(till: Till) -> None:
    open_withdrawals(till)
    await matured(till, "6")
    to = await payee(till, "DE02 1203 0000 0000 2020 51", processor="manual", kind="bank_account")
    first = await ask_and_approve(till, "a", "2", payee_id=to.id)
    second = await ask_and_approve(till, "b", "2", payee_id=to.id)
    third = await ask_and_approve(till, "c", "2", payee_id=to.id)
    assert first.state == "called"
    done = await settle_withdrawal(till.funding, first.id, "bank 2026-1", "teller")
    assert (done.state, done.processor_payout_id) == ("done", "BANK2026-1")
    with pytest.raises(Conflict):
        await settle_withdrawal(till.funding, second.id, "BANK 2026-1", "teller")
    with pytest.raises(Conflict):
        await settle_withdrawal(till.funding, first.id, "OTHER", "teller")
    assert (await settle_withdrawal(till.funding, third.id, None, "teller")).state == "failed"
    assert await sums(till) == (2 * DOLLAR, 0, 2 * DOLLAR)


async def test_who_asked_for_a_withdrawal_does_not_record_that_it_failed(till: Till) -> None:
    """After paying it, say: the credit would come back beside the money."""
    open_withdrawals(till)
    await matured(till, "6")
    top_up = await record_payment(till.funding, ManualPayment(till.account_id, Usd.parse("10"), "BANK-IN", "kim"))
    to = await payee(till, "DE02 1203 0000 0000 2020 51", processor="manual", kind="bank_account")
    payout = await ask_and_approve(till, "a", "2", payee_id=to.id, actor="Ann")
    back = await ask_and_approve(till, "b", "2", top_up_id=top_up.id, actor="Ann")
    assert back.refund_id is not None
    for actor, refusal in (("ann ", Conflict), (" ", Rejected)):
        for settled in (
            settle_withdrawal(till.funding, payout.id, None, actor),
            settle_withdrawal(till.funding, back.id, None, actor),
            settle_refund(till.funding, back.refund_id, None, actor),
        ):
            with pytest.raises(refusal):
                await settled
    for each in (payout, back):
        await settle_withdrawal(till.funding, each.id, f"bank {each.shown_id[-4:]}", "Bob")
    by = "select settled_by from withdrawal where payee_id is not null union all select settled_by from refund"
    assert await till.fetch(by) == [("Bob",), ("Bob",)]


async def test_a_payout_of_another_sum_or_another_system_moves_nothing(till: Till) -> None:
    open_withdrawals(till)
    await matured(till, "6")
    to = await payee(till)
    till.processor.payout_state = PayoutState.PENDING
    asked = await ask_and_approve(till, payee_id=to.id)
    done = till.processor.change_payout("po_1", PayoutState.DONE)
    dearer = msgspec.structs.replace(done, money=Money("USD", 700))
    for number, reported in enumerate((dearer, msgspec.structs.replace(done, processor_payout_id="po_2"))):
        till.processor.payouts[reported.processor_payout_id] = reported
        await tell(till, reported, 10 + number)
    foreign = ProcessorPayout(
        processor_payout_id="po_9", withdrawal_id="invoice-7", money=asked.money, state=PayoutState.DONE
    )
    till.processor.payouts["po_9"] = foreign
    await tell(till, foreign)
    assert await sums(till) == (0, 0, 6 * DOLLAR)
    assert [kind for kind, _ in till.alarms] == ["withdrawal_waits", *["payment_mismatch"] * 2]


async def test_another_accounts_payees_and_top_ups_are_not_there(till: Till) -> None:
    open_withdrawals(till)
    top_up = await paid(till)
    to = await payee(till)
    stranger = await till.sign_up("eve@example.com")
    with pytest.raises(Missing):
        await ask(till, "x", account_id=stranger, top_up_id=top_up.id)
    with pytest.raises(Missing):
        await ask(till, "x", account_id=stranger, payee_id=to.id)
    with pytest.raises(Rejected):
        await ask(till, "x")
    with pytest.raises(Rejected):
        await ask(till, "x", top_up_id=top_up.id, payee_id=to.id)
    with pytest.raises(HarborError):
        await ask(till, "x", "0", top_up_id=top_up.id)


async def test_a_payee_is_not_removed_while_something_is_on_its_way_to_it(till: Till) -> None:
    open_withdrawals(till)
    await matured(till, "6")
    to = await payee(till)
    asked = await ask(till, payee_id=to.id)
    with pytest.raises(Conflict):
        await remove_payee(till.funding, to.id)
    await cancel_withdrawal(till.funding, asked.id, "customer")
    assert (await remove_payee(till.funding, to.id)).removed_at is not None
    assert await till.fetch("select address from payee_address") == []
    with pytest.raises(Conflict):
        await ask(till, "again", payee_id=to.id)


async def test_auto_top_up_is_off_after_a_withdrawal(till: Till) -> None:
    open_withdrawals(till)
    top_up = await paid(till, save_method=True)
    await till.pool.execute(
        "insert into auto_top_up values ($1, true, 'stripe', 1, 1, 1, $2, 'customer')",
        till.account_id,
        till.clock.now(),
    )
    made = await ask(till, "a", "1", top_up_id=top_up.id)
    [(enabled, reason)] = await till.fetch("select enabled, stop_reason from auto_top_up")
    assert (enabled, made.shown_id in reason or "refund" in reason) == (False, True)


@pytest.mark.parametrize(
    "change",
    [
        "update withdrawal set amount = amount + 10000000 where payee_id is not null",
        "update withdrawal set state = 'done' where payee_id is not null",
        "update withdrawal set state = 'done' where refund_id is not null",
        "update withdrawal set amount_minor = 1 where refund_id is not null",
        "update withdrawal_part set amount = 1",
    ],
)
async def test_a_withdrawal_that_is_changed_is_found(till: Till, change: str) -> None:
    open_withdrawals(till)
    top_up = await paid(till)
    await matured(till, "6")
    await ask(till, "a", payee_id=(await payee(till)).id)
    await ask(till, "b", "2", top_up_id=top_up.id)
    await sums(till)
    await till.pool.execute(change)
    async with till.pool.acquire() as conn:
        assert (await find_capture_fault(conn) or "").startswith("payments: ")
