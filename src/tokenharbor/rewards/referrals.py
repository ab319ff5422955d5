"""Referrals: an account's own code, who signed up by it, and the referrer's reward once they are active.

Active is whoever was billed: its wallet has spent something, so no free model and no cached answer makes a referral.
The reward is granted when the referrer's credit is looked at, with the referrer's wallet locked and no other: a lock on
two wallets at once could stand against a batch of settlements.
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
    """Who signed up by an account's code. `active`: it was billed; `paid`: it has topped up."""

    referred: UUID
    signed_up_at: datetime
    state: str
    active: bool
    paid: bool


async def referral_code(conn: asyncpg.Connection, world: World, account_id: UUID) -> str:
    """An account's own code, the same for ever."""
    code: str = await conn.fetchval(SQL.add_referral_code, account_id, random_text(world.entropy, _LENGTH))
    return code


async def find_referrer(conn: asyncpg.Connection, code: str) -> UUID:
    """Whose code it is. Raises Rejected for one that nobody has."""
    plain = code.strip().upper()
    referrer: UUID | None = await conn.fetchval(SQL.referrer, plain) if plain.isascii() and plain.isalnum() else None
    if referrer is None:
        raise Rejected(f"no such referral code: {code[:40]!r}", param="referral").because(ErrorReason.REFERRAL_UNKNOWN)
    return referrer


async def record_sign_up(conn: asyncpg.Connection, world: World, code: str, referred: UUID) -> None:
    """In the transaction that opens the account. Raises Rejected for a code that nobody has."""
    await conn.execute(SQL.add_referral, referred, await find_referrer(conn, code), world.clock.now())


async def list_referrals(conn: asyncpg.Connection, account_id: UUID) -> Sequence[Referral]:
    """Oldest first."""
    return [Referral(**row) for row in await conn.fetch(SQL.referrals, account_id)]


async def grant_referrals(conn: asyncpg.Connection, world: World, policy: Policy, referrer: UUID) -> bool:
    """The rewards of those that are active; beyond the edition's number, of those that have paid. Whether there was
    one. The referrer's wallet is locked.
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
    """None: it waits until the referrer is out of debt. In `doubt` an operator decides."""
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
        await refuse_incentive(conn, world, incentive, "the referred account is of the same user or instrument")
        return RewardState.REFUSED
    if doubt:
        await hold_for_review(conn, world, incentive, doubt)
        return RewardState.REVIEW
    if (await Wallets(conn).lock(referrer, now)).debt > ZERO:
        return None
    reward = await grant(conn, world, policy, incentive)
    return RewardState.REFUSED if reward is None else reward.state


def _doubt(row: asyncpg.Record, *, beyond: bool) -> str:
    """What an operator has to look at; "" if nothing. `beyond`: it has paid, but by what anybody may use again."""
    if row["same_mailbox"]:
        return "the referred account is of the same mailbox as another"
    if row["same_instrument"]:
        return "the referred account is of the same instrument as another"
    return "what paid for the referred account cannot be recognised again" if beyond else ""
