"""What is due on accounts that nobody asks for, or that are asked for on their own; each in transactions of its own."""

from collections.abc import Sequence
from typing import Final

import asyncpg

from tokenharbor.db.errors import as_database_unavailable
from tokenharbor.editions.policy import Policy
from tokenharbor.kernel.errors import BooksError
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.world import World
from tokenharbor.rewards.due import run_due
from tokenharbor.rewards.store import SQL

_PAGE: Final = 100
_NOBODY: Final = UUID(int=0)


async def run_idle(pool: asyncpg.Pool, world: World, policy: Policy) -> None:
    """Accounts that were not billed for a while, and referrers with a reward to come. One that fails keeps no other
    from it. Raises BooksError: the first failure, at the end.
    """
    failures: list[BooksError] = []
    last = _NOBODY
    while found := await pool.fetch(SQL.idle_accounts, last, world.clock.now(), _PAGE):
        last = await _run_each(pool, world, policy, found, failures)
    last = _NOBODY
    while found := await pool.fetch(SQL.waiting_referrers, last, policy.referral.unpaid_referrals, _PAGE):
        last = await _run_each(pool, world, policy, found, failures)
    if failures:
        raise failures[0]


async def run_due_alone(pool: asyncpg.Pool, world: World, policy: Policy, account_id: UUID) -> bool:
    """Whether credit came of it. Raises BooksError."""
    with as_database_unavailable():
        async with pool.acquire() as conn:
            return await run_due(conn, world, policy, account_id)


async def run_due_again(conn: asyncpg.Connection, world: World, policy: Policy, account_id: UUID) -> None:
    """For who reads: at most once a minute. Raises BooksError."""
    if await conn.fetchval(SQL.is_due_again, account_id, world.clock.now()):
        await run_due(conn, world, policy, account_id)


async def _run_each(
    pool: asyncpg.Pool, world: World, policy: Policy, found: Sequence[asyncpg.Record], failures: list[BooksError]
) -> UUID:
    """The last one of them."""
    for row in found:
        try:
            await run_due_alone(pool, world, policy, row["account_id"])
        except BooksError as error:
            failures.append(error)
    last: UUID = found[-1]["account_id"]
    return last
