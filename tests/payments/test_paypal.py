"""PayPal's processor against its simulated server: approved is not captured, captured is not completed."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest
from tests.payments.orders import TOP_UP, checkout, refund
from tests.payments.receiver import Receiver

from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.errors import ForgedEvent, ProcessorRefused, ProcessorUnavailable
from tokenharbor.kernel.money import Money
from tokenharbor.payments.paypal import PayPalConfig, PayPalProcessor
from tokenharbor.payments.paypal_signature import DOWNLOADS_A_MINUTE
from tokenharbor.payments.types import (
    CheckoutOrder,
    DisputeState,
    EventSubject,
    Payee,
    Payment,
    PaymentState,
    PayoutOrder,
    PayoutState,
    RefundState,
    SavedCharge,
    SavedMethod,
)
from tokenharbor.simulator.paypal import CLIENT_SECRET, SimulatedPayPal
from tokenharbor.simulator.processor_server import SimulatedDelivery

WRONG = "hide-me"


def order(minor: int = 1000, top_up_id: str = TOP_UP) -> CheckoutOrder:
    return checkout(minor, method="paypal", top_up_id=top_up_id)


async def paid(paypal: PayPalProcessor, server: SimulatedPayPal, top_up_id: str = TOP_UP, payer: str = "p1") -> Payment:
    opened = await paypal.open_checkout(order(top_up_id=top_up_id))
    server.pay(opened.processor_id, payer=payer)
    return await paypal.read_payment(opened.processor_id, top_up_id)


async def test_the_tax_in_an_orders_amount_is_read_beside_what_was_paid(
    paypal: PayPalProcessor, paypal_server: SimulatedPayPal
) -> None:
    opened = await paypal.open_checkout(order())
    unit = paypal_server.orders[opened.processor_id]["purchase_units"][0]
    unit["amount"] = {
        "currency_code": "USD",
        "value": "10.83",
        "breakdown": {"tax_total": {"currency_code": "USD", "value": "0.83"}},
    }
    paypal_server.pay(opened.processor_id)
    payment = await paypal.read_payment(opened.processor_id, TOP_UP)
    assert (payment.state, payment.money, payment.tax_minor) == (PaymentState.PAID, Money("USD", 1083), 83)


async def test_an_approved_order_is_captured_when_it_is_read(
    paypal: PayPalProcessor, paypal_server: SimulatedPayPal, clock: ManualClock
) -> None:
    opened = await paypal.open_checkout(order(5000))
    assert opened.url.startswith(paypal_server.url)
    assert (await paypal.read_payment(opened.processor_id, TOP_UP)).state is PaymentState.OPEN
    paypal_server.pay(opened.processor_id)
    payment = await paypal.read_payment(opened.processor_id, TOP_UP)
    assert (payment.state, payment.money) == (PaymentState.PAID, Money("USD", 5000))
    assert payment.capture_id == paypal_server.capture_of(opened.processor_id)
    assert payment.fee == Money("USD", 223)
    assert payment.paid_at == clock.now()
    assert payment.can_refund_until == clock.now() + timedelta(days=180)
    assert len(payment.instrument) == 32
    assert payment.payer == "payer1@example.com"
    assert await paypal.read_payment(opened.processor_id, TOP_UP) == payment


async def test_the_instrument_is_the_payer(paypal: PayPalProcessor, paypal_server: SimulatedPayPal) -> None:
    found = [
        (await paid(paypal, paypal_server, f"topup_{number}", payer)).instrument
        for number, payer in enumerate(("p1", "p1", "p2"))
    ]
    assert found[0] == found[1] != found[2]


async def test_a_guest_is_no_instrument(paypal: PayPalProcessor, paypal_server: SimulatedPayPal) -> None:
    opened = await paypal.open_checkout(order())
    paypal_server.pay(opened.processor_id, account_status="UNVERIFIED")
    assert (await paypal.read_payment(opened.processor_id, TOP_UP)).instrument == ""
    paypal_server.orders[opened.processor_id]["payment_source"] = {"card": {"last_digits": "4242"}}
    assert (await paypal.read_payment(opened.processor_id, TOP_UP)).instrument == ""


@pytest.mark.parametrize(("then", "state"), [("COMPLETED", PaymentState.PAID), ("DECLINED", PaymentState.FAILED)])
async def test_a_pending_capture_is_no_money_however_long_it_takes(
    paypal: PayPalProcessor, paypal_server: SimulatedPayPal, clock: ManualClock, then: str, state: PaymentState
) -> None:
    paypal_server.capture_status = "PENDING"
    payment = await paid(paypal, paypal_server)
    for _ in range(3):
        assert (payment.state, payment.capture_id) == (PaymentState.PENDING, None)
        clock.advance(timedelta(days=2))
        payment = await paypal.read_payment(payment.processor_id, TOP_UP)
    paypal_server.settle(paypal_server.capture_of(payment.processor_id), then)
    assert (await paypal.read_payment(payment.processor_id, TOP_UP)).state is state


@pytest.mark.parametrize("kind", ["lost", "late_500", "null", "nulls"])
async def test_a_capture_whose_answer_was_lost_is_found_and_made_once(
    paypal: PayPalProcessor, paypal_server: SimulatedPayPal, kind: str
) -> None:
    opened = await paypal.open_checkout(order())
    paypal_server.pay(opened.processor_id)
    paypal_server.fail("*/capture", kind)
    with pytest.raises(ProcessorUnavailable):
        await paypal.read_payment(opened.processor_id, TOP_UP)
    payment = await paypal.read_payment(opened.processor_id, TOP_UP)
    assert payment.state is PaymentState.PAID
    assert len(paypal_server.captures) == 1


async def test_two_reads_at_once_capture_once(paypal: PayPalProcessor, paypal_server: SimulatedPayPal) -> None:
    opened = await paypal.open_checkout(order())
    paypal_server.pay(opened.processor_id)
    paypal_server.remembered.clear()
    stale = msgspec.json.decode(msgspec.json.encode(paypal_server.orders[opened.processor_id]))
    first = await paypal.read_payment(opened.processor_id, TOP_UP)
    paypal_server.remembered.clear()  # PayPal has forgotten the key
    captured = paypal_server.orders[opened.processor_id]
    paypal_server.orders[opened.processor_id] = {**stale, "status": "APPROVED"}
    paypal_server.orders[opened.processor_id]["purchase_units"] = captured["purchase_units"]
    assert (await paypal.read_payment(opened.processor_id, TOP_UP)).capture_id == first.capture_id
    assert len(paypal_server.captures) == 1


@pytest.mark.parametrize("kind", ["down", "lost", "late_500", "null", "nulls"])
async def test_no_bad_answer_is_taken_for_a_payment(
    paypal: PayPalProcessor, paypal_server: SimulatedPayPal, kind: str
) -> None:
    payment = await paid(paypal, paypal_server)
    paypal_server.fail("/v2/checkout/orders/*", kind)
    with pytest.raises(ProcessorUnavailable):
        await paypal.read_payment(payment.processor_id, TOP_UP)
    assert await paypal.read_payment(payment.processor_id, TOP_UP) == payment


async def test_another_top_ups_order_is_refused_and_not_captured(
    paypal: PayPalProcessor, paypal_server: SimulatedPayPal
) -> None:
    opened = await paypal.open_checkout(order())
    paypal_server.pay(opened.processor_id)
    with pytest.raises(ProcessorRefused, match="topup_of_another"):
        await paypal.read_payment(opened.processor_id, "topup_of_another")
    with pytest.raises(ProcessorRefused, match="does not exist"):
        await paypal.read_payment("O404", TOP_UP)
    assert paypal_server.captures == {}


async def test_a_voided_order_is_expired_and_a_lost_one_is_never_found(
    paypal: PayPalProcessor, paypal_server: SimulatedPayPal, clock: ManualClock
) -> None:
    opened = await paypal.open_checkout(order())
    paypal_server.void(opened.processor_id)
    assert (await paypal.read_payment(opened.processor_id, TOP_UP)).state is PaymentState.EXPIRED
    assert await paypal.find_payment(TOP_UP, clock.now()) is None


async def test_a_second_order_of_one_top_up_takes_no_second_payment(
    paypal: PayPalProcessor, paypal_server: SimulatedPayPal
) -> None:
    await paid(paypal, paypal_server)
    paypal_server.remembered.clear()
    opened = await paypal.open_checkout(order())
    paypal_server.pay(opened.processor_id)
    with pytest.raises(ProcessorRefused, match="Duplicate"):
        await paypal.read_payment(opened.processor_id, TOP_UP)


async def test_one_token_serves_until_it_ends_or_is_revoked(
    paypal: PayPalProcessor, paypal_server: SimulatedPayPal, clock: ManualClock
) -> None:
    def fetched() -> int:
        return sum(request.path == "/v1/oauth2/token" for request in paypal_server.requests)

    for _ in range(3):
        await paypal.open_checkout(order())
    assert fetched() == 1
    clock.advance(timedelta(seconds=32_400 - 59))
    await paypal.open_checkout(order())
    assert fetched() == 2
    paypal_server.tokens.clear()
    await paypal.open_checkout(order())
    assert fetched() == 3


async def test_a_refund_is_made_once_and_carries_our_id(
    paypal: PayPalProcessor, paypal_server: SimulatedPayPal
) -> None:
    payment = await paid(paypal, paypal_server)
    assert payment.capture_id is not None
    paypal_server.fail("*/refund", "lost")
    with pytest.raises(ProcessorUnavailable):
        await paypal.refund(refund(payment.capture_id, 400))
    listed = await paypal.list_refunds(payment.capture_id)
    made = await paypal.refund(refund(payment.capture_id, 400))
    assert list(listed) == [made]
    assert (made.refund_id, made.money, made.state) == ("refund_1", Money("USD", 400), RefundState.DONE)
    by_hand = paypal_server.refund(payment.capture_id, "1.00")
    assert [each.refund_id for each in await paypal.list_refunds(payment.capture_id)] == ["refund_1", None]
    assert await paypal.read_refund(made.processor_refund_id) == made
    assert (await paypal.read_refund(by_hand["id"])).money == Money("USD", 100)
    with pytest.raises(ProcessorRefused, match="less than"):
        await paypal.refund(refund(payment.capture_id, 501, "refund_2"))
    again = await paypal.read_payment(payment.processor_id, TOP_UP)
    assert (again.state, again.money) == (PaymentState.PAID, Money("USD", 1000)), "refunds do not undo a capture"


def payout(key: str = "wd_1", kind: str = "paypal_email") -> PayoutOrder:
    payee = Payee(kind, "somebody@example.com")
    return PayoutOrder(withdrawal_id=key, payee=payee, money=Money("USD", 700), note="Withdrawal")


@pytest.mark.parametrize(("status", "state"), [("SUCCESS", PayoutState.DONE), ("RETURNED", PayoutState.FAILED)])
async def test_a_payout_is_final_only_when_it_has_arrived(
    paypal: PayPalProcessor, paypal_server: SimulatedPayPal, status: str, state: PayoutState
) -> None:
    made = await paypal.pay_out(payout())
    assert (made.state, made.money, made.withdrawal_id) == (PayoutState.PENDING, Money("USD", 700), "wd_1")
    paypal_server.finish_payout(made.processor_payout_id, "UNCLAIMED")
    assert (await paypal.read_payout(made.processor_payout_id)).state is PayoutState.PENDING
    paypal_server.finish_payout(made.processor_payout_id, status)
    read = await paypal.read_payout(made.processor_payout_id)
    assert (read.state, read.fee) == (state, Money("USD", 25))
    assert bool(read.fault) == (state is PayoutState.FAILED)


async def test_a_payout_whose_answer_was_lost_is_found_and_paid_once(
    paypal: PayPalProcessor, paypal_server: SimulatedPayPal
) -> None:
    paypal_server.fail("/v1/payments/payouts", "lost")
    with pytest.raises(ProcessorUnavailable):
        await paypal.pay_out(payout())
    paypal_server.remembered.clear()  # PayPal has forgotten the request's id, and still knows the batch's
    again = await paypal.pay_out(payout())
    assert list(paypal_server.payouts) == [again.processor_payout_id]
    with pytest.raises(ProcessorRefused, match="iban"):
        await paypal.pay_out(payout("wd_2", "iban"))


async def test_a_dispute_follows_the_money(paypal: PayPalProcessor, paypal_server: SimulatedPayPal) -> None:
    payment = await paid(paypal, paypal_server)
    assert payment.capture_id is not None
    first, other = (paypal_server.dispute(payment.capture_id, "4.00")["dispute_id"] for _ in range(2))
    steps: list[tuple[Callable[[], object], DisputeState, int]] = [
        (lambda: None, DisputeState.OPENED, 0),
        (lambda: paypal_server.move_funds(first), DisputeState.FUNDS_WITHDRAWN, 400),
        (lambda: paypal_server.resolve(first, "RESOLVED_SELLER_FAVOUR"), DisputeState.FUNDS_WITHDRAWN, 400),
        (lambda: paypal_server.move_funds(first, "CREDIT"), DisputeState.WON, 0),
    ]
    for act, state, withdrawn in steps:
        act()
        read = await paypal.read_dispute(first)
        assert (read.state, read.withdrawn) == (state, Money("USD", withdrawn))
        assert read.capture_id == payment.capture_id
    paypal_server.move_funds(other)
    paypal_server.resolve(other, "RESOLVED_BUYER_FAVOUR")
    assert (await paypal.read_dispute(other)).state is DisputeState.LOST


async def test_where_no_movements_are_shown_the_outcome_says_what_was_taken(
    paypal: PayPalProcessor, paypal_server: SimulatedPayPal
) -> None:
    payment = await paid(paypal, paypal_server)
    assert payment.capture_id is not None
    dispute_id = paypal_server.dispute(payment.capture_id, "4.00")["dispute_id"]
    paypal_server.disputes[dispute_id]["money_movements"] = None
    assert (await paypal.read_dispute(dispute_id)).state is DisputeState.OPENED
    paypal_server.resolve(dispute_id, "RESOLVED_BUYER_FAVOUR")
    read = await paypal.read_dispute(dispute_id)
    assert (read.state, read.withdrawn) == (DisputeState.LOST, Money("USD", 400))


async def test_webhooks_are_verified_over_their_very_bytes(
    paypal: PayPalProcessor, paypal_server: SimulatedPayPal, paypal_hook: Receiver
) -> None:
    paypal_server.webhooks.times = 2
    paypal_server.webhooks.held = True
    payment = await paid(paypal, paypal_server)
    assert payment.capture_id is not None
    paypal_server.refund(payment.capture_id, "1.00")
    await paypal.pay_out(payout())
    paypal_server.finish_payout(next(iter(paypal_server.payouts)))
    paypal_server.dispute(payment.capture_id, "1.00")
    await paypal_server.webhooks.flush(backwards=True)
    seen = {event.kind: event for event in paypal_hook.events}
    assert paypal_server.webhooks.statuses == [200] * 10
    assert [event.kind for event in paypal_hook.events][-1] == "CHECKOUT.ORDER.APPROVED"
    about = {kind: (event.subject, event.object_id) for kind, event in seen.items()}
    assert about == {
        "CHECKOUT.ORDER.APPROVED": (EventSubject.PAYMENT, payment.processor_id),
        "PAYMENT.CAPTURE.COMPLETED": (EventSubject.PAYMENT, payment.processor_id),
        "PAYMENT.CAPTURE.REFUNDED": (EventSubject.CAPTURE, payment.capture_id),
        "PAYMENT.PAYOUTS-ITEM.SUCCEEDED": (EventSubject.PAYOUT, next(iter(paypal_server.payouts))),
        "CUSTOMER.DISPUTE.CREATED": (EventSubject.DISPUTE, next(iter(paypal_server.disputes))),
    }
    assert seen["PAYMENT.CAPTURE.COMPLETED"].top_up_id == TOP_UP
    assert seen["CHECKOUT.ORDER.APPROVED"].top_up_id == TOP_UP


async def test_forged_events_are_refused(
    paypal: PayPalProcessor, paypal_server: SimulatedPayPal, paypal_hook: Receiver
) -> None:
    about = {"id": "O1", "purchase_units": [{"custom_id": TOP_UP}]}
    assert await paypal_server.forge("CHECKOUT.ORDER.APPROVED", about) == 400
    true = paypal_server.signed(paypal_server._event("CHECKOUT.ORDER.APPROVED", about))
    for headers, body in (
        ({}, true.body),
        ({**true.headers, "paypal-transmission-id": "t-other"}, true.body),
        ({**true.headers, "paypal-transmission-id": "t|x"}, true.body),
        ({**true.headers, "paypal-transmission-sig": "*no*"}, true.body),
        ({**true.headers, "paypal-transmission-sig": "AA" * 1001}, true.body),
        ({**true.headers, "paypal-transmission-time": "2026-99-01T12:00:00Z"}, true.body),
        ({**true.headers, "paypal-transmission-time": "yesterday"}, true.body),
        ({**true.headers, "paypal-auth-algo": "none"}, true.body),
        (true.headers, true.body.replace(b"O1", b"O2")),
        (true.headers, b"{}"),
        (true.headers, true.body + b',"webhook_id":"theirs"'),
        (true.headers, b"[" * 5000),
        (true.headers, b"\xff"),
    ):
        with pytest.raises(ForgedEvent):
            await paypal.read_event(headers, body)
    assert paypal_hook.events == []
    assert (await paypal.read_event(true.headers, true.body)).object_id == "O1"


def certificates_asked(server: SimulatedPayPal) -> int:
    return sum(request.path.startswith("/v1/notifications/certs/") for request in server.requests)


def event_of(server: SimulatedPayPal) -> SimulatedDelivery:
    return server.signed(server._event("CHECKOUT.ORDER.APPROVED", {"id": "O1"}))


async def test_events_are_verified_with_one_download_and_no_call(
    paypal: PayPalProcessor, paypal_server: SimulatedPayPal
) -> None:
    true = event_of(paypal_server)
    await asyncio.gather(*(paypal.read_event(true.headers, true.body) for _ in range(10)))
    forged = paypal_server.signed(paypal_server._event("CHECKOUT.ORDER.APPROVED", {"id": "O1"}), right=False)
    for _ in range(50):
        with pytest.raises(ForgedEvent):
            await paypal.read_event(forged.headers, forged.body)
    assert [request.method for request in paypal_server.requests] == ["GET"]
    assert certificates_asked(paypal_server) == 1


async def test_a_certificate_of_another_host_is_not_asked_for(
    paypal: PayPalProcessor, paypal_server: SimulatedPayPal
) -> None:
    true = event_of(paypal_server)
    path = true.headers["paypal-cert-url"].removeprefix(paypal_server.url)
    for address in (
        f"https://evil.example{path}",
        f"{paypal_server.url}@evil.example{path}",
        f"{paypal_server.url.replace('http', 'https')}{path}",
        f"{paypal_server.url}{path}?x=1",
        f"{paypal_server.url}{path}/../x",
        f"{paypal_server.url}/v1/oauth2/token",
        "http://[",
        "",
    ):
        with pytest.raises(ForgedEvent):
            await paypal.read_event({**true.headers, "paypal-cert-url": address}, true.body)
    assert paypal_server.requests == []


async def test_invented_certificates_cost_so_many_downloads_and_true_events_are_read_meanwhile(
    paypal: PayPalProcessor, paypal_server: SimulatedPayPal, clock: ManualClock
) -> None:
    true = event_of(paypal_server)
    await paypal.read_event(true.headers, true.body)
    outcomes = []
    for number in range(DOWNLOADS_A_MINUTE + 20):
        address = f"{paypal_server.url}/v1/notifications/certs/CERT-{number}"
        with pytest.raises((ForgedEvent, ProcessorUnavailable)) as raised:
            await paypal.read_event({**true.headers, "paypal-cert-url": address}, true.body)
        outcomes.append(raised.type)
    assert outcomes == [ForgedEvent] * (DOWNLOADS_A_MINUTE - 1) + [ProcessorUnavailable] * 21
    assert (await paypal.read_event(true.headers, true.body)).object_id == "O1"
    assert certificates_asked(paypal_server) == DOWNLOADS_A_MINUTE
    clock.advance(timedelta(minutes=1))
    with pytest.raises(ForgedEvent):
        await paypal.read_event({**true.headers, "paypal-cert-url": address}, true.body)


async def test_an_event_of_another_time_is_refused(
    paypal: PayPalProcessor, paypal_server: SimulatedPayPal, clock: ManualClock
) -> None:
    true = event_of(paypal_server)
    clock.advance(timedelta(days=3))  # PayPal's last try
    await paypal.read_event(true.headers, true.body)
    clock.advance(timedelta(days=1, seconds=1))
    with pytest.raises(ForgedEvent):
        await paypal.read_event(true.headers, true.body)
    early = event_of(paypal_server)
    headers = {**early.headers, "paypal-transmission-time": "2026-05-05T13:00:00Z"}
    with pytest.raises(ForgedEvent):
        await paypal.read_event(headers, early.body)


@pytest.mark.parametrize("kind", ["down", "lost", "null"])
async def test_while_the_certificate_cannot_be_had_an_event_is_neither_true_nor_forged(
    paypal: PayPalProcessor, paypal_server: SimulatedPayPal, kind: str
) -> None:
    true = event_of(paypal_server)
    paypal_server.fail("/v1/notifications/certs/*", kind)
    with pytest.raises(ProcessorUnavailable):
        await paypal.read_event(true.headers, true.body)
    assert (await paypal.read_event(true.headers, true.body)).object_id == "O1"


async def test_without_a_webhook_id_every_event_is_refused(paypal_server: SimulatedPayPal, clock: ManualClock) -> None:
    config = PayPalConfig(
        client_id="c", secret=CLIENT_SECRET, webhook_id=" ", base_url=paypal_server.url, methods={}, timeout_seconds=5
    )
    processor = PayPalProcessor(config, clock, str)
    true = paypal_server.signed(paypal_server._event("CHECKOUT.ORDER.APPROVED", {"id": "O1"}))
    with pytest.raises(ForgedEvent, match="no webhook id"):
        await processor.read_event(true.headers, true.body)
    assert paypal_server.requests == []
    await processor.close()


async def test_the_sweep_reads_every_page_the_oldest_first(
    paypal: PayPalProcessor, paypal_server: SimulatedPayPal, clock: ManualClock
) -> None:
    since = clock.now()
    payment = await paid(paypal, paypal_server)
    clock.advance(timedelta(minutes=5))
    for _ in range(601):
        paypal_server.events.append(paypal_server._event("CUSTOMER.DISPUTE.UPDATED", {"dispute_id": "PP-D-1"}))
    events = await paypal.list_events(since)
    assert [event.subject for event in events[:2]] == [EventSubject.PAYMENT] * 2
    assert {event.object_id for event in events[:2]} == {payment.processor_id}
    assert len(events) == 603


async def test_wrong_credentials_are_the_operators_to_mend_and_are_not_shown(
    paypal_server: SimulatedPayPal, clock: ManualClock
) -> None:
    config = PayPalConfig(
        client_id="c", secret=WRONG, webhook_id="w", base_url=paypal_server.url, methods={}, timeout_seconds=5
    )
    processor = PayPalProcessor(config, clock, str)
    with pytest.raises(ProcessorUnavailable, match=r"processors\.paypal") as raised:
        await processor.open_checkout(order())
    assert WRONG not in str(raised.value) + repr(config) + repr(processor)
    await processor.close()


async def test_nobody_is_charged_without_the_payer(paypal: PayPalProcessor) -> None:
    charge = SavedCharge(
        top_up_id=TOP_UP,
        money=Money("USD", 1),
        description="x",
        saved_method=SavedMethod("c", "m"),
        idempotency_key="k",
    )
    with pytest.raises(ProcessorRefused, match=TOP_UP):
        await paypal.charge_saved(charge)
