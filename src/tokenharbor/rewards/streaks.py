"""Streaks: a grant for each UTC day on which an account was billed."""

from collections.abc import Sequence
from datetime import timedelta

import asyncpg

from tokenharbor.editions.policy import Policy
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.world import World
from tokenharbor.rewards import store
from tokenharbor.rewards.cashback import DayCharge
from tokenharbor.rewards.grants import Incentive, grant
from tokenharbor.rewards.types import RewardKind, RewardState


async def grant_streaks(
    conn: asyncpg.Connection, world: World, policy: Policy, account_id: UUID, charges: Sequence[DayCharge]
) -> bool:
    """Grant a streak for each UTC day with a charge above 0, once. Return whether one was granted. Wallet is locked."""
    grants, now, changed = policy.grants, world.clock.now(), False
    if not grants.daily:
        return False
    for day in sorted({charge.day for charge in charges if charge.end > charge.start}):
        if await store.read_granted(conn, account_id) >= policy.incentives.life:
            break  # write no row for each further day
        incentive = Incentive(
            account_id=account_id,
            kind=RewardKind.STREAK,
            key=f"{account_id}/{day}",
            amount=grants.daily,
            expires_at=now + timedelta(days=grants.daily_days),
        )
        reward = await grant(conn, world, policy, incentive)
        changed |= reward is not None and reward.state is RewardState.GRANTED
    return changed
