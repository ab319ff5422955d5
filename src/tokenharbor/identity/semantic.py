"""The semantic cache of an account: its switch, its comparisons, which may stop it, and reports of wrong answers."""

from dataclasses import dataclass
from datetime import datetime

import asyncpg

from tokenharbor.db.errors import as_database_unavailable
from tokenharbor.db.queries import read_queries
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.world import World


@dataclass(frozen=True, slots=True)
class SemanticQueries:
    """The SQL of semantic.sql."""

    turn: str
    let_requests: str
    compared: str
    report: str


SQL = read_queries(SemanticQueries, "tokenharbor.identity", "semantic.sql")


async def set_semantic_cache(conn: asyncpg.Connection, account_id: UUID, *, on: bool) -> None:
    """Turn the semantic cache on or off, which begins a new trial; do nothing if it already is."""
    await conn.execute(SQL.turn, account_id, "on" if on else "off")


async def set_semantic_by_request(conn: asyncpg.Connection, account_id: UUID, *, allowed: bool) -> None:
    """Store whether single requests may ask for the cache while it is off."""
    await conn.execute(SQL.let_requests, account_id, allowed)


class StoredTrials:
    """The counts of accounts' comparisons, in the database."""

    def __init__(self, pool: asyncpg.Pool, world: World) -> None:
        self._pool = pool
        self._world = world

    async def note(self, account_id: UUID, *, agreed: bool, trial: int) -> bool:
        """Count a comparison; return whether it stopped the account's cache. Raises DatabaseUnavailable."""
        with as_database_unavailable():
            stopped: bool | None = await self._pool.fetchval(
                SQL.compared, account_id, 0 if agreed else 1, trial, self._now()
            )
        return bool(stopped)

    async def report(self, account_id: UUID, request_id: UUID, trial: int) -> bool:
        """Count a reported answer as a disagreement; False if it was reported before. Raises DatabaseUnavailable."""
        with as_database_unavailable():
            async with self._pool.acquire() as conn, conn.transaction():
                if await conn.fetchval(SQL.report, request_id, account_id, self._now()) is None:
                    return False
                await conn.fetchval(SQL.compared, account_id, 1, trial, self._now())
        return True

    def _now(self) -> datetime:
        return self._world.clock.now()
