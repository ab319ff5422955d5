"""The request book in PostgreSQL."""

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from functools import partial
from itertools import compress

import asyncpg

from tokenharbor.db.errors import as_database_unavailable
from tokenharbor.db.pool import ConnectOptions, ReconnectingConnection, open_pool
from tokenharbor.kernel.errors import DatabaseUnavailable
from tokenharbor.kernel.ids import UUID
from tokenharbor.ledger.batch_runner import BatchRunner, ExclusiveConnection
from tokenharbor.ledger.book import Answer, Result
from tokenharbor.ledger.operations import PlaceHolds, ReleaseHolds, SettleRequests
from tokenharbor.ledger.standing_holds import StandingHolds
from tokenharbor.ledger.statements import LedgerQueries, read_statements
from tokenharbor.ledger.types import Hold, PlacedHold, RefusedHold, Release, RequestEnd, SettledCharge, Settlement

_LOCK_TIMEOUT_MS = 250  # longer than our own transactions last: after it, the lock is probably a stranger's
_STATEMENT_TIMEOUT_MS = 2_000
_POOL_SIZE = 8
_PLACE_PAUSES = (0.05, 0.15)
_END_PAUSES = (0.05, 0.1, 0.25, 0.5, 1.0)

# Batches always use index look-ups, however full the tables are: no plan depends on the planner's estimates.
_STEADY_PLANS = """
SET plan_cache_mode = force_generic_plan;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
"""


def _always() -> bool:
    return True


@contextlib.asynccontextmanager
async def open_book(
    url: str, gateway_id: UUID, may_hold: Callable[[], bool] = _always
) -> AsyncIterator["PostgresBook"]:
    """Open the request book at a URL for a gateway's run; `gateway_id` is the run's id, which its holds name.
    `may_hold` returns False while the run's lease has lapsed: then no hold is placed. Holds commit asynchronously, as
    they need not survive a crash; settlements and releases are durable when answered.

    Raises DatabaseUnavailable, Misconfigured.
    """
    options = ConnectOptions(url, "tokenharbor-book", _STATEMENT_TIMEOUT_MS, _LOCK_TIMEOUT_MS)
    sql = read_statements()
    standing = StandingHolds(sql, gateway_id)
    async with (
        ReconnectingConnection(options, partial(_greet_holds, standing)) as holds,
        ReconnectingConnection(options, _greet) as ends,
        await open_pool(ConnectOptions(url, "tokenharbor-books"), size=_POOL_SIZE) as pool,
    ):
        exclusive = ExclusiveConnection(holds, other=ends), ExclusiveConnection(ends, other=holds)
        hot = HotConnections(*exclusive, standing)
        book = PostgresBook(sql, gateway_id, hot, pool, may_hold)
        try:
            yield book
        finally:
            await book.close()


async def _greet(conn: asyncpg.Connection) -> None:
    await conn.execute(_STEADY_PLANS)


async def _greet_holds(standing: StandingHolds, conn: asyncpg.Connection) -> None:
    await conn.execute(_STEADY_PLANS + "SET synchronous_commit = off;")
    await standing.place_lost(conn)


class HotConnections:
    """The two connections of the hot path, and the holds that are placed again when their connection is opened anew."""

    def __init__(self, holds: ExclusiveConnection, ends: ExclusiveConnection, standing: StandingHolds) -> None:
        self.holds = holds
        self.ends = ends
        self.standing = standing


class PostgresBook:
    """A RequestBook in PostgreSQL. Batches run on the hot connections, all other statements on the pool."""

    def __init__(
        self,
        sql: LedgerQueries,
        gateway_id: UUID,
        connections: HotConnections,
        pool: asyncpg.Pool,
        may_hold: Callable[[], bool],
    ) -> None:
        self._sql = sql
        self._may_hold = may_hold
        self._pool = pool
        self._connections = connections
        self._places = BatchRunner(
            PlaceHolds(sql, gateway_id),
            sql=sql,
            shared=connections.holds,
            pool=pool,
            pauses=_PLACE_PAUSES,
            on_unknown=self._remember_doubtful,
        )
        ends = partial(BatchRunner, sql=sql, shared=connections.ends, pool=pool, pauses=_END_PAUSES)
        self._settles: BatchRunner[Settlement, SettledCharge] = ends(SettleRequests(sql))
        self._releases: BatchRunner[Release, None] = ends(ReleaseHolds(sql))
        self._standing = connections.standing
        self._doubtful: dict[UUID, Hold] = {}

    @property
    def is_up(self) -> bool:
        """Whether requests can be served: the lease is held, and both hot connections are up."""
        return self._may_hold() and self._connections.holds.link.is_up and self._connections.ends.link.is_up

    async def close(self) -> None:
        for runner in (self._places, self._settles, self._releases):
            await runner.close()

    async def place(self, holds: Sequence[Hold]) -> Sequence[Answer[PlacedHold | RefusedHold]]:
        if not self._may_hold():  # as if the database were unavailable, which is nearly always the reason
            raise DatabaseUnavailable("the lease of this gateway has lapsed and is not yet renewed")
        if self._doubtful and self._connections.holds.link.is_up:  # else these fail, and the others stay doubtful
            await self._drop_doubtful(holds)
        answers = await self._places.run(holds)
        self._standing.placed(holds, answers)
        return answers

    async def settle(self, settlements: Sequence[Settlement]) -> Sequence[Answer[SettledCharge]]:
        return self._end(settlements, await self._settles.run(settlements))

    async def release(self, releases: Sequence[Release]) -> Sequence[Answer[None]]:
        return self._end(releases, await self._releases.run(releases))

    def _end(self, ends: Sequence[RequestEnd], answers: Sequence[Answer[Result]]) -> Sequence[Answer[Result]]:
        """Forget the holds of requests that ended. A failed end is retried or journalled, so its hold is remembered and
        placed again if the database loses it.
        """
        done = [not isinstance(answer, DatabaseUnavailable) for answer in answers]
        self._standing.ended([end.request_id for end in compress(ends, done)])
        return answers

    def hand_over(self, request_id: UUID) -> None:
        self._standing.ended([request_id])

    async def drop(self, request_ids: Sequence[UUID], at: datetime) -> None:
        with as_database_unavailable():
            await self._pool.fetchval(self._sql.drop_holds, request_ids, at)
        self._standing.ended(request_ids)

    def _remember_doubtful(self, hold: Hold) -> None:
        """Remember a hold that may stand although its request was told otherwise, to give it back before the next."""
        self._doubtful[hold.request_id] = hold

    async def _drop_doubtful(self, holds: Sequence[Hold]) -> None:
        """Give back the holds in doubt, except those that are asked for again."""
        asked = {hold.request_id for hold in holds}
        lost = [hold for request_id, hold in self._doubtful.items() if request_id not in asked]
        try:
            await self.drop([hold.request_id for hold in lost], max(hold.at for hold in holds))
        except DatabaseUnavailable:
            return  # placing `holds` will fail likewise; the others stay doubtful
        self._doubtful.clear()
