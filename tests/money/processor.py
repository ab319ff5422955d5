"""The processor of the money machine: actions of payers and of its dashboard, and its own books of them."""

from dataclasses import dataclass

import msgspec
from tests.funding.fake_processor import FakeProcessor

from tokenharbor.kernel.money import Money
from tokenharbor.payments.types import (
    DisputeState,
    EventSubject,
    Payment,
    PaymentState,
    PayoutOrder,
    PayoutState,
    ProcessorDispute,
    ProcessorEvent,
    ProcessorPayout,
    ProcessorRefund,
    RefundState,
    SavedMethod,
)


@dataclass(frozen=True, slots=True)
class CaptureStatement:
    """The amount that the processor took for a top-up and the parts that went back, in cents."""

    top_up_id: str
    paid: int
    refunded: int
    withdrawn: int


class BusyProcessor(FakeProcessor):
    """A processor of which every change makes an event, to be delivered by any rule at any time."""

    def pay_with(self, top_up_id: str, card: str) -> None:
        """Pay a top-up; a `card` of "" cannot be recognised again."""
        payment = self._of(top_up_id)
        if payment.state in (PaymentState.OPEN, PaymentState.PENDING):
            self.pay(top_up_id)
            self.change(
                top_up_id, instrument=f"hash-of-{card}" if card else "", saved_method=SavedMethod("cus_1", card or "pm")
            )

    def change(self, top_up_id: str, **fields: object) -> Payment:
        payment = super().change(top_up_id, **fields)
        self.tell(EventSubject.PAYMENT, payment.processor_id, top_up_id)
        return payment

    def refund_there(
        self, capture_id: str, minor: int, state: RefundState = RefundState.DONE, refund_id: str | None = None
    ) -> ProcessorRefund:
        made = super().refund_there(capture_id, minor, state, refund_id)
        self.tell(EventSubject.REFUND, made.processor_refund_id)
        return made

    def change_refund(self, processor_refund_id: str, state: RefundState) -> ProcessorRefund:
        made = super().change_refund(processor_refund_id, state)
        self.tell(EventSubject.REFUND, processor_refund_id)
        return made

    async def pay_out(self, order: PayoutOrder) -> ProcessorPayout:
        known = len(self.payouts)
        made = await super().pay_out(order)
        if len(self.payouts) > known:
            self.tell(EventSubject.PAYOUT, made.processor_payout_id)
        return made

    def change_payout(self, processor_payout_id: str, state: PayoutState) -> ProcessorPayout:
        made = super().change_payout(processor_payout_id, state)
        self.tell(EventSubject.PAYOUT, processor_payout_id)
        return made

    def dispute(self, dispute_id: str, capture_id: str, minor: int) -> None:
        """Dispute a part of a payment."""
        money = Money("USD", minor)
        self._set_dispute(
            ProcessorDispute(
                dispute_id=dispute_id,
                capture_id=capture_id,
                state=DisputeState.OPENED,
                money=money,
                withdrawn=Money("USD", 0),
            )
        )

    def move_dispute(self, dispute_id: str, state: DisputeState) -> None:
        """Move a dispute: its money is here while it is open or won, and gone while the funds are withdrawn."""
        told = self.disputes[dispute_id]
        gone = state in (DisputeState.FUNDS_WITHDRAWN, DisputeState.LOST)
        withdrawn = told.money if gone else Money("USD", 0)
        self._set_dispute(msgspec.structs.replace(told, state=state, withdrawn=withdrawn))

    def statements(self) -> dict[str, CaptureStatement]:
        """By capture."""
        return {
            each.capture_id: CaptureStatement(
                each.top_up_id,
                each.money.minor,
                sum(
                    refund.money.minor
                    for refund in self.refunds.values()
                    if refund.capture_id == each.capture_id and refund.state is RefundState.DONE
                ),
                sum(told.withdrawn.minor for told in self.disputes.values() if told.capture_id == each.capture_id),
            )
            for each in self.payments.values()
            if each.capture_id is not None
        }

    @property
    def paid_out_minor(self) -> int:
        """To payees."""
        return sum(each.money.minor for each in self.payouts.values() if each.state is PayoutState.DONE)

    def come_to_rest(self) -> None:
        """End all that is pending: every second refund and payout fails, every second dispute is lost."""
        for number, payout in enumerate([*self.payouts.values()]):
            if payout.state is PayoutState.PENDING:
                self.change_payout(payout.processor_payout_id, (PayoutState.DONE, PayoutState.FAILED)[number % 2])
        for number, refund in enumerate([*self.refunds.values()]):
            if refund.state is RefundState.PENDING:
                self.change_refund(refund.processor_refund_id, (RefundState.DONE, RefundState.FAILED)[number % 2])
        for number, told in enumerate([*self.disputes.values()]):
            if told.state in (DisputeState.OPENED, DisputeState.FUNDS_WITHDRAWN):
                self.move_dispute(told.dispute_id, (DisputeState.WON, DisputeState.LOST)[number % 2])

    def tell(self, subject: EventSubject, object_id: str, top_up_id: str | None = None) -> None:
        self.events.append(
            ProcessorEvent(
                event_id=f"evt_{len(self.events) + 1}",
                kind=f"{subject}.changed",
                subject=subject,
                object_id=object_id,
                at=self.clock.now(),
                top_up_id=top_up_id,
            )
        )

    def _set_dispute(self, told: ProcessorDispute) -> None:
        self.disputes[told.dispute_id] = told
        self.tell(EventSubject.DISPUTE, told.dispute_id)
