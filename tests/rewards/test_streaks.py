"""Streaks: a grant for each UTC day on which an account was billed, once, within the lifetime cap."""

import asyncio
from datetime import timedelta

import msgspec
from tests.rewards.conftest import START, Scene

from tokenharbor.kernel.ids import UUID
from tokenharbor.rewards.audit import find_reward_fault
from tokenharbor.rewards.due import run_due
from tokenharbor.rewards.grants import claim_welcome
from tokenharbor.rewards.idle import run_idle
from tokenharbor.rewards.store import list_rewards
from tokenharbor.rewards.types import RewardKind, RewardState

DAY = timedelta(days=1)


async def player(scene: Scene, usd: str = "10") -> UUID:
    """An account with promotional credit, which earns no cashback, in an edition with streaks."""
    scene.change("grants", daily_usd="0.25", daily_days=7)
    account = await scene.sign_up()
    await scene.credit(account, usd)
    return account


async def streaks(scene: Scene, account: UUID) -> list[str]:
    found = await list_rewards(scene.conn, account)
    return [f"{each.state} {each.amount.brief_down()}" for each in found if each.kind is RewardKind.STREAK]


async def test_a_day_with_a_billed_request_is_rewarded_once_however_often_it_is_looked_at(scene: Scene) -> None:
    account = await player(scene)
    assert not await scene.run_due(account)
    for _ in range(2):
        await scene.spend(account, "1")
        await scene.run_due(account)
    assert await streaks(scene, account) == ["granted 0.25"]
    scene.clock.advance(DAY)
    assert not await scene.run_due(account)  # nothing was billed on this day
    await scene.spend(account, "0.000000001")
    assert await scene.run_due(account)
    assert await streaks(scene, account) == ["granted 0.25"] * 2
    assert (await scene.pools(account))["trial"] == "0.25"  # the first was spent
    assert await find_reward_fault(scene.conn) is None
    await scene.check_books()


async def test_days_that_nobody_looked_at_are_rewarded_by_the_job_each(scene: Scene) -> None:
    account = await player(scene)
    for _ in range(3):
        await scene.spend(account, "1")
        scene.clock.advance(DAY)
    await run_idle(scene.pool, scene.world, scene.policy)
    assert await streaks(scene, account) == ["granted 0.25"] * 3
    expires = await scene.fetch("select distinct expires_at, pool, origin from lot where origin = 'streak'")
    assert expires == [(START + 3 * DAY + 7 * DAY, "trial", "streak")]


async def test_workers_that_look_at_once_reward_a_day_once(scene: Scene) -> None:
    account = await player(scene)
    await scene.spend(account, "1")

    async def look() -> None:
        async with scene.pool.acquire() as conn:
            await run_due(conn, scene.world, scene.policy, account)

    await asyncio.gather(*(look() for _ in range(4)))
    assert await streaks(scene, account) == ["granted 0.25"]


async def test_a_request_that_cost_nothing_and_an_edition_without_streaks_reward_nothing(scene: Scene) -> None:
    account = await player(scene)
    await scene.spend(account, "0")
    await scene.run_due(account)
    assert await streaks(scene, account) == []
    scene.change("grants", daily_usd="0")
    await scene.spend(account, "1")
    await scene.run_due(account)
    assert await streaks(scene, account) == []


async def test_streaks_without_cashback(scene: Scene) -> None:
    account = await player(scene)
    scene.change("cashback", max_bp=0, base_bp=0, step_bp=0, chat_tiers={}, trial_life_usd="0")
    await scene.spend(account, "1")
    await scene.run_due(account)
    assert await streaks(scene, account) == ["granted 0.25"]


async def test_TH_B7_streaks_count_for_the_cap_and_end_with_it(scene: Scene) -> None:
    account = await player(scene)
    scene.policy = msgspec.structs.replace(
        scene.policy, incentives=msgspec.structs.replace(scene.policy.incentives, life_usd="5.40")
    )
    await claim_welcome(scene.conn, scene.world, scene.policy, account)
    for _ in range(4):
        await scene.spend(account, "1")
        await scene.run_due(account)
        scene.clock.advance(DAY)
    granted = await scene.fetch("select granted from reward_account where account_id = $1", account)
    assert granted == [(5_400_000_000,)]
    assert len(await streaks(scene, account)) <= 2
    assert all(each.state is not RewardState.REFUSED for each in await list_rewards(scene.conn, account))
