"""Partitions by time, made ahead, for tables that are partitioned by the time in a UUIDv7."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import asyncpg

from tokenharbor.kernel.ids import UUID

_LOCK = 0x70617274  # "part"
_BEHIND = timedelta(days=1)  # for gateways with slow clocks, and requests that began before midnight


@dataclass(frozen=True, slots=True)
class PartitionedTable:
    """A table that is `PARTITION BY RANGE (id)`, where `id` is a UUIDv7.

    Each partition gets `settings` (storage parameters) and `guards` (statement triggers, with {partition} for its
    name), which partitions do not inherit in PostgreSQL.
    """

    table: str
    period: Literal["day", "month"]
    ahead: timedelta
    settings: str = ""
    guards: str = ""


PARTITIONED = (
    PartitionedTable("request", "day", ahead=timedelta(days=7)),
    PartitionedTable(
        "entry",
        "month",
        ahead=timedelta(days=32),
        guards="create trigger entry_kept before truncate on {partition} for each statement "
        "execute function refuse_change()",
    ),
)
"""All partitioned tables."""


async def ensure_partitions(conn: asyncpg.Connection, at: datetime) -> list[str]:
    """Make the missing partitions from yesterday's to those of the days ahead of `at`; return their names.

    Call it at the start and at least daily. No statement waits for it: a new partition is made apart and then attached,
    and existing ones are not touched.
    """
    made = []
    async with conn.transaction():
        await conn.execute("select pg_advisory_xact_lock($1)", _LOCK)
        for kind in PARTITIONED:
            for begin, end in _periods(kind, at):
                name = _name(kind, begin)
                if await conn.fetchval("select to_regclass($1)", name) is None:
                    await conn.execute(_creation(kind, name, begin, end))
                    made.append(name)
    return made


@dataclass(frozen=True, slots=True)
class DayPartition:
    """The partition of a day (UTC); `blocks` is its size in blocks of 8 KiB."""

    begins_at: datetime
    blocks: int

    @property
    def ends_at(self) -> datetime:
        return self.begins_at + timedelta(days=1)


async def day_partitions(conn: asyncpg.Connection, table: str) -> Sequence[DayPartition]:
    """Return the partitions of a table that is partitioned by day, in order."""
    rows = await conn.fetch(
        "select c.relname as name, pg_relation_size(c.oid) / current_setting('block_size')::int as blocks "
        "from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = $1::regclass order by 1",
        table,
    )
    days = [datetime.strptime(row["name"].rpartition("_")[2], "%Y%m%d").replace(tzinfo=UTC) for row in rows]
    return [DayPartition(day, row["blocks"]) for day, row in zip(days, rows, strict=True)]


def lowest_id(at: datetime) -> UUID:
    """Return the lowest UUIDv7 of a moment, where a partition begins; the lowest of all for a moment before 1970."""
    return UUID(int=max(0, (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)) << 80)


def _creation(kind: PartitionedTable, name: str, begin: datetime, end: datetime) -> str:
    settings = f" with ({kind.settings})" if kind.settings else ""
    return f"""
        create table {name} (like {kind.table} including all){settings};
        alter table {kind.table} attach partition {name}
            for values from ('{lowest_id(begin)}') to ('{lowest_id(end)}');
        {kind.guards.format(partition=name)};
    """


def _name(kind: PartitionedTable, begin: datetime) -> str:
    return f"{kind.table}_{begin:%Y%m%d}" if kind.period == "day" else f"{kind.table}_{begin:%Y%m}"


def _periods(kind: PartitionedTable, at: datetime) -> Iterator[tuple[datetime, datetime]]:
    begin = _start(kind, at.astimezone(UTC) - _BEHIND)
    while begin <= at + kind.ahead:
        end = _start(kind, begin + timedelta(days=1 if kind.period == "day" else 31))
        yield begin, end
        begin = end


def _start(kind: PartitionedTable, moment: datetime) -> datetime:
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight if kind.period == "day" else midnight.replace(day=1)
