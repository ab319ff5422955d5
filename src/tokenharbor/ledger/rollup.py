"""Rollups: what accounts used in each hour, added up from their entries by a job, and totals read from it.

Idea: a total is the hours that are added up and the entries after the account's mark, which is the number of the last
entry that is in its hours. It is never a time: a charge of a replayed journal has a late number and an early time, and
is added to the hour of its time like any other. The mark moves in the transaction that adds, under its own lock: each
entry is counted once, however many workers are at it. A total is one statement, so it sees hours and mark of one
moment, and does not change when the job runs. Both sides read entries by one function, `sum_usage`.

A step costs as much as some 100 entries, however few it adds. So often only accounts with many entries after their
marks are added up (`roll_up_busy`), and seldom all of them: what is not added up is read with each total.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, Literal

import asyncpg

from tokenharbor.db.each_row import EachRow
from tokenharbor.db.errors import as_database_unavailable
from tokenharbor.db.queries import read_queries
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.kernel.usage import UNITS, Usage, input_size
from tokenharbor.ledger.savings import Savings

UsageDimension = Literal["hour", "day", "key", "model", "provider"]

_STEP: Final = 1000  # entries in one transaction
_LOOK: Final = 10_000  # wallets that one statement looks at
_MANY: Final = 500  # entries after the mark, from which on a job adds them up soon: half a step
_LONG_TAIL: Final = 2000  # from which on a reader adds them up first
_COUNTS: Final = ("requests", "unbilled", "cached", "timed", "first_ms", "total_ms", "failed", "hung_up")
_AMOUNTS: Final = ("charge", "fee", "vendor_cost", "over", "loss", "saved_exact", "saved_semantic", "saved_vendor")
_NOBODY: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class RollupQueries:
    """The SQL of rollup.sql."""

    behind: str
    tail: str
    roll_up: str
    totals: str


SQL = read_queries(RollupQueries, "tokenharbor.ledger", "rollup.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageTotal:
    """What was used, in one period, by one key, of one model at one provider, as far as the total is divided by these.

    `requests` ended; `unbilled` of them were not billed, and `loss` is what these cost us all the same. `cached` ones
    were served by a cache, in part at least. `charge` includes `fee`. A key of None, a model or provider of "": erased,
    or nobody served; or the total is not divided by it. `timed` ones with an answer took `first_ms` to their first
    content and `total_ms` in all, together. `failed` and `hung_up` are of the unbilled, as far as is known how they
    ended. `saved_exact` and `saved_semantic` is what hits of our caches would have cost; `saved_vendor`, what reads of
    vendors' caches saved less what writes to them cost more. `label` is for readers who divide a total by what they
    know of its keys.
    """

    start: datetime | None = None
    key_id: UUID | None = None
    model: str = ""
    provider: str = ""
    requests: int
    unbilled: int
    cached: int
    charge: Usd
    fee: Usd
    vendor_cost: Usd
    over: Usd
    loss: Usd
    usage: Usage
    timed: int = 0
    first_ms: int = 0
    total_ms: int = 0
    failed: int = 0
    hung_up: int = 0
    saved_exact: Usd = ZERO
    saved_semantic: Usd = ZERO
    saved_vendor: Usd = ZERO
    label: str = ""

    @property
    def saved(self) -> Savings:
        return Savings(self.saved_exact, self.saved_semantic, self.saved_vendor)

    @property
    def cache_share_bp(self) -> int:
        """How much of the input a provider's cache gave, in basis points."""
        return 10_000 * self.usage.cache_read // max(input_size(self.usage), 1)

    @property
    def mean_first_ms(self) -> int | None:
        """From a request's beginning to its answer's first content; None: there was none."""
        return self.first_ms // self.timed if self.timed else None

    @property
    def mean_total_ms(self) -> int | None:
        """From a request's beginning to its end, likewise."""
        return self.total_ms // self.timed if self.timed else None


async def roll_up_all(conn: asyncpg.Connection | asyncpg.Pool) -> None:
    """Each account with entries after its mark, in short transactions. Raises the first failure of one, at the end, and
    DatabaseUnavailable.
    """
    each = EachRow("usage_totals")
    with as_database_unavailable():
        await roll_up_each(conn, each)
        each.end()


async def roll_up_busy(conn: asyncpg.Connection | asyncpg.Pool) -> None:
    """The same, of accounts with many entries after their marks."""
    each = EachRow("busy_usage_totals")
    with as_database_unavailable():
        await roll_up_each(conn, each, at_least=_MANY)
        each.end()


async def roll_up_each(conn: asyncpg.Connection | asyncpg.Pool, each: EachRow, at_least: int = 1) -> None:
    """The same, within a caller's job, which goes on and ends with the first failure. Raises DatabaseUnavailable."""
    last: UUID | None = _NOBODY
    with as_database_unavailable():
        while last is not None:
            page = await conn.fetchrow(SQL.behind, last, _LOOK, at_least)
            await each.do(page["behind"], partial(roll_up, conn))
            last = page["last"]


async def roll_up(conn: asyncpg.Connection | asyncpg.Pool, account_id: UUID) -> None:
    """Add up what an account has after its mark."""
    while await conn.fetchval(SQL.roll_up, account_id, _STEP) == _STEP:
        pass


async def shorten_tail(conn: asyncpg.Connection, account_id: UUID) -> None:
    """Before totals are read: where the job is far behind, add up first."""
    if await conn.fetchval(SQL.tail, account_id) > _LONG_TAIL:
        await roll_up(conn, account_id)


async def read_totals(
    conn: asyncpg.Connection,
    account_id: UUID,
    *,
    since: datetime,
    until: datetime,
    by: Collection[UsageDimension] = (),
) -> Sequence[UsageTotal]:
    """What an account used in [since, until), exactly; divided and ordered by start, key, model, provider as asked.
    Of an hour that is asked for in part only, requests that left no entry are not counted.
    """
    return [_total(row) for row in await conn.fetch(SQL.totals, account_id, since, until, [*by])]


def add_up(totals: Collection[UsageTotal]) -> UsageTotal:
    """All of them together."""
    sums: dict[str, Any] = {name: sum([getattr(each, name) for each in totals]) for name in _COUNTS}
    sums |= {name: Usd(sum([getattr(each, name) for each in totals])) for name in _AMOUNTS}
    usage = Usage(**{unit: sum([getattr(each.usage, unit) for each in totals]) for unit in UNITS})
    return UsageTotal(**sums, usage=usage)


def whole_hours(since: datetime, until: datetime) -> tuple[datetime, datetime]:
    """The span widened to whole hours (UTC)."""
    start, end = since.astimezone(UTC), until.astimezone(UTC)
    return _hour(start), _hour(end + timedelta(hours=1) - timedelta(microseconds=1))


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _total(row: asyncpg.Record) -> UsageTotal:
    counts: dict[str, Any] = {name: row[name] for name in _COUNTS} | {name: Usd(row[name]) for name in _AMOUNTS}
    return UsageTotal(
        start=row["start"],
        key_id=row["key_id"] if row["key_id"] != _NOBODY else None,
        model=row["model"],
        provider=row["provider"],
        **counts,
        usage=Usage(**{unit: row[unit] for unit in UNITS}),
    )
