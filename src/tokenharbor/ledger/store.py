"""The books in PostgreSQL."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from functools import partial

import asyncpg

from tokenharbor.db.errors import books_away, in_one_line
from tokenharbor.db.pool import ConnectOptions, ReconnectingConnection, open_pool
from tokenharbor.kernel.errors import BooksAway, BooksRefused
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import MAX_NANO, ZERO, Usd
from tokenharbor.ledger.book import Answer
from tokenharbor.ledger.checks import check_clawback, check_credit
from tokenharbor.ledger.operations import Placing, Releasing, Settling
from tokenharbor.ledger.posting import credit_source
from tokenharbor.ledger.statements import Statements, read_statements
from tokenharbor.ledger.track import OutcomeUnknown, Rail, Track
from tokenharbor.ledger.types import (
    Balance,
    Clawback,
    Credit,
    Hold,
    KeyLimits,
    Placed,
    Pool,
    Refused,
    Release,
    Settled,
    Settlement,
)

_LOCK_TIMEOUT_MS = 250  # longer than any of our own transactions lasts: who waits so long waits for a stranger
_STATEMENT_TIMEOUT_MS = 2_000
_POOL_SIZE = 8
_PLACE_PAUSES = (0.05, 0.15)
_END_PAUSES = (0.05, 0.1, 0.25, 0.5, 1.0)

# The batches' plans are always look-ups by index, however full the tables are: nothing is left to estimates.
_STEADY_PLANS = """
SET plan_cache_mode = force_generic_plan;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
"""


@contextlib.asynccontextmanager
async def open_book(url: str, gateway_id: UUID) -> AsyncIterator["PostgresBook"]:
    """The books behind a URL, for a gateway whose holds bear its id. Holds commit without waiting for the disk,
    as they need not survive a crash; settlements and releases are durable when answered.

    Raises BooksAway, Misconfigured.
    """
    options = ConnectOptions(url, "tokenharbor-book", _STATEMENT_TIMEOUT_MS, _LOCK_TIMEOUT_MS)
    sql = read_statements()
    async with (
        ReconnectingConnection(options, _greet_holds) as holds,
        ReconnectingConnection(options, _greet) as ends,
        await open_pool(ConnectOptions(url, "tokenharbor-books"), size=_POOL_SIZE) as pool,
    ):
        book = PostgresBook(sql, gateway_id, Rails(Rail(holds), Rail(ends)), pool)
        try:
            yield book
        finally:
            await book.close()


async def _greet(conn: asyncpg.Connection) -> None:
    await conn.execute(_STEADY_PLANS)


async def _greet_holds(conn: asyncpg.Connection) -> None:
    await conn.execute(_STEADY_PLANS + "SET synchronous_commit = off;")


class Rails:
    """The two connections of the hot path."""

    def __init__(self, holds: Rail, ends: Rail) -> None:
        self.holds = holds
        self.ends = ends


class PostgresBook:
    """A Book; see there. What belongs to no batch runs on the pool."""

    def __init__(self, sql: Statements, gateway_id: UUID, rails: Rails, pool: asyncpg.Pool) -> None:
        self._sql = sql
        self._pool = pool
        self._rails = rails
        self._places = Track(Placing(sql, gateway_id), sql, rails.holds, pool, _PLACE_PAUSES)
        self._settles = Track(Settling(sql), sql, rails.ends, pool, _END_PAUSES)
        self._releases = Track(Releasing(sql), sql, rails.ends, pool, _END_PAUSES)
        self._doubtful: dict[UUID, Hold] = {}

    @property
    def is_up(self) -> bool:
        """Whether both connections of the hot path stand."""
        return self._rails.holds.link.is_up and self._rails.ends.link.is_up

    async def close(self) -> None:
        for track in (self._places, self._settles, self._releases):
            await track.close()

    async def place(self, holds: Sequence[Hold]) -> Sequence[Answer[Placed | Refused]]:
        if self._doubtful and self._rails.holds.link.is_up:  # else these are refused at once, and the doubt remains
            await self._clear_doubt(holds)
        answers = await self._places.run(holds)
        for hold, answer in zip(holds, answers, strict=True):
            if isinstance(answer, asyncio.Future):
                answer.add_done_callback(partial(self._doubt_later, hold))
            elif isinstance(answer, OutcomeUnknown):
                self.doubt(hold)
        return answers

    def doubt(self, hold: Hold) -> None:
        """Whether it stands is not known, and nobody counts on it: give it back before the next are placed."""
        self._doubtful[hold.request_id] = hold

    def _doubt_later(self, hold: Hold, answer: asyncio.Future[Placed | Refused]) -> None:
        if not answer.cancelled() and isinstance(answer.exception(), OutcomeUnknown):
            self.doubt(hold)

    async def settle(self, settlements: Sequence[Settlement]) -> Sequence[Answer[Settled]]:
        return await self._settles.run(settlements)

    async def release(self, releases: Sequence[Release]) -> Sequence[Answer[None]]:
        return await self._releases.run(releases)

    async def drop(self, request_ids: Sequence[UUID], at: datetime) -> None:
        with books_away():
            await self._pool.fetchval(self._sql.drop_holds, request_ids, at)

    async def credit(self, credit: Credit) -> None:
        check_credit(credit)
        async with self._odd_work() as conn:
            await conn.fetchval(
                self._sql.grant_credit,
                credit.entry_id, credit.lot_id, credit.account_id, credit.pool.value, credit.origin, credit.amount,
                credit.at, credit.expires_at, credit.refundable_until, credit.withdrawable_from,
                credit_source(credit), credit.reference, credit.reason,
            )  # fmt: skip

    async def claw(self, clawback: Clawback) -> None:
        check_clawback(clawback)
        async with self._odd_work() as conn:
            await conn.fetchval(
                self._sql.claw_credit,
                clawback.entry_id, clawback.account_id, clawback.lot_id, clawback.amount, clawback.at,
                clawback.destination, clawback.reason,
            )  # fmt: skip

    async def expire(self, account_id: UUID, at: datetime) -> None:
        async with self._odd_work() as conn:
            await conn.fetchval(self._sql.expire_account, account_id, at)

    async def balance(self, account_id: UUID, at: datetime) -> Balance:
        async with self._odd_work() as conn:
            rows = await conn.fetch(self._sql.balance, account_id, at)
        if not rows:
            raise BooksRefused(f"no such account: {account_id}")
        pools = {Pool(row["pool"]): Usd(row["amount"]) for row in rows if row["pool"] is not None and row["amount"]}
        held = Usd(rows[0]["held"])
        return Balance(sum(pools.values(), ZERO) - held, held, Usd(rows[0]["debt"]), pools)

    async def open_account(self, account_id: UUID) -> None:
        async with self._odd_work() as conn:
            await conn.execute(self._sql.open_wallet, account_id)

    async def open_key(self, key_id: UUID, account_id: UUID, limits: KeyLimits) -> None:
        numbers = [MAX_NANO if limit is None else limit for limit in (limits.quota, limits.daily, limits.monthly)]
        async with self._odd_work() as conn:
            await conn.execute(self._sql.open_meter, key_id, account_id, *numbers)

    async def _clear_doubt(self, holds: Sequence[Hold]) -> None:
        """Give back what may have been held although nobody was told so, unless it is asked for again."""
        asked = {hold.request_id for hold in holds}
        lost = [hold for request_id, hold in self._doubtful.items() if request_id not in asked]
        try:
            await self.drop([hold.request_id for hold in lost], max(hold.at for hold in holds))
        except BooksAway:
            return  # as is what comes next; the doubt remains
        self._doubtful.clear()

    @contextlib.asynccontextmanager
    async def _odd_work(self) -> AsyncIterator[asyncpg.Connection]:
        try:
            with books_away():
                async with self._pool.acquire() as conn:
                    yield conn
        except BooksAway as error:
            cause = error.__cause__
            if isinstance(cause, asyncpg.NumericValueOutOfRangeError):
                raise BooksRefused(f"the balance would exceed the maximum of {Usd(MAX_NANO)} USD") from cause
            if isinstance(cause, (asyncpg.IntegrityConstraintViolationError, asyncpg.DataError)) or (
                isinstance(cause, asyncpg.PostgresError) and cause.sqlstate == "TH001"
            ):
                raise BooksRefused(in_one_line(cause)) from cause
            raise
