"""The JSON documents of rewards, referrals and codes, shared by commands, the control API and pages."""

from collections.abc import Sequence
from datetime import datetime
from typing import Self

from msgspec import UNSET, UnsetType

from tokenharbor.kernel import ids
from tokenharbor.kernel.clock import to_second
from tokenharbor.kernel.documents import Document
from tokenharbor.kernel.money import Usd
from tokenharbor.rewards.overview import (
    CashbackOverview,
    MatchOverview,
    ReferralOverview,
    RewardOverview,
    RewardStage,
    WelcomeOverview,
)
from tokenharbor.rewards.reasons import RewardReason, reason_code
from tokenharbor.rewards.referrals import Referral
from tokenharbor.rewards.types import RedemptionCode, Reward, RewardKind, RewardState


class RewardDocument(Document, frozen=True):
    """A reward. `wanted_usd` is the amount by the rules, before the lifetime cap on all rewards."""

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
    """An account that signed up with another account's code. `active`: it was billed; `paid`: it has topped up."""

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
    """A redemption code; its text, `code`, is shown only once, when it is made."""

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


class WelcomeDocument(Document, frozen=True):
    """The welcome grant. `open_until` is the last moment to claim it, null if there is none. `expires_at` is when its
    credit expires. `reason` says why it was refused or waits; `reason_code` is null if an operator wrote the reason.
    """

    stage: RewardStage
    usd: Usd
    open_until: datetime | None
    expires_at: datetime | None
    reason: str | None
    reason_code: RewardReason | None

    @classmethod
    def of(cls, found: WelcomeOverview) -> Self:
        return cls(
            stage=found.stage,
            usd=found.amount,
            open_until=to_second(found.open_until),
            expires_at=to_second(found.expires_at),
            reason=found.reason or None,
            reason_code=reason_code(found.reason),
        )


class MatchDocument(Document, frozen=True):
    """The match of the first top-up: `share_bp` of it (basis points), at most `max_usd`. Of the grant, `unlocked_usd`
    can be spent and `locked_usd` cannot yet; `cancelled_usd` was taken back with the top-up's credit, or expired.
    """

    stage: RewardStage
    share_bp: int
    max_usd: Usd
    open_until: datetime
    granted_usd: Usd
    unlocked_usd: Usd
    locked_usd: Usd
    cancelled_usd: Usd
    expires_at: datetime | None
    reason: str | None
    reason_code: RewardReason | None

    @classmethod
    def of(cls, found: MatchOverview) -> Self:
        return cls(
            stage=found.stage,
            share_bp=found.share_bp,
            max_usd=found.maximum,
            open_until=to_second(found.open_until),
            granted_usd=found.granted,
            unlocked_usd=found.unlocked,
            locked_usd=found.locked,
            cancelled_usd=found.cancelled,
            expires_at=to_second(found.expires_at),
            reason=found.reason or None,
            reason_code=reason_code(found.reason),
        )


class ReferralsDocument(Document, frozen=True):
    """An account's referral code and link, the reward per referral, and who signed up with it, oldest first."""

    code: str
    url: str
    reward_usd: Usd
    granted_usd: Usd
    referrals: Sequence[ReferralDocument]

    @classmethod
    def of(cls, found: ReferralOverview, public_url: str) -> Self:
        return cls(
            code=found.code,
            url=f"{public_url}/dashboard/sign-up?referral={found.code}",
            reward_usd=found.reward,
            granted_usd=found.granted,
            referrals=[ReferralDocument.of(each) for each in found.referrals],
        )


class CashbackDocument(Document, frozen=True):
    """Cashback. `rate_bp` is the rate of the next charge in basis points: `base_bp`, plus `step_bp` for each whole
    dollar spent of top-ups (`spent_usd`), at most `max_bp`. The rest is what was granted, and the cap of a day (UTC).
    """

    rate_bp: int
    base_bp: int
    step_bp: int
    max_bp: int
    spent_usd: Usd
    today_usd: Usd
    day_max_usd: Usd
    granted_usd: Usd

    @classmethod
    def of(cls, found: CashbackOverview) -> Self:
        return cls(
            rate_bp=found.rate_bp,
            base_bp=found.base_bp,
            step_bp=found.step_bp,
            max_bp=found.max_bp,
            spent_usd=found.spent,
            today_usd=found.today,
            day_max_usd=found.day_most,
            granted_usd=found.granted,
        )


class RewardsDocument(Document, frozen=True):
    """All rewards of an account. `life_max_usd` is its lifetime cap, `life_granted_usd` the sum granted so far."""

    welcome: WelcomeDocument
    match: MatchDocument
    referral: ReferralsDocument
    cashback: CashbackDocument
    life_max_usd: Usd
    life_granted_usd: Usd

    @classmethod
    def of(cls, found: RewardOverview, public_url: str) -> Self:
        return cls(
            welcome=WelcomeDocument.of(found.welcome),
            match=MatchDocument.of(found.match),
            referral=ReferralsDocument.of(found.referral, public_url),
            cashback=CashbackDocument.of(found.cashback),
            life_max_usd=found.life_most,
            life_granted_usd=found.life_granted,
        )
