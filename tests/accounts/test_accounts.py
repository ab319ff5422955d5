"""Accounts as use cases: opened as a whole, with their welcome credit, or not at all."""

from datetime import timedelta

import asyncpg
import pytest
from tests.accounts.conftest import START

from tokenharbor.accounts.accounts import open_account
from tokenharbor.accounts.credits import Grant, read_balance
from tokenharbor.identity import store
from tokenharbor.kernel.errors import BooksRefused, Conflict, Rejected
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.world import World
from tokenharbor.ledger.types import Balance, Pool

WELCOME = Grant(Usd.parse("5"), Pool.TRIAL, "welcome", lasts=timedelta(days=30), once="welcome")


async def test_an_account_opens_with_its_welcome_credit(conn: asyncpg.Connection, world: World) -> None:
    account = await open_account(conn, world, email="ada@example.com", edition="e", welcome=WELCOME)
    assert await store.get_account(conn, account.id) == account
    balance = await read_balance(conn, world, account.id)
    assert balance == Balance(WELCOME.amount, Usd(0), Usd(0), {Pool.TRIAL: WELCOME.amount})
    assert await conn.fetchval("select expires_at from lot") == START + timedelta(days=30)


async def test_an_account_opens_without_credit(conn: asyncpg.Connection, world: World) -> None:
    account = await open_account(conn, world, email="ada@example.com", edition="e")
    assert (await read_balance(conn, world, account.id)).available == 0


@pytest.mark.parametrize(
    ("email", "welcome", "error"),
    [
        ("ada", WELCOME, Rejected),
        ("ada@example.com", WELCOME, Conflict),
        ("bob@example.com", Grant(Usd(0), Pool.TRIAL, "nothing"), BooksRefused),
        ("bob@example.com", Grant(Usd(1), Pool.LOCKED, "locked"), Rejected),
    ],
)
async def test_what_cannot_be_opened_leaves_nothing(
    conn: asyncpg.Connection, world: World, email: str, welcome: Grant, error: type[Exception]
) -> None:
    ada = await open_account(conn, world, email="ada@example.com", edition="e")
    with pytest.raises(error):
        await open_account(conn, world, email=email, edition="e", welcome=welcome)
    assert [each async for each in store.list_accounts(conn)] == [ada]
    assert await store.account_of(conn, "bob@example.com") is None
