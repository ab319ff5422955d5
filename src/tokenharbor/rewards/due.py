"""What is due on an account: unlocked match, cashback, streaks and referrals, from the line and a mark on it.

Nothing here has its own schedule. Every operation that reads or moves an account's credit first runs what is due, in
its transaction: a credit, a refund, a withdrawal, a dispute, a balance, a hold that would be refused. A job does so
for idle accounts. What is due follows from the line below `spent`, which never changes, so the totals of each day are
the same whatever runs it, when and how often.

Invariant: afterwards `locked` is at most what remains of the matched top-up. A job alone could not keep that, since
every request would break it. The mark, the rewards and their credit are written in one transaction, with the wallet
locked.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

import asyncpg

from tokenharbor.editions.policy import Policy
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.kernel.world import World
from tokenharbor.ledger import credit_moves
from tokenharbor.ledger.credit_moves import EntryStamp
from tokenharbor.ledger.credit_state import CreditState
from tokenharbor.ledger.wallets import Wallets
from tokenharbor.rewards import store
from tokenharbor.rewards.cashback import PARTS, CashbackTally, DayCharge, accrue, due_of
from tokenharbor.rewards.grants import Incentive, grant
from tokenharbor.rewards.referrals import grant_referrals
from tokenharbor.rewards.store import SQL
from tokenharbor.rewards.streaks import grant_streaks
from tokenharbor.rewards.types import RewardKind, RewardMark, RewardState

PAGE: Final = 10_000
"""How many entries are processed in one transaction, unless the caller already has one."""


async def run_due(conn: asyncpg.Connection, world: World, policy: Policy, account_id: UUID) -> bool:
    """Grant the rewards due on an account. Return whether credit was granted or unlocked. Raises BooksRefused."""
    changed = False
    while await conn.fetchval(SQL.is_due, account_id, policy.referral.unpaid_referrals):
        async with conn.transaction():
            page = await _run_page(conn, world, policy, account_id)
        changed = page.changed or changed
        if page.is_last:
            break
    return changed


class _Page:
    """The result of processing one page of charges."""

    def __init__(self) -> None:
        self.changed = False
        self.is_last = True


async def _run_page(conn: asyncpg.Connection, world: World, policy: Policy, account_id: UUID) -> _Page:
    now, page = world.clock.now(), _Page()
    state = await Wallets(conn).lock(account_id, now)
    mark = await store.lock_mark(conn, account_id)
    page.changed = await _unlock(conn, world, state, now)
    seq, spent, trial = mark.seq, state.spent, mark.trial_earned
    if not policy.incentives.life or not (policy.cashback.pays or policy.grants.daily):
        seq = await conn.fetchval(SQL.last_seq, account_id)
    elif state.spent > mark.spent and (charges := await _charges(conn, account_id, mark.seq)):
        page.is_last = len(charges) < PAGE
        seq = charges[-1].seq
        spent = state.spent if page.is_last else charges[-1].end
        tally = await _tally(conn, policy, account_id, mark, charges)
        before = dict(tally.days)
        accrue(policy.cashback, charges, state.line, state.lots, tally)
        trial = tally.trial
        page.changed |= await _pay_cashback(conn, world, policy, account_id, (tally, before, seq))
        page.changed |= await grant_streaks(conn, world, policy, account_id, charges)
    await conn.execute(SQL.set_mark, account_id, seq, spent, trial, now)
    if page.is_last:
        page.changed |= await grant_referrals(conn, world, policy, account_id)
    return page


async def _unlock(conn: asyncpg.Connection, world: World, state: CreditState, now: datetime) -> bool:
    """Unlock a dollar of the match for each dollar drawn from the matched top-up's own lot."""
    match = await conn.fetchrow(SQL.match, state.account_id)
    if match is None:
        return False
    lot_id = match["match_lot"]
    due = min(state.locked(lot_id), Usd(state.drawn(match["top_up_lot"]) - match["unlocked"]))
    if due <= ZERO:
        return False
    reference = f"unlock/{lot_id}/{match['unlocked'] + due}"
    stamp = EntryStamp(world.ids.new(), now, "unlock", reference)
    await Wallets(conn).post(credit_moves.unlock(state, stamp, lot_id, due))
    await conn.execute(SQL.add_unlocked, state.account_id, due)
    return True


async def _charges(conn: asyncpg.Connection, account_id: UUID, seq: int) -> Sequence[DayCharge]:
    rows = await conn.fetch(SQL.charges, account_id, seq, PAGE)
    return [DayCharge(row["seq"], row["pos"], row["pos"] + row["amount"], row["day"]) for row in rows]


async def _tally(
    conn: asyncpg.Connection, policy: Policy, account_id: UUID, mark: RewardMark, charges: Sequence[DayCharge]
) -> CashbackTally:
    days = await _days(conn, account_id, {charge.day for charge in charges})
    left = max(policy.incentives.life - mark.granted, 0)
    disputed = {row["lot_id"]: Usd(row["disputed"]) for row in await conn.fetch(SQL.disputed, account_id)}
    earned = {day: row["earned"] for day, row in days.items()}
    return CashbackTally(mark.trial_earned, left * PARTS, earned, disputed)


async def _days(conn: asyncpg.Connection, account_id: UUID, days: set[date]) -> Mapping[date, Any]:
    return {row["day"]: row for row in await conn.fetch(SQL.days, account_id, sorted(days))}


async def _pay_cashback(
    conn: asyncpg.Connection,
    world: World,
    policy: Policy,
    account_id: UUID,
    earnings: tuple[CashbackTally, Mapping[date, int], int],
) -> bool:
    """Grant for each day what it has earned beyond what was granted. The credit can be withdrawn once the top-ups that
    earned it can no longer be disputed, but not before it has matured.
    """
    tally, before, seq = earnings
    now, paid = world.clock.now(), False
    granted = {day: row["granted"] for day, row in (await _days(conn, account_id, set(tally.days))).items()}
    for lot_id, earned in tally.sources.items():
        await conn.execute(SQL.add_source, lot_id, account_id, earned)
    last_dispute = await conn.fetchval(SQL.last_dispute, list(tally.sources))
    matures_at = now + timedelta(days=policy.cashback.maturity_days)
    for day, earned in sorted(tally.days.items()):
        if earned == before.get(day):
            continue
        due = due_of(earned, Usd(granted.get(day, 0)))
        await conn.execute(SQL.set_day, account_id, day, earned, granted.get(day, 0) + max(due, 0))
        if due <= ZERO:
            continue
        incentive = Incentive(
            account_id=account_id,
            kind=RewardKind.CASHBACK,
            key=f"{account_id}/{day}/{seq}",
            amount=due,
            withdrawable_from=max(matures_at, last_dispute or matures_at),
        )
        reward = await grant(conn, world, policy, incentive)
        paid |= reward is not None and reward.state is RewardState.GRANTED
    return paid
