"""Users: people, by their e-mail. Each function leaves the transaction to whoever calls."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import asyncpg

from tokenharbor.db.queries import read_queries
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import Conflict, Missing, Rejected
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.reasons import ErrorReason

_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,255}")


@dataclass(frozen=True, slots=True)
class SignInQueries:
    """The SQL of sign_in.sql."""

    find_user: str
    user: str
    lock_user: str
    ensure_user: str
    verify_user: str
    set_password: str
    change_user: str
    see_locale: str
    set_email: str
    free_email: str
    move_invitations: str
    make_operator: str
    is_member: str
    purge_users: str
    find_identity: str
    add_identity: str
    identities: str
    drop_identity: str
    drop_identities: str
    add_session: str
    session: str
    see_session: str
    sessions: str
    end_session: str
    end_session_of_hash: str
    end_sessions: str
    end_other_sessions: str
    purge_sessions: str
    add_token: str
    use_token: str
    end_tokens: str
    end_later_tokens: str
    purge_tokens: str
    count_attempt: str
    forget_attempts: str
    purge_attempts: str
    totp: str
    set_totp: str
    confirm_totp: str
    drop_totp: str
    use_totp: str
    add_recovery_codes: str
    use_recovery_code: str
    drop_recovery_codes: str
    add_mail: str
    claim_mails: str
    set_mail: str
    mails: str
    purge_mails: str


SQL = read_queries(SignInQueries, "tokenharbor.identity", "sign_in.sql")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a user is at another service: its issuer, and what it calls them there."""

    issuer: str
    subject: str = field(repr=False)
    created_at: datetime


@dataclass(frozen=True, slots=True)
class User:
    """A person. `password` is a slow hash, "" where there is none; `verified_at` None: nobody has shown yet that the
    e-mail is theirs; `totp_at` None: no code of an app is asked for. `email` "": it was erased. `locale` "": as the
    browser says; `seen_locale`: in which they used the pages last, "" of who never did.
    """

    id: UUID
    created_at: datetime
    email: str = field(repr=False)
    name: str = field(repr=False)
    password: str = field(repr=False)
    verified_at: datetime | None
    locale: str
    seen_locale: str
    operator: bool
    totp_at: datetime | None

    @property
    def shown_id(self) -> str:
        return ids.show("user", self.id)

    @property
    def language(self) -> str:
        """Of mails to them; "": not known."""
        return self.locale or self.seen_locale


def normalise_email(text: str) -> str:
    """As it is stored. Raises Rejected for what is none."""
    email = text.strip().lower()
    if _EMAIL.fullmatch(email) is None or not email.isprintable():
        raise Rejected(f"not an e-mail address: {email[:100]!r}", param="email").because(ErrorReason.EMAIL_INVALID)
    return email


async def find_user(conn: asyncpg.Connection, email: str) -> User | None:
    row = await conn.fetchrow(SQL.find_user, email)
    return None if row is None else read_user(row)


async def get_user(conn: asyncpg.Connection, user_id: UUID) -> User:
    """Raises Missing."""
    return _found(await conn.fetchrow(SQL.user, user_id), user_id)


async def lock_user(conn: asyncpg.Connection, user_id: UUID) -> User:
    """Nobody else's to change until the transaction ends. Raises Missing."""
    return _found(await conn.fetchrow(SQL.lock_user, user_id), user_id)


async def ensure_user(conn: asyncpg.Connection, user_id: UUID, email: str, at: datetime, *, locale: str = "") -> UUID:
    """The user of an e-mail; if there is none, a new one, who has shown nothing yet and uses pages in this language."""
    found: UUID = await conn.fetchval(SQL.ensure_user, user_id, at, email, locale)
    return found


async def verify_user(conn: asyncpg.Connection, user_id: UUID, at: datetime) -> None:
    """The e-mail is theirs."""
    await conn.execute(SQL.verify_user, user_id, at)


async def set_password(conn: asyncpg.Connection, user_id: UUID, password: str) -> None:
    """A slow hash, in place of the one before."""
    await conn.execute(SQL.set_password, user_id, password)


async def change_user(conn: asyncpg.Connection, user_id: UUID, name: str, locale: str) -> None:
    await conn.execute(SQL.change_user, user_id, name, locale)


async def see_locale(conn: asyncpg.Connection, user: User, locale: str) -> None:
    """They use the pages in this language; "": nobody knows."""
    if locale not in ("", user.seen_locale):
        await conn.execute(SQL.see_locale, user.id, locale)


async def set_email(conn: asyncpg.Connection, user_id: UUID, email: str, at: datetime) -> None:
    """Theirs from now on, as they have shown. An address that nobody has shown to be theirs gives way, and open
    invitations to it are the user's. Raises Conflict for somebody else's.
    """
    try:
        freed = await conn.fetchval(SQL.free_email, email)
        await conn.execute(SQL.set_email, user_id, email, at)
    except asyncpg.UniqueViolationError:
        raise Conflict("there is an account with this e-mail already").because(ErrorReason.EMAIL_TAKEN) from None
    if freed is not None:
        await conn.execute(SQL.move_invitations, freed, user_id, at)


async def make_operator(conn: asyncpg.Connection, user_id: UUID) -> None:
    await conn.execute(SQL.make_operator, user_id)


async def is_member(conn: asyncpg.Connection, user_id: UUID) -> bool:
    """Of any account."""
    return bool(await conn.fetchval(SQL.is_member, user_id))


async def find_identity(conn: asyncpg.Connection, issuer: str, subject: str) -> UUID | None:
    """The user who is this person at another service."""
    found: UUID | None = await conn.fetchval(SQL.find_identity, issuer, subject)
    return found


async def add_identity(conn: asyncpg.Connection, issuer: str, subject: str, user_id: UUID, at: datetime) -> None:
    await conn.execute(SQL.add_identity, issuer, subject, user_id, at)


async def list_identities(conn: asyncpg.Connection, user_id: UUID) -> Sequence[Identity]:
    """A user's, oldest first."""
    return [Identity(**row) for row in await conn.fetch(SQL.identities, user_id)]


async def drop_identity(conn: asyncpg.Connection, user_id: UUID, identity: Identity) -> None:
    """The person at that service is this user no more."""
    await conn.execute(SQL.drop_identity, user_id, identity.issuer, identity.subject)


async def drop_identities(conn: asyncpg.Connection, user_id: UUID) -> None:
    """A person at another service is this user no more."""
    await conn.execute(SQL.drop_identities, user_id)


async def purge_users(conn: asyncpg.Connection, before: datetime) -> int:
    """How many signed up before a time and never showed that the e-mail is theirs; they are gone."""
    return _count(await conn.execute(SQL.purge_users, before))


def read_user(row: Any, user_id: str = "id") -> User:
    return User(
        id=row[user_id],
        created_at=row["created_at"],
        email=row["email"] or "",
        name=row["name"],
        password=row["password"],
        verified_at=row["verified_at"],
        locale=row["locale"],
        seen_locale=row["seen_locale"],
        operator=row["operator"],
        totp_at=row["totp_at"],
    )


def _found(row: Any, user_id: UUID) -> User:
    if row is None:
        raise Missing(f"no user {ids.show('user', user_id)}")
    return read_user(row)


def _count(status: str) -> int:
    return int(status.rpartition(" ")[2])
