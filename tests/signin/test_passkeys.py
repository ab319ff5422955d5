"""Passkeys: bound to one user and site, valid once per challenge, and replacing both password and code."""

import asyncio
import copy
from dataclasses import replace
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.db.waiting import wait_until_held_up
from tests.signin.authenticator import Authenticator
from tests.signin.conftest import HERE, PASSWORD, NewUser, link_to, mails_to

from tokenharbor.identity.passkeys import Passkey, list_passkeys
from tokenharbor.identity.users import get_user, lock_user
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.errors import Conflict, Missing, Rejected, SignInRefused
from tokenharbor.signin.context import SignIn
from tokenharbor.signin.passkey_site import has_passkeys
from tokenharbor.signin.passkeys import (
    add_passkey,
    begin_passkey,
    begin_passkey_sign_in,
    remove_passkey,
    sign_in_with_passkey,
)
from tokenharbor.signin.reset import ask_reset, reset_password
from tokenharbor.signin.sessions import NewSession
from tokenharbor.signin.sign_up import replace_password

ADA, EVE = "ada@example.com", "eve@example.com"


async def enrol(sign_in: SignIn, session: NewSession, device: Authenticator) -> Passkey:
    options = await begin_passkey(sign_in, session.user, PASSWORD)
    return await add_passkey(sign_in, session.user, "telephone", device.make(options), HERE)


async def sign_in_by_passkey(sign_in: SignIn, device: Authenticator) -> NewSession:
    return await sign_in_with_passkey(sign_in, device.sign(await begin_passkey_sign_in(sign_in, HERE)), HERE)


async def test_a_passkey_signs_its_user_in_and_the_user_is_told_that_it_was_added(
    sign_in: SignIn, new_user: NewUser, conn: asyncpg.Connection
) -> None:
    ada, device = await new_user(ADA), Authenticator()
    await enrol(sign_in, ada, device)
    assert "passkey was added" in (await mails_to(sign_in, ADA))[0]
    begun = await sign_in_by_passkey(sign_in, device)
    assert begun.user.id == ada.user.id
    assert begun.token != ada.token
    (known,) = await list_passkeys(conn, ada.user.id)
    assert (known.name, known.sign_count, known.used_at is not None) == ("telephone", 1, True)


async def test_who_left_a_session_open_gets_no_passkey_without_the_password(sign_in: SignIn, new_user: NewUser) -> None:
    ada = await new_user(ADA)
    with pytest.raises(SignInRefused, match="password"):
        await begin_passkey(sign_in, ada.user, "wrong")


async def test_no_passkey_is_added_by_who_was_signed_in_before_the_password_was_reset(
    sign_in: SignIn, new_user: NewUser, conn: asyncpg.Connection, clock: ManualClock
) -> None:
    ada, device = await new_user(ADA), Authenticator()
    made = device.make(await begin_passkey(sign_in, ada.user, PASSWORD))
    async with conn.transaction():
        await lock_user(conn, ada.user.id)
        task = asyncio.create_task(add_passkey(sign_in, ada.user, "telephone", made, HERE))
        await wait_until_held_up(conn, task)
        await replace_password(conn, ada.user.id, "another", clock.now())
    with pytest.raises(SignInRefused):
        await task
    assert await list_passkeys(conn, ada.user.id) == []


@pytest.mark.parametrize(
    "device",
    [
        Authenticator(origin="https://localhost.example.com"),
        Authenticator(origin="http://localhost:8081"),
        Authenticator(domain="example.com"),
        Authenticator(verifies=False),
    ],
    ids=["another page", "another port", "another domain", "nobody verified"],
)
async def test_what_was_made_or_signed_elsewhere_or_without_the_user_is_refused(
    sign_in: SignIn, new_user: NewUser, device: Authenticator
) -> None:
    ada = await new_user(ADA)
    with pytest.raises(Rejected):
        await enrol(sign_in, ada, device)
    good = Authenticator()
    await enrol(sign_in, ada, good)
    bad = replace(device, user=good.user, key=good.key, credential=good.credential, count=5)
    with pytest.raises(SignInRefused):
        await sign_in_by_passkey(sign_in, bad)


async def test_a_challenge_is_signed_once_in_time_and_for_its_purpose(
    sign_in: SignIn, new_user: NewUser, clock: ManualClock
) -> None:
    ada, eve, device = await new_user(ADA), await new_user(EVE), Authenticator(counts=False)
    options = await begin_passkey(sign_in, ada.user, PASSWORD)
    made = device.make(options)
    with pytest.raises(Rejected):  # it was made for Ada
        await add_passkey(sign_in, eve.user, "mine", made, HERE)
    await enrol(sign_in, ada, device)
    with pytest.raises(SignInRefused):  # a challenge to add one signs nobody in
        await sign_in_with_passkey(sign_in, device.sign(await begin_passkey(sign_in, ada.user, PASSWORD)), HERE)
    signed = device.sign(await begin_passkey_sign_in(sign_in, HERE))
    assert (await sign_in_with_passkey(sign_in, signed, HERE)).user.id == ada.user.id
    with pytest.raises(SignInRefused):
        await sign_in_with_passkey(sign_in, signed, HERE)
    late = device.sign(await begin_passkey_sign_in(sign_in, HERE))
    clock.advance(timedelta(minutes=6))
    with pytest.raises(SignInRefused):
        await sign_in_with_passkey(sign_in, late, HERE)


async def test_a_failed_try_uses_its_challenge_up(sign_in: SignIn, new_user: NewUser) -> None:
    ada, device = await new_user(ADA), Authenticator()
    await enrol(sign_in, ada, device)
    signed = device.sign(await begin_passkey_sign_in(sign_in, HERE))
    broken = copy.deepcopy(signed)
    broken["response"]["signature"] = broken["response"]["signature"][::-1]
    for each in (broken, signed):
        with pytest.raises(SignInRefused):
            await sign_in_with_passkey(sign_in, each, HERE)


async def test_a_copy_of_an_authenticator_is_noticed_by_its_count(sign_in: SignIn, new_user: NewUser) -> None:
    ada, device = await new_user(ADA), Authenticator()
    await enrol(sign_in, ada, device)
    thief = replace(device)
    await sign_in_by_passkey(sign_in, device)
    await sign_in_by_passkey(sign_in, device)
    with pytest.raises(SignInRefused):
        await sign_in_by_passkey(sign_in, thief)


async def test_another_users_key_under_this_id_opens_nothing(sign_in: SignIn, new_user: NewUser) -> None:
    ada, eve = await new_user(ADA), await new_user(EVE)
    hers = Authenticator()
    await enrol(sign_in, ada, hers)
    with pytest.raises(Conflict):  # the id is taken, whoever makes a key for it
        await enrol(sign_in, eve, Authenticator())
    forged = Authenticator(user=hers.user, credential=hers.credential, count=9)
    with pytest.raises(SignInRefused):
        await sign_in_by_passkey(sign_in, forged)
    posing = replace(hers, user=eve.user.id.bytes, count=9)
    with pytest.raises(SignInRefused):
        await sign_in_by_passkey(sign_in, posing)


async def test_a_removed_passkey_and_one_from_before_a_reset_sign_nobody_in(
    sign_in: SignIn, new_user: NewUser, conn: asyncpg.Connection
) -> None:
    ada, eve = await new_user(ADA), await new_user(EVE)
    one, two = Authenticator(), Authenticator(credential=b"another id")
    passkey = await enrol(sign_in, ada, one)
    await enrol(sign_in, ada, two)
    with pytest.raises(Missing):
        await remove_passkey(sign_in, eve.user, passkey.id, HERE)
    await remove_passkey(sign_in, ada.user, passkey.id, HERE)
    with pytest.raises(SignInRefused):
        await sign_in_by_passkey(sign_in, one)
    await ask_reset(sign_in, ADA, HERE)
    await reset_password(sign_in, await link_to(sign_in, ADA), "another-otter-17-lamp", HERE)
    with pytest.raises(SignInRefused):
        await sign_in_by_passkey(sign_in, two)
    assert not await list_passkeys(conn, (await get_user(conn, ada.user.id)).id)


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("http://localhost:8080", True),
        ("https://harbor.example.com", True),
        ("http://harbor.example.com", False),
        ("https://192.0.2.1", False),
        ("https://[2001:db8::1]", False),
    ],
)
async def test_passkeys_are_of_a_domain_name_over_tls(sign_in: SignIn, url: str, kept: bool) -> None:
    placed = replace(sign_in, public_url=url)
    assert has_passkeys(placed) is kept
    if not kept:
        with pytest.raises(Missing, match="domain name"):
            await begin_passkey_sign_in(placed, HERE)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["id", "rawId", "type", "response"]), _JSON), _JSON)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_is_sent_as_a_passkey_is_refused_in_words(
    sign_in: SignIn, shown: dict[str, Any], response: Any
) -> None:
    unlimited = replace(HERE, address="")
    for each in (shown, {**shown, "response": {"clientDataJSON": response}}):
        with pytest.raises((Rejected, SignInRefused)):
            await sign_in_with_passkey(sign_in, each, unlimited)
