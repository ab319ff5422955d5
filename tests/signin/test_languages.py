"""The language of mails: that of the pages a user sees, unless they have chosen another."""

import re

import asyncpg
from tests.signin.conftest import HERE, PASSWORD, NewUser, mails_to
from tests.signin.test_team import account_of, actor_of

from tokenharbor.identity.roles import AccountRole
from tokenharbor.identity.sessions import Visitor
from tokenharbor.identity.users import ensure_user, get_user
from tokenharbor.signin import profile, team
from tokenharbor.signin.context import SignIn
from tokenharbor.signin.profile import ProfileChange
from tokenharbor.signin.reset import ask_reset
from tokenharbor.signin.sessions import Credentials, sign_in_with_password
from tokenharbor.signin.sign_up import SignUpForm, sign_up

ADA, BOB, LI = (f"{who}@example.com" for who in ("ada", "bob", "li"))
CHINESE = Visitor("192.0.2.7", "Firefox", "zh")


async def is_chinese(sign_in: SignIn, email: str) -> bool:
    return re.search("[\u4e00-\u9fff]", (await mails_to(sign_in, email))[0]) is not None


async def test_who_begins_to_use_pages_in_chinese_gets_mails_in_chinese_and_back(
    sign_in: SignIn, new_user: NewUser
) -> None:
    await new_user(ADA)
    for visitor, chinese in ((HERE, False), (CHINESE, True), (HERE, True), (Visitor(locale="en"), False)):
        await sign_in_with_password(sign_in, Credentials(email=ADA, password=PASSWORD), visitor)
        await ask_reset(sign_in, ADA, HERE)
        assert await is_chinese(sign_in, ADA) == chinese


async def test_a_language_that_was_chosen_stands(sign_in: SignIn, new_user: NewUser, conn: asyncpg.Connection) -> None:
    ada = await new_user(ADA)
    await profile.change_profile(conn, ada.user.id, ProfileChange(locale="en"))
    await sign_in_with_password(sign_in, Credentials(email=ADA, password=PASSWORD), CHINESE)
    await ask_reset(sign_in, ADA, CHINESE)
    assert not await is_chinese(sign_in, ADA)


async def test_the_page_of_a_sign_up_says_the_language_and_chooses_none(
    sign_in: SignIn, conn: asyncpg.Connection
) -> None:
    await sign_up(sign_in, SignUpForm(email=LI, password=PASSWORD, locale="zh"), HERE)
    assert await is_chinese(sign_in, LI)
    user_id = await ensure_user(conn, sign_in.world.ids.new(), LI, sign_in.world.clock.now())
    user = await get_user(conn, user_id)
    assert (user.locale, user.language) == ("", "zh")


async def test_somebody_of_whom_nothing_is_known_is_written_to_as_they_ask(
    sign_in: SignIn, conn: asyncpg.Connection
) -> None:
    """Such as who was made by command."""
    await ensure_user(conn, sign_in.world.ids.new(), LI, sign_in.world.clock.now())
    await ask_reset(sign_in, LI, CHINESE)
    assert await is_chinese(sign_in, LI)


async def test_who_is_new_is_invited_in_the_language_of_who_invites(
    sign_in: SignIn, new_user: NewUser, conn: asyncpg.Connection
) -> None:
    ada = await new_user(ADA)
    await sign_in_with_password(sign_in, Credentials(email=ADA, password=PASSWORD), CHINESE)
    await sign_in_with_password(
        sign_in, Credentials(email=(await new_user(BOB)).user.email, password=PASSWORD), Visitor(locale="en")
    )
    account_id, owner = await account_of(conn, ada), actor_of(ada, AccountRole.OWNER)
    for email, chinese in ((LI, True), (BOB, False)):
        await team.invite(conn, sign_in, account_id, email, AccountRole.VIEWER, actor=owner)
        assert await is_chinese(sign_in, email) == chinese
