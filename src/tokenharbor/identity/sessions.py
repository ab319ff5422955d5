"""Sign-in sessions of users: opaque tokens that the user can list and end, and that end when idle or old."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

import asyncpg

from tokenharbor.identity.users import SQL, User, read_user
from tokenharbor.kernel.ids import UUID

IDLE: Final = timedelta(days=7)
LIFE: Final = timedelta(days=30)
"""The longest life of a session, however much it is used."""

_SEEN_EVERY = timedelta(minutes=1)
_LONGEST_AGENT = 200


@dataclass(frozen=True, slots=True)
class Visitor:
    """The origin of a request: IP address, user agent, and preferred language among ours; "" if unknown."""

    address: str = ""
    agent: str = ""
    locale: str = ""

    @property
    def ip(self) -> IPv4Address | IPv6Address | None:
        return read_address(self.address)

    @property
    def kept_agent(self) -> str:
        """The user agent as stored: printable, and cut to 200 characters."""
        return "".join(letter for letter in self.agent if letter.isprintable())[:_LONGEST_AGENT]


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session that a request has shown, and its user."""

    id: UUID
    user: User


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session as its user sees it."""

    id: UUID
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    address: str
    agent: str = field(repr=False)


def read_address(text: str) -> IPv4Address | IPv6Address | None:
    """Return an IP address, or None for other text, such as a Unix socket's name."""
    try:
        return ip_address(text.partition("%")[0])
    except ValueError:
        return None


async def add_session(
    conn: asyncpg.Connection, session_id: UUID, hashed: bytes, *, user_id: UUID, visitor: Visitor, at: datetime
) -> None:
    await conn.execute(SQL.add_session, session_id, hashed, user_id, at, at + LIFE, visitor.ip, visitor.kept_agent)


async def find_session(conn: asyncpg.Connection, hashed: bytes, address: str, at: datetime) -> OpenSession | None:
    """Return the session of a token, and record its use; None for one that is unknown, ended, idle or old."""
    row = await conn.fetchrow(SQL.session, hashed, at, at - IDLE)
    if row is None:
        return None
    if at - row["seen_at"] >= _SEEN_EVERY:
        await conn.execute(SQL.see_session, row["id"], at, read_address(address))
    return OpenSession(row["id"], read_user(row, "user_id"))


async def list_sessions(conn: asyncpg.Connection, user_id: UUID, at: datetime) -> Sequence[SessionRow]:
    """Return a user's open sessions, last used first."""
    rows = await conn.fetch(SQL.sessions, user_id, at, at - IDLE)
    return [SessionRow(**{**row, "address": str(row["address"] or "")}) for row in rows]


async def began_at(conn: asyncpg.Connection, user_id: UUID, session_id: UUID | None, at: datetime) -> datetime | None:
    """Return when an open session of a user began; None if there is no such session."""
    found = await list_sessions(conn, user_id, at)
    return next((each.created_at for each in found if each.id == session_id), None)


async def end_session(conn: asyncpg.Connection, session_id: UUID, user_id: UUID, at: datetime) -> bool:
    """End a session; return False if the user has no such open session."""
    return await conn.fetchval(SQL.end_session, session_id, user_id, at) is not None


async def end_session_of(conn: asyncpg.Connection, hashed: bytes, at: datetime) -> None:
    """End the session of a token, if there is one."""
    await conn.execute(SQL.end_session_of_hash, hashed, at)


async def end_sessions(conn: asyncpg.Connection, user_id: UUID, at: datetime) -> None:
    """End all sessions of a user."""
    await conn.execute(SQL.end_sessions, user_id, at)


async def end_other_sessions(conn: asyncpg.Connection, user_id: UUID, kept_id: UUID | None, at: datetime) -> None:
    """End all sessions of a user but one."""
    await conn.execute(SQL.end_other_sessions, user_id, kept_id, at)


async def purge_sessions(conn: asyncpg.Connection, before: datetime) -> None:
    """Delete sessions that ended before a time, with their addresses and user agents."""
    await conn.execute(SQL.purge_sessions, before, IDLE)
