"""Bank transfers: recorded by an operator with a bank's reference; refunds and payouts wait for a person."""

from datetime import UTC, datetime

import pytest
from tests.payments.orders import TOP_UP, checkout, refund

from tokenharbor.kernel.errors import ForgedEvent, ProcessorRefused
from tokenharbor.kernel.money import Money
from tokenharbor.payments.manual import ManualProcessor, received_transfer, transfer_reference
from tokenharbor.payments.processor import Processor
from tokenharbor.payments.types import Payee, PaymentState, PayoutOrder, PayoutState, RefundState

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def test_one_transfer_has_one_reference_however_it_is_typed() -> None:
    assert transfer_reference(" de12 3456/ab ") == transfer_reference("DE123456/AB") == "DE123456/AB"
    for text in ("", "abc", "-abcd", "a" * 81, "ab'cd", "ａｂｃｄ"):
        with pytest.raises(ValueError, match="reference"):
            transfer_reference(text)


def test_a_transfer_is_a_payment_with_its_reference_as_capture_and_no_instrument() -> None:
    payment = received_transfer(TOP_UP, Money("CNY", 100_000), "sepa 2026-0001", NOW)
    assert (payment.state, payment.capture_id, payment.instrument) == (PaymentState.PAID, "SEPA2026-0001", "")


async def test_what_goes_out_is_pending_until_a_person_says_otherwise() -> None:
    manual: Processor = ManualProcessor()
    back = await manual.refund(refund("SEPA2026-0001", 500))
    assert (back.state, back.refund_id) == (RefundState.PENDING, "refund_1")
    payee = Payee("iban", "DE00 1234")
    out = await manual.pay_out(PayoutOrder(withdrawal_id="wd_1", payee=payee, money=Money("USD", 5), note=""))
    assert (out.state, out.withdrawal_id) == (PayoutState.PENDING, "wd_1")
    assert "1234" not in repr(payee)


async def test_nobody_can_be_asked_anything() -> None:
    manual: Processor = ManualProcessor()
    for call in (
        manual.open_checkout(checkout()),
        manual.read_payment("R", TOP_UP),
        manual.read_refund("R"),
        manual.read_payout("R"),
        manual.read_dispute("R"),
    ):
        with pytest.raises(ProcessorRefused):
            await call
    with pytest.raises(ForgedEvent):
        await manual.read_event({}, b"{}")
    assert await manual.find_payment(TOP_UP, NOW) is None
    assert [*await manual.list_refunds("R"), *await manual.list_events(NOW)] == []
    await manual.close()
