"""Reads and writes rewards and codes.

Each function takes a connection and leaves the transaction to its caller.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from tokenharbor.db.queries import read_queries
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import Missing
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.kernel.reasons import ErrorReason
from tokenharbor.rewards.types import RedemptionCode, Reward, RewardKind, RewardMark, RewardState


@dataclass(frozen=True, slots=True)
class RewardQueries:
    """The SQL of queries.sql."""

    add_reward: str
    lock_reward: str
    reward: str
    decide_reward: str
    rewards: str
    rewards_once: str
    lock_mark: str
    granted: str
    add_granted: str
    lock_mailboxes: str
    twins_welcomed: str
    add_code: str
    codes: str
    lock_code: str
    use_code: str
    revoke_code: str
    add_redemption: str
    is_due: str
    is_due_again: str
    charges: str
    set_mark: str
    days: str
    disputed: str
    set_day: str
    add_source: str
    last_dispute: str
    match: str
    add_match: str
    add_unlocked: str
    match_history: str
    last_seq: str
    source: str
    undo_returned: str
    add_returned: str
    add_return: str
    give_back: str
    return_postings: str
    owed_for: str
    held_back: str
    add_referral_code: str
    referrer: str
    add_referral: str
    ready_referrals: str
    unpaid_referrals: str
    set_referral: str
    referrals: str
    idle_accounts: str
    waiting_referrers: str
    last_dispute_of: str
    overview: str


SQL = read_queries(RewardQueries, "tokenharbor.rewards")


async def add_reward(conn: asyncpg.Connection, reward: Reward) -> bool:
    """Add a reward. Return False if its key was used before."""
    added = await conn.fetchval(
        SQL.add_reward,
        reward.id, reward.account_id, reward.kind.value, reward.key, reward.state.value, reward.wanted, reward.amount,
        reward.at, reward.entry_id, reward.lot_id, reward.reason,
    )  # fmt: skip
    return added is not None


async def get_reward(conn: asyncpg.Connection, reward_id: UUID) -> Reward:
    """Return a reward. Raises Missing."""
    return _found(await conn.fetchrow(SQL.reward, reward_id), reward_id)


async def lock_reward(conn: asyncpg.Connection, reward_id: UUID) -> Reward:
    """Lock and return a reward. Raises Missing."""
    return _found(await conn.fetchrow(SQL.lock_reward, reward_id), reward_id)


async def decide_reward(conn: asyncpg.Connection, reward: Reward) -> None:
    await conn.execute(
        SQL.decide_reward,
        reward.id, reward.state.value, reward.amount, reward.entry_id, reward.lot_id, reward.reason,
        reward.decided_by, reward.decided_at,
    )  # fmt: skip


async def list_rewards(
    conn: asyncpg.Connection, account_id: UUID | None = None, state: RewardState | None = None
) -> Sequence[Reward]:
    """Return rewards, oldest first."""
    return [_reward(row) for row in await conn.fetch(SQL.rewards, account_id, state)]


async def list_once(conn: asyncpg.Connection, account_id: UUID) -> Sequence[Reward]:
    """Return an account's welcome grant and match, granted or not."""
    return [_reward(row) for row in await conn.fetch(SQL.rewards_once, account_id)]


async def lock_mark(conn: asyncpg.Connection, account_id: UUID) -> RewardMark:
    row: Any = await conn.fetchrow(SQL.lock_mark, account_id)
    return RewardMark(Usd(row["granted"]), row["seq"], row["spent"], row["trial_earned"])


async def read_granted(conn: asyncpg.Connection, account_id: UUID) -> Usd:
    """Return the sum of rewards that an account was granted, before anything was taken back."""
    return Usd(await conn.fetchval(SQL.granted, account_id) or ZERO)


async def add_granted(conn: asyncpg.Connection, account_id: UUID, amount: Usd) -> None:
    await conn.execute(SQL.add_granted, account_id, amount)


async def add_code(conn: asyncpg.Connection, code: RedemptionCode, digest: bytes) -> None:
    await conn.execute(
        SQL.add_code,
        code.id, digest, code.amount, code.lasts, code.uses, code.created_at, code.expires_at, code.note, code.actor,
    )  # fmt: skip


async def list_codes(conn: asyncpg.Connection) -> Sequence[RedemptionCode]:
    """Return all codes, oldest first."""
    return [_code(row) for row in await conn.fetch(SQL.codes)]


async def lock_code(conn: asyncpg.Connection, digest: bytes) -> RedemptionCode:
    """Lock and return a code. Raises Missing."""
    row = await conn.fetchrow(SQL.lock_code, digest)
    if row is None:
        raise Missing("no such code").because(ErrorReason.CODE_UNKNOWN)
    return _code(row)


async def use_code(conn: asyncpg.Connection, code_id: UUID) -> None:
    await conn.execute(SQL.use_code, code_id)


async def revoke_code(conn: asyncpg.Connection, code_id: UUID, at: datetime) -> RedemptionCode:
    """Revoke a code. Raises Missing."""
    row = await conn.fetchrow(SQL.revoke_code, code_id, at)
    if row is None:
        raise Missing(f"no such code: {ids.show('code', code_id)}")
    return _code(row)


async def add_redemption(conn: asyncpg.Connection, code_id: UUID, account_id: UUID, at: datetime) -> bool:
    """Record a redemption. Return False if the account has redeemed the code before."""
    return await conn.fetchval(SQL.add_redemption, code_id, account_id, at) is not None


def _found(row: asyncpg.Record | None, reward_id: UUID) -> Reward:
    if row is None:
        raise Missing(f"no such reward: {ids.show('rew', reward_id)}")
    return _reward(row)


def _reward(row: asyncpg.Record) -> Reward:
    fields: dict[str, Any] = dict(row)
    typed = {"kind": RewardKind(row["kind"]), "state": RewardState(row["state"])}
    return Reward(**{**fields, **typed, "wanted": Usd(row["wanted"]), "amount": Usd(row["amount"])})


def _code(row: asyncpg.Record) -> RedemptionCode:
    return RedemptionCode(**{**dict(row), "amount": Usd(row["amount"])})
