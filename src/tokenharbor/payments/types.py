"""What processors are asked and what they answer, as frozen types that are the same for each of them.

Ids of ours (`top_up_id`, `refund_id`, `withdrawal_id`) are texts as people see them. They go into the processor's
object, so that it can be found and shown by them. What names a person (`Payee`, `payer`) is kept out of every repr.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import msgspec

from tokenharbor.kernel.money import Money


class ProcessorAbility(StrEnum):
    """What a processor can be asked for."""

    CHECKOUT = "checkout"
    CHARGE_SAVED = "charge_saved"
    REFUND = "refund"
    PAY_OUT = "pay_out"


class PaymentState(StrEnum):
    """How far a payment is. Only PAID is money."""

    OPEN = "open"  # the payer has not decided
    PENDING = "pending"  # the payer has; the money has not come
    PAID = "paid"
    NEEDS_PAYER = "needs_payer"  # a charge without the payer that the bank wants them to confirm
    FAILED = "failed"
    EXPIRED = "expired"


class RefundState(StrEnum):
    """How far the processor is with a refund."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"  # the money is back with us


class PayoutState(StrEnum):
    """How far the processor is with a payout."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"  # the money is back with us


class DisputeState(StrEnum):
    """Where a dispute stands; money has moved from FUNDS_WITHDRAWN on, and is back when it is WON."""

    OPENED = "opened"
    FUNDS_WITHDRAWN = "funds_withdrawn"
    WON = "won"
    LOST = "lost"


class EventSubject(StrEnum):
    """What an event is about, so which read tells what has become of it."""

    PAYMENT = "payment"  # object_id: what read_payment takes
    CAPTURE = "capture"  # object_id: a capture; its refunds may have changed
    REFUND = "refund"
    DISPUTE = "dispute"
    PAYOUT = "payout"
    OTHER = "other"  # nothing that we follow


class SavedMethod(msgspec.Struct, frozen=True):
    """A payer's method that may be charged without them: the processor's ids, no card number."""

    customer_id: str
    method_id: str


class CheckoutOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What a payer is to pay. After an outcome that is unknown, the same `idempotency_key` asks for the same thing.

    `save_method`: the payer agrees to later charges without them.
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
    """Where the payer pays, and the object that tells whether they did."""

    processor_id: str
    url: str
    expires_at: datetime | None


class SavedCharge(msgspec.Struct, frozen=True, kw_only=True):
    """What a saved method is to be charged."""

    top_up_id: str
    money: Money
    description: str
    saved_method: SavedMethod
    idempotency_key: str


class Payment(msgspec.Struct, frozen=True, kw_only=True):
    """A payment as its processor's object said when it was read."""

    processor_id: str
    top_up_id: str
    state: PaymentState
    money: Money  # what was asked; once PAID, what was captured, tax included
    tax_minor: int = 0  # what of it the processor added as tax
    capture_id: str | None = None
    paid_at: datetime | None = None
    fee: Money | None = None  # None: not known yet, or in a currency that the books do not have
    instrument: str = ""  # the keyed hash of what paid; "": nothing stable
    can_refund_until: datetime | None = None  # None: the processor sets no limit
    saved_method: SavedMethod | None = None
    payer: str = ""  # an e-mail address or the like, for erasable rows only
    fault: str = ""  # why it is FAILED or NEEDS_PAYER, for people

    def __repr__(self) -> str:
        return (
            f"Payment({self.processor_id!r}, {self.top_up_id!r}, {self.state.value}, {self.money}, {self.capture_id!r})"
        )


class RefundOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What of a capture is to go back."""

    refund_id: str
    capture_id: str
    money: Money
    idempotency_key: str


class ProcessorRefund(msgspec.Struct, frozen=True, kw_only=True):
    """A refund as its processor's object said when it was read."""

    processor_refund_id: str
    capture_id: str
    money: Money
    state: RefundState
    refund_id: str | None = None  # ours; None: made in the processor's own dashboard
    at: datetime | None = None
    fault: str = ""


class Payee(msgspec.Struct, frozen=True):
    """Who receives a withdrawal: an address of a kind that the processor knows. Both for erasable rows only."""

    kind: str
    address: str

    def __repr__(self) -> str:
        return f"Payee({self.kind!r})"


class PayoutOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be paid to whom. Asked again by the same `withdrawal_id`, it is paid once."""

    withdrawal_id: str
    payee: Payee
    money: Money
    note: str


class ProcessorPayout(msgspec.Struct, frozen=True, kw_only=True):
    """A payout as its processor's object said when it was read."""

    processor_payout_id: str
    withdrawal_id: str
    money: Money
    state: PayoutState
    fee: Money | None = None
    fault: str = ""


class ProcessorDispute(msgspec.Struct, frozen=True, kw_only=True):
    """A dispute as its processor's object said when it was read. `withdrawn`: what the processor has taken and not
    given back, without its fees; `fee`: these, None as in a Payment.
    """

    dispute_id: str
    capture_id: str
    state: DisputeState
    money: Money
    withdrawn: Money
    respond_until: datetime | None = None
    fee: Money | None = None


class ProcessorEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A hint that an object has changed: what it is now, its read says. `event_id` only tells deliveries apart."""

    event_id: str
    kind: str  # the processor's own word
    subject: EventSubject
    object_id: str
    at: datetime
    top_up_id: str | None = None  # if the object carries one; another system's may look like ours


Methods = Mapping[str, frozenset[str]]
"""Each method of payment that a processor takes, with its currencies."""
