"""Converts PayPal's objects to the types of `payments/types.py`; pure. Amounts are decimal strings, read exactly.

Invariant: only a capture that is COMPLETED (or was, and has been refunded since) counts as money, whatever the status
of its order.
"""

from collections.abc import Mapping
from datetime import UTC, timedelta
from typing import Any, Final

import msgspec

from tokenharbor.kernel.errors import ProcessorUnavailable
from tokenharbor.kernel.money import Money
from tokenharbor.payments.paypal_objects import (
    NAME,
    PayPalAmount,
    PayPalCapture,
    PayPalDispute,
    PayPalEvent,
    PayPalLink,
    PayPalOrder,
    PayPalPayoutAmount,
    PayPalPayoutBatch,
    PayPalRefund,
    PayPalTotal,
)
from tokenharbor.payments.reading import HashInstrument, sanitize_message
from tokenharbor.payments.types import (
    DisputeState,
    EventSubject,
    Payment,
    PaymentState,
    PayoutState,
    ProcessorDispute,
    ProcessorEvent,
    ProcessorPayout,
    ProcessorRefund,
    RefundState,
)

_REFUND_DAYS: Final = 180


def amount_of(amount: PayPalAmount | PayPalPayoutAmount) -> Money:
    """Return an amount. Raises ProcessorUnavailable if it is malformed or in an unknown currency."""
    currency = amount.currency_code if isinstance(amount, PayPalAmount) else amount.currency
    try:
        return Money.parse(amount.value, currency)
    except ValueError:
        raise ProcessorUnavailable(f"{NAME} gave an answer without a usable amount; try again") from None


def _fee(amount: PayPalAmount | PayPalPayoutAmount | None) -> Money | None:
    try:
        return None if amount is None else amount_of(amount)
    except ProcessorUnavailable:
        return None  # in a currency that the books do not have


_CAPTURE_STATES: Final = {
    "COMPLETED": PaymentState.PAID,
    "PARTIALLY_REFUNDED": PaymentState.PAID,
    "REFUNDED": PaymentState.PAID,
    "PENDING": PaymentState.PENDING,
    "DECLINED": PaymentState.FAILED,
    "DENIED": PaymentState.FAILED,
    "FAILED": PaymentState.FAILED,
}
_BEST_FIRST: Final = (PaymentState.PAID, PaymentState.PENDING, PaymentState.FAILED)


def order_payment(order: PayPalOrder, hash_instrument: HashInstrument) -> Payment:
    """Return an order's payment, by its best capture, since a declined one may be followed by another."""
    captures = sorted(order.captures, key=lambda each: _BEST_FIRST.index(_capture_state(each)))
    unit = order.unit
    payment = Payment(
        processor_id=order.id,
        top_up_id=unit.custom_id or "",
        state=PaymentState.EXPIRED if order.status == "VOIDED" else PaymentState.OPEN,
        money=amount_of(unit.amount),
        tax_minor=_tax_minor(unit.amount),
        payer=(order.payer.email_address if order.payer else None) or "",
    )
    if not captures:
        return payment
    state = _capture_state(captures[0])
    if state is PaymentState.PAID:
        return _with_capture(payment, captures[0], order.lasting_account, hash_instrument)
    reason = captures[0].status_details.reason if captures[0].status_details else None
    fault = sanitize_message(reason, "the payment was declined") if state is PaymentState.FAILED else ""
    return msgspec.structs.replace(payment, state=state, fault=fault)


def _tax_minor(total: PayPalTotal) -> int:
    tax = total.breakdown.tax_total if total.breakdown else None
    return amount_of(tax).minor if tax else 0


def _capture_state(capture: PayPalCapture) -> PaymentState:
    return _CAPTURE_STATES.get(capture.status, PaymentState.PENDING)


def _with_capture(
    payment: Payment, capture: PayPalCapture, account_id: str | None, hash_instrument: HashInstrument
) -> Payment:
    breakdown = capture.seller_receivable_breakdown
    return msgspec.structs.replace(
        payment,
        state=PaymentState.PAID,
        money=amount_of(capture.amount),
        capture_id=capture.id,
        paid_at=capture.create_time,
        fee=_fee(breakdown.paypal_fee if breakdown else None),
        instrument=hash_instrument(f"paypal:payer:{account_id}") if account_id else "",
        can_refund_until=capture.create_time + timedelta(days=_REFUND_DAYS),
    )


def refund_of(refund: PayPalRefund) -> ProcessorRefund:
    states = {"COMPLETED": RefundState.DONE, "FAILED": RefundState.FAILED, "CANCELLED": RefundState.FAILED}
    state = states.get(refund.status, RefundState.PENDING)
    if refund.capture_id is None:
        raise ProcessorUnavailable(f"{NAME} sent a refund without its capture; try again")
    reason = refund.status_details.reason if refund.status_details else None
    return ProcessorRefund(
        processor_refund_id=refund.id,
        capture_id=refund.capture_id,
        money=amount_of(refund.amount),
        state=state,
        refund_id=refund.custom_id or None,
        at=refund.create_time,
        fault=sanitize_message(reason, "the refund failed") if state is RefundState.FAILED else "",
    )


_PAYOUT_FAILED: Final = frozenset({"FAILED", "RETURNED", "BLOCKED", "REFUNDED", "REVERSED", "DENIED", "CANCELED"})


def payout_of(batch: PayPalPayoutBatch, asked: Money | None, withdrawal_id: str | None) -> ProcessorPayout:
    """Return the payout of a batch of one. A new batch has no items yet; then the order's amount and id are used."""
    item = batch.items[0] if batch.items else None
    money = amount_of(item.payout_item.amount) if item else asked
    ours = item.payout_item.sender_item_id if item else withdrawal_id
    if money is None or ours is None:
        raise ProcessorUnavailable(f"{NAME} sent a payout without its amount; try again")
    status = item.transaction_status if item else batch.batch_header.batch_status
    failed = status in _PAYOUT_FAILED or batch.batch_header.batch_status in ("DENIED", "CANCELED")
    done = item is not None and status == "SUCCESS"
    reason = (item.errors or {}).get("message") if item else None
    return ProcessorPayout(
        processor_payout_id=batch.batch_header.payout_batch_id,
        withdrawal_id=ours,
        money=money,
        state=PayoutState.FAILED if failed else PayoutState.DONE if done else PayoutState.PENDING,
        fee=_fee(item.payout_item_fee) if item else None,
        fault=sanitize_message(reason, f"the payout was {status.lower()}") if failed else "",
    )


_BUYERS: Final = ("RESOLVED_BUYER_FAVOUR", "ACCEPTED")


def dispute_of(dispute: PayPalDispute) -> ProcessorDispute:
    """Return a dispute. Its state follows the money: it is WON only once the money has come back."""
    money = amount_of(dispute.dispute_amount)
    if len(dispute.disputed_transactions) != 1:
        raise ProcessorUnavailable(f"{NAME} sent a dispute without its transaction; try again")
    withdrawn = _withdrawn(dispute, money)
    return ProcessorDispute(
        dispute_id=dispute.dispute_id,
        capture_id=dispute.disputed_transactions[0].seller_transaction_id,
        state=_dispute_state(dispute, withdrawn),
        money=money,
        withdrawn=withdrawn,
        respond_until=dispute.seller_response_due_date,
    )


def _dispute_state(dispute: PayPalDispute, withdrawn: Money) -> DisputeState:
    outcome = dispute.dispute_outcome.outcome_code if dispute.dispute_outcome else None
    if dispute.status != "RESOLVED":
        return DisputeState.FUNDS_WITHDRAWN if withdrawn.minor else DisputeState.OPENED
    if outcome in _BUYERS:
        return DisputeState.LOST
    return DisputeState.FUNDS_WITHDRAWN if withdrawn.minor else DisputeState.WON


def _withdrawn(dispute: PayPalDispute, money: Money) -> Money:
    """Return the money taken, by the dispute's movements; if these are not shown, by its outcome."""
    if dispute.money_movements is not None:
        taken = 0
        for movement in dispute.money_movements:
            if movement.affected_party == "SELLER":
                minor = amount_of(movement.amount).minor
                taken += minor if movement.type == "DEBIT" else -minor
        return Money(money.currency, max(0, taken))
    outcome = dispute.dispute_outcome
    if dispute.status != "RESOLVED" or outcome is None or outcome.outcome_code not in _BUYERS:
        return Money(money.currency, 0)
    return amount_of(outcome.amount_refunded) if outcome.amount_refunded else money


SUBSCRIBED_EVENTS: Final = (
    "CHECKOUT.ORDER.APPROVED",
    "CHECKOUT.ORDER.COMPLETED",
    "PAYMENT.CAPTURE.COMPLETED",
    "PAYMENT.CAPTURE.PENDING",
    "PAYMENT.CAPTURE.DECLINED",
    "PAYMENT.CAPTURE.DENIED",
    "PAYMENT.CAPTURE.REFUNDED",
    "PAYMENT.CAPTURE.REVERSED",
    "PAYMENT.REFUND.PENDING",
    "PAYMENT.REFUND.FAILED",
    "CUSTOMER.DISPUTE.CREATED",
    "CUSTOMER.DISPUTE.UPDATED",
    "CUSTOMER.DISPUTE.RESOLVED",
    "PAYMENT.PAYOUTSBATCH.SUCCESS",
    "PAYMENT.PAYOUTSBATCH.DENIED",
    "PAYMENT.PAYOUTS-ITEM.*",
)
"""The events that an operator has to subscribe to."""


def event_of(event: PayPalEvent) -> ProcessorEvent:
    subject, about = _about(event.event_type, event.resource)
    top_up = event.resource.get("custom_id") or _at(event.resource, "purchase_units", 0, "custom_id")
    known = isinstance(about, str) and about
    return ProcessorEvent(
        event_id=event.id,
        kind=event.event_type,
        subject=subject if known else EventSubject.OTHER,
        object_id=str(about) if known else "",
        at=event.create_time.astimezone(UTC),
        top_up_id=top_up if isinstance(top_up, str) and subject is EventSubject.PAYMENT else None,
    )


def _about(kind: str, resource: Mapping[str, Any]) -> tuple[EventSubject, Any]:
    """Return an event's subject, and the id of the object to read."""
    family, _, change = kind.rpartition(".")
    match family:
        case "CHECKOUT.ORDER":
            return EventSubject.PAYMENT, resource.get("id")
        case "PAYMENT.CAPTURE" if change in ("REFUNDED", "REVERSED"):  # here the resource is the refund
            return EventSubject.CAPTURE, _upwards(resource)
        case "PAYMENT.CAPTURE":
            return EventSubject.PAYMENT, _at(resource, "supplementary_data", "related_ids", "order_id")
        case "PAYMENT.REFUND":
            return EventSubject.REFUND, resource.get("id")
        case "CUSTOMER.DISPUTE":
            return EventSubject.DISPUTE, resource.get("dispute_id")
        case "PAYMENT.PAYOUTSBATCH":
            return EventSubject.PAYOUT, _at(resource, "batch_header", "payout_batch_id")
        case "PAYMENT.PAYOUTS-ITEM":
            return EventSubject.PAYOUT, resource.get("payout_batch_id")
    return EventSubject.OTHER, None


def _upwards(resource: Mapping[str, Any]) -> str | None:
    try:
        links = msgspec.convert(resource.get("links"), list[PayPalLink])
    except msgspec.ValidationError:
        return None
    return next((link.href.rpartition("/")[2] for link in links if link.rel == "up"), None)


def _at(value: Any, *path: str | int) -> Any:
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value
