"""Attempts to keep access after losing it, or to gain it by a detour."""

from dataclasses import replace
from datetime import timedelta

import asyncpg
import msgspec
import pyotp
import pytest
from tests.signin.conftest import HERE, PASSWORD, NewUser, link_to, mails_to
from tests.signin.test_team import DERIVED, account_of, actor_of, issue, join

from tokenharbor.editions.policy import Policy
from tokenharbor.identity import members
from tokenharbor.identity.connections import ToolConsent
from tokenharbor.identity.management_keys import find_management_key
from tokenharbor.identity.roles import AccountRole
from tokenharbor.identity.users import set_password
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.errors import RateLimited, Rejected, SignInRefused
from tokenharbor.kernel.world import World
from tokenharbor.signin import connect, profile, sessions, team
from tokenharbor.signin.connect import BrowserRequest
from tokenharbor.signin.context import SignIn
from tokenharbor.signin.management import revoke_management_key
from tokenharbor.signin.records import Actor
from tokenharbor.signin.reset import ask_reset, reset_password
from tokenharbor.signin.sessions import Credentials
from tokenharbor.signin.sign_up import SignUpForm, sign_up

ADA, BOB, EVE = (f"{who}@example.com" for who in ("ada", "bob", "eve"))
Role = AccountRole


async def test_nothing_that_a_members_management_key_gave_outlives_the_membership(
    sign_in: SignIn, new_user: NewUser, conn: asyncpg.Connection, world: World, clock: ManualClock
) -> None:
    ada, bob = await new_user(ADA), await new_user(BOB)
    account_id, owner = await account_of(conn, ada), actor_of(ada, Role.OWNER)
    bobs = await issue(sign_in, account_id, Role.ADMIN, await join(sign_in, account_id, bob, Role.ADMIN))
    by_key = Actor(id=bobs.key.shown_id, role=Role.ADMIN, maker_id=bob.user.id)
    made_by_key = await issue(sign_in, account_id, Role.ADMIN, by_key)
    again = Actor(id=made_by_key.key.shown_id, role=Role.ADMIN, maker_id=bob.user.id)
    kept = await issue(sign_in, account_id, Role.ADMIN, again)
    await team.invite(conn, sign_in, account_id, EVE, Role.ADMIN, actor=again)
    consent = await consent_of(sign_in, account_id, again)
    await team.remove_member(conn, world, account_id, bob.user.id, actor=owner)
    for each in (bobs, made_by_key, kept):
        assert await find_management_key(conn, DERIVED, each.secret, clock.now()) is None
    with pytest.raises(Rejected, match="used or has expired"):
        await team.accept_invitation(sign_in, await link_to(sign_in, EVE), HERE, password=PASSWORD)
    with pytest.raises(Rejected, match="refused"):
        await connect.take_connection(conn, sign_in, consent, VERIFIER)


async def test_what_a_management_key_left_open_ends_with_the_key(
    sign_in: SignIn, new_user: NewUser, conn: asyncpg.Connection, world: World
) -> None:
    ada = await new_user(ADA)
    account_id, owner = await account_of(conn, ada), actor_of(ada, Role.OWNER)
    leaked = await issue(sign_in, account_id, Role.ADMIN, owner)
    thief = Actor(id=leaked.key.shown_id, role=Role.ADMIN, maker_id=ada.user.id)
    await team.invite(conn, sign_in, account_id, EVE, Role.ADMIN, actor=thief)
    consent = await consent_of(sign_in, account_id, thief)
    await revoke_management_key(conn, world, account_id, leaked.key.id, actor=owner)
    assert await members.list_invitations(conn, account_id, world.clock.now()) == []
    with pytest.raises(Rejected, match="refused"):
        await connect.take_connection(conn, sign_in, consent, VERIFIER)


VERIFIER = "v" * 43
BROWSER = BrowserRequest(
    name="editor", challenge="7w_YNF9DSfIdPf_pRjSq646_kPr-2-o9NAl16JGghdM", redirect_uri="http://127.0.0.1:7777/"
)


async def consent_of(sign_in: SignIn, account_id: object, actor: Actor) -> str:
    """The code of a tool that was agreed to."""
    consent = ToolConsent(account_id=account_id, agreed_by=actor.id)  # type: ignore[arg-type]
    async with sign_in.acquire() as conn:
        back = await connect.agree_by_browser(conn, sign_in, BROWSER, consent)
    return back.partition("code=")[2]


async def test_a_link_to_reset_a_password_ends_with_the_password(sign_in: SignIn, new_user: NewUser) -> None:
    ada = await new_user(ADA)
    await ask_reset(sign_in, ADA, HERE)
    thiefs = await link_to(sign_in, ADA)
    await profile.change_password(sign_in, ada.user, PASSWORD, "another-good-1", HERE)
    with pytest.raises(Rejected, match="used or has expired"):
        await reset_password(sign_in, thiefs, "the-thiefs-own-77", HERE)
    await sessions.sign_in_with_password(sign_in, Credentials(email=ADA, password="another-good-1"), HERE)


@pytest.mark.parametrize(("takes", "email"), [(False, EVE), (True, "eve@mailinator.com")])
async def test_an_invitation_is_no_way_to_an_account_that_one_could_not_sign_up_for(
    sign_in: SignIn, new_user: NewUser, conn: asyncpg.Connection, policy: Policy, takes: bool, email: str
) -> None:
    ada = await new_user(ADA)
    account_id = await account_of(conn, ada)
    await team.invite(conn, sign_in, account_id, email, Role.VIEWER, actor=actor_of(ada, Role.OWNER))
    closed = msgspec.structs.replace(policy, sign_up=msgspec.structs.replace(policy.sign_up, enabled=takes))
    office = replace(sign_in, policy=lambda: closed)
    await ask_reset(office, email, HERE)
    await reset_password(office, await link_to(office, email), PASSWORD, HERE)
    begun = await sessions.sign_in_with_password(office, Credentials(email=email, password=PASSWORD), HERE)
    assert await members.list_memberships(conn, begun.user.id) == []


async def test_an_invitation_does_not_pass_by_a_second_factor(
    sign_in: SignIn, new_user: NewUser, conn: asyncpg.Connection, clock: ManualClock
) -> None:
    ada, bob = await new_user(ADA), await new_user(BOB)
    setup = await profile.set_up_totp(sign_in, bob.user, PASSWORD)
    await profile.confirm_totp(sign_in, bob.user, pyotp.TOTP(setup.secret).at(clock.now()), HERE)
    await set_password(conn, bob.user.id, "")  # who signs in by another service
    await team.invite(conn, sign_in, await account_of(conn, ada), BOB, Role.VIEWER, actor=actor_of(ada, Role.OWNER))
    accepted = await team.accept_invitation(sign_in, await link_to(sign_in, BOB), HERE, password=PASSWORD)
    assert accepted.session is None


async def test_one_mailbox_gets_few_mails_whatever_stands_behind_its_plus(sign_in: SignIn) -> None:
    for number in range(5):
        await sign_up(sign_in, SignUpForm(email=f"ada+{number}@example.com", password=PASSWORD), HERE)
    for ask in (sign_up(sign_in, SignUpForm(email=ADA, password=PASSWORD), HERE), ask_reset(sign_in, ADA, HERE)):
        with pytest.raises(RateLimited):
            await ask
    assert len(await mails_to(sign_in, ADA)) == 0


async def test_codes_of_an_app_are_guessed_fifty_times_a_day(
    sign_in: SignIn, new_user: NewUser, clock: ManualClock
) -> None:
    ada = await new_user(ADA)
    setup = await profile.set_up_totp(sign_in, ada.user, PASSWORD)
    await profile.confirm_totp(sign_in, ada.user, pyotp.TOTP(setup.secret).at(clock.now()), HERE)
    guess, guesses = Credentials(email=ADA, password=PASSWORD, code="000000"), 0
    for _ in range(8):
        clock.advance(timedelta(minutes=61))
        for _ in range(10):
            try:
                await sessions.sign_in_with_password(sign_in, guess, HERE)
            except SignInRefused:
                guesses += 1
            except RateLimited:
                break
    assert 40 <= guesses <= 50
    clock.advance(timedelta(days=1))
    code = pyotp.TOTP(setup.secret).at(clock.now())
    await sessions.sign_in_with_password(sign_in, replace(guess, code=code), HERE)
