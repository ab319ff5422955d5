"""Checks of rewards for `ledger verify`: each lot has its reward, each reward its lot, and the caps' sums match."""

from dataclasses import dataclass

import asyncpg

from tokenharbor.db.queries import read_queries
from tokenharbor.kernel import ids


@dataclass(frozen=True, slots=True)
class RewardAuditQueries:
    """The SQL of audit.sql."""

    lots_without_reward: str
    rewards_without_lot: str
    wrong_sums: str
    wrong_days: str
    too_much_locked: str
    overused_codes: str


SQL = read_queries(RewardAuditQueries, "tokenharbor.rewards", "audit.sql")


async def find_reward_fault(conn: asyncpg.Connection) -> str | None:
    """Return the first fault in one line, None if there is none."""
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        if lot := await conn.fetchrow(SQL.lots_without_reward):
            shown = f"{ids.show('lot', lot['lot_id'])} of {ids.show('acct', lot['account_id'])}"
            return f"rewards: {shown} was granted as a reward, but no reward matches it"
        if reward_id := await conn.fetchval(SQL.rewards_without_lot):
            return f"rewards: {ids.show('rew', reward_id)} is granted but has no lot"
        for query, fault in (
            (SQL.wrong_sums, "has another lifetime sum of rewards than its rewards add up to"),
            (SQL.wrong_days, "was granted more cashback than its days have earned"),
            (SQL.too_much_locked, "has more match locked than remains of the matched top-up"),
        ):
            if account_id := await conn.fetchval(query):
                return f"rewards: {ids.show('acct', account_id)} {fault}"
        if code_id := await conn.fetchval(SQL.overused_codes):
            return f"rewards: the count of uses of {ids.show('code', code_id)} does not match its redemptions"
    return None
