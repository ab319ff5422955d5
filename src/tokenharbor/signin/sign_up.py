"""Sign-up: an e-mail and a password, and a link by mail that opens the account.

Until the link is opened there is a user who has shown nothing, and no account. The password lies with the link, and is
set only in the browser that signed up: it keeps a mark of that link. Whoever opens the link elsewhere chooses another
password, so that nobody has put theirs on somebody else's e-mail beforehand. The answer is the same whether the e-mail
is known or not, the mark included; who has an account is told so by mail.
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
from tokenharbor.signin.entry import NewSession, begin_session, open_link
from tokenharbor.signin.limits import MAILS, MAILS_BY_ADDRESS, TOKENS_BY_ADDRESS, admit, mailbox_of, network_of
from tokenharbor.signin.mails import LOCALES, MailLetter, UserMailKind, send_mail

VERIFY_LASTS: Final = timedelta(hours=24)

_MARK: Final = "sign-up mark"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignUpForm:
    """What is asked of somebody new. `referral` is the code of who sent them, `locale` the language of the page."""

    email: str = field(repr=False)
    password: str = field(repr=False)
    referral: str = ""
    locale: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedLink:
    """What somebody shows who opens the link of a sign-up: its token, the mark that the browser keeps, and the password
    that they choose; "" where the browser has none, and where they choose none.
    """

    token: str = field(repr=False)
    mark: str = field(default="", repr=False)
    password: str = field(default="", repr=False)


async def sign_up(sign_in: SignIn, form: SignUpForm, visitor: Visitor) -> str:
    """A mail is on its way: with a link, or that there is an account already. The mark that the browser is to keep
    until the link is opened: a keyed hash of the link's token, from which nobody learns the token.

    Raises PermissionDenied where the edition takes nobody, Rejected for what the form says, RateLimited.
    """
    email = await check_newcomer(sign_in, form.email, form.referral)
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
            await send_mail(conn, sign_in, MailLetter(kind=UserMailKind.KNOWN, user_id=user_id, locale=locale))
            return _mark_of(sign_in, token)
        purpose = TokenPurpose.VERIFY
        link = LinkToken(
            id=world.ids.new(), purpose=purpose, user_id=user_id, password=hashed, referral=form.referral.strip()
        )
        await add_token(conn, link, sign_in.hasher.hash(purpose, token), world.clock.now(), lasts=VERIFY_LASTS)
        await send_mail(
            conn, sign_in, MailLetter(kind=UserMailKind.VERIFY, user_id=user_id, locale=locale, token=token)
        )
    return _mark_of(sign_in, token)


async def verify_email(sign_in: SignIn, opened: OpenedLink, visitor: Visitor, *, replaces: str = "") -> NewSession:
    """The link of a sign-up was opened: the account is there, and its owner is signed in. A password that they choose
    takes the place of the one of the sign-up.

    Raises RateLimited; Rejected, which names `password` where one must be chosen: the link still opens then.
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
        elif not hmac.compare_digest(opened.mark.encode(), _mark_of(sign_in, opened.token).encode()):
            raise Rejected("this browser did not ask for this link: choose a password", param="password").because(
                ErrorReason.PASSWORD_NEEDED
            )
        password = hashed or link.password
        user = await welcome(conn, sign_in, link.user_id, password=password, referral=link.referral)
        return await begin_session(conn, sign_in, user, visitor, replaces=replaces)


async def welcome(
    conn: asyncpg.Connection,
    sign_in: SignIn,
    user_id: UUID,
    *,
    password: str,
    referral: str = "",
    own_account: bool = True,
) -> User:
    """Who has shown that the e-mail is theirs, with this password (a slow hash, "" for none). Links of sign-ups with
    the same e-mail open nothing any more. Who is no member of an account yet gets one, if it is to be.
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
    """A slow hash, in place of the one before. No link that was sent earlier sets another one."""
    await set_password(conn, user_id, hashed)
    for purpose in (TokenPurpose.VERIFY, TokenPurpose.RESET):
        await end_tokens(conn, user_id, purpose, at)


def may_newcomer(policy: SignUpPolicy, email: str) -> bool:
    """Whether the edition takes somebody new with this e-mail."""
    return policy.enabled and (policy.disposable_mail or not is_disposable(email))


async def check_newcomer(sign_in: SignIn, email: str, referral: str) -> str:
    """The e-mail of somebody new, as it is stored. Raises PermissionDenied where nobody may sign up, Rejected."""
    policy = sign_in.policy().sign_up
    if not policy.enabled:
        raise PermissionDenied("Nobody can sign up here: ask the operator for an account.").because(
            ErrorReason.SIGN_UP_CLOSED
        )
    email = normalise_email(email)
    if not policy.disposable_mail and is_disposable(email):
        raise Rejected("mail to this domain is thrown away: use another e-mail address", param="email").because(
            ErrorReason.EMAIL_DISPOSABLE
        )
    if referral:
        async with sign_in.acquire() as conn:
            await sign_in.referrals.check(conn, referral)
    return email


def _mark_of(sign_in: SignIn, token: str) -> str:
    return sign_in.hasher.hash(_MARK, token).hex()
