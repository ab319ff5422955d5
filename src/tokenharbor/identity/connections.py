"""Connections of tools: requests of tools for their own API key, from the request to the fetch of the key."""

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
    consented_account: str
    end_consents_by: str
    purge: str


CONNECTION_SQL = read_queries(ConnectionQueries, "tokenharbor.identity", "connections.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolConsent:
    """A consent to a tool's connection: who agreed (a shown id), the account, and the key's limits."""

    account_id: UUID
    agreed_by: str
    quota: Usd | None = None
    daily: Usd | None = None
    monthly: Usd | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolConnection:
    """A tool's request for a key. `challenge` is PKCE's. `consent` is None until a user agrees. `asker` is the origin
    of the tool's request; None if it asks through the user's browser.
    """

    id: UUID
    name: str
    challenge: str = ""
    asker: Visitor | None = None
    consent: ToolConsent | None = None


@dataclass(frozen=True, slots=True)
class PendingConnection:
    """A connection that waits for consent, and where its tool asked from."""

    id: UUID
    name: str
    expires_at: datetime
    asker: Visitor


@dataclass(frozen=True, slots=True)
class ConnectionHashes:
    """The hashes of the tool's secret code, and of the code that a user types."""

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


async def find_pending(conn: asyncpg.Connection, user_code: bytes, at: datetime) -> PendingConnection | None:
    row = await conn.fetchrow(CONNECTION_SQL.asked, user_code, at)
    if row is None:
        return None
    asker = Visitor(str(row["address"] or ""), row["agent"])
    return PendingConnection(row["id"], row["name"], row["expires_at"], asker)


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


async def find_consented_account(conn: asyncpg.Connection, secret: bytes) -> UUID | None:
    """Return the account whose consent a tool's code has; None without consent."""
    account_id: UUID | None = await conn.fetchval(CONNECTION_SQL.consented_account, secret)
    return account_id


async def find_waiting(conn: asyncpg.Connection, secret: bytes, at: datetime) -> ToolConnection | None:
    """Return the connection of a tool's code, locked until the transaction ends; None if it ended or expired."""
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
    """End the connections that some actors (shown ids) agreed to for an account, and whose keys were not fetched."""
    await conn.execute(CONNECTION_SQL.end_consents_by, account_id, agreed, at)


async def purge_connections(conn: asyncpg.Connection, before: datetime) -> None:
    await conn.execute(CONNECTION_SQL.purge, before)


def _usd(nano: int | None) -> Usd | None:
    return None if nano is None else Usd(nano)
