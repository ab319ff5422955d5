"""Gateways: whose holds are whose, and what a new gateway does with those of the one that died in its HOME."""

from dataclasses import dataclass

import asyncpg

from tokenharbor.db.errors import as_database_unavailable
from tokenharbor.db.queries import read_queries
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.world import World


@dataclass(frozen=True, slots=True)
class GatewayQueries:
    """The SQL of gateways.sql."""

    enter: str
    open_tasks: str
    adopt: str
    left_holds: str
    end_others: str
    leave: str


SQL = read_queries(GatewayQueries, "tokenharbor.ledger", "gateways.sql")
_DROP = "SELECT drop_holds($1, $2)"


async def enter_gateway(pool: asyncpg.Pool, world: World, home: str) -> UUID:
    """A new gateway of a HOME, of which there is one at a time: the caller holds HOME's lock. What earlier ones
    left held is given back, for nothing of theirs was complete; but what waits for a task at a vendor waits on.
    """
    gateway_id, now = world.ids.new(), world.clock.now()
    async with pool.acquire() as conn:
        await conn.execute(SQL.enter, gateway_id, home, now)
        tasks = [row["request_id"] for row in await conn.fetch(SQL.open_tasks)]
        await conn.execute(SQL.adopt, home, gateway_id, tasks)
        while left := await conn.fetch(SQL.left_holds, home, gateway_id):
            await conn.fetchval(_DROP, [row["request_id"] for row in left], now)
        await conn.execute(SQL.end_others, home, gateway_id, now)
    return gateway_id


async def leave_gateway(pool: asyncpg.Pool, gateway_id: UUID, world: World) -> None:
    """Raises DatabaseUnavailable: then the gateway has not left, and its successor ends it."""
    with as_database_unavailable():
        await pool.execute(SQL.leave, gateway_id, world.clock.now())
