"""Types of top-ups and captures, as stored in the database."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from tokenharbor.kernel import ids
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Money, Usd

MANUAL: Final = "manual"
"""The processor name of payments that an operator records by hand."""


class TopUpState(StrEnum):
    """The state of a top-up. Only PAID has credited. REVIEW: the payment does not match the order; an operator
    decides.
    """

    OPEN = "open"
    PENDING = "pending"
    PAID = "paid"
    FAILED = "failed"
    EXPIRED = "expired"
    REVIEW = "review"


@dataclass(frozen=True, slots=True, kw_only=True)
class TopUp:
    """A customer's intent to pay, then its payment.

    `money` is the amount asked for; once paid, the amount paid, tax included. `credit` is granted if the payment comes
    by `rate_until`; `rate` is the price of a US dollar in units of the currency. `automatic`: charged without the
    payer. `pretended`: no money moves.
    """

    id: UUID
    account_id: UUID
    idempotency_key: str
    processor: str
    method: str
    created_at: datetime
    actor: str
    money: Money
    tax_minor: int
    credit: Usd
    state: TopUpState
    automatic: bool
    pretended: bool
    save_method: bool
    looks: int
    confirmed_by: str | None = None
    rate: str | None = None
    rate_until: datetime | None = None
    processor_id: str | None = None
    url: str | None = None
    capture_id: str | None = None
    paid_at: datetime | None = None
    next_look_at: datetime | None = None
    fault: str = ""

    @property
    def shown_id(self) -> str:
        """The id as people and processors see it."""
        return ids.show("topup", self.id)

    @property
    def before_tax(self) -> Money:
        """The price of the credit, without tax."""
        return Money(self.money.currency, self.money.minor - self.tax_minor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """Money that a processor took for a top-up. `captured` is the credit granted for it, and `tax` its tax, both in
    USD. `instrument` is the keyed hash of the card or payer, "" if nothing about it is stable. `refundable_until` is
    the end of the edition's refund window.
    """

    processor: str
    capture_id: str
    top_up_id: UUID
    account_id: UUID
    lot_id: UUID
    money: Money
    captured: Usd
    fee: Usd
    instrument: str
    paid_at: datetime
    refundable_until: datetime | None
    processor_refundable_until: datetime | None
    dispute_until: datetime | None
    automatic: bool
    tax: Usd = ZERO


class AutoTopUpStop(StrEnum):
    """Why auto top-up was switched off."""

    PAYMENT_FAILED = "payment_failed"
    PAYER_NEEDED = "payer_needed"  # the payer would have to confirm the payment
    PAYMENT_REVIEW = "payment_review"  # the payment does not match the order
    REFUND = "refund"
    WITHDRAWAL = "withdrawal"
    DISPUTE = "dispute"
    SPENDING = "spending"  # spending is many times the usual
    NOT_SOLD = "not_sold"  # the edition no longer sells this amount


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoTopUp:
    """An account's auto top-up: when the balance falls below `threshold`, `amount` is charged, at most `month_most` in
    a UTC month. `stop_reason` says why it is off; it is "" if a person switched it off.
    """

    account_id: UUID
    enabled: bool
    processor: str
    threshold: Usd
    amount: Usd
    month_most: Usd
    changed_at: datetime
    actor: str
    stopped_at: datetime | None = None
    stop_reason: str = ""
    stop_code: AutoTopUpStop | None = None


@dataclass(frozen=True, slots=True)
class TopUpMatch:
    """The match granted for a top-up. One dollar of it unlocks for each dollar spent of that top-up. The part that is
    still locked at `expires_at` is lost.
    """

    granted: Usd
    unlocked: Usd
    locked: Usd
    expires_at: datetime | None

    @property
    def cancelled(self) -> Usd:
        """The part that was taken back with the top-up's credit, or expired before it unlocked."""
        return max(ZERO, self.granted - self.unlocked - self.locked)


@dataclass(frozen=True, slots=True)
class ExchangeRate:
    """The price of a US dollar in a currency: an exact decimal with at most six places, in force until `ends_at`. A
    rate that `waits` needs a second person's confirmation first.
    """

    currency: str
    set_at: datetime
    per_usd: str
    ends_at: datetime | None
    actor: str
    waits: bool = False
    confirmed_by: str | None = None
