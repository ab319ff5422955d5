"""The pretended processor: everything succeeds, nothing is stored, and ids of other processors are refused."""

from datetime import UTC, datetime

import pytest

from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.errors import ForgedEvent, ProcessorRefused
from tokenharbor.kernel.money import Money
from tokenharbor.payments.pretended import PretendedProcessor
from tokenharbor.payments.types import CheckoutOrder, Payee, PayoutOrder, RefundOrder, SavedCharge, SavedMethod

NOW = datetime(2026, 5, 1, tzinfo=UTC)
MONEY = Money("CNY", 7124)


@pytest.fixture
def pretended() -> PretendedProcessor:
    return PretendedProcessor(ManualClock(NOW))


async def test_a_payment_is_paid_when_it_is_read_by_whichever_process(pretended: PretendedProcessor) -> None:
    order = CheckoutOrder(
        top_up_id="topup_1",
        money=MONEY,
        method="pretended",
        description="credit",
        return_url="http://back",
        cancel_url="http://no",
        idempotency_key="k",
    )
    opened = await pretended.open_checkout(order)
    assert opened == await pretended.open_checkout(order)
    assert opened.url == "http://back"
    paid = await PretendedProcessor(ManualClock(NOW)).read_payment(opened.processor_id, "topup_1")
    assert (paid.state, paid.money, paid.paid_at) == ("paid", MONEY, NOW)
    assert paid == await pretended.charge_saved(
        SavedCharge(
            top_up_id="topup_1",
            money=MONEY,
            description="",
            saved_method=SavedMethod("a", "b"),
            idempotency_key="k",
        )
    )
    assert await pretended.find_payment("topup_1", NOW) is None
    for processor_id, top_up_id in ((opened.processor_id, "topup_2"), ("pi_1", "topup_1")):
        with pytest.raises(ProcessorRefused):
            await pretended.read_payment(processor_id, top_up_id)


async def test_what_goes_out_is_done_at_once(pretended: PretendedProcessor) -> None:
    refund = await pretended.refund(
        RefundOrder(
            refund_id="refund_1", capture_id="pretended-CNY-7124-topup_1-capture", money=MONEY, idempotency_key="k"
        )
    )
    assert (refund.state, refund.money, refund.refund_id) == ("done", MONEY, "refund_1")
    assert refund.capture_id == "pretended-CNY-7124-topup_1-capture"
    assert await pretended.read_refund(refund.processor_refund_id) == refund
    assert await pretended.list_refunds(refund.capture_id) == ()
    payout = await pretended.pay_out(PayoutOrder(withdrawal_id="out_1", payee=Payee("bank", "x"), money=MONEY, note=""))
    assert (payout.state, payout.withdrawal_id, payout.money) == ("done", "out_1", MONEY)
    assert await pretended.read_payout(payout.processor_payout_id) == payout
    for read in (pretended.read_refund, pretended.read_payout, pretended.read_dispute):
        with pytest.raises(ProcessorRefused):
            await read("theirs")


async def test_nobody_sends_its_events(pretended: PretendedProcessor) -> None:
    assert await pretended.list_events(NOW) == ()
    with pytest.raises(ForgedEvent):
        await pretended.read_event({}, b"{}")
    await pretended.close()
