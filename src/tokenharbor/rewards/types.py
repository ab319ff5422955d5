"""Types of rewards, referrals and codes, as stored in the database."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd


class RewardKind(StrEnum):
    """The kind of a reward; the value is also the origin of its lot."""

    WELCOME = "welcome"
    MATCH = "match"
    REFERRAL = "referral"
    CASHBACK = "cashback"
    CODE = "code"
    STREAK = "streak"


class RewardState(StrEnum):
    """The state of a reward. Only GRANTED has credited. REVIEW: an operator decides."""

    GRANTED = "granted"
    REVIEW = "review"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reward:
    """A reward, once for each `key` of its kind. `wanted` is the amount by the rules, `amount` the part granted within
    the lifetime cap, before anything was taken back.
    """

    id: UUID
    account_id: UUID
    kind: RewardKind
    key: str
    state: RewardState
    wanted: Usd
    amount: Usd
    at: datetime
    entry_id: UUID | None = None
    lot_id: UUID | None = None
    reason: str = ""
    decided_by: str | None = None
    decided_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RewardMark:
    """How far an account's usage was processed, and the sums for its caps. `trial_earned` is in ten-thousandths of a
    nano-dollar.
    """

    granted: Usd
    seq: int
    spent: int
    trial_earned: int


@dataclass(frozen=True, slots=True)
class RedemptionCode:
    """A code without its text, which is shown once when it is made. `lasts` is the credit's lifetime, None:
    unlimited.
    """

    id: UUID
    amount: Usd
    lasts: timedelta | None
    uses: int
    used: int
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    note: str
    actor: str
