"""Grants rewards: each becomes credit once, within the lifetime cap; claims by customers, decisions by operators.

Invariant: a reward is granted once. Its row, its credit and the sum that the cap compares are written in one
transaction, with the wallet locked first, so a retry finds the row. The part that the cap cuts off is lost: it is not
granted later.
"""

import dataclasses
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import asyncpg

from tokenharbor.editions.policy import Policy
from tokenharbor.identity.store import get_account
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import Conflict, Rejected
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.kernel.reasons import ErrorReason
from tokenharbor.kernel.world import World
from tokenharbor.ledger import credit_moves
from tokenharbor.ledger.types import Credit, Pool
from tokenharbor.ledger.wallets import Wallets
from tokenharbor.rewards import store
from tokenharbor.rewards.reasons import SENTENCES, RewardReason, reason_code
from tokenharbor.rewards.types import Reward, RewardKind, RewardState

_POOLS: Final = {
    RewardKind.WELCOME: Pool.TRIAL,
    RewardKind.MATCH: Pool.MATCH,
    RewardKind.REFERRAL: Pool.PAID,
    RewardKind.CASHBACK: Pool.PAID,
    RewardKind.CODE: Pool.PROMO,
    RewardKind.STREAK: Pool.TRIAL,
}
_REFUSALS: Final = {RewardReason.CAP: ErrorReason.REWARD_CAP, RewardReason.DEBT: ErrorReason.REWARD_DEBT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Incentive:
    """A reward that an account is entitled to: `amount` by the rules, once for each `key`."""

    account_id: UUID
    kind: RewardKind
    key: str
    amount: Usd
    expires_at: datetime | None = None
    withdrawable_from: datetime | None = None


async def grant(conn: asyncpg.Connection, world: World, policy: Policy, incentive: Incentive) -> Reward | None:
    """Grant an incentive, up to the lifetime cap, in the caller's transaction.

    Return None if its key was used before. Return a REFUSED reward if the cap leaves nothing, or the account is in
    debt. Raises BooksRefused.
    """
    now = world.clock.now()
    state = await Wallets(conn).lock(incentive.account_id, now)
    mark = await store.lock_mark(conn, incentive.account_id)
    amount = min(incentive.amount, Usd(max(policy.incentives.life - mark.granted, ZERO)))
    reward = _reward(world, incentive, now, amount)
    if state.debt and incentive.kind is not RewardKind.CASHBACK:
        reward = _refused(reward, SENTENCES[RewardReason.DEBT])
    elif not amount:
        reward = _refused(reward, SENTENCES[RewardReason.CAP])
    if not await store.add_reward(conn, reward):
        return None
    if reward.state is RewardState.GRANTED:
        await _credit(conn, reward, incentive)
    return reward


async def hold_for_review(conn: asyncpg.Connection, world: World, incentive: Incentive, reason: str) -> Reward | None:
    """Record a reward for an operator to decide. Return None if its key was used before."""
    doubtful = _reward(world, incentive, world.clock.now(), incentive.amount)
    reward = dataclasses.replace(
        doubtful, state=RewardState.REVIEW, amount=ZERO, entry_id=None, lot_id=None, reason=reason
    )
    return reward if await store.add_reward(conn, reward) else None


async def refuse_incentive(conn: asyncpg.Connection, world: World, incentive: Incentive, reason: str) -> None:
    """Record that an incentive is refused, with the reason."""
    await store.add_reward(conn, _refused(_reward(world, incentive, world.clock.now(), incentive.amount), reason))


async def claim_welcome(conn: asyncpg.Connection, world: World, policy: Policy, account_id: UUID) -> Reward:
    """Claim the welcome grant, once for each account. It waits for an operator if another account of the same mailbox
    has had one. Raises Missing, Conflict or BooksRefused.
    """
    grants = policy.grants
    async with conn.transaction():
        account = await get_account(conn, account_id)
        now = world.clock.now()
        if not grants.welcome:
            raise Conflict(f"the edition {policy.name} has no welcome grant").because(ErrorReason.WELCOME_NOT_OFFERED)
        if grants.claim_days and now > account.created_at + timedelta(days=grants.claim_days):
            raise Conflict(f"the welcome grant had to be claimed within {grants.claim_days} days of sign-up").because(
                ErrorReason.WELCOME_OVER, days=grants.claim_days
            )
        await Wallets(conn).lock_wallet(account_id, now)
        incentive = _welcome(policy, account_id, now)
        await conn.execute(store.SQL.lock_mailboxes, account_id)
        twins = await conn.fetchrow(store.SQL.twins_welcomed, account_id)
        if twins["same_user"]:
            raise Conflict("the welcome grant was already claimed with another account of the same user").because(
                ErrorReason.WELCOME_OTHER_ACCOUNT
            )
        if twins["same_mailbox"]:
            reward = await hold_for_review(conn, world, incentive, SENTENCES[RewardReason.SAME_MAILBOX])
        else:
            reward = await grant(conn, world, policy, incentive)
        return check_claim(
            reward, Conflict("the welcome grant was already claimed").because(ErrorReason.WELCOME_CLAIMED)
        )


async def approve(conn: asyncpg.Connection, world: World, policy: Policy, reward_id: UUID, *, actor: str) -> Reward:
    """Grant a reward in review, with today's cap and terms. Raises Missing, Conflict or BooksRefused."""
    async with conn.transaction():
        reward = await _lock_waiting(conn, world, reward_id)
        mark = await store.lock_mark(conn, reward.account_id)
        now = world.clock.now()
        amount = min(reward.wanted, policy.incentives.life - mark.granted)
        if amount <= ZERO:
            raise _conflict(SENTENCES[RewardReason.CAP])
        granted = dataclasses.replace(
            reward,
            state=RewardState.GRANTED,
            amount=amount,
            entry_id=world.ids.new(),
            lot_id=world.ids.new(),
            decided_by=actor,
            decided_at=now,
        )
        await store.decide_reward(conn, granted)
        await _credit(conn, granted, _terms(policy, reward, now), now)
    return granted


async def refuse(conn: asyncpg.Connection, world: World, reward_id: UUID, *, reason: str, actor: str) -> Reward:
    """Refuse a reward in review. Raises Missing, Conflict, or Rejected without a reason."""
    if not reason.strip():
        raise Rejected("a refusal needs a reason", param="reason")
    async with conn.transaction():
        reward = await _lock_waiting(conn, world, reward_id)
        refused = dataclasses.replace(
            reward, state=RewardState.REFUSED, reason=reason, decided_by=actor, decided_at=world.clock.now()
        )
        await store.decide_reward(conn, refused)
    return refused


def check_claim(reward: Reward | None, again: Conflict) -> Reward:
    """Return the reward of a claim. Raises `again` if it was made before, Conflict if it was refused; the caller's
    transaction is then rolled back.
    """
    if reward is None:
        raise again
    if reward.state is RewardState.REFUSED:
        raise _conflict(reward.reason)
    return reward


def _conflict(sentence: str) -> Conflict:
    refusal = Conflict(sentence)
    reason = reason_code(sentence)
    return refusal.because(_REFUSALS[reason]) if reason in _REFUSALS else refusal


async def _lock_waiting(conn: asyncpg.Connection, world: World, reward_id: UUID) -> Reward:
    account_id = (await store.get_reward(conn, reward_id)).account_id
    state = await Wallets(conn).lock(account_id, world.clock.now())  # before any row of this room
    reward = await store.lock_reward(conn, reward_id)
    if reward.state is not RewardState.REVIEW:
        raise Conflict(f"{ids.show('rew', reward_id)} is not in review: it is {reward.state}")
    if state.debt:
        raise _conflict(SENTENCES[RewardReason.DEBT])
    return reward


async def _credit(conn: asyncpg.Connection, reward: Reward, terms: Incentive, at: datetime | None = None) -> None:
    """Post the credit of a granted reward."""
    wallets, now = Wallets(conn), at or reward.at
    await store.add_granted(conn, reward.account_id, reward.amount)
    assert reward.entry_id is not None, "it is granted"  # noqa: S101  for mypy
    assert reward.lot_id is not None, "it is granted"  # noqa: S101  for mypy
    credit = Credit(
        entry_id=reward.entry_id,
        lot_id=reward.lot_id,
        account_id=reward.account_id,
        pool=_POOLS[reward.kind],
        origin=reward.kind.value,
        amount=reward.amount,
        at=now,
        reason=reward.kind.value,
        expires_at=terms.expires_at,
        withdrawable_from=terms.withdrawable_from,
        reference=f"reward/{reward.kind}/{reward.key}",
    )
    state = await wallets.lock(reward.account_id, now)
    make = credit_moves.lock_match if reward.kind is RewardKind.MATCH else credit_moves.grant
    await wallets.post(make(state, credit))


def _welcome(policy: Policy, account_id: UUID, now: datetime) -> Incentive:
    return Incentive(
        account_id=account_id,
        kind=RewardKind.WELCOME,
        key=str(account_id),
        amount=policy.grants.welcome,
        expires_at=now + timedelta(days=policy.grants.welcome_days),
    )


def _terms(policy: Policy, reward: Reward, now: datetime) -> Incentive:
    """Return the terms that a reward in review gets if it is approved now."""
    if reward.kind is RewardKind.WELCOME:
        return _welcome(policy, reward.account_id, now)
    return Incentive(
        account_id=reward.account_id,
        kind=reward.kind,
        key=reward.key,
        amount=reward.wanted,
        withdrawable_from=now + timedelta(days=policy.referral.maturity_days),
    )


def _reward(world: World, incentive: Incentive, now: datetime, amount: Usd) -> Reward:
    return Reward(
        id=world.ids.new(),
        account_id=incentive.account_id,
        kind=incentive.kind,
        key=incentive.key,
        state=RewardState.GRANTED,
        wanted=incentive.amount,
        amount=amount,
        at=now,
        entry_id=world.ids.new(),
        lot_id=world.ids.new(),
    )


def _refused(reward: Reward, reason: str) -> Reward:
    return dataclasses.replace(
        reward, state=RewardState.REFUSED, amount=ZERO, entry_id=None, lot_id=None, reason=reason
    )
