"""The opening of an account, with its owner, its wallet and its welcome credit."""

import asyncpg

from tokenharbor.accounts.credits import AccountStep, Grant, grant_credit
from tokenharbor.identity import store
from tokenharbor.identity.store import Account
from tokenharbor.kernel.world import World


async def open_account(
    conn: asyncpg.Connection,
    world: World,
    *,
    email: str,
    edition: str,
    welcome: Grant | None = None,
    joined: AccountStep | None = None,
) -> Account:
    """Open an account with its owner and its welcome credit, all or nothing. `joined` writes more in the same
    transaction, such as who referred the account.

    Raises Rejected for an invalid e-mail, Conflict for one that exists, and as `grant_credit` does.
    """
    async with conn.transaction():
        account = await store.create_account(conn, world, email, edition)
        if welcome is not None:
            await grant_credit(conn, world, account.id, welcome)
        if joined is not None:
            await joined(conn, account.id)
    return account
