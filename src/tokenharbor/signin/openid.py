"""Sign-in with another service by OpenID Connect, begun and finished in the same browser.

The browser holds the pending request (state, nonce, verifier) in a sealed cookie, so that nobody is signed in by
another's link. A new user's e-mail address counts as verified if the service says so. A user who already has an account
with that address must sign in to it first, and then connect the service: a service that is wrong about an address must
not open an existing account.
"""

import base64
import binascii
import hmac
from dataclasses import dataclass, field
from typing import Final

import asyncpg
import msgspec

from tokenharbor.identity.sessions import Visitor
from tokenharbor.identity.users import (
    User,
    add_identity,
    change_user,
    ensure_user,
    find_identity,
    find_user,
    is_member,
    lock_user,
)
from tokenharbor.kernel.errors import Conflict, Misconfigured, Missing, SecondFactorNeeded, SignInRefused
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.reasons import ErrorReason
from tokenharbor.signin.context import SignIn
from tokenharbor.signin.limits import TOKENS_BY_ADDRESS, admit, network_of
from tokenharbor.signin.mails import MailDraft, UserMailKind, send_mail
from tokenharbor.signin.openid_provider import OpenIdPerson, OpenIdProvider, OpenIdRequest, make_request
from tokenharbor.signin.records import FieldChange, record_own_change
from tokenharbor.signin.sessions import NewSession, begin_session, find_open_session, lock_unchanged
from tokenharbor.signin.sign_up import activate_user, check_sign_up

LASTS_SECONDS: Final = 600

_CONTEXT = b"sign-in under way"
_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class OpenIdStart:
    """The URL to redirect to, and the sealed request that the browser keeps until it returns."""

    url: str
    sealed_request: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIdReturn:
    """A browser's return. `sealed_request` is the cookie of its pending sign-in, `session` its session token."""

    code: str = field(repr=False)
    state: str = field(repr=False)
    sealed_request: str = field(repr=False)
    session: str = field(default="", repr=False)


async def begin_openid(sign_in: SignIn, referral: str, session: str = "") -> OpenIdStart:
    """Begin a sign-in. With a `session`, its user asks to connect the service.

    Raises Missing if no service is configured, Unavailable.
    """
    provider = _provider(sign_in)
    current = await find_open_session(sign_in, session, "")
    user = "" if current is None else current.user.shown_id
    request = make_request(sign_in.world, LASTS_SECONDS * 1_000, referral=referral, user=user)
    url = await provider.url(request, _redirect_uri(sign_in))
    sealed = sign_in.openid_seal.encrypt(msgspec.json.encode(request), _CONTEXT)
    return OpenIdStart(url, base64.urlsafe_b64encode(sealed).decode())


async def finish_openid(sign_in: SignIn, back: OpenIdReturn, visitor: Visitor) -> NewSession:
    """Sign the returning user in, or connect the service to the account that they are signed in to.

    Raises SignInRefused, SecondFactorNeeded, Conflict if the e-mail address has an account, and as `check_sign_up`.
    """
    await admit(sign_in, [(TOKENS_BY_ADDRESS, network_of(visitor))])
    request = _unseal_request(sign_in, back)
    person = await _provider(sign_in).person(back.code, request, _redirect_uri(sign_in))
    current = await find_open_session(sign_in, back.session, visitor.address)
    asked = current is not None and current.user.shown_id == request.user
    user = await _known(sign_in, person, current.user if current is not None and asked else None, visitor)
    if user is None:
        email = await check_sign_up(sign_in, person.email, request.referral)
    async with sign_in.acquire() as conn, conn.transaction():
        if user is None:
            user = await _create_user(conn, sign_in, person, email, request.referral)
        else:
            await _check_still_known(conn, person, user)
        return await begin_session(conn, sign_in, user, visitor, replaces=back.session)


async def _known(sign_in: SignIn, person: OpenIdPerson, current: User | None, visitor: Visitor) -> User | None:
    """Return the user of this identity, after connecting it to `current` if given; None for a new user."""
    async with sign_in.acquire() as conn, conn.transaction():
        user_id = await find_identity(conn, person.issuer, person.subject)
        if user_id is None and current is not None:
            await lock_unchanged(conn, current)
            await add_identity(conn, person.issuer, person.subject, current.id, sign_in.world.clock.now())
            change = FieldChange(field="other_service", after=person.issuer)
            await record_own_change(conn, sign_in.world, current, visitor, change)
            locale = current.language
            await send_mail(conn, sign_in, MailDraft(kind=UserMailKind.CONNECTED, user_id=current.id, locale=locale))
            return current
        if user_id is None:
            await _check_new(conn, person)
            return None
        user = await lock_user(conn, user_id)
        if user.totp_at is not None and (current is None or current.id != user_id):
            raise SecondFactorNeeded("Sign in with your password and the code of your authenticator app.").because(
                ErrorReason.TOTP_NEEDED
            )
        return user


async def _check_still_known(conn: asyncpg.Connection, person: OpenIdPerson, user: User) -> None:
    """Check, with the user locked, that the service was not disconnected in the meantime. Raises SignInRefused."""
    await lock_user(conn, user.id)
    if await find_identity(conn, person.issuer, person.subject) != user.id:
        raise SignInRefused("This service was disconnected in the meantime: begin again.").because(
            ErrorReason.OPENID_BEGIN_AGAIN
        )


async def _check_new(conn: asyncpg.Connection, person: OpenIdPerson) -> None:
    if not person.email:
        raise SignInRefused(
            "The other service has not verified your e-mail address: verify it there, or sign up with a password."
        ).because(ErrorReason.OPENID_EMAIL_NOT_VERIFIED)
    user = await find_user(conn, person.email.strip().lower())
    if user is not None and (user.verified_at is not None or await is_member(conn, user.id)):
        raise Conflict(
            "an account with this e-mail address exists: sign in to it, then connect the service in the settings"
        ).because(ErrorReason.OPENID_EMAIL_KNOWN)


async def _create_user(
    conn: asyncpg.Connection, sign_in: SignIn, person: OpenIdPerson, email: str, referral: str
) -> User:
    world = sign_in.world
    now = world.clock.now()
    user_id: UUID = await ensure_user(conn, world.ids.new(), email, now)
    await lock_user(conn, user_id)
    await _check_new(conn, person)
    await add_identity(conn, person.issuer, person.subject, user_id, now)
    await activate_user(conn, sign_in, user_id, password="", referral=referral)
    name = "".join(letter for letter in person.name if letter.isprintable())[:_LONGEST_NAME]
    await change_user(conn, user_id, name, "")
    return await lock_user(conn, user_id)


def _unseal_request(sign_in: SignIn, back: OpenIdReturn) -> OpenIdRequest:
    """Return the browser's pending request. Raises SignInRefused."""
    refusal = SignInRefused("This sign-in was not begun in this browser, or has expired: begin again.").because(
        ErrorReason.OPENID_BEGIN_AGAIN
    )
    try:
        sealed = base64.urlsafe_b64decode(back.sealed_request.encode())
        request = msgspec.json.decode(sign_in.openid_seal.decrypt(sealed, _CONTEXT), type=OpenIdRequest)
    except (Misconfigured, binascii.Error, ValueError):
        raise refusal from None
    fits = hmac.compare_digest(request.state.encode(), back.state.encode())
    if not fits or not back.code or sign_in.world.clock.unix_ms() >= request.expires_ms:
        raise refusal
    return request


def _provider(sign_in: SignIn) -> OpenIdProvider:
    if sign_in.openid is None:
        raise Missing("no OpenID provider is configured")
    return sign_in.openid


def _redirect_uri(sign_in: SignIn) -> str:
    return f"{sign_in.public_url}/api/openid/callback"
