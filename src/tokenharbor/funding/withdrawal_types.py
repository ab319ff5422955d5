"""Payees and withdrawals, as the database has them; all frozen."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tokenharbor.kernel import ids
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Money, Usd


class WithdrawalProgress(StrEnum):
    """How far a withdrawal is. ASKED: it waits for an approval. CALLED: the processor is being asked, or has been, and
    has not paid yet.
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
    """Who may receive an account's withdrawals. The address is in a row of its own; `digest` is that row's."""

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
        """As people see it."""
        return ids.show("payee", self.id)


@dataclass(frozen=True, slots=True)
class WithdrawalPart:
    """What of a payout a lot gives, and what of it the payee does not get since it was spent as cashback."""

    id: UUID
    lot_id: UUID
    amount: Usd
    reduced: Usd


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """Credit that leaves: `amount` of it, as `money`. To a payee, in `parts` of lots; or to what paid for a top-up, as
    the refund `refund_id`, which then says how far it is. `pretended`: no money moves.
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
    called_at: datetime | None = None
    ended_at: datetime | None = None
    looks: int = 0
    next_look_at: datetime | None = None
    fault: str = ""

    @property
    def shown_id(self) -> str:
        """As people and processors see it."""
        return ids.show("withdrawal", self.id)
