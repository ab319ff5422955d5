"""Credit as a use case: an operator's grant, and the account's balance after it."""

from datetime import timedelta

import asyncpg
import pytest
from tests.accounts.conftest import START

from tokenharbor.accounts.credits import GRANTABLE, Grant, grant_credit, read_balance
from tokenharbor.identity.store import Account
from tokenharbor.kernel import ids
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.errors import Missing, Rejected
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.world import World
from tokenharbor.ledger.types import Pool


async def test_a_grant_lies_in_its_pool_until_it_expires(
    conn: asyncpg.Connection, world: World, clock: ManualClock, account: Account
) -> None:
    kept = await grant_credit(conn, world, account.id, Grant(Usd(7), Pool.PAID, "kept"))
    lent = await grant_credit(conn, world, account.id, Grant(Usd(5), Pool.TRIAL, "lent", lasts=timedelta(days=7)))
    assert (kept.expires_at, lent.expires_at) == (None, START + timedelta(days=7))
    assert (lent.account_id, lent.amount, lent.pool, lent.origin) == (account.id, 5, Pool.TRIAL, "operator")
    assert (await read_balance(conn, world, account.id)).pools == {Pool.PAID: 7, Pool.TRIAL: 5}
    notes = await conn.fetch("select entry_id, body from entry_note")
    assert {row["entry_id"]: row["body"] for row in notes} == {kept.entry_id: "kept", lent.entry_id: "lent"}
    clock.advance(timedelta(days=7))
    assert (await read_balance(conn, world, account.id)).pools == {Pool.PAID: 7}


async def test_a_grant_by_name_is_given_once_to_each_account(
    conn: asyncpg.Connection, world: World, account: Account
) -> None:
    welcome = Grant(Usd(5), Pool.TRIAL, "welcome", once="welcome")
    for _ in range(2):
        await grant_credit(conn, world, account.id, welcome)
    assert (await read_balance(conn, world, account.id)).available == 5


@pytest.mark.parametrize("pool", [pool for pool in Pool if pool not in GRANTABLE])
async def test_credit_that_comes_with_a_match_is_not_granted(
    conn: asyncpg.Connection, world: World, account: Account, pool: Pool
) -> None:
    with pytest.raises(Rejected) as rejected:
        await grant_credit(conn, world, account.id, Grant(Usd(1), pool, "x"))
    assert rejected.value.param == "pool"


@pytest.mark.parametrize("reason", ["", " "])
async def test_a_grant_has_a_reason(conn: asyncpg.Connection, world: World, account: Account, reason: str) -> None:
    with pytest.raises(Rejected) as rejected:
        await grant_credit(conn, world, account.id, Grant(Usd(1), Pool.PAID, reason))
    assert rejected.value.param == "reason"
    assert (await read_balance(conn, world, account.id)).available == 0


async def test_only_an_account_that_is_there_has_credit(conn: asyncpg.Connection, world: World) -> None:
    nobody = world.ids.new()
    with pytest.raises(Missing, match=ids.show("acct", nobody)):
        await grant_credit(conn, world, nobody, Grant(Usd(1), Pool.PAID, "x"))
    with pytest.raises(Missing, match=ids.show("acct", nobody)):
        await read_balance(conn, world, nobody)
