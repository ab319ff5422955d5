"""Stripe's processor against its simulated server: only a payment that was read counts, whatever goes wrong."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from tests.payments.orders import TOP_UP, checkout, refund
from tests.payments.receiver import Receiver

from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.errors import ProcessorRefused, ProcessorUnavailable
from tokenharbor.kernel.money import Money
from tokenharbor.payments.stripe import StripeConfig, StripeProcessor
from tokenharbor.payments.stripe_objects import StripeEvent, event_of
from tokenharbor.payments.types import (
    DisputeState,
    EventSubject,
    Payee,
    Payment,
    PaymentState,
    PayoutOrder,
    ProcessorAbility,
    RefundState,
    SavedCharge,
    SavedMethod,
)
from tokenharbor.simulator.stripe import SimulatedStripe


async def paid(stripe: StripeProcessor, server: SimulatedStripe, **order: object) -> Payment:
    opened = await stripe.open_checkout(checkout(**order))  # type: ignore[arg-type]
    server.pay(opened.processor_id)
    return await stripe.read_payment(opened.processor_id, TOP_UP)


async def test_a_card_payment_is_read_with_capture_fee_and_instrument(
    stripe: StripeProcessor, stripe_server: SimulatedStripe, clock: ManualClock
) -> None:
    opened = await stripe.open_checkout(checkout(2500))
    assert opened.url.startswith(stripe_server.url)
    before = await stripe.read_payment(opened.processor_id, TOP_UP)
    assert (before.state, before.capture_id) == (PaymentState.OPEN, None)
    stripe_server.pay(opened.processor_id)
    payment = await stripe.read_payment(opened.processor_id, TOP_UP)
    assert payment.state is PaymentState.PAID
    assert payment.money == Money("USD", 2500)
    assert payment.capture_id == stripe_server.capture_of(opened.processor_id)
    assert payment.fee == Money("USD", 102)
    assert payment.paid_at == clock.now()
    assert len(payment.instrument) == 32
    assert "fp_payer1" not in payment.instrument
    assert payment.saved_method is None
    assert payment.can_refund_until is None


async def test_tax_that_stripe_adds_to_a_checkout_is_read_beside_what_was_paid(
    stripe_server: SimulatedStripe, clock: ManualClock
) -> None:
    config = StripeConfig(
        secret=stripe_server.secret,
        webhook_secret="",
        base_url=stripe_server.url,
        methods={"card": frozenset({"USD"})},
        timeout_seconds=10,
        automatic_tax=True,
    )
    stripe = StripeProcessor(config, clock, lambda name: name)
    payment = await paid(stripe, stripe_server)
    assert (payment.money, payment.tax_minor) == (Money("USD", 1082), 82)
    assert ProcessorAbility.CHARGE_SAVED not in stripe.abilities
    charge = SavedCharge(
        top_up_id=TOP_UP,
        money=Money("USD", 1000),
        description="credit",
        saved_method=SavedMethod("cus_payer1", "pm_payer1"),
        idempotency_key="auto",
    )
    with pytest.raises(ProcessorRefused):
        await stripe.charge_saved(charge)
    await stripe.close()


async def test_the_same_card_is_the_same_instrument_and_another_card_is_another(
    stripe: StripeProcessor, stripe_server: SimulatedStripe
) -> None:
    instruments = []
    for number, payer in enumerate(("payer1", "payer1", "payer2")):
        opened = await stripe.open_checkout(checkout(top_up_id=f"topup_{number}"))
        stripe_server.pay(opened.processor_id, payer=payer)
        instruments.append((await stripe.read_payment(opened.processor_id, f"topup_{number}")).instrument)
    assert instruments[0] == instruments[1] != instruments[2]


@pytest.mark.parametrize(("method", "days"), [("alipay", 90), ("wechat_pay", 180)])
async def test_a_payment_in_yuan_is_pending_until_its_money_has_come(
    stripe: StripeProcessor, stripe_server: SimulatedStripe, clock: ManualClock, method: str, days: int
) -> None:
    opened = await stripe.open_checkout(checkout(7200, "CNY", method=method))
    stripe_server.pay(opened.processor_id, "pending")
    pending = await stripe.read_payment(opened.processor_id, TOP_UP)
    assert (pending.state, pending.capture_id) == (PaymentState.PENDING, None)
    clock.advance(timedelta(hours=3))
    stripe_server.settle(opened.processor_id)
    payment = await stripe.read_payment(opened.processor_id, TOP_UP)
    assert (payment.state, payment.money) == (PaymentState.PAID, Money("CNY", 7200))
    assert payment.can_refund_until == clock.now() + timedelta(days=days)
    assert bool(payment.instrument) == (method == "alipay"), "WeChat Pay has no stable instrument"


async def test_a_pending_payment_whose_money_does_not_come_has_failed(
    stripe: StripeProcessor, stripe_server: SimulatedStripe
) -> None:
    opened = await stripe.open_checkout(checkout(method="alipay"))
    stripe_server.pay(opened.processor_id, "pending")
    stripe_server.settle(opened.processor_id, "failed")
    payment = await stripe.read_payment(opened.processor_id, TOP_UP)
    assert (payment.state, payment.capture_id) == (PaymentState.FAILED, None)
    assert payment.fault


async def test_an_expired_session_is_expired_and_a_declined_card_may_be_followed_by_another(
    stripe: StripeProcessor, stripe_server: SimulatedStripe
) -> None:
    opened = await stripe.open_checkout(checkout())
    stripe_server.pay(opened.processor_id, "declined")
    assert (await stripe.read_payment(opened.processor_id, TOP_UP)).state is PaymentState.OPEN
    stripe_server.expire(opened.processor_id)
    assert (await stripe.read_payment(opened.processor_id, TOP_UP)).state is PaymentState.EXPIRED


async def test_another_top_ups_payment_is_refused(stripe: StripeProcessor, stripe_server: SimulatedStripe) -> None:
    payment = await paid(stripe, stripe_server)
    with pytest.raises(ProcessorRefused, match="topup_of_another"):
        await stripe.read_payment(payment.processor_id, "topup_of_another")
    with pytest.raises(ProcessorRefused):
        await stripe.read_payment("cs_test_nowhere", TOP_UP)


@pytest.mark.parametrize("kind", ["lost", "late_500"])
async def test_what_was_done_and_not_answered_is_done_once_by_its_key_and_found_by_our_id(
    stripe: StripeProcessor, stripe_server: SimulatedStripe, clock: ManualClock, kind: str
) -> None:
    stripe_server.fail("/v1/checkout/sessions", kind)
    with pytest.raises(ProcessorUnavailable):
        await stripe.open_checkout(checkout())
    again = await stripe.open_checkout(checkout())
    assert list(stripe_server.payable()) == [again.processor_id]
    stripe_server.pay(again.processor_id)
    found = await stripe.find_payment(TOP_UP, clock.now() - timedelta(hours=1))
    assert found is not None
    assert (found.processor_id, found.state) == (again.processor_id, PaymentState.PAID)
    assert await stripe.find_payment("topup_of_nobody", clock.now() - timedelta(hours=1)) is None
    assert await stripe.find_payment(TOP_UP, clock.now() + timedelta(seconds=1)) is None


async def test_a_payment_is_found_on_a_later_page(
    stripe: StripeProcessor, stripe_server: SimulatedStripe, clock: ManualClock
) -> None:
    opened = await stripe.open_checkout(checkout())
    template = stripe_server.objects[opened.processor_id]
    for number in range(250):
        other = {**template, "id": f"cs_test_other{number}", "metadata": {"top_up": f"topup_{number}"}}
        stripe_server.objects[str(other["id"])] = other
    found = await stripe.find_payment(TOP_UP, clock.now())
    assert found is not None
    assert found.processor_id == opened.processor_id


@pytest.mark.parametrize("kind", ["down", "lost", "late_500", "null", "nulls"])
async def test_no_bad_answer_is_taken_for_a_payment(
    stripe: StripeProcessor, stripe_server: SimulatedStripe, kind: str
) -> None:
    payment = await paid(stripe, stripe_server)
    stripe_server.fail("/v1/checkout/sessions/*", kind)
    with pytest.raises(ProcessorUnavailable):
        await stripe.read_payment(payment.processor_id, TOP_UP)
    assert await stripe.read_payment(payment.processor_id, TOP_UP) == payment


async def test_a_paid_session_whose_charge_is_not_paid_credits_nothing(
    stripe: StripeProcessor, stripe_server: SimulatedStripe
) -> None:
    payment = await paid(stripe, stripe_server)
    assert payment.capture_id is not None
    stripe_server.objects[payment.capture_id]["paid"] = False
    with pytest.raises(ProcessorUnavailable):
        await stripe.read_payment(payment.processor_id, TOP_UP)


async def saved(stripe: StripeProcessor, server: SimulatedStripe) -> SavedMethod:
    payment = await paid(stripe, server, save=True)
    assert payment.saved_method is not None
    return payment.saved_method


def charge(method: SavedMethod, key: str = "auto-1") -> SavedCharge:
    return SavedCharge(
        top_up_id="topup_auto",
        money=Money("USD", 5000),
        description="Automatic top-up",
        saved_method=method,
        idempotency_key=key,
    )


async def test_a_saved_card_is_charged_once_without_the_payer(
    stripe: StripeProcessor, stripe_server: SimulatedStripe, clock: ManualClock
) -> None:
    method = await saved(stripe, stripe_server)
    stripe_server.fail("/v1/payment_intents", "lost", method="POST")
    with pytest.raises(ProcessorUnavailable):
        await stripe.charge_saved(charge(method))
    found = await stripe.find_payment("topup_auto", clock.now())
    payment = await stripe.charge_saved(charge(method))
    assert payment == found
    assert (payment.state, payment.money) == (PaymentState.PAID, Money("USD", 5000))
    assert payment.capture_id
    assert await stripe.read_payment(payment.processor_id, "topup_auto") == payment


@pytest.mark.parametrize(
    ("outcome", "state"), [("declined", PaymentState.FAILED), ("needs_payer", PaymentState.NEEDS_PAYER)]
)
async def test_a_refusal_of_the_bank_is_an_outcome_with_its_words(
    stripe: StripeProcessor, stripe_server: SimulatedStripe, outcome: str, state: PaymentState
) -> None:
    method = await saved(stripe, stripe_server)
    stripe_server.saved_outcome = outcome
    payment = await stripe.charge_saved(charge(method))
    assert (payment.state, payment.capture_id) == (state, None)
    assert "declined" in payment.fault
    assert (await stripe.read_payment(payment.processor_id, "topup_auto")).state is state


async def test_a_refund_is_made_once_and_carries_our_id(
    stripe: StripeProcessor, stripe_server: SimulatedStripe
) -> None:
    payment = await paid(stripe, stripe_server)
    assert payment.capture_id is not None
    stripe_server.fail("/v1/refunds", "lost")
    with pytest.raises(ProcessorUnavailable):
        await stripe.refund(refund(payment.capture_id, 400))
    listed = await stripe.list_refunds(payment.capture_id)
    made = await stripe.refund(refund(payment.capture_id, 400))
    assert list(listed) == [made]
    assert (made.refund_id, made.money, made.state) == ("refund_1", Money("USD", 400), RefundState.DONE)
    by_hand = stripe_server.refund(payment.capture_id, 100)
    assert [each.refund_id for each in await stripe.list_refunds(payment.capture_id)] == [None, "refund_1"]
    assert (await stripe.read_refund(by_hand["id"])).money == Money("USD", 100)
    with pytest.raises(ProcessorRefused, match="greater"):
        await stripe.refund(refund(payment.capture_id, 501, "refund_2"))
    stripe_server.fail_refund(made.processor_refund_id)
    failed = await stripe.read_refund(made.processor_refund_id)
    assert (failed.state, failed.fault) == (RefundState.FAILED, "lost_or_stolen_card")


async def test_the_same_key_with_another_amount_is_refused(
    stripe: StripeProcessor, stripe_server: SimulatedStripe
) -> None:
    payment = await paid(stripe, stripe_server)
    assert payment.capture_id is not None
    await stripe.refund(refund(payment.capture_id, 400))
    with pytest.raises(ProcessorRefused, match="same parameters"):
        await stripe.refund(refund(payment.capture_id, 500))
    assert len(await stripe.list_refunds(payment.capture_id)) == 1


async def test_a_dispute_follows_the_money(stripe: StripeProcessor, stripe_server: SimulatedStripe) -> None:
    payment = await paid(stripe, stripe_server)
    assert payment.capture_id is not None
    dispute_id = stripe_server.dispute(payment.capture_id, 1000)["id"]
    steps: list[tuple[Callable[[], object], DisputeState, int]] = [
        (lambda: None, DisputeState.OPENED, 0),
        (lambda: stripe_server.withdraw_funds(dispute_id), DisputeState.FUNDS_WITHDRAWN, 1000),
        (lambda: stripe_server.close_dispute(dispute_id, "won"), DisputeState.WON, 0),
    ]
    for act, state, withdrawn in steps:
        act()
        read = await stripe.read_dispute(dispute_id)
        assert (read.state, read.withdrawn, read.capture_id) == (
            state,
            Money("USD", withdrawn),
            payment.capture_id,
        )
    other = stripe_server.dispute(payment.capture_id, 300)["id"]
    stripe_server.withdraw_funds(other)
    stripe_server.close_dispute(other, "lost")
    lost = await stripe.read_dispute(other)
    assert (lost.state, lost.withdrawn) == (DisputeState.LOST, Money("USD", 300))


async def test_won_is_said_only_when_the_money_is_back(stripe: StripeProcessor, stripe_server: SimulatedStripe) -> None:
    payment = await paid(stripe, stripe_server)
    assert payment.capture_id is not None
    dispute_id = stripe_server.dispute(payment.capture_id, 1000)["id"]
    stripe_server.withdraw_funds(dispute_id)
    stripe_server.objects[dispute_id]["status"] = "won"
    assert (await stripe.read_dispute(dispute_id)).state is DisputeState.FUNDS_WITHDRAWN


async def test_webhooks_come_twice_late_and_in_another_order_and_are_hints_all_the_same(
    stripe: StripeProcessor, stripe_server: SimulatedStripe, stripe_hook: Receiver
) -> None:
    stripe_server.webhooks.times = 2
    stripe_server.webhooks.held = True
    payment = await paid(stripe, stripe_server)
    assert payment.capture_id is not None
    stripe_server.refund(payment.capture_id, 100)
    assert stripe_hook.events == []
    await stripe_server.webhooks.flush(backwards=True)
    subjects = [event.subject for event in stripe_hook.events]
    assert subjects == [EventSubject.REFUND] * 2 + [EventSubject.CAPTURE] * 2 + [EventSubject.PAYMENT] * 2
    assert len({event.event_id for event in stripe_hook.events}) == 3
    assert stripe_hook.events[-1].object_id == payment.processor_id
    assert stripe_hook.events[-1].top_up_id == TOP_UP
    assert stripe_server.webhooks.statuses == [200] * 6


async def test_the_sweep_lists_what_no_webhook_brought_the_oldest_first(
    stripe: StripeProcessor, stripe_server: SimulatedStripe, clock: ManualClock
) -> None:
    since = clock.now()
    payment = await paid(stripe, stripe_server)
    clock.advance(timedelta(minutes=5))
    assert payment.capture_id is not None
    for _ in range(120):
        stripe_server.announce("charge.dispute.updated", {"id": "du_x", "object": "dispute"})
    stripe_server.announce("plan.created", {"id": "plan_1", "object": "plan"})
    events = await stripe.list_events(since)
    assert [event.subject for event in events] == [EventSubject.PAYMENT] + [EventSubject.DISPUTE] * 120
    assert len(await stripe.list_events(clock.now())) == 120


async def test_forged_old_and_foreign_events_are_refused(stripe_server: SimulatedStripe, stripe_hook: Receiver) -> None:
    about = {"id": "cs_test_x", "object": "checkout.session", "metadata": {"top_up": TOP_UP}}
    kind = "checkout.session.completed"
    assert await stripe_server.forge(kind, about, "whsec_wrong") == 400
    assert await stripe_server.forge(kind, about, "") == 400
    assert await stripe_server.forge(kind, about, None, age=301) == 400
    assert await stripe_server.forge(kind, about, None, age=-301) == 400
    assert stripe_hook.events == []
    assert len(stripe_hook.refused) == 4
    assert await stripe_server.forge(kind, about, None, age=299) == 200


async def test_nobody_is_paid_out(stripe: StripeProcessor) -> None:
    order = PayoutOrder(withdrawal_id="wd_1", payee=Payee("iban", "DE00"), money=Money("USD", 1), note="x")
    with pytest.raises(ProcessorRefused, match="wd_1"):
        await stripe.pay_out(order)
    with pytest.raises(ProcessorRefused, match="po_1"):
        await stripe.read_payout("po_1")


async def test_wrong_credentials_are_the_operators_to_mend_and_are_not_shown(
    stripe: StripeProcessor, stripe_server: SimulatedStripe
) -> None:
    stripe_server.secret = "sk_test_another"
    with pytest.raises(ProcessorUnavailable, match=r"processors\.stripe") as raised:
        await stripe.open_checkout(checkout())
    assert "sk_" not in str(raised.value)
    assert raised.value.__cause__ is None


async def test_what_is_kept_of_a_payment_shows_no_payer(
    stripe: StripeProcessor, stripe_server: SimulatedStripe
) -> None:
    payment = await paid(stripe, stripe_server)
    assert payment.payer == "payer1@example.com"
    assert "payer1" not in repr(payment)
    assert msgspec.structs.asdict(payment)["payer"]


@pytest.mark.parametrize("change", [{"id": "e\0"}, {"id": ""}, {"created": -(10**15)}, {"created": 10**18}])
def test_an_event_that_cannot_be_kept_is_none(change: dict[str, Any]) -> None:
    usual = {"id": "evt_1", "type": "checkout.session.completed", "created": 1, "data": {"object": {"id": "cs_1"}}}
    msgspec.convert(usual, StripeEvent)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(usual | change, StripeEvent)


def test_an_events_unreadable_ids_are_left_out() -> None:
    about = {"id": "cs\0", "metadata": {"top_up": "\0"}}
    event = {"id": "evt_1", "type": "checkout.session.completed", "created": 1, "data": {"object": about}}
    kept = event_of(msgspec.convert(event, StripeEvent))
    assert (kept.subject, kept.object_id, kept.top_up_id) == (EventSubject.OTHER, "", None)
