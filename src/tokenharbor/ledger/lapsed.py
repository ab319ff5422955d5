"""Runs whose lease has lapsed: their places are freed at once, their holds only when they are given up.

A gateway that was cut off may have complete answers in its journal, whose charges need their holds. So a hold waits for
its run's successor, until the operator or `server.journal_grace_hours` gives it up.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from tokenharbor.db.each_row import EachRow
from tokenharbor.db.errors import as_database_unavailable
from tokenharbor.db.queries import read_queries
from tokenharbor.kernel.errors import Conflict, Missing
from tokenharbor.kernel.ids import UUID, show
from tokenharbor.kernel.money import ZERO, Usd


@dataclass(frozen=True, slots=True)
class LapsedQueries:
    """The SQL of lapsed.sql."""

    runs: str
    occupying: str
    lock_lapsed: str
    free: str
    overdue: str
    of_gateway: str
    given_up: str
    end: str
    drop: str


SQL = read_queries(LapsedQueries, "tokenharbor.ledger", "lapsed.sql")


@dataclass(frozen=True, slots=True)
class RunState:
    """A run that has not ended, or still has holds. `gateway_id` is None for a run of a release without gateway ids."""

    id: UUID
    gateway_id: UUID | None
    slot: int
    epoch: int
    home: str
    started_at: datetime
    state: str  # alive, lapsed, ended
    holds: int
    held: Usd


@dataclass(frozen=True, slots=True)
class GivenUpHolds:
    """The holds of a run that were given up: given back although an answer may have been delivered for them."""

    run_id: UUID
    holds: int
    amount: Usd


async def list_runs(conn: asyncpg.Connection) -> Sequence[RunState]:
    """Return the runs, oldest first."""
    rows = await conn.fetch(SQL.runs)
    return [RunState(**{**row, "held": Usd(row["held"])}) for row in rows]


async def free_lapsed_runs(pool: asyncpg.Pool) -> None:
    """Stop counting the requests of lapsed runs as open; their holds stand."""
    async with pool.acquire() as conn:

        async def free(run_id: UUID) -> None:
            async with conn.transaction():
                if await conn.fetchval(SQL.lock_lapsed, run_id):  # it may have been renewed meanwhile
                    await conn.fetchval(SQL.free, run_id)

        each = EachRow("lapsed")
        await each.do([row["id"] for row in await conn.fetch(SQL.occupying)], free)
    each.end()


async def give_up_overdue(
    pool: asyncpg.Pool, grace: timedelta, at: datetime, report: Callable[[GivenUpHolds], None]
) -> None:
    """Give up the holds of runs that lapsed longer ago than `grace`, and report each run that had some. A failed run
    does not stop the others; the first failure is raised at the end. Raises DatabaseUnavailable.
    """
    each = EachRow("journal_grace")
    with as_database_unavailable():
        async with pool.acquire() as conn:

            async def give_up(run_id: UUID) -> None:
                if (given := await _give_up(conn, run_id, at)).holds:
                    report(given)

            await each.do([row["id"] for row in await conn.fetch(SQL.overdue, grace)], give_up)
    each.end()


async def abandon(conn: asyncpg.Connection, gateway_id: UUID, at: datetime) -> Sequence[GivenUpHolds]:
    """Give up all holds of a gateway, or of one run of a release without gateway ids. Raises Missing, Conflict."""
    rows = await conn.fetch(SQL.of_gateway, gateway_id)
    name = show("gw", gateway_id)
    if not rows:
        raise Missing(f"no gateway {name}; list them with: tokenharbor gateways list")
    if any(row["alive"] for row in rows):
        raise Conflict(f"{name} is alive; stop its server, which settles or releases its holds")
    return [await _give_up(conn, row["id"], at) for row in rows]


async def _give_up(conn: asyncpg.Connection, run_id: UUID, at: datetime) -> GivenUpHolds:
    """Give up a run's holds, except those of open tasks: the gateway that polls a task ends its hold."""
    holds, amount = 0, ZERO
    async with conn.transaction():
        if not await conn.fetchval(SQL.lock_lapsed, run_id):
            return GivenUpHolds(run_id, 0, ZERO)
        await conn.execute(SQL.end, run_id, at)
        rows = await conn.fetch(SQL.given_up, run_id)
        if rows:
            await conn.fetchval(SQL.drop, [row["request_id"] for row in rows], at)
        holds, amount = len(rows), Usd(sum([row["amount"] for row in rows]))
    return GivenUpHolds(run_id, holds, amount)
