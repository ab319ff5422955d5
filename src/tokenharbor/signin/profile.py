"""Changes that users make to themselves: name, language, password, second factor, sessions."""

from collections.abc import Sequence
from dataclasses import replace

import asyncpg
import msgspec
from msgspec import UNSET, UnsetType

from tokenharbor.identity import sessions, users
from tokenharbor.identity.sessions import Visitor
from tokenharbor.identity.users import User
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import Missing, Rejected, SignInRefused
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.reasons import ErrorReason
from tokenharbor.signin import codes
from tokenharbor.signin.codes import TotpSetup
from tokenharbor.signin.context import SignIn
from tokenharbor.signin.limits import CODES, CODES_A_DAY, GUESSES_HERE, admit
from tokenharbor.signin.mails import LOCALES, MailDraft, UserMailKind, send_mail
from tokenharbor.signin.records import FieldChange, record_own_change
from tokenharbor.signin.sessions import NewSession, begin_session, lock_unchanged
from tokenharbor.signin.sign_in_methods import check_can_sign_in
from tokenharbor.signin.sign_up import replace_password

_LONGEST_NAME = 100


class ProfileChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Changes to a user; fields not given stay as they are. An empty `locale` follows the browser."""

    name: str | UnsetType = UNSET
    locale: str | UnsetType = UNSET


async def change_profile(conn: asyncpg.Connection, user_id: UUID, change: ProfileChange) -> User:
    """Change a user's name or language. Raises Rejected, Missing."""
    user = await users.lock_user(conn, user_id)
    name = user.name if change.name is UNSET else check_name(change.name)
    locale = user.locale if change.locale is UNSET else change.locale
    if locale and locale not in LOCALES:
        raise Rejected(f"unknown language {locale[:20]!r}: use {' or '.join(LOCALES)}", param="locale")
    await users.change_user(conn, user_id, name, locale)
    return await users.get_user(conn, user_id)


async def change_password(sign_in: SignIn, user: User, current: str, new: str, visitor: Visitor) -> NewSession:
    """Change the password, end all sessions, and begin a new one. A user with a password must give it.

    Raises Rejected, SignInRefused, RateLimited.
    """
    sign_in.passwords.check(new, user.email, param="new")
    await check_password(sign_in, user, current, param="current")
    hashed = await sign_in.passwords.hash(new)
    async with sign_in.acquire() as conn, conn.transaction():
        if (await users.lock_user(conn, user.id)).password != user.password:
            raise SignInRefused("The password was changed in the meantime.").because(ErrorReason.PASSWORD_CHANGED)
        now = sign_in.world.clock.now()
        await replace_password(conn, user.id, hashed, now)
        await sessions.end_sessions(conn, user.id, now)
        await record_own_change(conn, sign_in.world, user, visitor, FieldChange(field="password", after="changed"))
        await _notify(conn, sign_in, user, UserMailKind.NEW_PASSWORD)
        return await begin_session(conn, sign_in, await users.get_user(conn, user.id), visitor)


async def end_other_sessions(conn: asyncpg.Connection, sign_in: SignIn, user_id: UUID, kept_id: UUID | None) -> None:
    """End all of the user's sessions except one."""
    await sessions.end_other_sessions(conn, user_id, kept_id, sign_in.world.clock.now())


async def end_session(conn: asyncpg.Connection, sign_in: SignIn, user_id: UUID, session_id: UUID) -> None:
    """End one of the user's sessions. Raises Missing."""
    if not await sessions.end_session(conn, session_id, user_id, sign_in.world.clock.now()):
        raise Missing(f"no open session {ids.show('sess', session_id)}")


async def set_up_totp(sign_in: SignIn, user: User, password: str) -> TotpSetup:
    """Make a secret for an authenticator app. A user with a password must give it, so that nobody can lock the user out
    from a session left open. The user must keep a way to sign in, as an app ends sign-in with another service.

    Raises Conflict, SignInRefused, RateLimited.
    """
    await check_password(sign_in, user, password, param="password")
    async with sign_in.acquire() as conn, conn.transaction():
        await lock_unchanged(conn, user)
        await check_can_sign_in(conn, sign_in, replace(user, totp_at=sign_in.world.clock.now()))
        return await codes.set_up_totp(conn, sign_in, user.id)


async def confirm_totp(sign_in: SignIn, user: User, code: str, visitor: Visitor) -> Sequence[str]:
    """Confirm the authenticator app; sign-in requires a code from now on. Return the recovery codes, to be shown once.

    Raises Conflict, SignInRefused, RateLimited.
    """
    await admit(sign_in, [(CODES, user.shown_id), (CODES_A_DAY, user.shown_id)])
    async with sign_in.acquire() as conn, conn.transaction():
        await lock_unchanged(conn, user)
        recovery = await codes.confirm_totp(conn, sign_in, user.id, code)
        await check_can_sign_in(conn, sign_in, await users.get_user(conn, user.id))
        await record_own_change(conn, sign_in.world, user, visitor, FieldChange(field="second_factor", after="on"))
        await _notify(conn, sign_in, user, UserMailKind.FACTOR_ON)
    return recovery


async def drop_totp(sign_in: SignIn, user: User, *, password: str, code: str, visitor: Visitor) -> None:
    """Remove the authenticator app, given the password (if there is one) and a code.

    Raises SignInRefused, RateLimited.
    """
    await check_password(sign_in, user, password, param="password")
    await admit(sign_in, [(CODES, user.shown_id), (CODES_A_DAY, user.shown_id)])
    async with sign_in.acquire() as conn, conn.transaction():
        await codes.drop_totp(conn, sign_in, await lock_unchanged(conn, user), code)
        await record_own_change(conn, sign_in.world, user, visitor, FieldChange(field="second_factor", after="off"))
        await _notify(conn, sign_in, user, UserMailKind.FACTOR_OFF)


async def remake_recovery_codes(
    sign_in: SignIn, user: User, *, password: str, code: str, visitor: Visitor
) -> Sequence[str]:
    """Replace the recovery codes, given the password (if there is one) and a code.

    Raises Conflict, SignInRefused, RateLimited.
    """
    await check_password(sign_in, user, password, param="password")
    await admit(sign_in, [(CODES, user.shown_id), (CODES_A_DAY, user.shown_id)])
    async with sign_in.acquire() as conn, conn.transaction():
        await lock_unchanged(conn, user)
        recovery = await codes.remake_recovery_codes(conn, sign_in, user.id, code)
        await record_own_change(conn, sign_in.world, user, visitor, FieldChange(field="recovery_codes", after="new"))
        await _notify(conn, sign_in, user, UserMailKind.RECOVERY_CODES)
    return recovery


async def check_password(sign_in: SignIn, user: User, shown: str, *, param: str) -> None:
    """Check the password of a user who has one. Raises SignInRefused, RateLimited."""
    await admit(sign_in, [(GUESSES_HERE, user.shown_id)])
    if user.password and not await sign_in.passwords.verify(shown, user.password):
        raise SignInRefused("The password is wrong.", param=param).because(ErrorReason.PASSWORD_WRONG)


def check_name(name: str) -> str:
    """Return a name with its blanks normalised. Raises Rejected."""
    plain = " ".join(name.split())
    if len(plain) > _LONGEST_NAME or not plain.isprintable():
        raise Rejected(f"a name can have at most {_LONGEST_NAME} printable characters", param="name").because(
            ErrorReason.NAME_INVALID, most=_LONGEST_NAME
        )
    return plain


async def _notify(conn: asyncpg.Connection, sign_in: SignIn, user: User, what: UserMailKind) -> None:
    await send_mail(conn, sign_in, MailDraft(kind=what, user_id=user.id, locale=user.language))
