"""The lease of a run: renewed in time, or its worker stops serving until it is.

Until `alive_until`, by the database's time, a run's requests count as open in the limits of their keys and accounts.
After it their places may be given to others, so by then none of them may still be served. The worker cannot know the
database's time; but a renewal was granted after it was asked for, so a lease that is counted by the monotonic clock
from the moment before the question ends no later than the database's, whatever either clock says or does.

A lapse costs open answers, never money: what is held stays held until a successor has replayed the journal.
"""

import asyncio
import math
from collections.abc import Callable
from functools import partial
from typing import Final

import asyncpg
import structlog

from tokenharbor.db.errors import as_database_unavailable
from tokenharbor.db.pool import ReconnectingConnection
from tokenharbor.kernel.clock import Clock
from tokenharbor.kernel.errors import DatabaseUnavailable, GatewayEnded
from tokenharbor.ledger.gateways import LEASE, SQL, GatewayRun

RENEWALS: Final = 5
"""How often a lease is renewed while it lasts."""

_MARGIN_SECONDS = 1.0  # before the end, to end what is open
_RETRY_SECONDS = 0.25
_log = structlog.get_logger("lease")


class Lease:
    """One run's. `run` renews it until cancelled."""

    def __init__(self, run: GatewayRun, link: ReconnectingConnection, clock: Clock) -> None:
        self._run = run
        self._link = link
        self._clock = clock
        self._length_seconds = LEASE.total_seconds()
        self._ends_seconds = self._end_seconds(run.asked_seconds)
        self._lapsed = False
        self._on_lapse: list[Callable[[], object]] = []

    def is_held(self) -> bool:
        """Whether requests may be open."""
        return self._clock.monotonic() < self._ends_seconds

    def on_lapse(self, call: Callable[[], object]) -> None:
        """Called when the lease is about to end unrenewed: end what is open, at once."""
        self._on_lapse.append(call)

    def check(self) -> None:
        """Say so if the lease has lapsed since it was looked at last. A signal's handler may call this."""
        if self._lapsed or self.is_held():
            return
        self._lapsed = True
        for call in self._on_lapse:
            call()
        # Later: the signal may have come in the middle of a line of the log, which then holds the log's lock.
        said = partial(_log.error, "lease_lapsed", run=str(self._run.id))
        asyncio.get_running_loop().call_soon_threadsafe(said)

    async def run(self) -> None:
        """Raises GatewayEnded once the run was ended by somebody else."""
        watch = asyncio.ensure_future(self._watch())
        try:
            pause_seconds = self._length_seconds / RENEWALS
            while True:
                await asyncio.sleep(pause_seconds)
                renewed = await self.renew()
                pause_seconds = self._length_seconds / RENEWALS if renewed else _RETRY_SECONDS
        finally:
            watch.cancel()

    async def renew(self) -> bool:
        """Whether the database has done it. Raises GatewayEnded."""
        asked_seconds = self._clock.monotonic()
        try:
            conn = self._link.connection
            with as_database_unavailable():
                epoch = await conn.fetchval(SQL.renew, self._run.id, LEASE)
                if epoch is None:
                    self._ends_seconds = -math.inf
                    self.check()
                    raise await self._ended(conn)
        except DatabaseUnavailable:
            if self._link.is_up:
                self._link.connection.terminate()  # nobody knows what it is doing: the link makes a new one
            return False
        self._ends_seconds = self._end_seconds(asked_seconds)
        if self._lapsed and self.is_held():
            self._lapsed = False
            _log.info("lease_renewed", run=str(self._run.id))
        return True

    async def _ended(self, conn: asyncpg.Connection) -> GatewayEnded:
        if await conn.fetchval(SQL.successor, self._run.id):
            return GatewayEnded(
                "another server has entered with the gateway.id of this HOME, so this one ends: HOME was copied, or is "
                "shared by two machines. Give each server a HOME of its own; in a copy, remove gateway.id and journal/"
            )
        return GatewayEnded(
            "this gateway was given up (gateways abandon, or server.journal_grace_hours) while it could not reach the "
            "database, so it ends. Start it again: it settles what is in its journal"
        )

    async def _watch(self) -> None:
        while True:
            left_seconds = self._ends_seconds - self._clock.monotonic()
            await asyncio.sleep(max(left_seconds, _RETRY_SECONDS))
            self.check()

    def _end_seconds(self, asked_seconds: float) -> float:
        return asked_seconds + self._length_seconds - _MARGIN_SECONDS
