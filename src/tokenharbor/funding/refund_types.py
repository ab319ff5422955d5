"""Types of refunds, and captures with their remaining amounts, as stored in the database."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tokenharbor.kernel import ids
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Money, Usd


class RefundProgress(StrEnum):
    """The state of a refund. REVIEW: an operator decides first. CALLED: the processor has it and has not paid yet."""

    REVIEW = "review"
    ASKED = "asked"
    CALLED = "called"
    DONE = "done"
    FAILED = "failed"
    REJECTED = "rejected"


class RefundOrigin(StrEnum):
    """Who made a refund. PROCESSOR: somebody in the processor's dashboard. WITHDRAWAL: a withdrawal to what paid."""

    CUSTOMER = "customer"
    OPERATOR = "operator"
    PROCESSOR = "processor"
    WITHDRAWAL = "withdrawal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """Money of a capture that goes back. `money` is the amount paid back. `amount` is the credit that leaves the lot
    for it: `set_aside` of it waits for the processor, and `closed` of it has left and counts against the capture.
    `reduced` is the part that the payer does not get, since it was spent as cashback.
    """

    id: UUID
    top_up_id: UUID
    account_id: UUID
    processor: str
    capture_id: str
    lot_id: UUID
    idempotency_key: str
    origin: RefundOrigin
    actor: str
    reason: str
    asked: Usd | None
    amount: Usd
    reduced: Usd
    set_aside: Usd
    money: Money
    state: RefundProgress
    asked_at: datetime
    looks: int = 0
    closed: Usd = ZERO
    closed_minor: int = 0
    processor_refund_id: str | None = None
    decided_by: str | None = None
    settled_by: str | None = None
    ended_at: datetime | None = None
    next_look_at: datetime | None = None
    fault: str = ""

    @property
    def shown_id(self) -> str:
        """The id as people and processors see it."""
        return ids.show("refund", self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureBalance:
    """A capture and the amounts of it that have gone back: `refunded` and `disputed`. `leaving` is the sum of refunds
    that are asked for and not done. The tax is included in `money`, not in `captured`.
    """

    processor: str
    capture_id: str
    top_up_id: UUID
    account_id: UUID
    lot_id: UUID
    money: Money
    captured: Usd
    tax: Usd
    refunded: Usd
    refunded_minor: int
    disputed: Usd
    disputed_minor: int
    leaving: Usd
    leaving_minor: int
    paid_at: datetime
    refundable_until: datetime | None
    processor_refundable_until: datetime | None
    dispute_until: datetime | None

    @property
    def left(self) -> Usd:
        """The credit of the capture that has not gone back."""
        return self.captured - self.refunded - self.disputed

    @property
    def left_minor(self) -> int:
        return self.money.minor - self.refunded_minor - self.disputed_minor
