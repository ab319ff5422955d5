"""How often something was tried in a window, counted in the database over all processes."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from tokenharbor.identity.users import SQL


@dataclass(frozen=True, slots=True)
class AttemptLimit:
    """At most so many in a window, which begins with the first one. `scope` names what is tried."""

    scope: str
    most: int
    window: timedelta


async def count_attempt(
    conn: asyncpg.Connection, limit: AttemptLimit, subject: bytes, at: datetime
) -> timedelta | None:
    """One more; None while it is within the limit, else how long until the window ends. Outside of transactions: what
    is undone would not count.
    """
    row = await conn.fetchrow(SQL.count_attempt, limit.scope, subject, at, limit.window)
    return None if row["attempts"] <= limit.most else row["began_at"] + limit.window - at


async def forget_attempts(conn: asyncpg.Connection, limit: AttemptLimit, subject: bytes) -> None:
    await conn.execute(SQL.forget_attempts, limit.scope, subject)


async def purge_attempts(conn: asyncpg.Connection, before: datetime) -> None:
    await conn.execute(SQL.purge_attempts, before)
