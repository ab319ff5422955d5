"""Tools that ask for an API key of their own, until they have it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from tokenharbor.db.queries import read_queries
from tokenharbor.identity.sessions import Visitor
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd


@dataclass(frozen=True, slots=True)
class ConnectionQueries:
    """The SQL of connections.sql."""

    add: str
    asked: str
    agree: str
    refuse: str
    waiting: str
    end: str
    end_consents_by: str
    purge: str


CONNECTION_SQL = read_queries(ConnectionQueries, "tokenharbor.identity", "connections.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolConsent:
    """Who agreed (a shown id), for which account, with which limits of the key."""

    account_id: UUID
    agreed_by: str
    quota: Usd | None = None
    daily: Usd | None = None
    monthly: Usd | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolConnection:
    """What a tool asks for. `challenge` is that of PKCE; `consent` None: nobody has agreed yet. `asker` is where it
    asked from; None of one that asks by somebody's browser.
    """

    id: UUID
    name: str
    challenge: str = ""
    asker: Visitor | None = None
    consent: ToolConsent | None = None


@dataclass(frozen=True, slots=True)
class AskedConnection:
    """What waits for somebody's consent, and where it asked from."""

    id: UUID
    name: str
    expires_at: datetime
    asker: Visitor


@dataclass(frozen=True, slots=True)
class ConnectionHashes:
    """Of the code that the tool has, and of the one that somebody types."""

    secret: bytes
    user_code: bytes | None = None


async def add_connection(
    conn: asyncpg.Connection, connection: ToolConnection, hashes: ConnectionHashes, at: datetime, until: datetime
) -> None:
    consent = connection.consent
    await conn.execute(
        CONNECTION_SQL.add,
        connection.id,
        connection.name,
        hashes.secret,
        hashes.user_code,
        connection.challenge,
        at,
        until,
        consent and consent.account_id,
        consent.agreed_by if consent else "",
        consent and consent.quota,
        consent and consent.daily,
        consent and consent.monthly,
        consent and consent.expires_at,
        connection.asker and connection.asker.ip,
        connection.asker.kept_agent if connection.asker else "",
    )


async def find_asked(conn: asyncpg.Connection, user_code: bytes, at: datetime) -> AskedConnection | None:
    row = await conn.fetchrow(CONNECTION_SQL.asked, user_code, at)
    if row is None:
        return None
    asker = Visitor(str(row["address"] or ""), row["agent"])
    return AskedConnection(row["id"], row["name"], row["expires_at"], asker)


async def agree(conn: asyncpg.Connection, connection_id: UUID, consent: ToolConsent) -> None:
    await conn.execute(
        CONNECTION_SQL.agree,
        connection_id,
        consent.account_id,
        consent.agreed_by,
        consent.quota,
        consent.daily,
        consent.monthly,
        consent.expires_at,
    )


async def refuse(conn: asyncpg.Connection, connection_id: UUID, at: datetime) -> None:
    await conn.execute(CONNECTION_SQL.refuse, connection_id, at)


async def find_waiting(conn: asyncpg.Connection, secret: bytes, at: datetime) -> ToolConnection | None:
    """Locked until the transaction ends."""
    row = await conn.fetchrow(CONNECTION_SQL.waiting, secret, at)
    if row is None:
        return None
    consent = None
    if row["account_id"] is not None:
        consent = ToolConsent(
            account_id=row["account_id"],
            agreed_by=row["agreed_by"],
            quota=_usd(row["quota"]),
            daily=_usd(row["daily"]),
            monthly=_usd(row["monthly"]),
            expires_at=row["key_expires_at"],
        )
    return ToolConnection(id=row["id"], name=row["name"], challenge=row["challenge"], consent=consent)


async def end_connection(conn: asyncpg.Connection, connection_id: UUID, at: datetime) -> None:
    await conn.execute(CONNECTION_SQL.end, connection_id, at)


async def end_consents_by(conn: asyncpg.Connection, account_id: UUID, agreed: Sequence[str], at: datetime) -> None:
    """What these, by their shown ids, have agreed to for an account, and no tool has fetched yet."""
    await conn.execute(CONNECTION_SQL.end_consents_by, account_id, agreed, at)


async def purge_connections(conn: asyncpg.Connection, before: datetime) -> None:
    await conn.execute(CONNECTION_SQL.purge, before)


def _usd(nano: int | None) -> Usd | None:
    return None if nano is None else Usd(nano)
