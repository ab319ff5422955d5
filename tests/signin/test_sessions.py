"""Sign-in: new sessions each time, their list and end; limits on guesses; codes that work once."""

import asyncio
from datetime import timedelta

import asyncpg
import pyotp
import pytest
from tests.signin.conftest import HERE, PASSWORD, ROOT, NewUser, link_to, mails_to

from tokenharbor.identity.changes import read_user_changes
from tokenharbor.identity.sessions import IDLE, LIFE, Visitor, list_sessions
from tokenharbor.identity.tokens import TokenHasher
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.errors import Conflict, Missing, RateLimited, Rejected, SecondFactorNeeded, SignInRefused
from tokenharbor.kernel.secret import SecretPurpose
from tokenharbor.signin import profile, sessions
from tokenharbor.signin.context import SignIn
from tokenharbor.signin.profile import ProfileChange
from tokenharbor.signin.reset import ask_reset, reset_password
from tokenharbor.signin.sessions import Credentials, NewSession

EMAIL = "ada@example.com"
ADA = Credentials(email=EMAIL, password=PASSWORD)
WRONG = Credentials(email=EMAIL, password="not-the-password")


async def is_open(sign_in: SignIn, token: str) -> bool:
    return await sessions.find_open_session(sign_in, token, "") is not None


async def test_each_sign_in_has_a_session_of_its_own_and_ends_the_one_before(
    sign_in: SignIn, new_user: NewUser
) -> None:
    await new_user(EMAIL)
    first = await sessions.sign_in_with_password(sign_in, ADA, HERE)
    second = await sessions.sign_in_with_password(sign_in, ADA, HERE, replaces=first.token)
    assert first.token != second.token
    assert not await is_open(sign_in, first.token), "a session that was known before the sign-in opens nothing after it"
    assert await is_open(sign_in, second.token)


@pytest.mark.parametrize("fixed", ["a-token-of-the-attacker", "x" * 500, "\0", "ÿ"])
async def test_a_token_that_a_browser_was_given_is_never_a_session(
    sign_in: SignIn, new_user: NewUser, fixed: str
) -> None:
    await new_user(EMAIL)
    session = await sessions.sign_in_with_password(sign_in, ADA, HERE, replaces=fixed)
    assert session.token != fixed
    assert not await is_open(sign_in, fixed)


async def test_a_session_ends_by_sign_out_idleness_and_age(
    sign_in: SignIn, new_user: NewUser, clock: ManualClock
) -> None:
    await new_user(EMAIL)
    left, idle, old = [await sessions.sign_in_with_password(sign_in, ADA, HERE) for _ in range(3)]
    await sessions.sign_out(sign_in, left.token)
    assert [await is_open(sign_in, each.token) for each in (left, idle, old)] == [False, True, True]
    while clock.now() + IDLE / 2 < old.expires_at:
        clock.advance(IDLE / 2)
        assert await is_open(sign_in, old.token)
    assert not await is_open(sign_in, idle.token)
    clock.advance(IDLE / 2)
    assert not await is_open(sign_in, old.token), f"not after {LIFE}, however much it is used"


async def test_who_is_unknown_costs_as_much_and_hears_the_same(
    sign_in: SignIn, new_user: NewUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    await new_user(EMAIL)
    verified: list[str] = []
    plain = sign_in.passwords._hasher.verify

    class Counting:
        def verify(self, hashed: str, password: str) -> bool:
            verified.append(password)
            return plain(hashed, password)

    monkeypatch.setattr(sign_in.passwords, "_hasher", Counting())
    words = set()
    for shown in (WRONG, Credentials(email="eve@example.com", password="not-the-password")):
        with pytest.raises(SignInRefused) as refused:
            await sessions.sign_in_with_password(sign_in, shown, HERE)
        words.add((type(refused.value), str(refused.value)))
    assert len(words) == 1
    assert len(verified) == 2, "the slow hash is computed for either"


async def test_guesses_are_limited_over_all_processes_and_lock_nobody_else_out(
    sign_in: SignIn, new_user: NewUser, clock: ManualClock
) -> None:
    await new_user(EMAIL)
    guesses = await asyncio.gather(
        *(sessions.sign_in_with_password(sign_in, WRONG, HERE) for _ in range(12)), return_exceptions=True
    )
    assert [type(each) for each in guesses].count(SignInRefused) == 10
    with pytest.raises(RateLimited) as refused:
        await sessions.sign_in_with_password(sign_in, ADA, HERE)
    assert refused.value.retry_after == 15 * 60
    await sessions.sign_in_with_password(sign_in, ADA, Visitor("198.51.100.1"))
    clock.advance(timedelta(minutes=15))
    await sessions.sign_in_with_password(sign_in, ADA, HERE)


async def test_guesses_from_many_addresses_are_limited_too(sign_in: SignIn, new_user: NewUser) -> None:
    await new_user(EMAIL)
    for number in range(100):
        with pytest.raises(SignInRefused):
            await sessions.sign_in_with_password(sign_in, WRONG, Visitor(f"2001:db8:{number:x}::1"))
    with pytest.raises(RateLimited):
        await sessions.sign_in_with_password(sign_in, ADA, Visitor("2001:db8:ffff::1"))


async def test_addresses_of_one_network_of_ipv6_are_one(sign_in: SignIn, new_user: NewUser) -> None:
    await new_user(EMAIL)
    for number in range(10):
        with pytest.raises(SignInRefused):
            await sessions.sign_in_with_password(sign_in, WRONG, Visitor(f"2001:db8::{number:x}"))
    with pytest.raises(RateLimited):
        await sessions.sign_in_with_password(sign_in, ADA, Visitor("2001:db8::ffff"))


async def test_users_see_their_sessions_and_end_each(
    sign_in: SignIn, new_user: NewUser, conn: asyncpg.Connection, clock: ManualClock
) -> None:
    ada = await new_user(EMAIL)
    bob = await new_user("bob@example.com")
    other = await sessions.sign_in_with_password(sign_in, ADA, Visitor("2001:db8::5", "curl/8\r\nx: y"))
    found = await list_sessions(conn, ada.user.id, clock.now())
    assert {(each.id, each.address, each.agent) for each in found} == {
        (ada.id, "192.0.2.7", "Firefox"),
        (other.id, "2001:db8::5", "curl/8x: y"),
    }
    with pytest.raises(Missing):
        await profile.end_session(conn, sign_in, bob.user.id, other.id)
    await profile.end_session(conn, sign_in, ada.user.id, other.id)
    assert not await is_open(sign_in, other.token)
    assert await is_open(sign_in, ada.token)


async def test_a_changed_password_ends_all_sessions_but_begins_one(
    sign_in: SignIn, new_user: NewUser, conn: asyncpg.Connection
) -> None:
    ada = await new_user(EMAIL)
    other = await sessions.sign_in_with_password(sign_in, ADA, HERE)
    with pytest.raises(SignInRefused):
        await profile.change_password(sign_in, ada.user, "not-the-password", "another-good-1", HERE)
    begun = await profile.change_password(sign_in, ada.user, PASSWORD, "another-good-1", HERE)
    assert [await is_open(sign_in, each.token) for each in (ada, other, begun)] == [False, False, True]
    with pytest.raises(SignInRefused):
        await sessions.sign_in_with_password(sign_in, ADA, HERE)
    await sessions.sign_in_with_password(sign_in, Credentials(email=EMAIL, password="another-good-1"), HERE)
    [change] = await read_user_changes(conn, ada.user.id)
    assert (change.actor, change.field, change.address) == (ada.user.shown_id, "password", "192.0.2.7")
    assert "password was changed" in (await mails_to(sign_in, EMAIL))[0]


async def test_a_reset_ends_all_sessions_and_begins_none(sign_in: SignIn, new_user: NewUser) -> None:
    ada = await new_user(EMAIL)
    await ask_reset(sign_in, EMAIL, HERE)
    earlier = await link_to(sign_in, EMAIL)
    await ask_reset(sign_in, EMAIL, HERE)
    token = await link_to(sign_in, EMAIL)
    with pytest.raises(Rejected):
        await reset_password(sign_in, earlier, "another-good-1", HERE)
    with pytest.raises(Rejected, match="e-mail address"):
        await reset_password(sign_in, token, f"{EMAIL}-1-2-3", HERE)
    await reset_password(sign_in, token, "another-good-1", HERE)
    assert not await is_open(sign_in, ada.token)
    with pytest.raises(Rejected):
        await reset_password(sign_in, token, "another-good-2", HERE)
    await sessions.sign_in_with_password(sign_in, Credentials(email=EMAIL, password="another-good-1"), HERE)


async def test_an_operators_link_signs_in_once(sign_in: SignIn, new_user: NewUser, conn: asyncpg.Connection) -> None:
    ada = await new_user(EMAIL)
    hasher = TokenHasher(ROOT.derive(SecretPurpose.SIGN_IN))
    earlier = await sessions.make_operator_link(conn, sign_in.world, hasher, ada.user.id)
    token = await sessions.make_operator_link(conn, sign_in.world, hasher, ada.user.id)
    session = await sessions.sign_in_as_operator(sign_in, token, HERE)
    assert await is_open(sign_in, session.token)
    for opens_nothing in (earlier, token, session.token):
        with pytest.raises(Rejected):
            await sessions.sign_in_as_operator(sign_in, opens_nothing, HERE)


# ---- second factor


async def with_totp(sign_in: SignIn, session: NewSession) -> tuple[pyotp.TOTP, list[str]]:
    setup = await profile.set_up_totp(sign_in, session.user, PASSWORD)
    app = pyotp.parse_uri(setup.uri)
    assert isinstance(app, pyotp.TOTP)
    assert setup.svg.startswith("<svg")
    assert (app.secret, app.name) == (setup.secret, EMAIL)
    recovery = await profile.confirm_totp(sign_in, session.user, app.at(sign_in.world.clock.now()), HERE)
    return app, list(recovery)


async def test_a_code_is_needed_once_an_app_is_set_up_and_works_once(
    sign_in: SignIn, new_user: NewUser, clock: ManualClock
) -> None:
    app, _ = await with_totp(sign_in, await new_user(EMAIL))
    with pytest.raises(SecondFactorNeeded):
        await sessions.sign_in_with_password(sign_in, ADA, HERE)
    replayed = app.at(clock.now())
    clock.advance(timedelta(seconds=30))
    code = app.at(clock.now())
    shown = [replayed, "000000", "", "٣٤٥٦٧٨", code]
    for wrong in shown[:-1]:
        with pytest.raises(SignInRefused):
            await sessions.sign_in_with_password(sign_in, Credentials(email=EMAIL, password=PASSWORD, code=wrong), HERE)
    right = Credentials(email=EMAIL, password=PASSWORD, code=f"{code[:3]} {code[3:]}")
    both = await asyncio.gather(
        *(sessions.sign_in_with_password(sign_in, right, HERE) for _ in range(2)), return_exceptions=True
    )
    assert sorted(type(each).__name__ for each in both) == ["NewSession", "SignInRefused"]


async def test_codes_are_guessed_ten_times_only(sign_in: SignIn, new_user: NewUser, clock: ManualClock) -> None:
    app, _ = await with_totp(sign_in, await new_user(EMAIL))
    clock.advance(timedelta(minutes=1))
    for number in range(9):
        wrong = Credentials(email=EMAIL, password=PASSWORD, code=f"{number:06}")
        with pytest.raises(SignInRefused):
            await sessions.sign_in_with_password(sign_in, wrong, Visitor(f"192.0.2.{number}"))
    right = Credentials(email=EMAIL, password=PASSWORD, code=app.at(clock.now()))
    with pytest.raises(RateLimited):
        await sessions.sign_in_with_password(sign_in, right, Visitor("198.51.100.1"))


async def test_recovery_codes_are_made_anew_by_who_has_the_second_factor(
    sign_in: SignIn, new_user: NewUser, conn: asyncpg.Connection
) -> None:
    ada = await new_user(EMAIL)
    with pytest.raises(Conflict, match="set one up first"):
        await profile.remake_recovery_codes(sign_in, ada.user, password=PASSWORD, code="", visitor=HERE)
    _, old = await with_totp(sign_in, ada)
    for password, code, param in (("wrong", old[0], "password"), (PASSWORD, "", "code"), (PASSWORD, "0" * 20, "code")):
        with pytest.raises(SignInRefused) as refused:
            await profile.remake_recovery_codes(sign_in, ada.user, password=password, code=code, visitor=HERE)
        assert refused.value.param == param
    new = await profile.remake_recovery_codes(sign_in, ada.user, password=PASSWORD, code=old[0], visitor=HERE)
    assert (len(set(new)), set(new) & set(old)) == (10, set())
    for dead in old[:4]:
        with pytest.raises(SignInRefused):
            await sessions.sign_in_with_password(sign_in, Credentials(email=EMAIL, password=PASSWORD, code=dead), HERE)
    await sessions.sign_in_with_password(sign_in, Credentials(email=EMAIL, password=PASSWORD, code=new[0]), HERE)
    changes = await read_user_changes(conn, ada.user.id)
    assert [(each.field, each.after) for each in changes][-1] == ("recovery_codes", "new")
    assert "recovery codes were created" in (await mails_to(sign_in, EMAIL))[0]


async def test_a_recovery_code_stands_in_once(sign_in: SignIn, new_user: NewUser) -> None:
    _, recovery = await with_totp(sign_in, await new_user(EMAIL))
    assert len(set(recovery)) == 10
    shown = Credentials(email=EMAIL, password=PASSWORD, code=recovery[3].upper())
    await sessions.sign_in_with_password(sign_in, shown, HERE)
    with pytest.raises(SignInRefused):
        await sessions.sign_in_with_password(sign_in, shown, HERE)


async def test_an_app_is_set_up_and_removed_with_the_password_and_a_code_and_its_secret_is_sealed(
    sign_in: SignIn, new_user: NewUser, conn: asyncpg.Connection, clock: ManualClock
) -> None:
    ada = await new_user(EMAIL)
    with pytest.raises(SignInRefused, match="password"):
        await profile.set_up_totp(sign_in, ada.user, "not-the-password")
    app, recovery = await with_totp(sign_in, ada)
    assert app.secret.encode() not in await conn.fetchval("select totp from app_user where id = $1", ada.user.id)
    with pytest.raises(Conflict):
        await profile.set_up_totp(sign_in, ada.user, PASSWORD)
    with pytest.raises(SignInRefused, match="code"):
        await profile.drop_totp(sign_in, ada.user, password=PASSWORD, code=app.at(clock.now()), visitor=HERE)
    clock.advance(timedelta(seconds=30))
    with pytest.raises(SignInRefused, match="password"):
        await profile.drop_totp(sign_in, ada.user, password="", code=app.at(clock.now()), visitor=HERE)
    with pytest.raises(SecondFactorNeeded):
        await sessions.sign_in_with_password(sign_in, ADA, HERE)
    await profile.drop_totp(sign_in, ada.user, password=PASSWORD, code=app.at(clock.now()), visitor=HERE)
    await sessions.sign_in_with_password(sign_in, ADA, HERE)
    with pytest.raises(SignInRefused):
        await profile.confirm_totp(sign_in, ada.user, recovery[0], HERE)


async def test_no_secret_lies_in_the_database_in_clear(
    sign_in: SignIn, new_user: NewUser, conn: asyncpg.Connection
) -> None:
    ada = await new_user(EMAIL)
    _, recovery = await with_totp(sign_in, ada)
    await ask_reset(sign_in, EMAIL, HERE)
    secrets = [PASSWORD, ada.token, await link_to(sign_in, EMAIL), recovery[0], recovery[0].replace("-", "")]
    for table in ("app_user", "user_session", "sign_in_token", "user_mail", "recovery_code", "account_change"):
        rows = str(await conn.fetch(f"select to_jsonb(t)::text from {table} t"))  # noqa: S608
        assert not [each for each in secrets if each in rows], table


async def test_users_change_their_name_and_language(
    sign_in: SignIn, new_user: NewUser, conn: asyncpg.Connection
) -> None:
    ada = await new_user(EMAIL)
    changed = await profile.change_profile(conn, ada.user.id, ProfileChange(name="  Ada   Lovelace "))
    assert (changed.name, changed.locale) == ("Ada Lovelace", "")
    assert (await profile.change_profile(conn, ada.user.id, ProfileChange(locale="zh"))).name == "Ada Lovelace"
    for wrong in (ProfileChange(name="x" * 101), ProfileChange(name="a\0b"), ProfileChange(locale="xx")):
        with pytest.raises(Rejected):
            await profile.change_profile(conn, ada.user.id, wrong)
