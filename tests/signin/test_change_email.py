"""Changes of e-mail address: confirmed by the user, undone in time, and revealed to nobody else."""

from dataclasses import replace
from datetime import timedelta

import asyncpg
import msgspec
import pyotp
import pytest
from tests.signin.conftest import HERE, PASSWORD, ROOMS, NewUser, link_to, mails_to
from tests.signin.test_team import account_of, actor_of

from tokenharbor.editions.policy import Policy
from tokenharbor.identity.changes import read_user_changes
from tokenharbor.identity.members import list_memberships
from tokenharbor.identity.roles import AccountRole
from tokenharbor.identity.sessions import Visitor
from tokenharbor.identity.users import add_identity, find_user, get_user, list_identities, set_password
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.errors import Conflict, RateLimited, Rejected, SignInRefused
from tokenharbor.signin import profile, team
from tokenharbor.signin.change_email import FRESH, UNDO_LASTS, EmailChange, ask_change, confirm_change, undo_change
from tokenharbor.signin.context import SignIn
from tokenharbor.signin.reset import ask_reset, reset_password
from tokenharbor.signin.sessions import Credentials, NewSession, find_open_session, sign_in_with_password
from tokenharbor.signin.sign_up import OpenedLink, SignUpForm, sign_up, verify_email
from tokenharbor.signin.undo import BEFORE

ADA, NEW, NEWER, BOB = (f"{who}@example.com" for who in ("ada", "countess", "byron", "bob"))
OTHER = "another-otter-17-lamp"
ELSEWHERE = Visitor("198.51.100.9", "Chrome")


async def ask(sign_in: SignIn, session: NewSession, email: str = NEW, **shown: str) -> None:
    async with sign_in.acquire() as conn:
        user = await get_user(conn, session.user.id)
    asked = EmailChange(**({"email": email, "password": PASSWORD} | shown), session_id=session.id)
    await ask_change(sign_in, user, asked, HERE)


async def change(sign_in: SignIn, session: NewSession, email: str = NEW) -> None:
    await ask(sign_in, session, email)
    await confirm_change(sign_in, await link_to(sign_in, email), HERE, session=session.token)


async def email_of(sign_in: SignIn, session: NewSession) -> str:
    async with sign_in.acquire() as conn:
        return (await get_user(conn, session.user.id)).email


async def test_the_new_address_counts_once_its_link_is_opened(
    sign_in: SignIn, new_user: NewUser, conn: asyncpg.Connection
) -> None:
    ada = await new_user(ADA)
    await ask(sign_in, ada)
    assert await email_of(sign_in, ada) == ADA
    await confirm_change(sign_in, await link_to(sign_in, NEW), HERE, session=ada.token)
    assert await email_of(sign_in, ada) == NEW
    assert (
        await sign_in_with_password(sign_in, Credentials(email=NEW, password=PASSWORD), HERE)
    ).user.id == ada.user.id
    with pytest.raises(SignInRefused):
        await sign_in_with_password(sign_in, Credentials(email=ADA, password=PASSWORD), HERE)
    told = [(each.field, each.after, each.address) for each in await read_user_changes(conn, ada.user.id)]
    assert told == [("email", "asked", HERE.address), ("email", "changed", HERE.address)]


async def test_its_link_opens_once_in_time_and_not_after_a_later_request(
    sign_in: SignIn, new_user: NewUser, clock: ManualClock
) -> None:
    ada = await new_user(ADA)
    await ask(sign_in, ada)
    first = await link_to(sign_in, NEW)
    await ask(sign_in, ada, NEWER)
    with pytest.raises(Rejected, match="used or has expired"):
        await confirm_change(sign_in, first, HERE, session=ada.token)
    newer = await link_to(sign_in, NEWER)
    await confirm_change(sign_in, newer, HERE, session=ada.token)
    with pytest.raises(Rejected, match="used or has expired"):
        await confirm_change(sign_in, newer, HERE, session=ada.token)
    await ask(sign_in, ada, NEW)
    clock.advance(timedelta(hours=25))
    with pytest.raises(Rejected, match="used or has expired"):
        await confirm_change(sign_in, await link_to(sign_in, NEW), HERE, session=ada.token)
    assert await email_of(sign_in, ada) == NEWER


async def test_who_left_a_session_open_changes_nothing_without_the_password(sign_in: SignIn, new_user: NewUser) -> None:
    ada = await new_user(ADA)
    with pytest.raises(SignInRefused, match="password"):
        await ask(sign_in, ada, password="wrong")
    assert await mails_to(sign_in, NEW) == []


async def test_who_has_an_authenticator_app_shows_a_code_too(
    sign_in: SignIn, new_user: NewUser, clock: ManualClock
) -> None:
    ada = await new_user(ADA)
    secret = (await profile.set_up_totp(sign_in, ada.user, PASSWORD)).secret
    await profile.confirm_totp(sign_in, ada.user, pyotp.TOTP(secret).at(clock.now()), HERE)
    clock.advance(timedelta(minutes=1))
    for code in ("", "000000"):
        with pytest.raises(SignInRefused, match="code"):
            await ask(sign_in, ada, code=code)
    await ask(sign_in, ada, code=pyotp.TOTP(secret).at(clock.now()))
    assert len(await mails_to(sign_in, NEW)) == 1


async def test_who_has_neither_has_just_signed_in(
    sign_in: SignIn, new_user: NewUser, conn: asyncpg.Connection, clock: ManualClock
) -> None:
    ada = await new_user(ADA)
    await set_password(conn, ada.user.id, "")
    with pytest.raises(SignInRefused, match="Sign out and in again"):
        await ask(sign_in, replace(ada, id=sign_in.world.ids.new()), password="")
    clock.advance(FRESH + timedelta(seconds=1))
    with pytest.raises(SignInRefused, match="Sign out and in again"):
        await ask(sign_in, ada, password="")
    again = await new_user(BOB)
    await set_password(conn, again.user.id, "")
    await ask(sign_in, again, password="")


async def test_an_address_that_has_an_account_is_told_to_its_owner_alone(
    sign_in: SignIn, new_user: NewUser, conn: asyncpg.Connection
) -> None:
    ada, bob = await new_user(ADA), await new_user(BOB)
    await ask(sign_in, ada, BOB)
    to_ada = (await mails_to(sign_in, ADA))[0]
    assert "already have an account" in (await mails_to(sign_in, BOB))[0]
    assert "#" not in (await mails_to(sign_in, BOB))[0]
    await ask(sign_in, ada, NEW)
    cut = to_ada.partition("#")[0]
    assert (await mails_to(sign_in, ADA))[0].partition("#")[0] == cut, "what is told to Ada says nothing of it"
    assert await conn.fetchval("select count(*) from sign_in_token where email = $1 and ended_at is null", BOB) == 0
    assert (await email_of(sign_in, ada), await email_of(sign_in, bob)) == (ADA, BOB)


async def test_whoever_confirms_first_has_the_address(sign_in: SignIn, new_user: NewUser) -> None:
    ada, bob = await new_user(ADA), await new_user(BOB)
    await ask(sign_in, ada)
    hers = await link_to(sign_in, NEW)
    await change(sign_in, bob)
    with pytest.raises(Conflict, match="already"):
        await confirm_change(sign_in, hers, HERE, session=ada.token)
    assert await email_of(sign_in, ada) == ADA


async def test_a_sign_up_that_nobody_finished_keeps_nobody_from_an_address_and_gets_none(
    sign_in: SignIn, new_user: NewUser, conn: asyncpg.Connection
) -> None:
    ada = await new_user(ADA)
    mark = await sign_up(sign_in, SignUpForm(email=NEW, password=OTHER), ELSEWHERE)
    squatted = await link_to(sign_in, NEW)
    await change(sign_in, ada)
    assert (await find_user(conn, NEW)).id == ada.user.id  # type: ignore[union-attr]
    with pytest.raises(Rejected, match="used or has expired"):
        await verify_email(sign_in, OpenedLink(token=squatted, browser_token=mark), ELSEWHERE)


async def test_who_was_invited_by_the_new_address_joins_with_it(
    sign_in: SignIn, new_user: NewUser, conn: asyncpg.Connection
) -> None:
    ada, bob = await new_user(ADA), await new_user(BOB)
    account_id = await account_of(conn, bob)
    await team.invite(conn, sign_in, account_id, NEW, AccountRole.VIEWER, actor=actor_of(bob, AccountRole.OWNER))
    invitation = await link_to(sign_in, NEW)
    await change(sign_in, ada)
    await team.accept_invitation(sign_in, invitation, HERE)
    assert account_id in [each.account_id for each in await list_memberships(conn, ada.user.id)]


async def test_all_sessions_end_but_the_one_that_confirms(sign_in: SignIn, new_user: NewUser) -> None:
    ada = await new_user(ADA)
    thief = await sign_in_with_password(sign_in, Credentials(email=ADA, password=PASSWORD), ELSEWHERE)
    await change(sign_in, ada)
    assert await find_open_session(sign_in, ada.token, "") is not None
    assert await find_open_session(sign_in, thief.token, "") is None


async def test_whoever_opens_a_link_of_somebody_elses_request_gives_their_address_to_nobody(
    sign_in: SignIn, new_user: NewUser, conn: asyncpg.Connection
) -> None:
    """Else a thief's account, with the thief's password, has the address, and the invitations to it."""
    thief, bob = await new_user(ADA), await new_user(BOB)
    account_id = await account_of(conn, bob)
    await team.invite(conn, sign_in, account_id, NEW, AccountRole.ADMIN, actor=actor_of(bob, AccountRole.OWNER))
    invitation = await link_to(sign_in, NEW)
    await ask(sign_in, thief)
    link = await link_to(sign_in, NEW)
    for session in ("", bob.token):
        with pytest.raises(SignInRefused, match="Sign in here"):
            await confirm_change(sign_in, link, ELSEWHERE, session=session)
    assert await email_of(sign_in, thief) == ADA
    assert await find_open_session(sign_in, bob.token, "") is not None
    await team.accept_invitation(sign_in, invitation, ELSEWHERE, password=OTHER)
    assert account_id not in [each.account_id for each in await list_memberships(conn, thief.user.id)]
    with pytest.raises(Conflict, match="already"):
        await confirm_change(sign_in, link, HERE, session=thief.token)


async def test_no_link_that_lies_in_the_old_mailbox_opens_anything(
    sign_in: SignIn, new_user: NewUser, conn: asyncpg.Connection
) -> None:
    ada, bob = await new_user(ADA), await new_user(BOB)
    await ask_reset(sign_in, ADA, HERE)
    reset = await link_to(sign_in, ADA)
    account_id = await account_of(conn, bob)
    await team.invite(conn, sign_in, account_id, ADA, AccountRole.VIEWER, actor=actor_of(bob, AccountRole.OWNER))
    invitation = await link_to(sign_in, ADA)
    await change(sign_in, ada)
    with pytest.raises(Rejected, match="used or has expired"):
        await reset_password(sign_in, reset, OTHER, HERE)
    with pytest.raises(Rejected, match="used or has expired"):
        await team.accept_invitation(sign_in, invitation, HERE, password=OTHER)


@pytest.mark.parametrize("confirmed", [True, False])
async def test_the_old_address_undoes_it_and_whoever_made_the_change_is_out(
    sign_in: SignIn, new_user: NewUser, conn: asyncpg.Connection, clock: ManualClock, confirmed: bool
) -> None:
    ada = await new_user(ADA)
    await ask(sign_in, ada)
    undo, confirm = await link_to(sign_in, ADA), await link_to(sign_in, NEW)
    if confirmed:
        await confirm_change(sign_in, confirm, HERE, session=ada.token)
    secret = (await profile.set_up_totp(sign_in, ada.user, PASSWORD)).secret
    await profile.confirm_totp(sign_in, ada.user, pyotp.TOTP(secret).at(clock.now()), HERE)
    await add_identity(conn, "https://id.example.com", "thief", ada.user.id, clock.now())
    clock.advance(UNDO_LASTS - timedelta(minutes=1))
    await undo_change(sign_in, undo, OTHER, ELSEWHERE, ROOMS)
    assert await email_of(sign_in, ada) == ADA
    assert await find_open_session(sign_in, ada.token, "") is None
    assert await list_identities(conn, ada.user.id) == []
    assert (await sign_in_with_password(sign_in, Credentials(email=ADA, password=OTHER), HERE)).user.id == ada.user.id
    with pytest.raises(SignInRefused):
        await sign_in_with_password(sign_in, Credentials(email=ADA, password=PASSWORD), HERE)
    for again in (undo_change(sign_in, undo, OTHER, HERE, ROOMS), confirm_change(sign_in, confirm, HERE)):
        with pytest.raises(Rejected, match="used or has expired"):
            await again
    assert [each.after for each in await read_user_changes(conn, ada.user.id)][-1] == "undone"


async def test_an_app_from_before_is_still_asked_for_after_an_undo(
    sign_in: SignIn, new_user: NewUser, conn: asyncpg.Connection, clock: ManualClock
) -> None:
    ada = await new_user(ADA)
    secret = (await profile.set_up_totp(sign_in, ada.user, PASSWORD)).secret
    await profile.confirm_totp(sign_in, ada.user, pyotp.TOTP(secret).at(clock.now()), HERE)
    clock.advance(BEFORE + timedelta(minutes=1))
    await ask(sign_in, ada, code=pyotp.TOTP(secret).at(clock.now()))
    await undo_change(sign_in, await link_to(sign_in, ADA), OTHER, HERE, ROOMS)
    assert (await get_user(conn, ada.user.id)).totp_at is not None


async def test_an_undo_is_late_after_a_week(sign_in: SignIn, new_user: NewUser, clock: ManualClock) -> None:
    ada = await new_user(ADA)
    await change(sign_in, ada)
    clock.advance(UNDO_LASTS)
    with pytest.raises(Rejected, match="used or has expired"):
        await undo_change(sign_in, await link_to(sign_in, ADA), OTHER, HERE, ROOMS)


async def test_a_thief_who_changes_twice_undoes_no_undo(sign_in: SignIn, new_user: NewUser) -> None:
    ada = await new_user(ADA)
    await change(sign_in, ada)
    hers = await link_to(sign_in, ADA)
    await change(sign_in, ada, NEWER)
    thiefs = await link_to(sign_in, NEW)
    await undo_change(sign_in, hers, OTHER, HERE, ROOMS)
    with pytest.raises(Rejected, match="used or has expired"):
        await undo_change(sign_in, thiefs, PASSWORD, HERE, ROOMS)
    assert await email_of(sign_in, ada) == ADA


async def test_a_password_for_an_undo_is_as_good_as_any(sign_in: SignIn, new_user: NewUser) -> None:
    ada = await new_user(ADA)
    await change(sign_in, ada)
    undo = await link_to(sign_in, ADA)
    for weak in ("short", "password123", f"{ADA}-1"):
        with pytest.raises(Rejected, match="password"):
            await undo_change(sign_in, undo, weak, HERE, ROOMS)
    await undo_change(sign_in, undo, OTHER, HERE, ROOMS)


async def test_mail_that_is_thrown_away_is_refused_where_the_edition_says_so(
    sign_in: SignIn, new_user: NewUser, policy: Policy
) -> None:
    ada = await new_user(ADA)
    with pytest.raises(Rejected, match="disposable"):
        await ask(sign_in, ada, "ada@mailinator.com")
    for other_name in (
        "nobody",
        '"ada"@example.org',
        '"a\\da"@example.org',
        "ada(1)@example.org",
        "ada@ｅxample.org",
        "ada@example\ufe0f.org",
    ):
        with pytest.raises(Rejected, match="not an e-mail"):
            await ask(sign_in, ada, other_name)
    open_policy = msgspec.structs.replace(policy, sign_up=msgspec.structs.replace(policy.sign_up, disposable_mail=True))
    await ask(replace(sign_in, policy=lambda: open_policy), ada, "ada@mailinator.com")


async def test_nobody_floods_a_mailbox_or_walks_through_addresses(
    sign_in: SignIn, new_user: NewUser, clock: ManualClock
) -> None:
    ada = await new_user(ADA)
    for number in range(5):
        await ask(sign_in, ada, f"a{number}@example.com")
    with pytest.raises(RateLimited):
        await ask(sign_in, ada, "a6@example.com")
    clock.advance(timedelta(days=1))
    for _ in range(5):
        await ask_reset(sign_in, "victim@example.com", Visitor())
    with pytest.raises(RateLimited):
        await ask(sign_in, ada, "victim+x@example.com")


async def test_the_old_mailbox_is_remembered_without_its_name(
    sign_in: SignIn, new_user: NewUser, conn: asyncpg.Connection
) -> None:
    ada = await new_user(ADA)
    await change(sign_in, ada)
    rows = await conn.fetch("select * from former_mailbox where user_id = $1", ada.user.id)
    assert len(rows) == 1
    assert ADA.encode() not in bytes(rows[0]["digest"])
