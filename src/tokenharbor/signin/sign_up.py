"""Sign-up with an e-mail address and a password, and a mailed link that opens the account.

Until the link is opened, there is an unverified user and no account. The password is stored with the link, and only
used if the link is opened in the browser that signed up, which holds a browser token. In any other browser the
user must choose a password again, so that nobody can preset a password for another's address. The answer, including
the browser token, is the same whether the address is known or not; a user with an account is told so by mail.
"""

import hmac
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import asyncpg

from tokenharbor.editions.policy import SignUpPolicy
from tokenharbor.identity.sessions import Visitor
from tokenharbor.identity.store import add_account
from tokenharbor.identity.tokens import LinkToken, TokenPurpose, add_token, end_tokens, make_token
from tokenharbor.identity.users import (
    User,
    ensure_user,
    get_user,
    is_member,
    lock_user,
    normalise_email,
    set_password,
    verify_user,
)
from tokenharbor.kernel.errors import PermissionDenied, Rejected
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.reasons import ErrorReason
from tokenharbor.signin.addresses import is_disposable
from tokenharbor.signin.context import SignIn
from tokenharbor.signin.limits import MAILS, MAILS_BY_ADDRESS, TOKENS_BY_ADDRESS, admit, mailbox_of, network_of
from tokenharbor.signin.mails import LOCALES, MailDraft, UserMailKind, send_mail
from tokenharbor.signin.sessions import NewSession, begin_session, open_link

VERIFY_LASTS: Final = timedelta(hours=24)

_HASH_KIND: Final = "sign-up mark"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignUpForm:
    """A sign-up. `referral` is the referring account's code, `locale` the language of the page."""

    email: str = field(repr=False)
    password: str = field(repr=False)
    referral: str = ""
    locale: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedLink:
    """An opened link of a sign-up: its token, the browser's own token and a chosen password, each empty if absent."""

    token: str = field(repr=False)
    browser_token: str = field(default="", repr=False)
    password: str = field(default="", repr=False)


async def sign_up(sign_in: SignIn, form: SignUpForm, visitor: Visitor) -> str:
    """Sign up: mail a link, or a notice that there is an account already. Return the browser token, which the browser
    keeps until the link is opened: a keyed hash of the link's token, which does not reveal that token.

    Raises PermissionDenied if the edition has no sign-up, Rejected for an invalid form, RateLimited.
    """
    email = await check_sign_up(sign_in, form.email, form.referral)
    sign_in.passwords.check(form.password, email)
    await admit(sign_in, [(MAILS_BY_ADDRESS, network_of(visitor)), (MAILS, mailbox_of(email))])
    hashed = await sign_in.passwords.hash(form.password)
    locale = form.locale if form.locale in LOCALES else ""
    world = sign_in.world
    token = make_token(world.entropy)
    async with sign_in.acquire() as conn, conn.transaction():
        user_id = await ensure_user(conn, world.ids.new(), email, world.clock.now(), locale=locale)
        user = await lock_user(conn, user_id)
        locale = user.language or locale or visitor.locale
        if user.verified_at is not None:
            await send_mail(conn, sign_in, MailDraft(kind=UserMailKind.KNOWN, user_id=user_id, locale=locale))
            return _browser_token_of(sign_in, token)
        purpose = TokenPurpose.VERIFY
        link = LinkToken(
            id=world.ids.new(), purpose=purpose, user_id=user_id, password=hashed, referral=form.referral.strip()
        )
        await add_token(conn, link, sign_in.hasher.hash(purpose, token), world.clock.now(), lasts=VERIFY_LASTS)
        await send_mail(conn, sign_in, MailDraft(kind=UserMailKind.VERIFY, user_id=user_id, locale=locale, token=token))
    return _browser_token_of(sign_in, token)


async def verify_email(sign_in: SignIn, opened: OpenedLink, visitor: Visitor, *, replaces: str = "") -> NewSession:
    """Open the link of a sign-up: open the account, and begin a session. A password given here replaces the one of the
    sign-up.

    Raises RateLimited; Rejected, with the param `password` if one must be chosen (the link then stays valid).
    """
    await admit(sign_in, [(TOKENS_BY_ADDRESS, network_of(visitor))])
    hashed = ""
    if opened.password:
        sign_in.passwords.check(opened.password, "")
        hashed = await sign_in.passwords.hash(opened.password)
    async with sign_in.acquire() as conn, conn.transaction():
        link = await open_link(conn, sign_in, opened.token, TokenPurpose.VERIFY)
        if opened.password:
            sign_in.passwords.check(opened.password, (await get_user(conn, link.user_id)).email)
        elif not hmac.compare_digest(opened.browser_token.encode(), _browser_token_of(sign_in, opened.token).encode()):
            raise Rejected("this browser did not request this link: choose a password", param="password").because(
                ErrorReason.PASSWORD_NEEDED
            )
        password = hashed or link.password
        user = await activate_user(conn, sign_in, link.user_id, password=password, referral=link.referral)
        return await begin_session(conn, sign_in, user, visitor, replaces=replaces)


async def activate_user(
    conn: asyncpg.Connection,
    sign_in: SignIn,
    user_id: UUID,
    *,
    password: str,
    referral: str = "",
    own_account: bool = True,
) -> User:
    """Verify a user, and set the password (a slow hash, "" for none). Invalidates links of other sign-ups with the same
    address. With `own_account`, opens an account unless the user is a member of one.
    """
    now = sign_in.world.clock.now()
    await lock_user(conn, user_id)
    await verify_user(conn, user_id, now)
    await replace_password(conn, user_id, password, now)
    if own_account and not await is_member(conn, user_id):
        account_id = await add_account(conn, sign_in.world, user_id, sign_in.policy().name)
        if referral:
            await sign_in.referrals.record(conn, referral, account_id)
    return await lock_user(conn, user_id)


async def replace_password(conn: asyncpg.Connection, user_id: UUID, hashed: str, at: datetime) -> None:
    """Replace the password's slow hash, and invalidate earlier links that could set one."""
    await set_password(conn, user_id, hashed)
    for purpose in (TokenPurpose.VERIFY, TokenPurpose.RESET):
        await end_tokens(conn, user_id, purpose, at)


def may_sign_up(policy: SignUpPolicy, email: str) -> bool:
    """Return whether a new user with this address may sign up."""
    return policy.enabled and (policy.disposable_mail or not is_disposable(email))


async def check_sign_up(sign_in: SignIn, email: str, referral: str) -> str:
    """Check a new user's address and referral code; return the normalised address.

    Raises PermissionDenied if sign-up is closed, Rejected.
    """
    policy = sign_in.policy().sign_up
    if not policy.enabled:
        raise PermissionDenied("Sign-up is closed: ask the operator for an account.").because(
            ErrorReason.SIGN_UP_CLOSED
        )
    email = normalise_email(email)
    if not policy.disposable_mail and is_disposable(email):
        raise Rejected("disposable addresses are not accepted: use another one", param="email").because(
            ErrorReason.EMAIL_DISPOSABLE
        )
    if referral:
        async with sign_in.acquire() as conn:
            await sign_in.referrals.check(conn, referral)
    return email


def _browser_token_of(sign_in: SignIn, token: str) -> str:
    return sign_in.hasher.hash(_HASH_KIND, token).hex()
