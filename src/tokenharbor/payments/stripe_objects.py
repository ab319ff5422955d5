"""Stripe's objects, with the fields that we read, and their conversion to the types of `payments/types.py`; pure.

A Checkout Session has a PaymentIntent; its latest Charge is the capture (`ch_` or `py_`), whose balance transaction has
the fee. Invariant: only a charge that is paid and captured counts as money, whatever the session and the intent say.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import msgspec

from tokenharbor.kernel.errors import ProcessorUnavailable
from tokenharbor.kernel.money import Money
from tokenharbor.payments.reading import HashInstrument, amount_or_none, read_amount, sanitize_message
from tokenharbor.payments.types import (
    DisputeState,
    EventSubject,
    Payment,
    PaymentState,
    ProcessorDispute,
    ProcessorEvent,
    ProcessorRefund,
    RefundState,
    SavedMethod,
)

NAME: Final = "Stripe"
TOP_UP: Final = "top_up"
"""The name of our top-up's id in an object's metadata."""
REFUND: Final = "refund"

_LAST_UNIX_TIME: Final = 253_402_300_799  # of the year 9999
_REFUND_DAYS: Final = {"alipay": 90, "wechat_pay": 180}
_STABLE: Final = ("card", "alipay")
"""Payment methods whose fingerprint stays the same for a payer."""
_NEEDS_PAYER: Final = frozenset({"authentication_required", "authentication_not_handled"})


class StripeBalanceTransaction(msgspec.Struct, frozen=True):
    """The effect of a charge, a refund or a dispute on Stripe's balance."""

    amount: int
    fee: int
    currency: str


class StripeCharge(msgspec.Struct, frozen=True):
    """An attempt to take money."""

    id: str
    currency: str
    created: int
    amount_captured: int
    paid: bool = False
    captured: bool = False
    balance_transaction: StripeBalanceTransaction | str | None = None
    payment_method_details: dict[str, Any] | None = None

    @property
    def method(self) -> str:
        return str((self.payment_method_details or {}).get("type") or "")

    @property
    def fingerprint(self) -> str:
        details = (self.payment_method_details or {}).get(self.method) if self.method in _STABLE else None
        return str(details.get("fingerprint") or "") if isinstance(details, Mapping) else ""


class StripeError(msgspec.Struct, frozen=True):
    """Why an attempt failed."""

    code: str | None = None
    message: str | None = None


class StripeIntent(msgspec.Struct, frozen=True):
    """A PaymentIntent, with its latest charge expanded."""

    id: str
    status: str
    amount: int
    currency: str
    metadata: dict[str, str] | None = None
    latest_charge: StripeCharge | str | None = None
    customer: str | None = None
    payment_method: str | None = None
    setup_future_usage: str | None = None
    last_payment_error: StripeError | None = None


class StripePayer(msgspec.Struct, frozen=True):
    """The payer."""

    email: str | None = None


class StripeTotals(msgspec.Struct, frozen=True):
    """The parts of a session's total beside its lines."""

    amount_tax: Annotated[int, msgspec.Meta(ge=0)] = 0


class StripeSession(msgspec.Struct, frozen=True):
    """A Checkout Session, with its PaymentIntent expanded."""

    id: str
    status: str
    payment_status: str
    amount_total: int
    currency: str
    metadata: dict[str, str] | None = None
    url: str | None = None
    expires_at: int | None = None
    payment_intent: StripeIntent | str | None = None
    customer_details: StripePayer | None = None
    total_details: StripeTotals | None = None


class StripeRefund(msgspec.Struct, frozen=True):
    """A refund of a charge."""

    id: str
    amount: int
    currency: str
    charge: str
    status: str
    created: int
    metadata: dict[str, str] | None = None
    failure_reason: str | None = None


class StripeEvidence(msgspec.Struct, frozen=True):
    """The deadline for answering a dispute."""

    due_by: int | None = None


class StripeDispute(msgspec.Struct, frozen=True):
    """A dispute of a charge."""

    id: str
    amount: int
    currency: str
    charge: str
    status: str
    balance_transactions: list[StripeBalanceTransaction] = []
    evidence_details: StripeEvidence | None = None


class StripeEventData(msgspec.Struct, frozen=True):
    """The object that an event is about."""

    object: dict[str, Any]


class StripeEvent(msgspec.Struct, frozen=True):
    """An event, from a webhook or from the list of events. `account` is set if it is of an account connected to
    ours.
    """

    id: Annotated[str, msgspec.Meta(pattern=r"^[!-~]{1,255}$")]
    type: str
    created: Annotated[int, msgspec.Meta(ge=0, le=_LAST_UNIX_TIME)]
    data: StripeEventData
    account: str | None = None


def session_payment(session: StripeSession, hash_instrument: HashInstrument) -> Payment:
    """Return a session's payment. Raises ProcessorUnavailable if it is complete but lacks its payment."""
    intent = session.payment_intent if isinstance(session.payment_intent, StripeIntent) else None
    if session.status == "complete" and session.payment_status in ("paid", "unpaid"):
        if intent is None:
            raise ProcessorUnavailable(f"{NAME} sent a completed session without its payment; try again")
        read = intent_payment(intent, hash_instrument)
        payer = session.customer_details.email if session.customer_details else None
        return msgspec.structs.replace(
            read,
            processor_id=session.id,
            top_up_id=_own(session.metadata, TOP_UP),
            tax_minor=session.total_details.amount_tax if session.total_details else 0,
            payer=payer or "",
        )
    states = {"open": PaymentState.OPEN, "expired": PaymentState.EXPIRED}
    return Payment(
        processor_id=session.id,
        top_up_id=_own(session.metadata, TOP_UP),
        state=states.get(session.status, PaymentState.FAILED),
        money=read_amount(session.currency, session.amount_total, NAME),
    )


def intent_payment(intent: StripeIntent, hash_instrument: HashInstrument) -> Payment:
    """Return a PaymentIntent's payment. Raises ProcessorUnavailable if it is paid but lacks its charge."""
    state, error = _intent_state(intent), intent.last_payment_error
    failed = state in (PaymentState.FAILED, PaymentState.NEEDS_PAYER)
    payment = Payment(
        processor_id=intent.id,
        top_up_id=_own(intent.metadata, TOP_UP),
        state=state,
        money=read_amount(intent.currency, intent.amount, NAME),
        fault=sanitize_message(error.message if error else None, "the payment was not completed") if failed else "",
    )
    return _with_charge(payment, intent, hash_instrument) if state is PaymentState.PAID else payment


def _intent_state(intent: StripeIntent) -> PaymentState:
    match intent.status:
        case "succeeded":
            return PaymentState.PAID
        case "processing" | "requires_capture":
            return PaymentState.PENDING
        case "requires_action":
            return PaymentState.NEEDS_PAYER
        case "requires_payment_method" if intent.last_payment_error is not None:
            needs_payer = intent.last_payment_error.code in _NEEDS_PAYER
            return PaymentState.NEEDS_PAYER if needs_payer else PaymentState.FAILED
        case "requires_payment_method" | "requires_confirmation":
            return PaymentState.OPEN
    return PaymentState.FAILED


def _with_charge(payment: Payment, intent: StripeIntent, hash_instrument: HashInstrument) -> Payment:
    charge = intent.latest_charge
    if not isinstance(charge, StripeCharge) or not (charge.paid and charge.captured):
        raise ProcessorUnavailable(f"{NAME} sent a paid payment without its charge; try again")
    paid_at = _time(charge.created)
    moved = charge.balance_transaction
    saved = intent.setup_future_usage == "off_session" and charge.method == "card"
    days = _REFUND_DAYS.get(charge.method)
    return msgspec.structs.replace(
        payment,
        money=read_amount(charge.currency, charge.amount_captured, NAME),
        capture_id=charge.id,
        paid_at=paid_at,
        fee=amount_or_none(moved.currency, moved.fee) if isinstance(moved, StripeBalanceTransaction) else None,
        instrument=hash_instrument(f"stripe:{charge.method}:{charge.fingerprint}") if charge.fingerprint else "",
        can_refund_until=paid_at + timedelta(days=days) if days else None,
        saved_method=SavedMethod(intent.customer, intent.payment_method)
        if saved and intent.customer and intent.payment_method
        else None,
    )


def refund_of(refund: StripeRefund) -> ProcessorRefund:
    states = {"succeeded": RefundState.DONE, "failed": RefundState.FAILED, "canceled": RefundState.FAILED}
    state = states.get(refund.status, RefundState.PENDING)
    return ProcessorRefund(
        processor_refund_id=refund.id,
        capture_id=refund.charge,
        money=read_amount(refund.currency, refund.amount, NAME),
        state=state,
        refund_id=_own(refund.metadata, REFUND) or None,
        at=_time(refund.created),
        fault=sanitize_message(refund.failure_reason, "the refund failed") if state is RefundState.FAILED else "",
    )


def dispute_of(dispute: StripeDispute) -> ProcessorDispute:
    """Return a dispute. Its state follows the money: it is WON only once the money has come back."""
    money = read_amount(dispute.currency, dispute.amount, NAME)
    withdrawn = _withdrawn(dispute, money)
    due = dispute.evidence_details.due_by if dispute.evidence_details else None
    return ProcessorDispute(
        dispute_id=dispute.id,
        capture_id=dispute.charge,
        state=_dispute_state(dispute.status, is_withdrawn=withdrawn.minor > 0),
        money=money,
        withdrawn=withdrawn,
        respond_until=None if due is None else _time(due),
        fee=_dispute_fee(dispute),
    )


def _dispute_fee(dispute: StripeDispute) -> Money | None:
    currencies = {each.currency for each in dispute.balance_transactions}
    if len(currencies) != 1:
        return None
    return amount_or_none(currencies.pop(), sum(each.fee for each in dispute.balance_transactions))


def _dispute_state(status: str, *, is_withdrawn: bool) -> DisputeState:
    if status == "lost":
        return DisputeState.LOST
    if is_withdrawn:
        return DisputeState.FUNDS_WITHDRAWN
    return DisputeState.WON if status in ("won", "warning_closed", "prevented") else DisputeState.OPENED


def _withdrawn(dispute: StripeDispute, money: Money) -> Money:
    """Return the money taken, in the dispute's currency. If Stripe settles in another one, it is all or nothing."""
    moved = -sum(each.amount for each in dispute.balance_transactions)
    if any(each.currency != dispute.currency for each in dispute.balance_transactions):
        moved = dispute.amount if moved > 0 else 0
    return Money(money.currency, max(0, moved))


_SUBJECTS: Final = {
    "checkout.session.completed": EventSubject.PAYMENT,
    "checkout.session.async_payment_succeeded": EventSubject.PAYMENT,
    "checkout.session.async_payment_failed": EventSubject.PAYMENT,
    "checkout.session.expired": EventSubject.PAYMENT,
    "payment_intent.succeeded": EventSubject.PAYMENT,
    "payment_intent.payment_failed": EventSubject.PAYMENT,
    "payment_intent.requires_action": EventSubject.PAYMENT,
    "payment_intent.canceled": EventSubject.PAYMENT,
    "charge.refunded": EventSubject.CAPTURE,
    "refund.created": EventSubject.REFUND,
    "refund.updated": EventSubject.REFUND,
    "refund.failed": EventSubject.REFUND,
    "charge.dispute.created": EventSubject.DISPUTE,
    "charge.dispute.updated": EventSubject.DISPUTE,
    "charge.dispute.closed": EventSubject.DISPUTE,
    "charge.dispute.funds_withdrawn": EventSubject.DISPUTE,
    "charge.dispute.funds_reinstated": EventSubject.DISPUTE,
}
SUBSCRIBED_EVENTS: Final = tuple(_SUBJECTS)
"""The events that an operator has to subscribe to, and that the sweep lists; Stripe accepts at most twenty types."""


def event_of(event: StripeEvent) -> ProcessorEvent:
    subject = EventSubject.OTHER if event.account else _SUBJECTS.get(event.type, EventSubject.OTHER)
    metadata, about = event.data.object.get("metadata"), event.data.object.get("id")
    top_up = metadata.get(TOP_UP) if isinstance(metadata, Mapping) else None
    return ProcessorEvent(
        event_id=event.id,
        kind=event.type,
        subject=subject if _is_id(about) else EventSubject.OTHER,
        object_id=str(about) if _is_id(about) else "",
        at=_time(event.created),
        top_up_id=top_up if _is_id(top_up) else None,
    )


def _is_id(value: Any) -> bool:
    """Return whether a value can be stored as an id: another system's metadata may contain any text."""
    return isinstance(value, str) and value.isprintable()


def _own(metadata: Mapping[str, str] | None, name: str) -> str:
    return (metadata or {}).get(name, "")


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
