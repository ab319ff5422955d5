"""Sign-in with an OpenID provider on loopback: honest, with every kind of invalid token, and unavailable."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import asyncpg
import pyotp
import pytest
from joserfc.jwk import RSAKey
from tests.signin.authenticator import Authenticator
from tests.signin.conftest import HERE, PASSWORD, NewUser, Referrals, link_to, mails_to
from tests.signin.openid_peer import CLIENT_ID, CLIENT_SECRET, OpenIdPeer, openid_peer

from tokenharbor.identity import members, users
from tokenharbor.identity.changes import read_user_changes
from tokenharbor.identity.passkeys import list_passkeys
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
from tokenharbor.signin.identities import disconnect, list_services
from tokenharbor.signin.openid import LASTS_SECONDS, OpenIdReturn, begin_openid, finish_openid
from tokenharbor.signin.openid_provider import OpenIdConfig, OpenIdProvider
from tokenharbor.signin.passkeys import add_passkey, begin_passkey, remove_passkey
from tokenharbor.signin.reset import ask_reset, reset_password
from tokenharbor.signin.sessions import Credentials, NewSession, sign_in_with_password
from tokenharbor.signin.sign_up import OpenedLink, SignUpForm, sign_up, verify_email

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
    asks: bool = True,
) -> NewSession:
    """`asks`: to be connected, on a page of ours."""
    start = await begin_openid(connected, referral, session if asks else "")
    code, state = peer.authorize(start.url, subject, email)
    return await finish_openid(
        connected, OpenIdReturn(code=code, state=state, sealed_request=start.sealed_request, session=session), HERE
    )


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
    for kept, shown in (
        (mine.sealed_request, state),
        (theirs.sealed_request, "another"),
        ("", state),
        ("x" * 40, state),
        ("ÿ", state),
    ):
        with pytest.raises(SignInRefused):
            await finish_openid(connected, OpenIdReturn(code=code, state=shown, sealed_request=kept), HERE)
    back = OpenIdReturn(code=code, state=state, sealed_request=theirs.sealed_request)
    await finish_openid(connected, back, HERE)
    with pytest.raises(SignInRefused):
        await finish_openid(connected, back, HERE)
    late = await begin_openid(connected, "")
    code, state = peer.authorize(late.url)
    clock.advance(timedelta(seconds=LASTS_SECONDS))
    with pytest.raises(SignInRefused):
        await finish_openid(connected, OpenIdReturn(code=code, state=state, sealed_request=late.sealed_request), HERE)


async def test_who_has_an_account_with_the_email_signs_in_to_it_first(
    connected: SignIn, peer: OpenIdPeer, new_user: NewUser
) -> None:
    eve = await new_user(EVE)
    with pytest.raises(Conflict):
        await come_back(connected, peer)
    linked = await come_back(connected, peer, email="eve@work.example", session=eve.token)
    assert linked.user.id == eve.user.id
    assert (await come_back(connected, peer)).user.id == eve.user.id


async def test_nobody_is_connected_who_did_not_ask_for_it_on_a_page_of_ours(
    connected: SignIn, peer: OpenIdPeer, conn: asyncpg.Connection, new_user: NewUser
) -> None:
    eve = await new_user(EVE)
    other = await come_back(connected, peer, email="thief@example.net", session=eve.token, asks=False)
    assert other.user.id != eve.user.id, "the thief's own account"
    bob = await new_user("bob@example.com")
    start = await begin_openid(connected, "", eve.token)
    code, state = peer.authorize(start.url, "s-2", "eve@work.example")
    back = OpenIdReturn(code=code, state=state, sealed_request=start.sealed_request, session=bob.token)
    assert (await finish_openid(connected, back, HERE)).user.id not in (eve.user.id, bob.user.id), "who asked has left"


async def test_what_is_connected_is_told_and_a_reset_password_disconnects_it(
    connected: SignIn, peer: OpenIdPeer, conn: asyncpg.Connection, new_user: NewUser
) -> None:
    eve = await new_user(EVE)
    await come_back(connected, peer, email="thief@example.net", session=eve.token)
    assert "was connected to another service" in (await mails_to(connected, EVE))[0]
    [change] = await read_user_changes(conn, eve.user.id)
    assert (change.actor, change.field, change.after) == (eve.user.shown_id, "other_service", peer.url)
    await ask_reset(connected, EVE, HERE)
    await reset_password(connected, await link_to(connected, EVE), "another-good-1", HERE)
    assert await users.find_identity(conn, peer.url, "s-1") is None


async def test_a_service_is_disconnected_by_its_user_and_by_nobody_else(
    connected: SignIn, peer: OpenIdPeer, conn: asyncpg.Connection, new_user: NewUser
) -> None:
    eve, bob = await new_user(EVE), await new_user("bob@example.com")
    await come_back(connected, peer, email="eve@work.example", session=eve.token)
    [service] = await list_services(conn, connected, eve.user.id)
    assert service.issuer == peer.url
    assert "s-1" not in service.id
    for who, what in ((bob, service.id), (eve, "0" * 32), (eve, "")):
        with pytest.raises(Missing):
            await disconnect(connected, who.user.id, what, HERE)
    await disconnect(connected, eve.user.id, service.id, HERE)
    assert await list_services(conn, connected, eve.user.id) == []
    assert (await come_back(connected, peer, email="new@work.example")).user.id != eve.user.id
    told = {(each.field, each.before, each.after) for each in await read_user_changes(conn, eve.user.id)}
    assert told == {("other_service", "", peer.url), ("other_service", peer.url, "")}


async def test_the_last_way_in_is_not_disconnected(
    connected: SignIn, peer: OpenIdPeer, conn: asyncpg.Connection
) -> None:
    eve = await come_back(connected, peer)
    [service] = await list_services(conn, connected, eve.user.id)
    with pytest.raises(Conflict):
        await disconnect(connected, eve.user.id, service.id, HERE)
    device = Authenticator()
    options = await begin_passkey(connected, eve.user, "")
    await add_passkey(connected, eve.user, "telephone", device.make(options), HERE)
    bare = replace(connected, public_url="http://192.0.2.1:8080")
    with pytest.raises(Conflict):  # where passkeys sign nobody in
        await disconnect(bare, eve.user.id, service.id, HERE)
    await disconnect(connected, eve.user.id, service.id, HERE)
    assert await list_services(conn, connected, eve.user.id) == []


async def test_the_last_passkey_is_not_removed_where_nothing_else_signs_in(
    connected: SignIn, peer: OpenIdPeer, conn: asyncpg.Connection, clock: ManualClock
) -> None:
    eve = await come_back(connected, peer)
    options = await begin_passkey(connected, eve.user, "")
    passkey = await add_passkey(connected, eve.user, "telephone", Authenticator().make(options), HERE)
    elsewhere = replace(connected, openid=None)
    with pytest.raises(Conflict, match="set a password or add a passkey first"):  # the service is configured no more
        await remove_passkey(elsewhere, eve.user, passkey.id, HERE)
    secret = (await profile.set_up_totp(connected, eve.user, "")).secret
    code = pyotp.TOTP(secret).at(clock.now())
    await profile.confirm_totp(connected, eve.user, code, HERE)
    with pytest.raises(Conflict, match="only way"):  # a service lets nobody in who has an authenticator app
        await remove_passkey(connected, eve.user, passkey.id, HERE)
    assert len(await list_passkeys(conn, eve.user.id)) == 1, "what was refused was undone"
    clock.advance(timedelta(minutes=1))
    await profile.drop_totp(connected, eve.user, password="", code=pyotp.TOTP(secret).at(clock.now()), visitor=HERE)
    await remove_passkey(connected, eve.user, passkey.id, HERE)
    [service] = await list_services(conn, connected, eve.user.id)
    with pytest.raises(Conflict, match="only way"):
        await disconnect(connected, eve.user.id, service.id, HERE)


async def test_nobody_sets_up_an_app_that_would_keep_them_out(connected: SignIn, peer: OpenIdPeer) -> None:
    eve = await come_back(connected, peer)
    with pytest.raises(Conflict, match="set a password or add a passkey first"):
        await profile.set_up_totp(connected, eve.user, "")
    await profile.change_password(connected, eve.user, "", PASSWORD, HERE)
    async with connected.acquire() as conn:
        user = await users.get_user(conn, eve.user.id)
    assert (await profile.set_up_totp(connected, user, PASSWORD)).secret


async def test_a_sign_up_that_nobody_finished_gives_its_password_to_nobody(connected: SignIn, peer: OpenIdPeer) -> None:
    await sign_up(connected, SignUpForm(email=EVE, password="the-thiefs-own-77"), HERE)
    token = await link_to(connected, EVE)
    await come_back(connected, peer)
    with pytest.raises(Rejected):
        await verify_email(connected, OpenedLink(token=token, password=PASSWORD), HERE)
    with pytest.raises(SignInRefused):
        await sign_in_with_password(connected, Credentials(email=EVE, password="the-thiefs-own-77"), HERE)


async def test_a_second_factor_is_not_passed_by(
    connected: SignIn, peer: OpenIdPeer, conn: asyncpg.Connection, clock: ManualClock
) -> None:
    eve = await come_back(connected, peer)
    eve = await profile.change_password(connected, eve.user, "", PASSWORD, HERE)
    setup = await profile.set_up_totp(connected, eve.user, PASSWORD)
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
