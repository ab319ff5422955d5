"""Top-ups, captures and what belongs to them, as the database has them; all frozen."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from tokenharbor.kernel import ids
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Money, Usd

MANUAL: Final = "manual"
"""What stands for a processor where an operator records a payment."""


class TopUpState(StrEnum):
    """How far a top-up is. Only PAID has credited. REVIEW: the payment is not what was asked; an operator decides."""

    OPEN = "open"
    PENDING = "pending"
    PAID = "paid"
    FAILED = "failed"
    EXPIRED = "expired"
    REVIEW = "review"


@dataclass(frozen=True, slots=True, kw_only=True)
class TopUp:
    """An intent to pay, then its payment. `credit` is what is granted if it is paid while `rate` lasts; `rate` is in
    units of the currency for a US dollar. `money` is what is asked for; once it is paid, what was paid, tax included.
    `automatic`: charged without the payer. `pretended`: no money moves.
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
        """As people and processors see it."""
        return ids.show("topup", self.id)

    @property
    def before_tax(self) -> Money:
        """What the credit costs."""
        return Money(self.money.currency, self.money.minor - self.tax_minor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """Money that a processor took for a top-up. `captured` is what was credited for it, `tax` what is owed as tax;
    `instrument` the keyed hash of what paid, "" if nothing about it is stable; `refundable_until` the edition's window.
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
    """What switched auto top-up off."""

    PAYMENT_FAILED = "payment_failed"
    PAYER_NEEDED = "payer_needed"  # they would have to confirm it
    PAYMENT_REVIEW = "payment_review"  # what was charged is in doubt
    REFUND = "refund"
    WITHDRAWAL = "withdrawal"
    DISPUTE = "dispute"
    SPENDING = "spending"  # many times the usual
    NOT_SOLD = "not_sold"  # the edition sells such a top-up no more


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoTopUp:
    """An account's auto top-up: `amount` is charged when less than `threshold` is left, in a UTC month `month_most` at
    most. `stop_reason` says why it is off, if nobody switched it off.
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
    """The match that a top-up has brought. One dollar of it unlocks for each dollar spent of that top-up; what is
    still locked at `expires_at` ends.
    """

    granted: Usd
    unlocked: Usd
    locked: Usd
    expires_at: datetime | None

    @property
    def cancelled(self) -> Usd:
        """What went with its part of the top-up, or ended before it was unlocked."""
        return max(ZERO, self.granted - self.unlocked - self.locked)


@dataclass(frozen=True, slots=True)
class ExchangeRate:
    """What a US dollar costs in a currency: an exact decimal with at most six places, in force until `ends_at`. One
    that `waits` for a second person does not count yet.
    """

    currency: str
    set_at: datetime
    per_usd: str
    ends_at: datetime | None
    actor: str
    waits: bool = False
    confirmed_by: str | None = None
