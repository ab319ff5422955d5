"""The welcome grant, redemption codes, the lifetime cap, and what waits for an operator."""

import asyncio
from datetime import timedelta

import pytest
from tests.rewards.conftest import START, Scene

from tokenharbor.kernel.errors import Conflict, Missing, Rejected
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.rewards import store
from tokenharbor.rewards.codes import CodeTerms, create_code, redeem, revoke_code
from tokenharbor.rewards.grants import approve, claim_welcome, refuse
from tokenharbor.rewards.types import Reward, RewardState


async def claim(scene: Scene, account: UUID) -> Reward:
    return await claim_welcome(scene.conn, scene.world, scene.policy, account)


async def make_code(scene: Scene, usd: str, uses: int = 1, open_for: timedelta | None = None) -> tuple[UUID, str]:
    terms = CodeTerms(amount=Usd.parse(usd), uses=uses, note="", open_for=open_for, lasts=timedelta(days=30))
    made = await create_code(scene.conn, scene.world, terms, actor="operator")
    return made.code.id, made.text


async def test_TH_B4_the_welcome_grant_is_claimed_once_and_expires_after_seven_days(scene: Scene) -> None:
    account = await scene.sign_up()
    assert await scene.pools(account) == {}
    assert (await claim(scene, account)).amount == Usd.parse("5")
    with pytest.raises(Conflict):
        await claim(scene, account)
    assert await scene.pools(account) == {"trial": "5"}
    terms = await scene.fetch("select expires_at, refundable_until, withdrawable_from from lot")
    assert terms == [(START + timedelta(days=7), None, None)]
    scene.clock.advance(timedelta(days=7))
    assert await scene.pools(account) == {}
    with pytest.raises(Conflict):
        await claim(scene, account)
    await scene.check_books()


async def test_a_welcome_grant_is_claimed_in_the_editions_days(scene: Scene) -> None:
    account = await scene.sign_up()
    scene.change("grants", claim_days=3)
    scene.clock.advance(timedelta(days=3, seconds=1))
    with pytest.raises(Conflict):
        await claim(scene, account)
    scene.change("grants", claim_days=0, welcome_usd="0")
    with pytest.raises(Conflict):
        await claim(scene, account)
    with pytest.raises(Missing):
        await claim(scene, UUID(int=1))


async def test_ten_claims_at_once_are_one_grant(scene: Scene) -> None:
    account = await scene.sign_up()

    async def one() -> bool:
        async with scene.pool.acquire() as conn:
            try:
                await claim_welcome(conn, scene.world, scene.policy, account)
            except Conflict:
                return False
            return True

    assert sum(await asyncio.gather(*(one() for _ in range(10)))) == 1
    assert await scene.pools(account) == {"trial": "5"}


async def test_a_second_account_of_one_mailbox_waits_for_an_operator(scene: Scene) -> None:
    await claim(scene, await scene.sign_up("ada@example.com"))
    second, third = await scene.sign_up("ada+2@example.com"), await scene.sign_up("ada+3@example.com")
    waiting = await claim(scene, second)
    assert waiting.state is RewardState.REVIEW
    assert await scene.pools(second) == {}
    await approve(scene.conn, scene.world, scene.policy, waiting.id, actor="eve")
    assert await scene.pools(second) == {"trial": "5"}
    with pytest.raises(Conflict):
        await approve(scene.conn, scene.world, scene.policy, waiting.id, actor="eve")
    refused = await claim(scene, third)
    with pytest.raises(Rejected):
        await refuse(scene.conn, scene.world, refused.id, reason=" ", actor="eve")
    await refuse(scene.conn, scene.world, refused.id, reason="the same person", actor="eve")
    with pytest.raises(Conflict):
        await claim(scene, third)
    assert await scene.pools(third) == {}
    found = await store.list_rewards(scene.conn, state=RewardState.REFUSED)
    assert [(each.reason, each.decided_by) for each in found] == [("the same person", "eve")]


async def test_a_code_that_20_accounts_redeem_at_once_is_used_as_often_as_it_says(scene: Scene) -> None:
    accounts = [await scene.sign_up() for _ in range(20)]
    _, text = await make_code(scene, "3", uses=5)

    async def one(account: UUID) -> bool:
        async with scene.pool.acquire() as conn:
            try:
                await redeem(conn, scene.world, scene.policy, account, text)
            except Conflict:
                return False
            return True

    assert sum(await asyncio.gather(*(one(account) for account in accounts))) == 5
    assert await scene.fetch("select used from code") == [(5,)]
    assert await scene.fetch("select count(*), sum(amount)::bigint from lot where pool = 'promo'") == [(5, 15 * 10**9)]
    await scene.check_books()


async def test_an_account_that_redeems_a_code_20_times_at_once_has_it_once(scene: Scene) -> None:
    account = await scene.sign_up()
    _, text = await make_code(scene, "3", uses=20)

    async def one() -> bool:
        async with scene.pool.acquire() as conn:
            try:
                await redeem(conn, scene.world, scene.policy, account, f" {text.lower()}")
            except Conflict:
                return False
            return True

    assert sum(await asyncio.gather(*(one() for _ in range(20)))) == 1
    assert await scene.fetch("select used from code") == [(1,)]
    assert await scene.pools(account) == {"promo": "3"}


async def test_a_code_ends_and_can_be_revoked(scene: Scene) -> None:
    account = await scene.sign_up()
    _, ended = await make_code(scene, "1", open_for=timedelta(days=1))
    revoked_id, revoked = await make_code(scene, "1")
    await revoke_code(scene.conn, scene.world, revoked_id)
    scene.clock.advance(timedelta(days=1))
    for text in (ended, revoked):
        with pytest.raises(Conflict):
            await redeem(scene.conn, scene.world, scene.policy, account, text)
    with pytest.raises(Missing):
        await redeem(scene.conn, scene.world, scene.policy, account, "NONE")
    scene.change("grants", codes=False)
    with pytest.raises(Conflict):
        await redeem(scene.conn, scene.world, scene.policy, account, ended)


async def test_TH_B7_a_grant_is_cut_to_what_the_cap_for_life_leaves_and_expiry_restores_nothing(scene: Scene) -> None:
    account = await scene.sign_up()
    scene.change("incentives", life_usd="7")
    await claim(scene, account)
    _, first = await make_code(scene, "3")
    assert (await redeem(scene.conn, scene.world, scene.policy, account, first)).amount == Usd.parse("2")
    scene.clock.advance(timedelta(days=31))
    assert await scene.pools(account) == {}
    _, second = await make_code(scene, "3")
    with pytest.raises(Conflict):
        await redeem(scene.conn, scene.world, scene.policy, account, second)
    assert await scene.fetch("select used from code order by id") == [(1,), (0,)]
    assert await store.read_granted(scene.conn, account) == Usd.parse("7")
