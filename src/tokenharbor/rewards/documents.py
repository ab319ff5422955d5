"""The documents of rewards, referrals and codes: one shape of each thing for commands, paths and pages."""

from datetime import datetime
from typing import Self

from msgspec import UNSET, UnsetType

from tokenharbor.kernel import ids
from tokenharbor.kernel.clock import to_second
from tokenharbor.kernel.documents import Document
from tokenharbor.kernel.money import Usd
from tokenharbor.rewards.referrals import Referral
from tokenharbor.rewards.types import RedemptionCode, Reward, RewardKind, RewardState


class RewardDocument(Document, frozen=True):
    """A reward. `wanted_usd` is what it would have been without the limit of all incentives."""

    id: str
    account: str
    kind: RewardKind
    state: RewardState
    usd: Usd
    wanted_usd: Usd
    at: datetime
    reason: str | None
    decided_by: str | None

    @classmethod
    def of(cls, reward: Reward) -> Self:
        return cls(
            id=ids.show("rew", reward.id),
            account=ids.show("acct", reward.account_id),
            kind=reward.kind,
            state=reward.state,
            usd=reward.amount,
            wanted_usd=reward.wanted,
            at=to_second(reward.at),
            reason=reward.reason or None,
            decided_by=reward.decided_by,
        )


class ReferralDocument(Document, frozen=True):
    """An account that signed up by another's code. `active`: it was billed; `paid`: it has topped up."""

    account: str
    signed_up_at: datetime
    state: str
    active: bool
    paid: bool

    @classmethod
    def of(cls, referral: Referral) -> Self:
        return cls(
            account=ids.show("acct", referral.referred),
            signed_up_at=to_second(referral.signed_up_at),
            state=referral.state,
            active=referral.active,
            paid=referral.paid,
        )


class CodeDocument(Document, frozen=True):
    """A code without itself; `code` is shown once, where it is made."""

    id: str
    usd: Usd
    uses: int
    used: int
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    credit_days: int | None
    note: str | None
    actor: str
    code: str | UnsetType = UNSET

    @classmethod
    def of(cls, code: RedemptionCode, text: str | UnsetType = UNSET) -> Self:
        return cls(
            id=ids.show("code", code.id),
            usd=code.amount,
            uses=code.uses,
            used=code.used,
            created_at=to_second(code.created_at),
            expires_at=to_second(code.expires_at),
            revoked_at=to_second(code.revoked_at),
            credit_days=None if code.lasts is None else code.lasts.days,
            note=code.note or None,
            actor=code.actor,
            code=text,
        )
