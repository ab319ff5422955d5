"""A processor in memory that is as stateful as a real one: payments, captures, idempotency keys, events."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from tokenharbor.kernel.clock import Clock
from tokenharbor.kernel.errors import ForgedEvent, ProcessorRefused, ProcessorUnavailable
from tokenharbor.kernel.money import Money
from tokenharbor.payments.types import (
    CheckoutOrder,
    EventSubject,
    Methods,
    OpenCheckout,
    Payment,
    PaymentState,
    PayoutOrder,
    PayoutState,
    ProcessorAbility,
    ProcessorDispute,
    ProcessorEvent,
    ProcessorPayout,
    ProcessorRefund,
    RefundOrder,
    RefundState,
    SavedCharge,
    SavedMethod,
)

SECRET = "webhook-secret"


@dataclass
class FakeProcessor:
    """`before_answer` is called when something has happened and its answer is about to leave; it may raise."""

    clock: Clock
    name: str = "stripe"
    abilities: frozenset[ProcessorAbility] = frozenset(ProcessorAbility)
    payee_kinds: frozenset[str] = frozenset({"email"})
    savable: frozenset[str] = frozenset({"card", "paypal"})
    methods: Methods = field(
        default_factory=lambda: {"card": frozenset({"USD", "CNY"}), "alipay": frozenset({"USD", "CNY"})}
    )
    payments: dict[str, Payment] = field(default_factory=dict)
    made_at: dict[str, datetime] = field(default_factory=dict)
    checkouts: dict[str, tuple[CheckoutOrder, OpenCheckout]] = field(default_factory=dict)
    charged: dict[str, str] = field(default_factory=dict)
    charges: list[SavedCharge] = field(default_factory=list)
    events: list[ProcessorEvent] = field(default_factory=list)
    charge_state: PaymentState = PaymentState.PAID
    refunds: dict[str, ProcessorRefund] = field(default_factory=dict)
    refunded: dict[str, str] = field(default_factory=dict)
    disputes: dict[str, ProcessorDispute] = field(default_factory=dict)
    refund_state: RefundState = RefundState.DONE
    payouts: dict[str, ProcessorPayout] = field(default_factory=dict)
    paid_out: list[PayoutOrder] = field(default_factory=list)
    payout_state: PayoutState = PayoutState.DONE
    can_refund: timedelta | None = None
    is_away: bool = False
    refuses: str = ""
    reads: int = 0
    before_answer: Callable[[str], None] = lambda _call: None

    async def open_checkout(self, order: CheckoutOrder) -> OpenCheckout:
        self._check_away()
        self._check_refused()
        if order.idempotency_key not in self.checkouts:
            payment = self._payment(order.top_up_id, order.money)
            opened = OpenCheckout(
                processor_id=payment.processor_id, url=f"https://pay.test/{payment.processor_id}", expires_at=None
            )
            self.checkouts[order.idempotency_key] = (order, opened)
        known, checkout = self.checkouts[order.idempotency_key]
        assert known == order, "a key was used for two requests"
        self.before_answer("open_checkout")
        return checkout

    async def read_payment(self, processor_id: str, top_up_id: str) -> Payment:
        self.reads += 1
        self._check_away()
        payment = self.payments[processor_id]
        if payment.top_up_id != top_up_id:
            raise ProcessorRefused(f"{processor_id} is of {payment.top_up_id}")
        self.before_answer("read_payment")
        return payment

    async def find_payment(self, top_up_id: str, since: datetime) -> Payment | None:
        self._check_away()
        found = [each for each in self.payments.values() if each.top_up_id == top_up_id]
        assert all(self.made_at[each.processor_id] >= since for each in found)
        self.before_answer("find_payment")
        return found[-1] if found else None

    async def charge_saved(self, charge: SavedCharge) -> Payment:
        self._check_away()
        self._check_refused()
        if charge.idempotency_key not in self.charged:
            payment = self._payment(charge.top_up_id, charge.money)
            self.charges.append(charge)
            self.charged[charge.idempotency_key] = payment.processor_id
            if self.charge_state is PaymentState.PAID:
                self.pay(charge.top_up_id)
            else:
                self.change(charge.top_up_id, state=self.charge_state, fault="card declined")
        self.before_answer("charge_saved")
        return self.payments[self.charged[charge.idempotency_key]]

    async def list_events(self, since: datetime) -> Sequence[ProcessorEvent]:
        self._check_away()
        return [event for event in self.events if event.at >= since]

    async def read_event(self, headers: Mapping[str, str], body: bytes) -> ProcessorEvent:
        self._check_away()
        if headers.get("signature") != SECRET:
            raise ForgedEvent("the signature is wrong")
        return msgspec.json.decode(body, type=ProcessorEvent)

    async def refund(self, order: RefundOrder) -> ProcessorRefund:
        self._check_away()
        self._check_refused()
        if order.idempotency_key not in self.refunded:
            made = self.refund_there(order.capture_id, order.money.minor, self.refund_state, order.refund_id)
            self.refunded[order.idempotency_key] = made.processor_refund_id
        self.before_answer("refund")
        return self.refunds[self.refunded[order.idempotency_key]]

    async def read_refund(self, processor_refund_id: str) -> ProcessorRefund:
        self._check_away()
        return self.refunds[processor_refund_id]

    async def list_refunds(self, capture_id: str) -> Sequence[ProcessorRefund]:
        self._check_away()
        return [each for each in self.refunds.values() if each.capture_id == capture_id]

    async def pay_out(self, order: PayoutOrder) -> ProcessorPayout:
        """Make one object for each id of ours; a repeated call returns the first."""
        self._check_away()
        self._check_refused()
        made = next((each for each in self.payouts.values() if each.withdrawal_id == order.withdrawal_id), None)
        if made is None:
            made = ProcessorPayout(
                processor_payout_id=f"po_{len(self.payouts) + 1}",
                withdrawal_id=order.withdrawal_id,
                money=order.money,
                state=self.payout_state,
            )
            self.payouts[made.processor_payout_id] = made
            self.paid_out.append(order)
        self.before_answer("pay_out")
        return made

    async def read_payout(self, processor_payout_id: str) -> ProcessorPayout:
        self._check_away()
        return self.payouts[processor_payout_id]

    async def read_dispute(self, dispute_id: str) -> ProcessorDispute:
        self._check_away()
        return self.disputes[dispute_id]

    async def close(self) -> None: ...

    # ---- what payers do there

    def pay(self, top_up_id: str, money: Money | None = None, capture_id: str | None = None) -> Payment:
        """Let the payer pay, possibly another amount."""
        payment = self._of(top_up_id)
        capture = capture_id or f"cap_{payment.processor_id}"
        return self.change(
            top_up_id,
            state=PaymentState.PAID,
            money=money or payment.money,
            capture_id=capture,
            paid_at=self.clock.now(),
            fee=Money("USD", 59),
            can_refund_until=None if self.can_refund is None else self.clock.now() + self.can_refund,
            instrument="hash-of-a-card",
            saved_method=SavedMethod("cus_1", "pm_1"),
        )

    def change(self, top_up_id: str, **fields: object) -> Payment:
        payment = msgspec.structs.replace(self._of(top_up_id), **fields)
        self.payments[payment.processor_id] = payment
        return payment

    def event(self, top_up_id: str, number: int = 1) -> ProcessorEvent:
        payment = self._of(top_up_id)
        return ProcessorEvent(
            event_id=f"evt_{payment.processor_id}_{number}",
            kind="checkout.completed",
            subject=EventSubject.PAYMENT,
            object_id=payment.processor_id,
            at=self.clock.now(),
            top_up_id=top_up_id,
        )

    def refund_there(
        self, capture_id: str, minor: int, state: RefundState = RefundState.DONE, refund_id: str | None = None
    ) -> ProcessorRefund:
        """Make a refund: ours, or, without an id of ours, one in the processor's dashboard."""
        payment = next(each for each in self.payments.values() if each.capture_id == capture_id)
        out = sum(each.money.minor for each in self.refunds.values() if self._counts(each, capture_id))
        if out + minor > payment.money.minor:
            raise ProcessorRefused("more than was paid")
        made = ProcessorRefund(
            processor_refund_id=f"re_{len(self.refunds) + 1}",
            capture_id=capture_id,
            money=Money(payment.money.currency, minor),
            state=state,
            refund_id=refund_id,
        )
        self.refunds[made.processor_refund_id] = made
        return made

    def change_refund(self, processor_refund_id: str, state: RefundState) -> ProcessorRefund:
        made = msgspec.structs.replace(self.refunds[processor_refund_id], state=state)
        self.refunds[processor_refund_id] = made
        return made

    def change_payout(self, processor_payout_id: str, state: PayoutState) -> ProcessorPayout:
        made = msgspec.structs.replace(self.payouts[processor_payout_id], state=state)
        self.payouts[processor_payout_id] = made
        return made

    def _counts(self, refund: ProcessorRefund, capture_id: str) -> bool:
        return refund.capture_id == capture_id and refund.state is not RefundState.FAILED

    def captures(self) -> list[str]:
        return [each.capture_id for each in self.payments.values() if each.capture_id]

    def _of(self, top_up_id: str) -> Payment:
        return next(each for each in self.payments.values() if each.top_up_id == top_up_id)

    def _payment(self, top_up_id: str, money: Money) -> Payment:
        processor_id = f"obj_{len(self.payments) + 1}"
        payment = Payment(processor_id=processor_id, top_up_id=top_up_id, state=PaymentState.OPEN, money=money)
        self.payments[processor_id] = payment
        self.made_at[processor_id] = self.clock.now()
        return payment

    def _check_away(self) -> None:
        if self.is_away:
            raise ProcessorUnavailable("it does not answer")

    def _check_refused(self) -> None:
        if self.refuses:
            raise ProcessorRefused(self.refuses)
