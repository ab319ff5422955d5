"""The lease of a run: a worker whose lease is not renewed in time stops serving until it is.

Until `alive_until`, by the database's clock, a run's requests count as open in the limits of their keys and accounts.
After it, other requests may take their places, so by then none of them may still be served: that is the invariant. The
worker cannot read the database's clock. But the database grants a renewal after the worker asked for it. So the worker
counts the lease on its monotonic clock from just before it asked: that end is never later than the database's, even if
the two clocks differ or are set.

A lapse cuts off open answers, but loses no money: a hold stands until a successor has replayed the journal.

Rejected (decision 28): a lease for each hold, which is a write for each open request; an advisory lock of a connection,
whose loss does not mean that the process is gone.
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
"""The number of renewals within the length of a lease."""

_MARGIN_SECONDS = 1.0  # before the lease's end, to end open requests
_RETRY_SECONDS = 0.25
_log = structlog.get_logger("lease")


class Lease:
    """The lease of one run. `run` renews it until cancelled."""

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
        """Register a call for when the lease is about to end without a renewal: it must end open requests at once."""
        self._on_lapse.append(call)

    def check(self) -> None:
        """Report a lapse once. Safe to call from a signal handler."""
        if self._lapsed or self.is_held():
            return
        self._lapsed = True
        for call in self._on_lapse:
            call()
        # Log later: the signal may have interrupted a log call that holds the log's lock.
        said = partial(_log.error, "lease_lapsed", run=str(self._run.id))
        asyncio.get_running_loop().call_soon_threadsafe(said)

    async def run(self) -> None:
        """Renew the lease until cancelled. Raises GatewayEnded once another process has ended the run."""
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
        """Renew the lease and return whether the database did so. Raises GatewayEnded."""
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
                self._link.connection.terminate()  # its state is unknown: the link opens a new one
            return False
        self._ends_seconds = self._end_seconds(asked_seconds)
        if self._lapsed and self.is_held():
            self._lapsed = False
            _log.info("lease_renewed", run=str(self._run.id))
        return True

    async def _ended(self, conn: asyncpg.Connection) -> GatewayEnded:
        if await conn.fetchval(SQL.successor, self._run.id):
            return GatewayEnded(
                "another server has started with the gateway.id of this HOME, so this one ends: HOME was copied, or is "
                "shared by two machines. Give each server its own HOME; in a copy, remove gateway.id and journal/"
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
