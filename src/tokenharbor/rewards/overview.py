"""An account's rewards, and what it can still get: welcome grant, match, referrals, cashback, the lifetime cap."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import asyncpg

from tokenharbor.editions.policy import Policy
from tokenharbor.identity.store import Account, get_account
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.kernel.world import World
from tokenharbor.rewards import store
from tokenharbor.rewards.cashback import rate_bp
from tokenharbor.rewards.idle import run_due_again
from tokenharbor.rewards.referrals import Referral, list_referrals, referral_code
from tokenharbor.rewards.store import SQL
from tokenharbor.rewards.types import Reward, RewardKind


class RewardStage(StrEnum):
    """The stage of a reward that an account gets once."""

    NONE = "none"  # the edition does not offer it
    OPEN = "open"  # the account can get it
    OVER = "over"  # the time to get it has passed
    REVIEW = "review"  # an operator decides
    GRANTED = "granted"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class WelcomeOverview:
    """The welcome grant. `open_until` is the last moment to claim it, None if there is none; `expires_at` is when its
    credit expires.
    """

    stage: RewardStage
    amount: Usd
    open_until: datetime | None
    expires_at: datetime | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchOverview:
    """The match of the first top-up: `share_bp` of it (basis points), at most `maximum`. Of `granted`, `unlocked` can
    be spent and `locked` cannot yet; the rest is `cancelled`.
    """

    stage: RewardStage
    share_bp: int
    maximum: Usd
    open_until: datetime
    granted: Usd
    unlocked: Usd
    locked: Usd
    expires_at: datetime | None
    reason: str

    @property
    def cancelled(self) -> Usd:
        """The part that was taken back with the top-up's credit, or expired before it unlocked."""
        return Usd(max(self.granted - self.unlocked - self.locked, 0)) if self.stage is RewardStage.GRANTED else ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferralOverview:
    """An account's referral code, the reward for each referral that becomes active, and its referrals."""

    code: str
    reward: Usd
    granted: Usd
    referrals: Sequence[Referral]


@dataclass(frozen=True, slots=True, kw_only=True)
class CashbackOverview:
    """Cashback. `rate_bp` is the rate of the next charge in basis points: `base_bp`, plus `step_bp` for each whole
    dollar `spent` of top-ups, at most `max_bp`. `today` (UTC) and `granted` (in all) are the amounts granted.
    """

    rate_bp: int
    base_bp: int
    step_bp: int
    max_bp: int
    spent: Usd
    today: Usd
    day_most: Usd
    granted: Usd


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardOverview:
    """All rewards of an account. `life_most` is its lifetime cap, `life_granted` the sum granted, before anything was
    taken back. `topped_up`: whether a top-up was ever paid.
    """

    welcome: WelcomeOverview
    match: MatchOverview
    referral: ReferralOverview
    cashback: CashbackOverview
    life_most: Usd
    life_granted: Usd
    topped_up: bool


async def read_rewards(conn: asyncpg.Connection, world: World, policy: Policy, account_id: UUID) -> RewardOverview:
    """Grant what is due, at most once a minute, then return the overview. Raises Missing or BooksError."""
    account, now = await get_account(conn, account_id), world.clock.now()
    await run_due_again(conn, world, policy, account_id)
    once = {each.kind: each for each in await store.list_once(conn, account_id)}
    row = await conn.fetchrow(SQL.overview, account_id, now)
    code, referrals = await referral_code(conn, world, account_id), await list_referrals(conn, account_id)
    return RewardOverview(
        welcome=_welcome(policy, account, once.get(RewardKind.WELCOME), row, now),
        match=_match(policy, account, once.get(RewardKind.MATCH), row, now),
        referral=ReferralOverview(
            code=code,
            reward=policy.referral.reward if policy.incentives.life else ZERO,
            granted=Usd(row["referrals_granted"]),
            referrals=referrals,
        ),
        cashback=CashbackOverview(
            rate_bp=rate_bp(policy.cashback, row["spent_paid"]),
            base_bp=policy.cashback.base_bp,
            step_bp=policy.cashback.step_bp,
            max_bp=policy.cashback.max_bp,
            spent=Usd(row["spent_paid"]),
            today=Usd(row["cashback_today"]),
            day_most=policy.cashback.day,
            granted=Usd(row["cashback_granted"]),
        ),
        life_most=policy.incentives.life,
        life_granted=await store.read_granted(conn, account_id),
        topped_up=row["topped_up"],
    )


def _welcome(
    policy: Policy, account: Account, reward: Reward | None, row: asyncpg.Record, now: datetime
) -> WelcomeOverview:
    days = policy.grants.claim_days
    open_until = account.created_at + timedelta(days=days) if days else None
    offered = bool(policy.grants.welcome and policy.incentives.life)
    return WelcomeOverview(
        stage=_stage(reward, offered=offered, over=open_until is not None and now > open_until),
        amount=policy.grants.welcome if reward is None else reward.amount,
        open_until=open_until,
        expires_at=row["welcome_expires_at"],
        reason="" if reward is None else reward.reason,
    )


def _match(
    policy: Policy, account: Account, reward: Reward | None, row: asyncpg.Record, now: datetime
) -> MatchOverview:
    open_until = account.created_at + timedelta(days=policy.match.within_days)
    offered = bool(policy.match.share_bp and policy.match.maximum and policy.incentives.life)
    return MatchOverview(
        stage=_stage(reward, offered=offered, over=now > open_until or row["topped_up"]),
        share_bp=policy.match.share_bp,
        maximum=policy.match.maximum,
        open_until=open_until,
        granted=ZERO if reward is None else reward.amount,
        unlocked=Usd(row["match_unlocked"]),
        locked=Usd(row["match_locked"]),
        expires_at=row["match_expires_at"],
        reason="" if reward is None else reward.reason,
    )


def _stage(reward: Reward | None, *, offered: bool, over: bool) -> RewardStage:
    if reward is not None:
        return RewardStage(reward.state.value)
    if not offered:
        return RewardStage.NONE
    return RewardStage.OVER if over else RewardStage.OPEN
