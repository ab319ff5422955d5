"""The job for idle accounts, and what reading a balance grants."""

from datetime import timedelta

import asyncpg
import pytest
from tests.rewards.conftest import Scene

from tokenharbor.kernel.errors import DatabaseUnavailable
from tokenharbor.rewards.idle import run_due_again, run_idle
from tokenharbor.rewards.referrals import record_sign_up, referral_code


async def test_the_job_serves_accounts_that_are_idle_and_referrers(scene: Scene) -> None:
    referrer, account = await scene.sign_up(), await scene.sign_up()
    await record_sign_up(scene.conn, scene.world, await referral_code(scene.conn, scene.world, referrer), account)
    await scene.top_up(account, "10")
    await scene.spend(account, "10")
    looked_at = "insert into reward_account (account_id, ran_at) values ($1, $2)"
    await scene.conn.execute(looked_at, account, scene.clock.now())
    await run_idle(scene.pool, scene.world, scene.policy)
    assert (await scene.pools(referrer), await scene.pools(account)) == ({"paid": "2"}, {})  # it was just billed
    scene.clock.advance(timedelta(minutes=10))
    await run_idle(scene.pool, scene.world, scene.policy)
    assert await scene.pools(account) == {"paid": "1"}


async def test_one_account_that_fails_keeps_no_other_from_it(scene: Scene) -> None:
    accounts = [await scene.sign_up() for _ in range(2)]
    for account in accounts:
        await scene.top_up(account, "10")
        await scene.spend(account, "10")
    scene.clock.advance(timedelta(hours=1))
    await scene.conn.execute(  # no reward of it can be written
        f"alter table reward add constraint broken check (account_id <> '{accounts[0]}') not valid"
    )
    with pytest.raises(DatabaseUnavailable) as failed:
        await run_idle(scene.pool, scene.world, scene.policy)
    assert isinstance(failed.value.__cause__, asyncpg.CheckViolationError)
    assert [await scene.pools(account) for account in accounts] == [{}, {"paid": "1"}]


async def test_reading_runs_what_is_due_once_a_minute(scene: Scene) -> None:
    account = await scene.sign_up()
    await scene.top_up(account, "100")
    for _ in range(3):
        await scene.spend(account, "10")
        await run_due_again(scene.conn, scene.world, scene.policy, account)
    assert await scene.pools(account) == {"paid": "71"}
    scene.clock.advance(timedelta(minutes=1))
    await run_due_again(scene.conn, scene.world, scene.policy, account)
    assert await scene.pools(account) == {"paid": "73.3"}  # 10 %, 11 %, 12 %
