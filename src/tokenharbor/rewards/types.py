"""Rewards, referrals and codes, as the database has them; all frozen."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd


class RewardKind(StrEnum):
    """What a reward is for. The value is the origin of its lot, too."""

    WELCOME = "welcome"
    MATCH = "match"
    REFERRAL = "referral"
    CASHBACK = "cashback"
    CODE = "code"
    STREAK = "streak"


class RewardState(StrEnum):
    """Only GRANTED has credited. REVIEW: in doubt; an operator decides."""

    GRANTED = "granted"
    REVIEW = "review"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reward:
    """`key` makes it once within its kind. `wanted` is the amount by the rules, `amount` what was granted of it within
    the cap for life, gross.
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
    """How far an account's usage has been looked at, and what counts for its caps. `trial_earned` is in ten-thousandths
    of a nano-dollar.
    """

    granted: Usd
    seq: int
    spent: int
    trial_earned: int


@dataclass(frozen=True, slots=True)
class RedemptionCode:
    """A code without itself: it is shown once, when it is made. `lasts` is of the credit; None: it does not expire."""

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
