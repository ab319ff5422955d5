"""Types of payees and withdrawals, as stored in the database."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tokenharbor.kernel import ids
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Money, Usd


class WithdrawalProgress(StrEnum):
    """The state of a withdrawal. ASKED: it waits for approval. CALLED: the processor is being asked, or has been asked
    and has not paid yet.
    """

    ASKED = "asked"
    APPROVED = "approved"
    CALLED = "called"
    DONE = "done"
    FAILED = "failed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedPayee:
    """A person or account that may receive withdrawals. The address is in a separate row; `digest` is its digest."""

    id: UUID
    account_id: UUID
    processor: str
    kind: str
    digest: bytes
    added_at: datetime
    actor: str
    verified_at: datetime | None = None
    verified_by: str | None = None
    removed_at: datetime | None = None

    @property
    def shown_id(self) -> str:
        """The id as people see it."""
        return ids.show("payee", self.id)


@dataclass(frozen=True, slots=True)
class WithdrawalPart:
    """The credit that a lot gives for a payout; `reduced` more leaves the lot for cashback that was already spent."""

    id: UUID
    lot_id: UUID
    amount: Usd
    reduced: Usd


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """Credit that is withdrawn: `amount` of it, paid as `money`. It goes to a payee, from `parts` of lots; or back to a
    top-up's payment as the refund `refund_id`, whose state it then follows. `pretended`: no money moves.
    """

    id: UUID
    account_id: UUID
    idempotency_key: str
    actor: str
    reason: str
    payee_id: UUID | None
    refund_id: UUID | None
    processor: str
    pretended: bool
    asked: Usd | None
    amount: Usd
    money: Money
    state: WithdrawalProgress
    asked_at: datetime
    parts: Sequence[WithdrawalPart] = ()
    fee: Usd = ZERO
    processor_payout_id: str | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None
    settled_by: str | None = None
    called_at: datetime | None = None
    ended_at: datetime | None = None
    looks: int = 0
    next_look_at: datetime | None = None
    fault: str = ""

    @property
    def shown_id(self) -> str:
        """The id as people and processors see it."""
        return ids.show("withdrawal", self.id)
