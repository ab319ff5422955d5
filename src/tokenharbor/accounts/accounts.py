"""Accounts: opened by e-mail, found by id."""

import asyncpg

from tokenharbor.identity import store
from tokenharbor.identity.store import Account
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import Missing
from tokenharbor.kernel.ids import UUID


async def get_account(conn: asyncpg.Connection, account_id: UUID) -> Account:
    """Raises Missing."""
    account = await store.find_account(conn, account_id)
    if account is None:
        raise Missing(f"no account {ids.show('acct', account_id)}")
    return account
