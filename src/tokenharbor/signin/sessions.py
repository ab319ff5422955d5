"""Sign-in with a password and code, or with an operator's link; sessions begun and ended.

Nothing reveals whether an e-mail address is known: an unknown one, one without a password and one with an unfinished
sign-up get the same refusal after the same work, including a slow hash.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import asyncpg

from tokenharbor.identity.sessions import LIFE, OpenSession, Visitor, add_session, end_session_of, find_session
from tokenharbor.identity.tokens import (
    LONGEST_TOKEN,
    LinkToken,
    TokenHasher,
    TokenPurpose,
    add_token,
    end_tokens,
    make_token,
    use_token,
)
from tokenharbor.identity.users import (
    User,
    find_user,
    get_user,
    lock_user,
    normalise_email,
    record_locale,
    set_password,
)
from tokenharbor.kernel.errors import Rejected, SecondFactorNeeded, SignInRefused
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.reasons import ErrorReason
from tokenharbor.kernel.world import World
from tokenharbor.signin.codes import use_code
from tokenharbor.signin.context import SignIn
from tokenharbor.signin.limits import (
    CODES,
    CODES_A_DAY,
    GUESSES,
    GUESSES_BY_ADDRESS,
    GUESSES_HERE,
    TOKENS_BY_ADDRESS,
    admit,
    network_of,
    reset_counts,
)

OPERATOR_LINK_LASTS: Final = timedelta(hours=24)

_SESSION = "session"
_WRONG = "The e-mail address or password is wrong. If you have just signed up, open the link in our mail first."


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """The credentials of a sign-in. `code` is empty until one is required."""

    email: str = field(repr=False)
    password: str = field(repr=False)
    code: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session that has just begun. `token` is sent to the browser once, and not stored."""

    id: UUID
    user: User
    token: str = field(repr=False)
    expires_at: datetime


async def sign_in_with_password(
    sign_in: SignIn, credentials: Credentials, visitor: Visitor, *, replaces: str = ""
) -> NewSession:
    """Sign in with e-mail address and password. Ends the browser's previous session (`replaces`).

    Raises Rejected for an invalid address, RateLimited, SignInRefused, SecondFactorNeeded.
    """
    email, network = normalise_email(credentials.email), network_of(visitor)
    here = f"{email} {network}"
    await admit(sign_in, [(GUESSES_BY_ADDRESS, network), (GUESSES_HERE, here), (GUESSES, email)])
    async with sign_in.acquire() as conn:
        user = await find_user(conn, email)
    hashed = user.password if user is not None and user.verified_at is not None else ""
    if not await sign_in.passwords.verify(credentials.password, hashed) or user is None:
        raise _wrong()
    if user.totp_at is not None:
        if not credentials.code:
            raise SecondFactorNeeded("Also enter the code of your authenticator app.").because(ErrorReason.TOTP_NEEDED)
        await admit(sign_in, [(CODES, user.shown_id), (CODES_A_DAY, user.shown_id)])
    newer = await sign_in.passwords.hash(credentials.password) if sign_in.passwords.is_outdated(hashed) else ""
    async with sign_in.acquire() as conn, conn.transaction():
        user = await lock_unchanged(conn, user, _wrong())  # that it was changed would say that it was right
        if user.totp_at is not None:
            await use_code(conn, sign_in, user.id, credentials.code)
        if newer:
            await set_password(conn, user.id, newer)
        begun = await begin_session(conn, sign_in, user, visitor, replaces=replaces)
    await reset_counts(sign_in, [(GUESSES_HERE, here), (CODES, user.shown_id), (CODES_A_DAY, user.shown_id)])
    return begun


async def sign_in_as_operator(sign_in: SignIn, token: str, visitor: Visitor, *, replaces: str = "") -> NewSession:
    """Sign in with a link that the server printed. Raises RateLimited, Rejected."""
    await admit(sign_in, [(TOKENS_BY_ADDRESS, network_of(visitor))])
    async with sign_in.acquire() as conn, conn.transaction():
        link = await open_link(conn, sign_in, token, TokenPurpose.OPERATOR)
        return await begin_session(conn, sign_in, await get_user(conn, link.user_id), visitor, replaces=replaces)


async def make_operator_link(conn: asyncpg.Connection, world: World, hasher: TokenHasher, user_id: UUID) -> str:
    """Return a token that signs an operator in once, within a day. Invalidates earlier ones."""
    token, now = make_token(world.entropy), world.clock.now()
    await end_tokens(conn, user_id, TokenPurpose.OPERATOR, now)
    link = LinkToken(id=world.ids.new(), purpose=TokenPurpose.OPERATOR, user_id=user_id)
    hashed = hasher.hash(TokenPurpose.OPERATOR, token)
    await add_token(conn, link, hashed, now, lasts=OPERATOR_LINK_LASTS)
    return token


async def begin_session(
    conn: asyncpg.Connection, sign_in: SignIn, user: User, visitor: Visitor, *, replaces: str = ""
) -> NewSession:
    """Begin a session, always with a new token, so that a token known before the sign-in is useless after it."""
    world = sign_in.world
    session_id, token, now = world.ids.new(), make_token(world.entropy), world.clock.now()
    if replaces:
        await end_session_of(conn, sign_in.hasher.hash(_SESSION, replaces), now)
    hashed = sign_in.hasher.hash(_SESSION, token)
    await add_session(conn, session_id, hashed, user_id=user.id, visitor=visitor, at=now)
    await record_locale(conn, user, visitor.locale)
    return NewSession(session_id, user, token, now + LIFE)


async def find_open_session(sign_in: SignIn, token: str, address: str) -> OpenSession | None:
    """Return the session of a browser's token, None if the token is not valid."""
    if not 0 < len(token) <= LONGEST_TOKEN:
        return None
    async with sign_in.acquire() as conn:
        return await find_session(conn, sign_in.hasher.hash(_SESSION, token), address, sign_in.world.clock.now())


async def sign_out(sign_in: SignIn, token: str) -> None:
    """Sign out: end the session of this token."""
    async with sign_in.acquire() as conn:
        await end_session_of(conn, sign_in.hasher.hash(_SESSION, token[:LONGEST_TOKEN]), sign_in.world.clock.now())


async def open_link(conn: asyncpg.Connection, sign_in: SignIn, token: str, purpose: TokenPurpose) -> LinkToken:
    """Use up a link's token for its purpose, and return it. Raises Rejected if it is unknown, used or expired."""
    hashed = sign_in.hasher.hash(purpose, token[: LONGEST_TOKEN + 1])
    link = await use_token(conn, hashed, purpose, sign_in.world.clock.now())
    if link is None:
        raise Rejected("this link was used or has expired: ask for a new one", param="token").because(
            ErrorReason.LINK_OVER
        )
    return link


async def lock_unchanged(conn: asyncpg.Connection, user: User, refusal: SignInRefused | None = None) -> User:
    """Return the user, locked: whoever resets a password or undoes an e-mail change holds the lock meanwhile. Raises
    `refusal`, or SignInRefused, if the password was changed in the meantime.
    """
    now = await lock_user(conn, user.id)
    if now.password != user.password:
        changed = SignInRefused("The password was changed in the meantime.").because(ErrorReason.PASSWORD_CHANGED)
        raise refusal or changed
    return now


def _wrong() -> SignInRefused:
    return SignInRefused(_WRONG).because(ErrorReason.SIGN_IN_WRONG)
