"""Sign-up: an e-mail and a password, and a link by mail that opens the account.

Until the link is opened there is a user who has shown nothing, and no account. The password lies with the link: whoever
opens it sets the password of that sign-up, so that nobody can put a password on somebody else's e-mail beforehand.
The answer is the same whether the e-mail is known or not; who has an account is told so by mail.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import asyncpg

from tokenharbor.identity.sessions import Visitor
from tokenharbor.identity.store import add_account
from tokenharbor.identity.tokens import LinkToken, TokenPurpose, add_token, end_tokens, make_token
from tokenharbor.identity.users import (
    User,
    ensure_user,
    is_member,
    lock_user,
    normalise_email,
    set_password,
    verify_user,
)
from tokenharbor.kernel.errors import PermissionDenied, Rejected
from tokenharbor.kernel.ids import UUID
from tokenharbor.signin.addresses import is_disposable
from tokenharbor.signin.context import SignIn
from tokenharbor.signin.entry import NewSession, begin_session, open_link
from tokenharbor.signin.limits import MAILS, MAILS_BY_ADDRESS, TOKENS_BY_ADDRESS, admit, network_of
from tokenharbor.signin.mails import LOCALES, MailLetter, UserMailKind, send_mail

VERIFY_LASTS: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignUpForm:
    """What is asked of somebody new. `referral` is the code of who sent them, `locale` the language of mails."""

    email: str = field(repr=False)
    password: str = field(repr=False)
    referral: str = ""
    locale: str = ""


async def sign_up(sign_in: SignIn, form: SignUpForm, visitor: Visitor) -> None:
    """A mail is on its way: with a link, or that there is an account already.

    Raises PermissionDenied where the edition takes nobody, Rejected for what the form says, RateLimited.
    """
    email = await check_newcomer(sign_in, form.email, form.referral)
    sign_in.passwords.check(form.password, email)
    await admit(sign_in, [(MAILS_BY_ADDRESS, network_of(visitor)), (MAILS, email)])
    hashed = await sign_in.passwords.hash(form.password)
    locale = form.locale if form.locale in LOCALES else ""
    world = sign_in.world
    async with sign_in.acquire() as conn, conn.transaction():
        user_id = await ensure_user(conn, world.ids.new(), email, world.clock.now(), locale=locale)
        user = await lock_user(conn, user_id)
        locale = user.locale or locale
        if user.verified_at is not None:
            return await send_mail(conn, sign_in, MailLetter(kind=UserMailKind.KNOWN, user_id=user_id, locale=locale))
        token = make_token(world.entropy)
        purpose = TokenPurpose.VERIFY
        link = LinkToken(
            id=world.ids.new(), purpose=purpose, user_id=user_id, password=hashed, referral=form.referral.strip()
        )
        await add_token(conn, link, sign_in.hasher.hash(purpose, token), world.clock.now(), lasts=VERIFY_LASTS)
        return await send_mail(
            conn, sign_in, MailLetter(kind=UserMailKind.VERIFY, user_id=user_id, locale=locale, token=token)
        )


async def verify_email(sign_in: SignIn, token: str, visitor: Visitor, *, replaces: str = "") -> NewSession:
    """The link of a sign-up was opened: the account is there, and its owner is signed in.

    Raises RateLimited, Rejected.
    """
    await admit(sign_in, [(TOKENS_BY_ADDRESS, network_of(visitor))])
    async with sign_in.acquire() as conn, conn.transaction():
        link = await open_link(conn, sign_in, token, TokenPurpose.VERIFY)
        user = await welcome(conn, sign_in, link.user_id, password=link.password, referral=link.referral)
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
    await set_password(conn, user_id, password)
    await end_tokens(conn, user_id, TokenPurpose.VERIFY, now)
    if own_account and not await is_member(conn, user_id):
        account_id = await add_account(conn, sign_in.world, user_id, sign_in.policy().name)
        if referral:
            await sign_in.referrals.record(conn, referral, account_id)
    return await lock_user(conn, user_id)


async def check_newcomer(sign_in: SignIn, email: str, referral: str) -> str:
    """The e-mail of somebody new, as it is stored. Raises PermissionDenied where nobody may sign up, Rejected."""
    policy = sign_in.policy().sign_up
    if not policy.enabled:
        raise PermissionDenied("Nobody can sign up here: ask the operator for an account.")
    email = normalise_email(email)
    if not policy.disposable_mail and is_disposable(email):
        raise Rejected("mail to this domain is thrown away: use another e-mail address", param="email")
    if referral:
        async with sign_in.acquire() as conn:
            await sign_in.referrals.check(conn, referral)
    return email
