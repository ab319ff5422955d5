"""What is due on accounts that nobody asks for, or that are asked for on their own; each in transactions of its own."""

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
    """Accounts that were not billed for a while, and referrers with a reward to come. One that fails keeps no other
    from it. Raises the first failure, at the end.
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
    """Whether credit came of it. Raises BooksError."""
    with as_database_unavailable():
        async with pool.acquire() as conn:
            return await run_due(conn, world, policy, account_id)


async def run_due_again(conn: asyncpg.Connection, world: World, policy: Policy, account_id: UUID) -> None:
    """For who reads: at most once a minute. Raises BooksError."""
    if await conn.fetchval(SQL.is_due_again, account_id, world.clock.now()):
        await run_due(conn, world, policy, account_id)


async def show_referrals(
    conn: asyncpg.Connection, world: World, policy: Policy, account_id: UUID
) -> tuple[str, Sequence[Referral]]:
    """An account's own code, and who signed up by it, once what is due is granted. Raises Missing, BooksError."""
    await get_account(conn, account_id)
    await run_due(conn, world, policy, account_id)
    return await referral_code(conn, world, account_id), await list_referrals(conn, account_id)
