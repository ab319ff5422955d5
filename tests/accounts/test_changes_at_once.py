"""Concurrent changes of accounts and keys: none blocks another, and gateways' keys have the last state."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

import asyncpg

from tokenharbor.accounts.changes import OPERATOR, LimitsChange, change_limits, change_plan
from tokenharbor.accounts.keys import IssuedKey, KeyChange, change_key, issue_key
from tokenharbor.catalog.types import Catalog
from tokenharbor.db.pool import ConnectOptions, connect
from tokenharbor.editions.load import load_edition
from tokenharbor.identity.keys import key_hasher
from tokenharbor.identity.ring import KeyRing
from tokenharbor.identity.store import KeyRules, create_account, get_account, list_keys
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.secret import DerivedSecret, RootSecret, SecretPurpose
from tokenharbor.kernel.world import World

POLICY = load_edition("tokenhub")
PLANS = (*POLICY.plans, "default")
AT_ONCE, EACH = 6, 25


@dataclass(frozen=True)
class Crowd:
    """Two accounts with keys, and what somebody may do with them."""

    world: World
    derived: DerivedSecret
    catalog: Catalog
    accounts: Sequence[UUID]
    issued: list[tuple[UUID, IssuedKey]]

    async def issue(self, conn: asyncpg.Connection, account_id: UUID) -> None:
        rules = KeyRules()
        made = await issue_key(conn, self.world, self.derived, account_id=account_id, rules=rules, catalog=self.catalog)
        self.issued.append((account_id, made))

    async def change_some(self, conn: asyncpg.Connection, chosen: random.Random) -> None:
        for _ in range(EACH):
            account_id, number = chosen.choice(self.accounts), chosen.randrange(1, 1_000)
            match chosen.randrange(5):
                case 0:
                    plan = chosen.choice(PLANS)
                    await change_plan(conn, self.world, account_id, plan, policy=POLICY, actor=OPERATOR)
                case 1:
                    await change_limits(conn, self.world, account_id, LimitsChange(rpm=number), actor=OPERATOR)
                case 2:
                    await conn.execute("UPDATE wallet SET topped_up = $2 WHERE account_id = $1", account_id, number)
                case 3:
                    await self.issue(conn, account_id)
                case _:
                    key_id = chosen.choice(self.issued)[1].id
                    await change_key(conn, key_id, KeyChange(rpm=number), catalog=self.catalog)


async def test_changes_at_once_neither_fail_nor_are_missed(
    database_url: str, conn: asyncpg.Connection, world: World, root: RootSecret, catalog: Catalog
) -> None:
    derived = root.derive(SecretPurpose.KEY_HASHES)
    accounts = [(await create_account(conn, world, f"a{number}@example.com", "e")).id for number in range(2)]
    crowd = Crowd(world, derived, catalog, accounts, [])
    for account_id in accounts * 8:
        await crowd.issue(conn, account_id)
    ring = KeyRing(conn, key_hasher(derived), world.clock)
    async with AsyncExitStack() as stack:
        busy = []
        for seed in range(AT_ONCE):
            each = await connect(ConnectOptions(database_url))
            stack.push_async_callback(each.close)
            busy.append(asyncio.create_task(crowd.change_some(each, random.Random(seed))))
        while not all(task.done() for task in busy):
            await ring.refresh()
        await asyncio.gather(*busy)
    await ring.refresh()
    await _same(ring, conn, crowd.issued)


async def _same(ring: KeyRing, conn: asyncpg.Connection, issued: Sequence[tuple[UUID, IssuedKey]]) -> None:
    for account_id, made in issued:
        account, caller = await get_account(conn, account_id), ring.find(made.key.encode())
        assert caller is not None
        topped_up = await conn.fetchval("SELECT topped_up FROM wallet WHERE account_id = $1", account_id)
        own = {row.id: row.rules.rates for row in await list_keys(conn, account_id)}
        said = caller.account.plan, caller.account.rates, caller.account.topped_up, caller.rates
        assert said == (account.plan, account.limits.rates, topped_up, own[made.id])
