"""Volume tiers: which one each account has reached by what it spent of its top-ups since the month began."""

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
    """Write to the row of each account the highest threshold that it has reached in this month (UTC), 0 for none; those
    whose row has changed. Their keys in every gateway's memory follow within a second.
    """
    return [row["id"] for row in await conn.fetch(SQL.place_volumes, world.clock.now(), thresholds)]
