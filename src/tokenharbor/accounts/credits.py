"""Grants of credit by operators, and balances of accounts."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import asyncpg

from tokenharbor.identity import store
from tokenharbor.kernel.errors import Rejected
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.world import World
from tokenharbor.ledger.types import Balance, Credit, Pool
from tokenharbor.ledger.wallets import Wallets

AccountStep = Callable[[asyncpg.Connection, UUID], Awaitable[None]]
"""A step of another room with an account, in the same transaction."""

GRANTABLE: Final = (Pool.PAID, Pool.TRIAL, Pool.PROMO)
"""The pools that an operator can grant to; the others belong to matches."""


@dataclass(frozen=True, slots=True)
class Grant:
    """Credit to be granted. It expires after `lasts`; None means never. If `once` is given, each account gets the grant
    of that name only once.
    """

    amount: Usd
    pool: Pool
    reason: str
    lasts: timedelta | None = None
    once: str | None = None


async def grant_credit(
    conn: asyncpg.Connection, world: World, account_id: UUID, grant: Grant, *, run_due: AccountStep | None = None
) -> Credit:
    """Grant credit to an account by an entry of its ledger; `run_due` runs before it.

    Raises Missing for the account, Rejected for pool or reason, BooksRefused, DatabaseUnavailable.
    """
    if grant.pool not in GRANTABLE:
        raise Rejected(f"credit of pool {grant.pool} cannot be granted; use {', '.join(GRANTABLE)}", param="pool")
    if not grant.reason.strip():
        raise Rejected("a grant needs a reason", param="reason")
    await store.get_account(conn, account_id)
    now = world.clock.now()
    credit = Credit(
        entry_id=world.ids.new(),
        lot_id=world.ids.new(),
        account_id=account_id,
        pool=grant.pool,
        origin="operator",
        amount=grant.amount,
        at=now,
        reason=grant.reason,
        expires_at=None if grant.lasts is None else now + grant.lasts,
        reference=None if grant.once is None else f"{grant.once}/{account_id}",
    )
    async with conn.transaction():
        if run_due is not None:
            await run_due(conn, account_id)
        await Wallets(conn).credit(credit)
    return credit


async def read_balance(
    conn: asyncpg.Connection, world: World, account_id: UUID, *, run_due: AccountStep | None = None
) -> Balance:
    """Return an account's balance; `run_due` runs before it is read. Raises Missing, DatabaseUnavailable."""
    await store.get_account(conn, account_id)
    if run_due is not None:
        await run_due(conn, account_id)
    return await Wallets(conn).balance(account_id, world.clock.now())
