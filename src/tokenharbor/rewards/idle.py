"""Runs what is due on idle accounts, or on one account, in separate transactions."""

from collections.abc import Sequence
from typing import Final

import asyncpg

from tokenharbor.db.each_row import EachRow
from tokenharbor.db.errors import as_database_unavailable
from tokenharbor.editions.policy import Policy
from tokenharbor.identity.store import get_account
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.world import World
from tokenharbor.rewards.due import run_due
from tokenharbor.rewards.referrals import Referral, list_referrals, referral_code
from tokenharbor.rewards.store import SQL

_PAGE: Final = 100
_NOBODY: Final = UUID(int=0)


async def run_idle(pool: asyncpg.Pool, world: World, policy: Policy) -> None:
    """Run what is due on accounts that were not billed for a while, and on referrers with a reward to come.

    Raises the first failure of an account after all were tried.
    """

    async def run(account_id: UUID) -> None:
        await run_due_alone(pool, world, policy, account_id)

    each, last = EachRow("rewards"), _NOBODY
    while found := await pool.fetch(SQL.idle_accounts, last, world.clock.now(), _PAGE):
        await each.do([row["account_id"] for row in found], run)
        last = found[-1]["account_id"]
    last = _NOBODY
    while found := await pool.fetch(SQL.waiting_referrers, last, policy.referral.unpaid_referrals, _PAGE):
        await each.do([row["account_id"] for row in found], run)
        last = found[-1]["account_id"]
    each.end()


async def run_due_alone(pool: asyncpg.Pool, world: World, policy: Policy, account_id: UUID) -> bool:
    """Run what is due on an account, on a new connection. Return whether credit came of it. Raises BooksError."""
    with as_database_unavailable():
        async with pool.acquire() as conn:
            return await run_due(conn, world, policy, account_id)


async def run_due_again(conn: asyncpg.Connection, world: World, policy: Policy, account_id: UUID) -> None:
    """Run what is due before a read, at most once a minute. Raises BooksError."""
    if await conn.fetchval(SQL.is_due_again, account_id, world.clock.now()):
        await run_due(conn, world, policy, account_id)


async def show_referrals(
    conn: asyncpg.Connection, world: World, policy: Policy, account_id: UUID
) -> tuple[str, Sequence[Referral]]:
    """Grant what is due, then return an account's referral code and referrals. Raises Missing or BooksError."""
    await get_account(conn, account_id)
    await run_due(conn, world, policy, account_id)
    return await referral_code(conn, world, account_id), await list_referrals(conn, account_id)
