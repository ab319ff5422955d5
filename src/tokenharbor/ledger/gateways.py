"""Gateways and their runs: which run owns which holds, and how a new run takes over from the runs before it.

A gateway is known by the random id in its HOME, never by a path: two containers may have the same path. Each start of
one of its slots (worker processes, numbered from 0) is a run: a row that its holds name. A new run ends the slot's
earlier runs, so that only one copy of a copied HOME can run. The holds of earlier runs are dropped only after their
journals are in the books: a journal proves that an answer was complete.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import asyncpg

from tokenharbor.db.errors import as_database_unavailable
from tokenharbor.db.queries import read_queries
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.world import World

LEASE: Final = timedelta(seconds=15)
"""How long a run's requests count as open after the last renewal of its lease."""

_DROP = "SELECT drop_holds($1, $2)"


@dataclass(frozen=True, slots=True)
class GatewayQueries:
    """The SQL of gateways.sql."""

    lock: str
    claim: str
    enter: str
    fence: str
    slots: str
    adopt: str
    left_holds: str
    renew: str
    successor: str
    leave: str


SQL = read_queries(GatewayQueries, "tokenharbor.ledger", "gateways.sql")


@dataclass(frozen=True, slots=True)
class GatewaySlot:
    """A worker process of a gateway: its number, from 0, and the number of workers."""

    gateway_id: UUID
    number: int = 0
    of: int = 1


@dataclass(frozen=True, slots=True)
class GatewayRun:
    """One start of a slot. Its lease began at `asked_seconds` on the monotonic clock, or later."""

    id: UUID
    slot: GatewaySlot
    epoch: int
    asked_seconds: float


async def enter_gateway(pool: asyncpg.Pool, world: World, slot: GatewaySlot, home: str) -> GatewayRun:
    """Begin a new run of a slot and end its earlier ones. Raises DatabaseUnavailable."""
    run_id, now, asked_seconds = world.ids.new(), world.clock.now(), world.clock.monotonic()
    with as_database_unavailable():
        async with pool.acquire() as conn, conn.transaction():
            await conn.execute(SQL.lock, slot.gateway_id)
            await conn.execute(SQL.claim, slot.gateway_id, home)
            epoch = await conn.fetchval(SQL.enter, run_id, slot.gateway_id, slot.number, home, now, LEASE)
            await conn.execute(SQL.fence, slot.gateway_id, slot.number, slot.of, run_id, now)
    return GatewayRun(run_id, slot, epoch, asked_seconds)


async def journals_of_slot(pool: asyncpg.Pool, slot: GatewaySlot, files: Sequence[Path]) -> Sequence[Path]:
    """Return the journals that a slot must replay: those of its own runs and, for slot 0, those of no run of this
    gateway, such as a journal that was moved here. Raises DatabaseUnavailable.
    """
    with as_database_unavailable():
        rows = await pool.fetch(SQL.slots, slot.gateway_id, slot.of, [*filter(None, map(_run_of, files))])
    slots = {row["id"]: row["slot"] for row in rows}
    return [file for file in files if slots.get(_run_of(file), 0) == slot.number]


async def take_over_holds(pool: asyncpg.Pool, world: World, run: GatewayRun) -> None:
    """Give back the holds of the slot's earlier runs: by now every complete answer of theirs is in the books. Holds of
    open tasks become this run's. Raises DatabaseUnavailable.
    """
    slot = run.slot
    which = slot.gateway_id, slot.number, slot.of, run.id
    with as_database_unavailable():
        async with pool.acquire() as conn:
            await conn.execute(SQL.adopt, *which)
            while left := await conn.fetch(SQL.left_holds, *which):
                await conn.fetchval(_DROP, [row["request_id"] for row in left], world.clock.now())


async def leave_gateway(pool: asyncpg.Pool, run: GatewayRun, world: World) -> None:
    """End a run in order. Raises DatabaseUnavailable; then its successor ends it."""
    with as_database_unavailable():
        await pool.execute(SQL.leave, run.id, world.clock.now())


def _run_of(file: Path) -> UUID | None:
    """Return the id of the run that wrote a journal, from its name."""
    try:
        return UUID(file.stem)
    except ValueError:
        return None
