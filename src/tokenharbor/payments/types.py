"""Requests to processors and their answers, as frozen types that are the same for all processors.

Our ids (`top_up_id`, `refund_id`, `withdrawal_id`) are in their shown form. They are stored in the processor's object,
so that it can be found by them. Personal data (`Payee`, `payer`) is kept out of every repr.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import msgspec

from tokenharbor.kernel.money import Money


class ProcessorAbility(StrEnum):
    """An ability of a processor."""

    CHECKOUT = "checkout"
    CHARGE_SAVED = "charge_saved"
    REFUND = "refund"
    PAY_OUT = "pay_out"


class PaymentState(StrEnum):
    """The state of a payment. Only PAID is money."""

    OPEN = "open"  # the payer has not decided yet
    PENDING = "pending"  # the payer has paid, and the money has not arrived
    PAID = "paid"
    NEEDS_PAYER = "needs_payer"  # a charge without the payer that the bank wants confirmed by them
    FAILED = "failed"
    EXPIRED = "expired"


class RefundState(StrEnum):
    """The state of a refund at the processor."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"  # the money is back with us


class PayoutState(StrEnum):
    """The state of a payout at the processor."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"  # the money is back with us


class DisputeState(StrEnum):
    """The state of a dispute. The money is gone from FUNDS_WITHDRAWN on, and back when it is WON."""

    OPENED = "opened"
    FUNDS_WITHDRAWN = "funds_withdrawn"
    WON = "won"
    LOST = "lost"


class EventSubject(StrEnum):
    """The subject of an event: the kind of object to read again."""

    PAYMENT = "payment"  # object_id is what read_payment takes
    CAPTURE = "capture"  # object_id is a capture, whose refunds may have changed
    REFUND = "refund"
    DISPUTE = "dispute"
    PAYOUT = "payout"
    OTHER = "other"  # nothing that we use


class SavedMethod(msgspec.Struct, frozen=True):
    """A payer's method that may be charged without them: the processor's ids, not a card number."""

    customer_id: str
    method_id: str


class CheckoutOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order for a checkout. If its outcome is unknown, it is repeated with the same `idempotency_key`.

    With `save_method`, the payer agrees to later charges without them.
    """

    top_up_id: str
    money: Money
    method: str
    description: str
    return_url: str
    cancel_url: str
    idempotency_key: str
    save_method: bool = False


class OpenCheckout(msgspec.Struct, frozen=True, kw_only=True):
    """The URL where the payer pays, and the id of the object that tells whether they did."""

    processor_id: str
    url: str
    expires_at: datetime | None


class SavedCharge(msgspec.Struct, frozen=True, kw_only=True):
    """An order to charge a saved method."""

    top_up_id: str
    money: Money
    description: str
    saved_method: SavedMethod
    idempotency_key: str


class Payment(msgspec.Struct, frozen=True, kw_only=True):
    """A payment as read at its processor."""

    processor_id: str
    top_up_id: str
    state: PaymentState
    money: Money  # the amount asked for; once PAID, the amount captured, tax included
    tax_minor: int = 0  # the tax in it, which the processor added
    capture_id: str | None = None
    paid_at: datetime | None = None
    fee: Money | None = None  # None: not known yet, or in a currency that the books do not have
    instrument: str = ""  # the keyed hash of the card or payer; "" if nothing about it is stable
    can_refund_until: datetime | None = None  # None: the processor sets no limit
    saved_method: SavedMethod | None = None
    payer: str = ""  # an e-mail address or similar, only for rows that can be erased
    fault: str = ""  # why it is FAILED or NEEDS_PAYER, in words for people

    def __repr__(self) -> str:
        return (
            f"Payment({self.processor_id!r}, {self.top_up_id!r}, {self.state.value}, {self.money}, {self.capture_id!r})"
        )


class RefundOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order to refund a part of a capture."""

    refund_id: str
    capture_id: str
    money: Money
    idempotency_key: str


class ProcessorRefund(msgspec.Struct, frozen=True, kw_only=True):
    """A refund as read at its processor."""

    processor_refund_id: str
    capture_id: str
    money: Money
    state: RefundState
    refund_id: str | None = None  # our id; None if it was made in the processor's dashboard
    at: datetime | None = None
    fault: str = ""


class Payee(msgspec.Struct, frozen=True):
    """The receiver of a withdrawal: an address of a kind that the processor knows. Stored only where it can be
    erased.
    """

    kind: str
    address: str

    def __repr__(self) -> str:
        return f"Payee({self.kind!r})"


class PayoutOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order to pay a payee. Repeated with the same `withdrawal_id`, it is paid once."""

    withdrawal_id: str
    payee: Payee
    money: Money
    note: str


class ProcessorPayout(msgspec.Struct, frozen=True, kw_only=True):
    """A payout as read at its processor."""

    processor_payout_id: str
    withdrawal_id: str
    money: Money
    state: PayoutState
    fee: Money | None = None
    fault: str = ""


class ProcessorDispute(msgspec.Struct, frozen=True, kw_only=True):
    """A dispute as read at its processor. `withdrawn` is the money that the processor has taken and not given back,
    without its fees; `fee` is the sum of these, None if unknown or in a currency that the books do not have.
    """

    dispute_id: str
    capture_id: str
    state: DisputeState
    money: Money
    withdrawn: Money
    respond_until: datetime | None = None
    fee: Money | None = None


class ProcessorEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A hint that an object has changed; its current state has to be read. `event_id` only tells deliveries apart."""

    event_id: str
    kind: str  # the processor's own name of it
    subject: EventSubject
    object_id: str
    at: datetime
    top_up_id: str | None = None  # our id in the object, if any; another system's id may look like ours


Methods = Mapping[str, frozenset[str]]
"""The payment methods of a processor, each with its currencies."""
