"""Users: people, known by e-mail. Each function uses the caller's transaction."""

import re
import unicodedata
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

_EMAIL = re.compile(r'[^@\s"\\()<>,;:\[\]]{1,64}@[^@\s"\\()<>,;:\[\]]{1,255}')
"""Without quotes and comments: `"ada"@…` and `"a\\da"@…` are further names of the mailbox `ada@…`."""

_INVISIBLE = re.compile("[\u034f\u17b4\u17b5\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_SIGNS_OF_DOMAINS = frozenset(".-_")


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
    record_locale: str
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
    invited_to: str
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
    """A user's identity at another service: the issuer, and the subject by which it knows the user."""

    issuer: str
    subject: str = field(repr=False)
    created_at: datetime


@dataclass(frozen=True, slots=True)
class User:
    """A person. `password` is a slow hash, "" without a password. `verified_at` is None until the e-mail is verified,
    `totp_at` None unless sign-ins need a code of an authenticator app. `email` is "" if it was erased. `locale` is ""
    for the browser's language; `seen_locale` is the language in which the user last used the pages, "" if never.
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
        """The language of mails to the user; "" if unknown."""
        return self.locale or self.seen_locale


def normalise_email(text: str) -> str:
    """Return an e-mail address as it is stored. Raises Rejected for an invalid one."""
    email = text.strip().lower()
    if _EMAIL.fullmatch(email) is None or not email.isprintable() or not _is_plain(email.partition("@")[2]):
        raise Rejected(f"not an e-mail address: {email[:100]!r}", param="email").because(ErrorReason.EMAIL_INVALID)
    return email


def _is_plain(domain: str) -> bool:
    """Return whether a domain is written in one way: mail servers map full-width letters, and drop invisible ones."""
    signs = {each for each in domain if not each.isalnum() and unicodedata.category(each)[0] != "M"}
    one_way = unicodedata.normalize("NFKC", domain) == domain and _INVISIBLE.search(domain) is None
    return signs <= _SIGNS_OF_DOMAINS and one_way


async def find_user(conn: asyncpg.Connection, email: str) -> User | None:
    row = await conn.fetchrow(SQL.find_user, email)
    return None if row is None else read_user(row)


async def get_user(conn: asyncpg.Connection, user_id: UUID) -> User:
    """Return a user. Raises Missing."""
    return _found(await conn.fetchrow(SQL.user, user_id), user_id)


async def lock_user(conn: asyncpg.Connection, user_id: UUID) -> User:
    """Return a user, locked until the transaction ends. Raises Missing."""
    return _found(await conn.fetchrow(SQL.lock_user, user_id), user_id)


async def ensure_user(conn: asyncpg.Connection, user_id: UUID, email: str, at: datetime, *, locale: str = "") -> UUID:
    """Return the user of an e-mail; if there is none, add one, unverified, who uses the pages in `locale`."""
    found: UUID = await conn.fetchval(SQL.ensure_user, user_id, at, email, locale)
    return found


async def verify_user(conn: asyncpg.Connection, user_id: UUID, at: datetime) -> None:
    """Mark a user's e-mail as verified."""
    await conn.execute(SQL.verify_user, user_id, at)


async def set_password(conn: asyncpg.Connection, user_id: UUID, password: str) -> None:
    """Replace a user's password; `password` is a slow hash."""
    await conn.execute(SQL.set_password, user_id, password)


async def change_user(conn: asyncpg.Connection, user_id: UUID, name: str, locale: str) -> None:
    await conn.execute(SQL.change_user, user_id, name, locale)


async def record_locale(conn: asyncpg.Connection, user: User, locale: str) -> None:
    """Store the language in which a user uses the pages; do nothing for "", which is unknown."""
    if locale not in ("", user.seen_locale):
        await conn.execute(SQL.record_locale, user.id, locale)


async def set_email(conn: asyncpg.Connection, user_id: UUID, email: str, at: datetime) -> None:
    """Give a user a verified e-mail. If another user has it, never verified it and is a member of no account, that user
    loses it, and open invitations to it become this user's. Raises Conflict if another user keeps it.
    """
    try:
        freed = await conn.fetchval(SQL.free_email, email)
        await conn.execute(SQL.set_email, user_id, email, at)
    except asyncpg.UniqueViolationError:
        raise Conflict("an account with this e-mail already exists").because(ErrorReason.EMAIL_TAKEN) from None
    if freed is not None:
        await conn.execute(SQL.move_invitations, freed, user_id, at)


async def make_operator(conn: asyncpg.Connection, user_id: UUID) -> None:
    await conn.execute(SQL.make_operator, user_id)


async def is_member(conn: asyncpg.Connection, user_id: UUID) -> bool:
    """Whether a user is a member of any account."""
    return bool(await conn.fetchval(SQL.is_member, user_id))


async def find_identity(conn: asyncpg.Connection, issuer: str, subject: str) -> UUID | None:
    """Return the user of an identity at another service."""
    found: UUID | None = await conn.fetchval(SQL.find_identity, issuer, subject)
    return found


async def add_identity(conn: asyncpg.Connection, issuer: str, subject: str, user_id: UUID, at: datetime) -> None:
    await conn.execute(SQL.add_identity, issuer, subject, user_id, at)


async def list_identities(conn: asyncpg.Connection, user_id: UUID) -> Sequence[Identity]:
    """Return a user's identities at other services, oldest first."""
    return [Identity(**row) for row in await conn.fetch(SQL.identities, user_id)]


async def drop_identity(conn: asyncpg.Connection, user_id: UUID, identity: Identity) -> None:
    """Unlink an identity of a user."""
    await conn.execute(SQL.drop_identity, user_id, identity.issuer, identity.subject)


async def drop_identities(conn: asyncpg.Connection, user_id: UUID) -> None:
    """Unlink all identities of a user."""
    await conn.execute(SQL.drop_identities, user_id)


async def purge_users(conn: asyncpg.Connection, before: datetime) -> int:
    """Delete the users who signed up before a time and never verified their e-mail; return how many."""
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
