"""Tokens of sessions and mailed links: 32 random bytes, stored as keyed hashes. A link works once, for one purpose."""

import base64
import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import asyncpg

from tokenharbor.identity.roles import AccountRole
from tokenharbor.identity.users import SQL
from tokenharbor.kernel.entropy import Entropy
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.secret import DerivedSecret

_BYTES: Final = 32
LONGEST_TOKEN: Final = 200
"""The most characters of a presented token; longer text is not one."""


class TokenPurpose(StrEnum):
    """The purpose of a link."""

    VERIFY = "verify"
    RESET = "reset"
    INVITE = "invite"
    OPERATOR = "operator"
    EMAIL = "email"
    EMAIL_UNDO = "email_undo"


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation: the account, the role, and who invited (a shown id)."""

    account_id: UUID
    role: AccountRole
    invited_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkToken:
    """A link's row. `password` is the slow hash from a sign-up, which is set when the link is opened. `email` is the
    address that the user gets when the link is opened.
    """

    id: UUID
    purpose: TokenPurpose
    user_id: UUID
    password: str = field(default="", repr=False)
    referral: str = ""
    invitation: Invitation | None = None
    email: str = field(default="", repr=False)
    made_at: datetime | None = None


class TokenHasher:
    """The keyed hash of tokens, codes and subjects of limits. Hashes of different kinds never match."""

    def __init__(self, derived: DerivedSecret) -> None:
        self._secret = derived.secret

    def hash(self, kind: str, text: str) -> bytes:
        return hashlib.blake2b(f"{kind}\0{text}".encode(), key=self._secret, digest_size=32).digest()


def make_token(entropy: Entropy) -> str:
    return base64.urlsafe_b64encode(entropy.bytes(_BYTES)).decode().rstrip("=")


async def add_token(
    conn: asyncpg.Connection, token: LinkToken, hashed: bytes, at: datetime, *, lasts: timedelta
) -> None:
    invitation = token.invitation
    await conn.execute(
        SQL.add_token,
        token.id,
        hashed,
        token.purpose.value,
        token.user_id,
        at,
        at + lasts,
        token.password,
        token.referral,
        invitation and invitation.account_id,
        invitation and invitation.role.value,
        invitation.invited_by if invitation else "",
        token.email,
    )


async def use_token(conn: asyncpg.Connection, hashed: bytes, purpose: TokenPurpose, at: datetime) -> LinkToken | None:
    """Use up a token and return its link; None for one that is unknown, used, expired or for another purpose."""
    row = await conn.fetchrow(SQL.use_token, hashed, purpose.value, at)
    if row is None:
        return None
    invitation = None
    if row["account_id"] is not None:
        invitation = Invitation(row["account_id"], AccountRole(row["role"]), row["invited_by"])
    return LinkToken(
        id=row["id"],
        purpose=purpose,
        user_id=row["user_id"],
        password=row["password"],
        referral=row["referral"],
        invitation=invitation,
        email=row["email"],
        made_at=row["created_at"],
    )


async def find_invited_to(conn: asyncpg.Connection, hashed: bytes) -> UUID | None:
    """Return the account that a token invites to; None if it is unknown or no invitation."""
    account_id: UUID | None = await conn.fetchval(SQL.invited_to, hashed)
    return account_id


async def end_tokens(conn: asyncpg.Connection, user_id: UUID, purpose: TokenPurpose, at: datetime) -> None:
    """End all tokens of a user for a purpose."""
    await conn.execute(SQL.end_tokens, user_id, purpose.value, at)


async def end_later_tokens(
    conn: asyncpg.Connection, user_id: UUID, purpose: TokenPurpose, than: LinkToken, at: datetime
) -> None:
    """End the tokens of a user for a purpose that were made after `than`."""
    await conn.execute(SQL.end_later_tokens, user_id, purpose.value, than.id, at)


async def purge_tokens(conn: asyncpg.Connection, before: datetime, invitations_before: datetime) -> None:
    await conn.execute(SQL.purge_tokens, before, invitations_before)
