"""Counts of attempts in a window, kept in the database for all processes."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from tokenharbor.identity.users import SQL


@dataclass(frozen=True, slots=True)
class AttemptLimit:
    """A limit of `most` attempts in a window that begins with the first one. `scope` names the kind of attempt."""

    scope: str
    most: int
    window: timedelta


async def count_attempt(
    conn: asyncpg.Connection, limit: AttemptLimit, subject: bytes, at: datetime
) -> timedelta | None:
    """Count an attempt; return None within the limit, else the time until the window ends. Call it outside of
    transactions: a rollback would undo the count.
    """
    row = await conn.fetchrow(SQL.count_attempt, limit.scope, subject, at, limit.window)
    return None if row["attempts"] <= limit.most else row["began_at"] + limit.window - at


async def forget_attempts(conn: asyncpg.Connection, limit: AttemptLimit, subject: bytes) -> None:
    await conn.execute(SQL.forget_attempts, limit.scope, subject)


async def purge_attempts(conn: asyncpg.Connection, before: datetime) -> None:
    await conn.execute(SQL.purge_attempts, before)
