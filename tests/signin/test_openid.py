"""Sign-in by another service, against one on loopback: honest, wrong in every way that a token can be, and away."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import asyncpg
import pyotp
import pytest
from joserfc.jwk import RSAKey
from tests.signin.conftest import HERE, NewUser, Referrals, link_to
from tests.signin.openid_peer import CLIENT_ID, CLIENT_SECRET, OpenIdPeer, openid_peer

from tokenharbor.identity import members, users
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.errors import (
    Conflict,
    HarborError,
    Missing,
    Rejected,
    SecondFactorNeeded,
    SignInRefused,
    Unavailable,
)
from tokenharbor.signin import profile
from tokenharbor.signin.context import SignIn
from tokenharbor.signin.entry import Credentials, NewSession, enter
from tokenharbor.signin.openid import LASTS_SECONDS, OpenIdReturn, begin_openid, finish_openid
from tokenharbor.signin.openid_provider import OpenIdConfig, OpenIdProvider
from tokenharbor.signin.sign_up import SignUpForm, sign_up, verify_email

EVE = "eve@example.com"


@pytest.fixture
def peer(clock: ManualClock) -> Iterator[OpenIdPeer]:
    with openid_peer() as running:
        running.now = clock.unix_ms() // 1_000
        yield running


@pytest.fixture
def connected(sign_in: SignIn, peer: OpenIdPeer) -> SignIn:
    config = OpenIdConfig(name="Peer", issuer=peer.url, client_id=CLIENT_ID, client_secret=CLIENT_SECRET)
    return replace(sign_in, openid=OpenIdProvider(config, sign_in.world))


async def come_back(
    connected: SignIn,
    peer: OpenIdPeer,
    *,
    subject: str = "s-1",
    email: str = EVE,
    session: str = "",
    referral: str = "",
) -> NewSession:
    start = await begin_openid(connected, referral)
    code, state = peer.authorize(start.url, subject, email)
    return await finish_openid(connected, OpenIdReturn(code=code, state=state, kept=start.kept, session=session), HERE)


async def test_HUB_4_somebody_new_signs_up_by_another_service_and_nothing_else_is_asked(
    connected: SignIn, peer: OpenIdPeer, conn: asyncpg.Connection, referrals: Referrals
) -> None:
    first = await come_back(connected, peer, referral="FRIEND")
    assert (first.user.email, first.user.name) == (EVE, "Eve")
    assert first.user.verified_at is not None
    [membership] = await members.list_memberships(conn, first.user.id)
    assert membership.role == "owner"
    assert referrals.recorded == [("FRIEND", membership.account_id)]
    again = await come_back(connected, peer, email="eve@elsewhere.example")
    assert again.user.id == first.user.id, "it is the subject that counts"
    other = await come_back(connected, peer, subject="s-2", email="bob@example.com")
    assert other.user.id != first.user.id


WRONG: dict[str, Callable[[OpenIdPeer], None]] = {
    "another audience": lambda peer: peer.claims.update(aud="somebody-else"),
    "another issuer": lambda peer: peer.claims.update(iss="https://evil.example"),
    "expired": lambda peer: peer.claims.update(exp=peer.now - 61),
    "no expiry": lambda peer: peer.claims.update(exp=None),
    "no subject": lambda peer: peer.claims.update(sub=None),
    "another sign-in's nonce": lambda peer: peer.claims.update(nonce="replayed"),
    "no nonce": lambda peer: peer.claims.update(nonce=None),
    "an unsigned token": lambda peer: setattr(peer, "algorithm", "none"),
    "the public key as a secret": lambda peer: setattr(peer, "algorithm", "HS256"),
    "an unpublished key": lambda peer: setattr(peer, "key", RSAKey.generate_key(2048, {"kid": "k1"}, auto_kid=False)),
    "an e-mail that is not verified": lambda peer: peer.claims.update(email_verified=False),
    "an e-mail that says it is verified": lambda peer: peer.claims.update(email_verified="true"),
    "no e-mail": lambda peer: peer.claims.update(email=None),
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_token_that_is_wrong_opens_nothing(
    connected: SignIn, peer: OpenIdPeer, conn: asyncpg.Connection, wrong: str
) -> None:
    WRONG[wrong](peer)
    with pytest.raises((SignInRefused, Rejected)):
        await come_back(connected, peer)
    assert await conn.fetchval("select count(*) from app_user") == 0


async def test_what_comes_back_belongs_to_the_browser_that_began(
    connected: SignIn, peer: OpenIdPeer, clock: ManualClock
) -> None:
    mine, theirs = await begin_openid(connected, ""), await begin_openid(connected, "")
    code, state = peer.authorize(theirs.url)
    for kept, shown in ((mine.kept, state), (theirs.kept, "another"), ("", state), ("x" * 40, state), ("ÿ", state)):
        with pytest.raises(SignInRefused):
            await finish_openid(connected, OpenIdReturn(code=code, state=shown, kept=kept), HERE)
    back = OpenIdReturn(code=code, state=state, kept=theirs.kept)
    await finish_openid(connected, back, HERE)
    with pytest.raises(SignInRefused):
        await finish_openid(connected, back, HERE)
    late = await begin_openid(connected, "")
    code, state = peer.authorize(late.url)
    clock.advance(timedelta(seconds=LASTS_SECONDS))
    with pytest.raises(SignInRefused):
        await finish_openid(connected, OpenIdReturn(code=code, state=state, kept=late.kept), HERE)


async def test_who_has_an_account_with_the_email_signs_in_to_it_first(
    connected: SignIn, peer: OpenIdPeer, new_user: NewUser
) -> None:
    eve = await new_user(EVE)
    with pytest.raises(Conflict):
        await come_back(connected, peer)
    linked = await come_back(connected, peer, email="eve@work.example", session=eve.token)
    assert linked.user.id == eve.user.id
    assert (await come_back(connected, peer)).user.id == eve.user.id


async def test_a_sign_up_that_nobody_finished_gives_its_password_to_nobody(connected: SignIn, peer: OpenIdPeer) -> None:
    await sign_up(connected, SignUpForm(email=EVE, password="the-thiefs-own-77"), HERE)
    token = await link_to(connected, EVE)
    await come_back(connected, peer)
    with pytest.raises(Rejected):
        await verify_email(connected, token, HERE)
    with pytest.raises(SignInRefused):
        await enter(connected, Credentials(email=EVE, password="the-thiefs-own-77"), HERE)


async def test_a_second_factor_is_not_passed_by(
    connected: SignIn, peer: OpenIdPeer, conn: asyncpg.Connection, clock: ManualClock
) -> None:
    eve = await come_back(connected, peer)
    setup = await profile.set_up_totp(connected, eve.user)
    await profile.confirm_totp(connected, eve.user, pyotp.TOTP(setup.secret).at(clock.now()), HERE)
    with pytest.raises(SecondFactorNeeded):
        await come_back(connected, peer)
    assert await users.find_identity(conn, peer.url, "s-1") == eve.user.id


async def test_a_throw_away_mailbox_is_none_here_either(connected: SignIn, peer: OpenIdPeer) -> None:
    with pytest.raises(Rejected):
        await come_back(connected, peer, email="eve@mailinator.com")


async def test_a_key_that_was_replaced_is_asked_for_again(connected: SignIn, peer: OpenIdPeer) -> None:
    await come_back(connected, peer)
    peer.key = RSAKey.generate_key(2048, {"kid": "k1"}, auto_kid=False)
    peer.published = [peer.key]
    await come_back(connected, peer)


async def test_a_service_that_is_away_or_is_not_configured_is_told(
    sign_in: SignIn, connected: SignIn, peer: OpenIdPeer
) -> None:
    away = OpenIdConfig(name="Peer", issuer="http://127.0.0.1:9", client_id="x", client_secret="y")
    with pytest.raises(Unavailable):
        await begin_openid(replace(sign_in, openid=OpenIdProvider(away, sign_in.world)), "")
    with pytest.raises(Missing):
        await begin_openid(sign_in, "")
    other = OpenIdConfig(name="Peer", issuer=f"{peer.url}/", client_id="x", client_secret="y")
    with pytest.raises(HarborError):
        await begin_openid(replace(sign_in, openid=OpenIdProvider(other, sign_in.world)), "")
