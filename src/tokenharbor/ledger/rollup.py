"""Rollups: usage of accounts by hour, summed from their entries by jobs, and the totals read from these sums.

Idea: a total is the account's summed hours plus its entries after the mark, the number of the last entry in the hours.
Both parts are read by one statement, so a total is exact at any moment and does not change when a job runs.

The invariant: each entry is counted once, either in its hour or after the mark. The mark moves in the transaction that
adds to the hours, under its own lock, however many workers run. It is a number, not a time: a charge from a replayed
journal has a late number and an early time, and still goes to the hour of its time. Jobs and readers both sum entries
by `sum_usage`.

A step costs as much as about 100 entries, however few it adds. So one job often sums only accounts with many entries
after their marks (`roll_up_busy`), and another seldom sums all. Rejected (decision 39): a mark by time, which is wrong
for late charges; counting at settlement, or by triggers, which updates shared rows on the hot path; a materialized
view, which reads everything again.
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
_LOOK: Final = 10_000  # wallets read by one statement
_MANY: Final = 500  # entries after the mark that make an account busy: half a step
_LONG_TAIL: Final = 2000  # entries after the mark above which a reader sums them up first
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
    """The usage of an account, divided by period, key, model and provider as far as requested.

    `requests` counts ended requests; `unbilled` of them were not billed and cost us `loss`. `failed` and `hung_up`
    count the unbilled whose ending is known. `cached` ones were served by a cache, at least in part. `charge` includes
    `fee`. `first_ms` and `total_ms` are the sums of the `timed` requests' times to the first content and to the end.
    `saved_exact` and `saved_semantic` are what hits of our caches would have cost; `saved_vendor` is what reads of
    vendors' caches saved, less the extra cost of writes to them. A key of None, or a model or provider of "", means
    that it was erased, that no provider served, or that the total is not divided by it. `label` is set by readers that
    divide totals by labels of keys.
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
        """The share of the input that was read from providers' caches, in basis points."""
        return 10_000 * self.usage.cache_read // max(input_size(self.usage), 1)

    @property
    def mean_first_ms(self) -> int | None:
        """The mean time from a request's beginning to its first content; None without a timed request."""
        return self.first_ms // self.timed if self.timed else None

    @property
    def mean_total_ms(self) -> int | None:
        """The mean time from a request's beginning to its end; None without a timed request."""
        return self.total_ms // self.timed if self.timed else None


async def roll_up_all(conn: asyncpg.Connection | asyncpg.Pool) -> None:
    """Sum up all accounts with entries after their marks, in short transactions. A failed account does not stop the
    others; the first failure is raised at the end. Raises DatabaseUnavailable.
    """
    each = EachRow("usage_totals")
    with as_database_unavailable():
        await roll_up_each(conn, each)
        each.end()


async def roll_up_busy(conn: asyncpg.Connection | asyncpg.Pool) -> None:
    """Sum up the accounts with many entries after their marks, like `roll_up_all`."""
    each = EachRow("busy_usage_totals")
    with as_database_unavailable():
        await roll_up_each(conn, each, at_least=_MANY)
        each.end()


async def roll_up_each(conn: asyncpg.Connection | asyncpg.Pool, each: EachRow, at_least: int = 1) -> None:
    """Sum up the accounts with `at_least` entries after their marks, as part of the job of `each`, which collects
    failures. Raises DatabaseUnavailable.
    """
    last: UUID | None = _NOBODY
    with as_database_unavailable():
        while last is not None:
            page = await conn.fetchrow(SQL.behind, last, _LOOK, at_least)
            await each.do(page["behind"], partial(roll_up, conn))
            last = page["last"]


async def roll_up(conn: asyncpg.Connection | asyncpg.Pool, account_id: UUID) -> None:
    """Sum up an account's entries after its mark."""
    while await conn.fetchval(SQL.roll_up, account_id, _STEP) == _STEP:
        pass


async def shorten_tail(conn: asyncpg.Connection, account_id: UUID) -> None:
    """Sum up an account before its totals are read, if the job is far behind."""
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
    """Return an account's exact usage in [since, until), divided by the dimensions `by` and ordered by start, key,
    model and provider. In an hour that is only partly in the span, requests without an entry are not counted.
    """
    return [_total(row) for row in await conn.fetch(SQL.totals, account_id, since, until, [*by])]


def add_up(totals: Collection[UsageTotal]) -> UsageTotal:
    """Return the sum of totals."""
    sums: dict[str, Any] = {name: sum([getattr(each, name) for each in totals]) for name in _COUNTS}
    sums |= {name: Usd(sum([getattr(each, name) for each in totals])) for name in _AMOUNTS}
    usage = Usage(**{unit: sum([getattr(each.usage, unit) for each in totals]) for unit in UNITS})
    return UsageTotal(**sums, usage=usage)


def whole_hours(since: datetime, until: datetime) -> tuple[datetime, datetime]:
    """Return the span widened to whole hours (UTC)."""
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
