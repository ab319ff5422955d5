"""The change of an e-mail address: requested by the user, confirmed by a link mailed to the new address, and undone by
a link mailed to the old one, within `UNDO_LASTS`.

The answer does not tell whether the new address already has an account; its owner is told by mail. The link must be
opened in a browser where the requesting user is signed in, so that nobody gives away their address by opening the link
of another's request. Once the change is confirmed, links sent to the old address stop working. The undo also resets the
password, as the attacker may have known it, and undoes what was done in the user's name (`signin/undo.py`). For
rewards, a user's former mailboxes still count as theirs (`former_mailbox`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import asyncpg

from tokenharbor.identity.changes import read_user_changes, set_actor
from tokenharbor.identity.factors import drop_recovery_codes, drop_totp
from tokenharbor.identity.passkeys import drop_passkeys
from tokenharbor.identity.sessions import Visitor, began_at, end_other_sessions, end_sessions
from tokenharbor.identity.tokens import LinkToken, TokenPurpose, add_token, end_later_tokens, end_tokens, make_token
from tokenharbor.identity.users import (
    User,
    drop_identities,
    find_user,
    is_member,
    lock_user,
    normalise_email,
    set_email,
)
from tokenharbor.kernel.errors import Rejected, SignInRefused
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.reasons import ErrorReason
from tokenharbor.signin.addresses import is_disposable
from tokenharbor.signin.codes import use_code
from tokenharbor.signin.context import SignIn
from tokenharbor.signin.limits import (
    CODES,
    CODES_A_DAY,
    EMAIL_CHANGES,
    MAILS,
    MAILS_BY_ADDRESS,
    TOKENS_BY_ADDRESS,
    admit,
    mailbox_of,
    network_of,
)
from tokenharbor.signin.mails import MailDraft, UserMailKind, send_mail
from tokenharbor.signin.profile import check_password
from tokenharbor.signin.records import FieldChange, record_own_change
from tokenharbor.signin.sessions import find_open_session, open_link
from tokenharbor.signin.sign_up import replace_password
from tokenharbor.signin.undo import BEFORE, UndoHooks, Undone, undo_since

CONFIRM_LASTS: Final = timedelta(hours=24)
UNDO_LASTS: Final = timedelta(days=7)
FRESH: Final = timedelta(minutes=15)
"""The maximum age of the session, for users with neither a password nor an authenticator app."""

_LASTS: Final[Mapping[TokenPurpose, timedelta]] = {
    TokenPurpose.EMAIL: CONFIRM_LASTS,
    TokenPurpose.EMAIL_UNDO: UNDO_LASTS,
}
_SENT_TO_OLD = (TokenPurpose.VERIFY, TokenPurpose.RESET, TokenPurpose.INVITE, TokenPurpose.EMAIL)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailChange:
    """A requested change, with the proofs of identity: the password and code (if the user has them), the session."""

    email: str = field(repr=False)
    password: str = field(default="", repr=False)
    code: str = field(default="", repr=False)
    session_id: UUID | None = None


async def ask_change(sign_in: SignIn, user: User, asked: EmailChange, visitor: Visitor) -> None:
    """Request a change. Sends one mail to each address, whether or not the new one has an account.

    Raises Rejected, SignInRefused, RateLimited.
    """
    email = normalise_email(asked.email)
    if not sign_in.policy().sign_up.disposable_mail and is_disposable(email):
        raise Rejected("disposable addresses are not accepted: use another one", param="email").because(
            ErrorReason.EMAIL_DISPOSABLE
        )
    if email == user.email:
        raise Rejected("this is already your e-mail address", param="email").because(ErrorReason.EMAIL_YOURS)
    await _check_identity(sign_in, user, asked)
    await admit(
        sign_in,
        [(EMAIL_CHANGES, user.shown_id), (MAILS_BY_ADDRESS, network_of(visitor)), (MAILS, mailbox_of(email))],
    )
    async with sign_in.acquire() as conn, conn.transaction():
        now = await lock_user(conn, user.id)
        if (now.password, now.email) != (user.password, user.email):
            raise SignInRefused("The password or e-mail address was changed in the meantime.").because(
                ErrorReason.CHANGED_MEANWHILE
            )
        await end_tokens(conn, user.id, TokenPurpose.EMAIL, sign_in.world.clock.now())
        await _mail_new(conn, sign_in, user, email)
        undo = await _link(conn, sign_in, TokenPurpose.EMAIL_UNDO, user, user.email)
        await send_mail(conn, sign_in, _draft(user, UserMailKind.EMAIL_NOTICE, to=user.email, token=undo))
        await record_own_change(conn, sign_in.world, user, visitor, FieldChange(field="email", after="asked"))


async def confirm_change(sign_in: SignIn, token: str, visitor: Visitor, *, session: str = "") -> None:
    """Confirm a change by the link. Ends all of the user's sessions except this browser's.

    Raises Rejected, RateLimited; SignInRefused if the user is not signed in here (the link stays valid); Conflict if
    another user has the address by now.
    """
    await admit(sign_in, [(TOKENS_BY_ADDRESS, network_of(visitor))])
    shown = await find_open_session(sign_in, session, visitor.address)
    async with sign_in.acquire() as conn, conn.transaction():
        link = await open_link(conn, sign_in, token, TokenPurpose.EMAIL)
        if shown is None or shown.user.id != link.user_id:
            raise SignInRefused(
                "Sign in here to the account that requested this change, and open the link again. "
                "If you did not request it, ignore the mail."
            ).because(ErrorReason.EMAIL_SIGN_IN)
        user, now = await lock_user(conn, link.user_id), sign_in.world.clock.now()
        await _end_links(conn, user, now)
        await set_email(conn, user.id, link.email, now)
        await end_other_sessions(conn, user.id, shown.id, now)
        await record_own_change(conn, sign_in.world, user, visitor, FieldChange(field="email", after="changed"))


async def undo_change(
    sign_in: SignIn, token: str, password: str, visitor: Visitor, hooks: UndoHooks
) -> Sequence[Undone]:
    """Restore the old address, also over later changes, set a new password, and end all sessions. Undo what was done in
    the user's name meanwhile, and return it.

    Raises Rejected, RateLimited; Conflict if another user has the address by now.
    """
    await admit(sign_in, [(TOKENS_BY_ADDRESS, network_of(visitor))])
    sign_in.passwords.check(password, "")
    hashed = await sign_in.passwords.hash(password)
    async with sign_in.acquire() as conn, conn.transaction():
        link = await open_link(conn, sign_in, token, TokenPurpose.EMAIL_UNDO)
        sign_in.passwords.check(password, link.email)
        await replace_password(conn, link.user_id, hashed, sign_in.world.clock.now())
        return await _undo(conn, sign_in, link, visitor, hooks)


async def preview_undo(sign_in: SignIn, token: str, visitor: Visitor, hooks: UndoHooks) -> Sequence[Undone]:
    """Return what `undo_change` would undo now, by doing it and rolling back. Raises as it does."""
    await admit(sign_in, [(TOKENS_BY_ADDRESS, network_of(visitor))])
    async with sign_in.acquire() as conn:
        transaction = conn.transaction()
        await transaction.start()
        try:
            link = await open_link(conn, sign_in, token, TokenPurpose.EMAIL_UNDO)
            return await _undo(conn, sign_in, link, visitor, hooks)
        finally:
            await transaction.rollback()


async def _undo(
    conn: asyncpg.Connection, sign_in: SignIn, link: LinkToken, visitor: Visitor, hooks: UndoHooks
) -> Sequence[Undone]:
    user, now = await lock_user(conn, link.user_id), sign_in.world.clock.now()
    assert link.made_at is not None, "it is in the database"  # noqa: S101  for mypy
    since = link.made_at - BEFORE
    await set_actor(conn, user.shown_id, visitor.address, now)
    await _end_links(conn, user, now)
    await end_later_tokens(conn, user.id, TokenPurpose.EMAIL_UNDO, link, now)
    if user.email != link.email:
        await set_email(conn, user.id, link.email, now)
    await drop_identities(conn, user.id)
    await drop_passkeys(conn, user.id)
    await _drop_factors(conn, user, since)
    await end_sessions(conn, user.id, now)
    undone = await undo_since(conn, sign_in.world, user, visitor, since=since, hooks=hooks)
    await record_own_change(conn, sign_in.world, user, visitor, FieldChange(field="email", after="undone"))
    return undone


async def _drop_factors(conn: asyncpg.Connection, user: User, since: datetime) -> None:
    """Remove second factors that an attacker may have set up since. An older authenticator app stays."""
    if user.totp_at is None or user.totp_at >= since:
        await drop_totp(conn, user.id)
    elif any(each.field == "recovery_codes" and each.at >= since for each in await read_user_changes(conn, user.id)):
        await drop_recovery_codes(conn, user.id)


async def _check_identity(sign_in: SignIn, user: User, asked: EmailChange) -> None:
    """Check the password and the code; for a user with neither, that the session is fresh.

    Raises SignInRefused, RateLimited.
    """
    await check_password(sign_in, user, asked.password, param="password")
    if user.totp_at is not None:
        await admit(sign_in, [(CODES, user.shown_id), (CODES_A_DAY, user.shown_id)])
        async with sign_in.acquire() as conn, conn.transaction():
            await use_code(conn, sign_in, user.id, asked.code)
    elif not user.password:
        now = sign_in.world.clock.now()
        async with sign_in.acquire() as conn:
            began = await began_at(conn, user.id, asked.session_id, now)
        if began is None or now - began > FRESH:
            raise SignInRefused("Sign out and in again first: you have no password to confirm this with.").because(
                ErrorReason.SIGN_IN_AGAIN
            )


async def _mail_new(conn: asyncpg.Connection, sign_in: SignIn, user: User, email: str) -> None:
    """Mail the link to the new address; if it has an account, mail its owner a notice instead, with equal work."""
    token = await _link(conn, sign_in, TokenPurpose.EMAIL, user, email)
    owner = await find_user(conn, email)
    if owner is not None and (owner.verified_at is not None or owner.operator or await is_member(conn, owner.id)):
        await end_tokens(conn, user.id, TokenPurpose.EMAIL, sign_in.world.clock.now())
        await send_mail(conn, sign_in, _draft(owner, UserMailKind.EMAIL_TAKEN, to=email))
    else:
        await send_mail(conn, sign_in, _draft(user, UserMailKind.EMAIL, to=email, token=token))


async def _link(conn: asyncpg.Connection, sign_in: SignIn, purpose: TokenPurpose, user: User, email: str) -> str:
    world = sign_in.world
    token = make_token(world.entropy)
    link = LinkToken(id=world.ids.new(), purpose=purpose, user_id=user.id, email=email)
    await add_token(conn, link, sign_in.hasher.hash(purpose, token), world.clock.now(), lasts=_LASTS[purpose])
    return token


async def _end_links(conn: asyncpg.Connection, user: User, at: datetime) -> None:
    """Invalidate all links sent to the old address."""
    for purpose in _SENT_TO_OLD:
        await end_tokens(conn, user.id, purpose, at)


def _draft(user: User, kind: UserMailKind, *, to: str, token: str = "") -> MailDraft:
    return MailDraft(kind=kind, user_id=user.id, locale=user.language, token=token, to=to)
