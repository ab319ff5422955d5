"""The match of the first top-up: granted locked, once in a lifetime for an account and for an instrument."""

from datetime import datetime, timedelta
from typing import Protocol

import asyncpg

from tokenharbor.editions.policy import Policy
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd, round_down
from tokenharbor.kernel.world import World
from tokenharbor.ledger.wallets import Wallets
from tokenharbor.rewards.grants import Incentive, grant, refuse_incentive
from tokenharbor.rewards.reasons import SENTENCES, RewardReason
from tokenharbor.rewards.store import SQL
from tokenharbor.rewards.types import RewardKind, RewardState

_WHOLE = 10_000  # basis points


class CapturedTopUp(Protocol):
    """A top-up that was just credited. `instrument` is "" if nothing about the card or payer is stable."""

    @property
    def account_id(self) -> UUID: ...

    @property
    def lot_id(self) -> UUID: ...

    @property
    def captured(self) -> Usd: ...

    @property
    def instrument(self) -> str: ...

    @property
    def paid_at(self) -> datetime: ...

    @property
    def automatic(self) -> bool: ...


async def match_top_up(conn: asyncpg.Connection, world: World, policy: Policy, top_up: CapturedTopUp) -> None:
    """Grant the match of a top-up, or record why there is none, in the transaction of the top-up's credit."""
    terms = policy.match
    wanted = min(round_down(top_up.captured * terms.share_bp, _WHOLE), terms.maximum)
    if wanted <= ZERO or not policy.incentives.life:
        return
    now = world.clock.now()
    state = await Wallets(conn).lock(top_up.account_id, now)
    incentive = Incentive(
        account_id=top_up.account_id,
        kind=RewardKind.MATCH,
        key=str(top_up.account_id),
        amount=min(wanted, state.remaining(top_up.lot_id)) or wanted,
        expires_at=now + timedelta(days=terms.expires_days) if terms.expires_days else None,
    )
    reason = await _reason_against(conn, policy, top_up, state.remaining(top_up.lot_id))
    if not reason:
        reason = await _grant(conn, world, policy, top_up, incentive)
    if reason:
        await refuse_incentive(conn, world, incentive, reason)


async def _reason_against(conn: asyncpg.Connection, policy: Policy, top_up: CapturedTopUp, remaining: Usd) -> str:
    """Return why there is no match, "" if there is one."""
    row = await conn.fetchrow(SQL.match_history, top_up.account_id, top_up.lot_id, top_up.instrument)
    if row["topped_up"]:
        return SENTENCES[RewardReason.NOT_FIRST]
    if top_up.automatic:
        return SENTENCES[RewardReason.AUTOMATIC]
    if top_up.paid_at > row["created_at"] + timedelta(days=policy.match.within_days):
        return SENTENCES[RewardReason.TOO_LATE]
    if not top_up.instrument:
        return SENTENCES[RewardReason.PAYER_UNKNOWN]
    if row["instrument_known"]:
        return SENTENCES[RewardReason.PAYER_KNOWN]
    return "" if remaining > ZERO else SENTENCES[RewardReason.PAID_DEBT]


async def _grant(
    conn: asyncpg.Connection, world: World, policy: Policy, top_up: CapturedTopUp, incentive: Incentive
) -> str:
    """Grant the match. Return why not, "" if granted: of two top-ups by one instrument at once, the second gets
    none.
    """
    undoable = conn.transaction()
    await undoable.start()
    reward = await grant(conn, world, policy, incentive)
    if reward is not None and reward.state is RewardState.GRANTED:
        ours = (top_up.account_id, top_up.instrument, top_up.lot_id, reward.lot_id, reward.entry_id)
        if await conn.fetchval(SQL.add_match, *ours) is None:
            await undoable.rollback()
            return SENTENCES[RewardReason.PAYER_MATCHED]
    await undoable.commit()
    return ""
