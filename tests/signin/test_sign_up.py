"""Sign-up: the mail, the account opened by its link, and answers that do not reveal existing accounts."""

import re
from datetime import timedelta

import asyncpg
import msgspec
import pytest
from tests.signin.conftest import HERE, PASSWORD, NewUser, Referrals, link_to, mails_to

from tokenharbor.editions.policy import Policy
from tokenharbor.identity import members, store
from tokenharbor.identity.roles import AccountRole
from tokenharbor.identity.sessions import Visitor
from tokenharbor.identity.users import find_user
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.errors import PermissionDenied, RateLimited, Rejected, SignInRefused
from tokenharbor.kernel.world import World
from tokenharbor.signin import sessions
from tokenharbor.signin.context import SignIn
from tokenharbor.signin.reset import ask_reset, reset_password
from tokenharbor.signin.sessions import Credentials
from tokenharbor.signin.sign_up import VERIFY_LASTS, OpenedLink, SignUpForm, sign_up, verify_email

ADA = SignUpForm(email=" Ada@Example.com", password=PASSWORD, referral="FRIEND", locale="zh")


async def test_HUB_4_who_signs_up_by_email_owns_an_account_once_the_link_is_opened(
    sign_in: SignIn, conn: asyncpg.Connection, referrals: Referrals
) -> None:
    mark = await sign_up(sign_in, ADA, HERE)
    assert [each async for each in store.list_accounts(conn)] == []
    token = await link_to(sign_in, "ada@example.com")
    session = await verify_email(sign_in, OpenedLink(token=token, browser_token=mark), HERE)
    [account] = [each async for each in store.list_accounts(conn)]
    assert account.emails == ("ada@example.com",)
    [membership] = await members.list_memberships(conn, session.user.id)
    assert (membership.account_id, membership.role) == (account.id, AccountRole.OWNER)
    assert referrals.recorded == [("FRIEND", account.id)]
    opened = await sessions.find_open_session(sign_in, session.token, "192.0.2.7")
    assert opened is not None
    assert opened.user.email == "ada@example.com"


async def test_a_mail_is_in_the_language_of_who_signed_up(sign_in: SignIn) -> None:
    await sign_up(sign_in, ADA, HERE)
    assert "打开此链接" in (await mails_to(sign_in, "ada@example.com"))[0]


async def test_a_link_works_once_and_in_time(sign_in: SignIn, clock: ManualClock) -> None:
    mark = await sign_up(sign_in, ADA, HERE)
    late = await link_to(sign_in, "ada@example.com")
    clock.advance(VERIFY_LASTS)
    with pytest.raises(Rejected, match="expired"):
        await verify_email(sign_in, OpenedLink(token=late, browser_token=mark), HERE)
    mark = await sign_up(sign_in, ADA, HERE)
    token = await link_to(sign_in, "ada@example.com")
    with pytest.raises(Rejected):
        await reset_password(sign_in, token, PASSWORD, HERE)
    await verify_email(sign_in, OpenedLink(token=token, browser_token=mark), HERE)
    for used in (token, "", token[:-1], token + "A"):
        for opened in (OpenedLink(token=used, browser_token=mark), OpenedLink(token=used, password=PASSWORD)):
            with pytest.raises(Rejected, match="used"):
                await verify_email(sign_in, opened, HERE)


async def test_nobody_puts_a_password_on_an_email_that_is_not_theirs(sign_in: SignIn) -> None:
    await sign_up(sign_in, SignUpForm(email="ada@example.com", password="the-thiefs-own-77"), HERE)
    thiefs = await link_to(sign_in, "ada@example.com")
    mark = await sign_up(sign_in, ADA, HERE)
    await verify_email(sign_in, OpenedLink(token=await link_to(sign_in, "ada@example.com"), browser_token=mark), HERE)
    with pytest.raises(SignInRefused):
        await sessions.sign_in_with_password(
            sign_in, Credentials(email="ada@example.com", password="the-thiefs-own-77"), HERE
        )
    await sessions.sign_in_with_password(sign_in, Credentials(email="ada@example.com", password=PASSWORD), HERE)
    with pytest.raises(Rejected):
        await verify_email(sign_in, OpenedLink(token=thiefs, password=PASSWORD), HERE)


async def test_who_opens_a_thiefs_link_has_a_password_that_the_thief_does_not_know(sign_in: SignIn) -> None:
    """The thief signs up with somebody else's e-mail, after they did. They open the newest link, in their browser."""
    own = await sign_up(sign_in, ADA, HERE)
    thiefs = await sign_up(sign_in, SignUpForm(email="ada@example.com", password="the-thiefs-own-77"), HERE)
    token = await link_to(sign_in, "ada@example.com")
    for mark in ("", own, thiefs[:-1], "é"):
        with pytest.raises(Rejected) as refused:
            await verify_email(sign_in, OpenedLink(token=token, browser_token=mark), HERE)
        assert refused.value.param == "password", mark
    for weak in ("short-one", "ada@example.com-91"):
        with pytest.raises(Rejected) as refused:
            await verify_email(sign_in, OpenedLink(token=token, password=weak), HERE)
        assert refused.value.param == "password", weak
    session = await verify_email(sign_in, OpenedLink(token=token, password="another-good-1"), HERE)
    assert session.user.email == "ada@example.com"
    for password in ("the-thiefs-own-77", PASSWORD):
        with pytest.raises(SignInRefused):
            await sessions.sign_in_with_password(sign_in, Credentials(email="ada@example.com", password=password), HERE)
    await sessions.sign_in_with_password(sign_in, Credentials(email="ada@example.com", password="another-good-1"), HERE)


async def test_the_browsers_mark_is_no_token_and_none_opens_another_link(sign_in: SignIn) -> None:
    marks = [await sign_up(sign_in, ADA, HERE) for _ in range(2)]
    tokens = {re.findall(r"#(\S+)", body)[0] for body in await mails_to(sign_in, "ada@example.com")}
    assert len({*marks, *tokens}) == 4
    with pytest.raises(Rejected, match="used"):
        await verify_email(sign_in, OpenedLink(token=marks[1], browser_token=marks[1]), HERE)


async def test_nobody_learns_whether_an_email_has_an_account(
    sign_in: SignIn, new_user: NewUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    await new_user("ada@example.com")
    hashed: list[str] = []
    plain = sign_in.passwords.hash

    async def count(password: str) -> str:
        hashed.append(password)
        return await plain(password)

    monkeypatch.setattr(sign_in.passwords, "hash", count)
    for who in ("ada", "bob"):
        await sign_up(sign_in, SignUpForm(email=f"{who}@example.com", password=PASSWORD), HERE)
    assert len(hashed) == 2, "the slow hash is made for either"
    assert "already have an account" in (await mails_to(sign_in, "ada@example.com"))[0]
    for who in ("ada", "eve"):
        await ask_reset(sign_in, f"{who}@example.com", HERE)
    assert [len(await mails_to(sign_in, f"{who}@example.com")) for who in ("ada", "bob", "eve")] == [3, 1, 0]


@pytest.mark.parametrize(
    ("form", "param"),
    [
        (SignUpForm(email="ada", password=PASSWORD), "email"),
        (SignUpForm(email="ada@mailinator.com", password=PASSWORD), "email"),
        (SignUpForm(email="ada@eu.mailinator.com", password=PASSWORD), "email"),
        (SignUpForm(email="ada@example.com", password="short-one"), "password"),
        (SignUpForm(email="ada@example.com", password="Sunshine123"), "password"),
        (SignUpForm(email="ada@example.com", password="qwertyuiop"), "password"),
        (SignUpForm(email="ada@example.com", password="aaaaaaaabbbbb"), "password"),
        (SignUpForm(email="adalovelace@example.com", password="adalovelace-1815"), "password"),
        (SignUpForm(email="ada@example.com", password=PASSWORD, referral="nobodys"), "referral"),
    ],
)
async def test_what_cannot_sign_up_is_told_why(sign_in: SignIn, form: SignUpForm, param: str) -> None:
    with pytest.raises(Rejected) as refused:
        await sign_up(sign_in, form, HERE)
    assert refused.value.param == param
    assert form.password not in str(refused.value)


async def test_an_edition_says_who_may_sign_up(sign_in: SignIn, policy: Policy) -> None:
    stated = msgspec.structs.replace(policy.sign_up, enabled=False)
    closed = msgspec.structs.replace(policy, sign_up=stated)
    object.__setattr__(sign_in, "policy", lambda: closed)
    with pytest.raises(PermissionDenied):
        await sign_up(sign_in, ADA, HERE)
    stated = msgspec.structs.replace(policy.sign_up, disposable_mail=True)
    object.__setattr__(sign_in, "policy", lambda: msgspec.structs.replace(policy, sign_up=stated))
    await sign_up(sign_in, SignUpForm(email="ada@mailinator.com", password=PASSWORD), HERE)


async def test_mails_to_one_address_are_few(sign_in: SignIn, clock: ManualClock) -> None:
    for place in range(5):
        await sign_up(sign_in, ADA, Visitor(f"192.0.2.{place}"))
    for ask in (sign_up(sign_in, ADA, Visitor("192.0.2.9")), ask_reset(sign_in, "ada@example.com", Visitor())):
        with pytest.raises(RateLimited) as refused:
            await ask
        assert refused.value.retry_after == 3600
    clock.advance(timedelta(hours=1))
    await sign_up(sign_in, ADA, HERE)


async def test_an_operators_account_is_opened_by_the_reset_mail(
    sign_in: SignIn, conn: asyncpg.Connection, world: World
) -> None:
    account = await store.create_account(conn, world, "ada@example.com", "e")
    with pytest.raises(SignInRefused):
        await sessions.sign_in_with_password(sign_in, Credentials(email="ada@example.com", password=PASSWORD), HERE)
    await ask_reset(sign_in, "ada@example.com", HERE)
    await reset_password(sign_in, await link_to(sign_in, "ada@example.com"), PASSWORD, HERE)
    session = await sessions.sign_in_with_password(
        sign_in, Credentials(email="ada@example.com", password=PASSWORD), HERE
    )
    assert [each.account_id for each in await members.list_memberships(conn, session.user.id)] == [account.id]


async def test_a_sign_up_that_nobody_finished_does_not_keep_the_operator_from_its_email(
    sign_in: SignIn, conn: asyncpg.Connection, world: World
) -> None:
    await sign_up(sign_in, ADA, HERE)
    await store.create_account(conn, world, "ada@example.com", "e")
    user = await find_user(conn, "ada@example.com")
    assert user is not None
    assert user.verified_at is None
