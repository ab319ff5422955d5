"""Referrals: an account's code, who signed up with it, and the referrer's reward once they are active.

An account is active once it was billed: its wallet has spent something, so free models and cached answers make no
referral. Invariant: the reward is granted while the referrer's wallet is locked, and no other; locking two wallets at
once could deadlock with a batch of settlements. So it is granted when the referrer's credit is next processed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import asyncpg

from tokenharbor.editions.policy import Policy
from tokenharbor.kernel.errors import Rejected
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO
from tokenharbor.kernel.reasons import ErrorReason
from tokenharbor.kernel.world import World
from tokenharbor.ledger.wallets import Wallets
from tokenharbor.rewards.codes import random_text
from tokenharbor.rewards.grants import Incentive, grant, hold_for_review, refuse_incentive
from tokenharbor.rewards.store import SQL
from tokenharbor.rewards.types import RewardKind, RewardState

_LENGTH: Final = 10


@dataclass(frozen=True, slots=True)
class Referral:
    """An account that signed up with another's code. `active`: it was billed; `paid`: it has topped up."""

    referred: UUID
    signed_up_at: datetime
    state: str
    active: bool
    paid: bool


async def referral_code(conn: asyncpg.Connection, world: World, account_id: UUID) -> str:
    """Return an account's referral code, which never changes."""
    code: str = await conn.fetchval(SQL.add_referral_code, account_id, random_text(world.entropy, _LENGTH))
    return code


async def find_referrer(conn: asyncpg.Connection, code: str) -> UUID:
    """Return the account that a code belongs to. Raises Rejected for an unknown code."""
    plain = code.strip().upper()
    referrer: UUID | None = await conn.fetchval(SQL.referrer, plain) if plain.isascii() and plain.isalnum() else None
    if referrer is None:
        raise Rejected(f"no such referral code: {code[:40]!r}", param="referral").because(ErrorReason.REFERRAL_UNKNOWN)
    return referrer


async def record_sign_up(conn: asyncpg.Connection, world: World, code: str, referred: UUID) -> None:
    """Record a referral, in the transaction that opens the account. Raises Rejected for an unknown code."""
    await conn.execute(SQL.add_referral, referred, await find_referrer(conn, code), world.clock.now())


async def list_referrals(conn: asyncpg.Connection, account_id: UUID) -> Sequence[Referral]:
    """Return an account's referrals, oldest first."""
    return [Referral(**row) for row in await conn.fetch(SQL.referrals, account_id)]


async def grant_referrals(conn: asyncpg.Connection, world: World, policy: Policy, referrer: UUID) -> bool:
    """Grant the rewards of active referrals; beyond the edition's number of unpaid ones, only of those that have paid.

    Return whether one was granted. The referrer's wallet is locked.
    """
    if not policy.referral.reward or not policy.incentives.life:
        return False
    changed = False
    for row in await conn.fetch(SQL.ready_referrals, referrer):
        unpaid = not (row["paid"] and row["recognised"])
        beyond = unpaid and await conn.fetchval(SQL.unpaid_referrals, referrer) >= policy.referral.unpaid_referrals
        if beyond and not row["paid"]:
            continue
        state = await _decide(conn, world, policy, referrer, row, doubt=_doubt(row, beyond=beyond))
        if state is not None:
            await conn.execute(SQL.set_referral, row["referred"], state.value, unpaid and state is RewardState.GRANTED)
            changed |= state is RewardState.GRANTED
    return changed


async def _decide(
    conn: asyncpg.Connection, world: World, policy: Policy, referrer: UUID, row: asyncpg.Record, *, doubt: str
) -> RewardState | None:
    """Grant, refuse or, in `doubt`, hold a referral's reward. Return None if it waits until the referrer's debt is
    paid.
    """
    now = world.clock.now()
    matures_at = now + timedelta(days=policy.referral.maturity_days)
    last_dispute = await conn.fetchval(SQL.last_dispute_of, row["referred"])
    incentive = Incentive(
        account_id=referrer,
        kind=RewardKind.REFERRAL,
        key=str(row["referred"]),
        amount=policy.referral.reward,
        withdrawable_from=max(matures_at, last_dispute or matures_at),
    )
    if row["same_person"]:
        await refuse_incentive(conn, world, incentive, "the referred account has the same user or payment method")
        return RewardState.REFUSED
    if doubt:
        await hold_for_review(conn, world, incentive, doubt)
        return RewardState.REVIEW
    if (await Wallets(conn).lock(referrer, now)).debt > ZERO:
        return None
    reward = await grant(conn, world, policy, incentive)
    return RewardState.REFUSED if reward is None else reward.state


def _doubt(row: asyncpg.Record, *, beyond: bool) -> str:
    """Return what an operator has to check, "" if nothing. `beyond`: it was paid by a method that may be used again."""
    if row["same_mailbox"]:
        return "the referred account has the same mailbox as another account"
    if row["same_instrument"]:
        return "the referred account has the same payment method as another account"
    return "the payment method of the referred account cannot be recognised again" if beyond else ""
