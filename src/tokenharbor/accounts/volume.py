"""Volume tiers: the one that each account has reached by its spending of top-ups in the current month."""

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from tokenharbor.db.queries import read_queries
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.world import World


@dataclass(frozen=True, slots=True)
class VolumeQueries:
    """The SQL of volume.sql."""

    place_volumes: str


SQL = read_queries(VolumeQueries, "tokenharbor.accounts", "volume.sql")


async def place_volumes(conn: asyncpg.Connection, world: World, thresholds: Sequence[Usd]) -> Sequence[UUID]:
    """Write the highest threshold that each account has reached in this month (UTC), or 0, to its row; return the
    accounts whose row changed. Their keys in every gateway's memory follow within a second.
    """
    return [row["id"] for row in await conn.fetch(SQL.place_volumes, world.clock.now(), thresholds)]
