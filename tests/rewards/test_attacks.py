"""Attempts to get more rewards than the edition promises."""

import asyncio
from datetime import timedelta

import pytest
from tests.rewards.conftest import Scene
from tests.rewards.test_due import referred

from tokenharbor.identity.members import join_account, leave_account
from tokenharbor.identity.roles import AccountRole
from tokenharbor.identity.users import find_user, set_email
from tokenharbor.kernel.errors import Missing, Rejected
from tokenharbor.kernel.ids import UUID
from tokenharbor.rewards.audit import find_reward_fault
from tokenharbor.rewards.codes import redeem
from tokenharbor.rewards.grants import claim_welcome
from tokenharbor.rewards.referrals import record_sign_up
from tokenharbor.rewards.store import list_rewards
from tokenharbor.rewards.types import RewardKind


async def states(scene: Scene, kind: RewardKind, *accounts: UUID) -> list[str]:
    rewards = [each for account in accounts for each in await list_rewards(scene.conn, account)]
    return sorted(each.state.value for each in rewards if each.kind == kind)


async def claim_at_once(scene: Scene, *emails: str) -> list[str]:
    """What became of the welcome grants of new accounts."""
    accounts = [await scene.sign_up(email) for email in emails]

    async def claim(account: UUID) -> str:
        async with scene.pool.acquire() as conn:
            return (await claim_welcome(conn, scene.world, scene.policy, account)).state.value

    return sorted(await asyncio.gather(*map(claim, accounts)))


async def test_of_one_mailbox_one_account_is_welcomed_however_many_claim_at_once(scene: Scene) -> None:
    claimed = await claim_at_once(scene, *(f"ada+{number}@example.com" for number in range(9)))
    assert claimed == ["granted", *["review"] * 8]


async def test_dots_that_a_mail_service_ignores_make_no_other_mailbox(scene: Scene) -> None:
    claimed = await claim_at_once(scene, "ada.byron@gmail.com", "a.d.a.byron+x@googlemail.com", "adabyron@gmail.com")
    assert claimed == ["granted", "review", "review"]
    assert await claim_at_once(scene, "ada.byron@example.com", "adabyron@example.com") == ["granted", "granted"]


async def change_email(scene: Scene, email: str, becomes: str) -> None:
    """As `set_email` does it once somebody has shown that the address is theirs."""
    async with scene.pool.acquire() as conn, conn.transaction():
        user = await find_user(conn, email)
        assert user is not None
        await set_email(conn, user.id, becomes, scene.clock.now())


async def test_whoever_changes_the_address_is_welcomed_no_second_time_by_the_old_one(scene: Scene) -> None:
    assert await claim_at_once(scene, "ada@example.com") == ["granted"]
    for number in range(3):
        await change_email(scene, f"ada{number or ''}@example.com", f"ada{number + 1}@example.com")
        assert await claim_at_once(scene, f"ada{number or ''}+x@example.com") == ["review"]
    assert await claim_at_once(scene, "ada3+x@example.com") == ["review"]
    assert await claim_at_once(scene, "somebody-else@example.com") == ["granted"]


async def test_whoever_changes_the_address_before_the_welcome_is_given_one_of_both(scene: Scene) -> None:
    first = await scene.sign_up("ada@example.com")
    await change_email(scene, "ada@example.com", "countess@example.com")
    assert await claim_at_once(scene, "ada+2@example.com") == ["granted"]
    async with scene.pool.acquire() as conn:
        assert (await claim_welcome(conn, scene.world, scene.policy, first)).state.value == "review"


async def take_over(scene: Scene, account: UUID, owner: str, by: str) -> None:
    """`by` becomes an owner of the account, and its owner leaves it."""
    async with scene.pool.acquire() as conn, conn.transaction():
        leaves, comes = await find_user(conn, owner), await find_user(conn, by)
        assert leaves is not None
        assert comes is not None
        await join_account(conn, account, comes.id, AccountRole.OWNER, scene.clock.now())
        await leave_account(conn, account, leaves.id)


async def test_whoever_leaves_a_welcomed_account_to_somebody_is_welcomed_in_no_new_one(scene: Scene) -> None:
    keeper = "keeper@example.com"
    await scene.sign_up(keeper)
    account = await scene.sign_up("ada@example.com")
    assert (await claim_welcome(scene.conn, scene.world, scene.policy, account)).state.value == "granted"
    for _ in range(3):
        await take_over(scene, account, "ada@example.com", keeper)
        account = await scene.sign_up("ada@example.com")  # as a reset of the password opens one for who has none
        assert (await claim_welcome(scene.conn, scene.world, scene.policy, account)).state.value == "review"
    assert await claim_at_once(scene, "somebody-else@example.com") == ["granted"]


async def test_pump_referrals_by_an_address_that_was_left(scene: Scene) -> None:
    referrer = await scene.sign_up("ada@example.com")
    for number in range(3):
        await change_email(scene, f"ada{number or ''}@example.com", f"ada{number + 1}@example.com")
        account = await referred(scene, referrer, f"ada{number or ''}@example.com")
        await scene.top_up(account, "10", f"card-{number}")
        await scene.spend(account, "1")
    await scene.run_due(referrer)
    assert await states(scene, RewardKind.REFERRAL, referrer) == ["review"] * 3


async def test_pump_referrals_in_turn_by_two_mailboxes_and_two_cards(scene: Scene) -> None:
    accounts = [await scene.sign_up("a+0@example.com")]
    for number in range(1, 6):
        accounts.append(await referred(scene, accounts[-1], f"{'ab'[number % 2]}+{number}@example.com"))
    for number, account in enumerate(accounts):
        lot = await scene.top_up(account, "10", f"card-{number % 2}")
        await scene.spend(account, "0.01")
        await scene.refund(account, lot, "9.99")
    for account in accounts:
        await scene.run_due(account)
    assert await states(scene, RewardKind.REFERRAL, *accounts) == ["review"] * 5


async def test_pump_referrals_by_one_card_of_somebody_else(scene: Scene) -> None:
    referrers = [await scene.sign_up() for _ in range(2)]
    for referrer in referrers:
        account = await referred(scene, referrer)
        await scene.top_up(account, "10", "card-1")
        await scene.spend(account, "1")
        await scene.run_due(referrer)
    assert await states(scene, RewardKind.REFERRAL, referrers[0]) == ["granted"]
    assert await states(scene, RewardKind.REFERRAL, referrers[1]) == ["review"]


async def test_pump_referrals_by_guests(scene: Scene) -> None:
    referrer = await scene.sign_up()
    for _ in range(5):
        account = await referred(scene, referrer)
        await scene.top_up(account, "10")
        await scene.spend(account, "0.01")
    await scene.run_due(referrer)
    assert await states(scene, RewardKind.REFERRAL, referrer) == ["granted"] * 3 + ["review"] * 2


async def test_a_payment_that_went_back_pays_for_no_referral(scene: Scene) -> None:
    scene.change("referral", unpaid_referrals=0)
    referrer = await scene.sign_up()
    account = await referred(scene, referrer)
    await scene.top_up(account, "10", "card-1")
    await scene.conn.execute("update capture set refunded = captured, refunded_minor = captured_minor")
    await scene.spend(account, "0.01")
    assert not await scene.run_due(referrer)
    await scene.top_up(account, "10", "card-1")
    assert await scene.run_due(referrer)


async def test_what_a_dispute_took_of_an_open_request_earns_no_cashback(scene: Scene) -> None:
    account = await scene.sign_up()
    lot = await scene.top_up(account, "100")
    await scene.spend(account, "10")
    settle = await scene.begin(account, "60")
    await scene.dispute(account, lot, "50")
    await scene.conn.execute("update capture set disputed = captured / 2, disputed_minor = captured_minor / 2")
    await settle()
    await scene.run_due(account)
    [(earned, reversed_)] = await scene.fetch("select earned, reversed from cashback_source")
    assert (earned, reversed_) == (43_000_000_000_000, 500_000_000), "1 for 10, half of it back; half of 6.60 for 60"
    await scene.check_books()


async def test_a_second_dispute_takes_what_of_a_match_the_first_gave_back_anew(scene: Scene) -> None:
    scene.change("cashback", max_bp=0, chat_tiers={})
    account = await scene.sign_up()
    lot = await scene.top_up(account, "100", "card-1")
    await scene.spend(account, "100")
    await scene.run_due(account)
    await scene.spend(account, "60")  # of the match
    first = await scene.dispute(account, lot, "100")
    assert await scene.debt(account) == "160"
    scene.clock.advance(timedelta(hours=1))
    await scene.top_up(account, "200", "card-2")  # it pays the debt
    async with scene.conn.transaction():
        await scene.hooks.give_back(scene.conn, account, return_id=first)
    assert await scene.pools(account) == {"paid": "40", "match": "100"}
    await scene.dispute(account, lot, "100")
    assert await scene.pools(account) == {"paid": "40"}
    assert await find_reward_fault(scene.conn) is None


@pytest.mark.parametrize("text", ["\udcff", "a\x00b", "ſ" * 300, "'; drop table code; --", ""])
async def test_a_code_that_can_be_none_is_no_such_code(scene: Scene, text: str) -> None:
    account = await scene.sign_up()
    with pytest.raises(Missing):
        await redeem(scene.conn, scene.world, scene.policy, account, text)
    with pytest.raises(Rejected):
        await record_sign_up(scene.conn, scene.world, text, account)
