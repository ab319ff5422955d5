"""Reconciliation: our record of what providers are owed and processors took, against what they state themselves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

import asyncpg

from tokenharbor.db.errors import as_database_unavailable
from tokenharbor.db.queries import read_queries
from tokenharbor.funding.statement_reading import StatedCost, StatedMove
from tokenharbor.kernel.money import ZERO, Money, Usd
from tokenharbor.ledger.rollup import roll_up_all

_DAY: Final = timedelta(days=1)
_NONE: Final = "-"


@dataclass(frozen=True, slots=True)
class ReconcileQueries:
    """The SQL of reconcile.sql."""

    vendor_costs: str
    processor_records: str


SQL = read_queries(ReconcileQueries, "tokenharbor.funding", "reconcile.sql")


@dataclass(frozen=True, slots=True)
class RecordDifference:
    """What two records of one thing say; `-` where one has none."""

    what: str
    ours: str
    theirs: str


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """How many things were compared, and which of them differ, in order."""

    compared: int
    differences: Sequence[RecordDifference]


async def reconcile_provider(
    conn: asyncpg.Connection, provider: str, stated: Sequence[StatedCost], tolerance: Usd
) -> Reconciliation:
    """By day and model, or by day if the statement names no models, over the days that it covers. Amounts that differ
    by no more than `tolerance` agree. Raises DatabaseUnavailable.
    """
    theirs: dict[tuple[date, str], Usd] = {}
    for each in stated:
        what = each.day, each.model or ""
        theirs[what] = theirs.get(what, ZERO) + each.amount
    named = any(each.model for each in stated)
    ours: dict[tuple[date, str], Usd] = {}
    days = [each.day for each in stated]
    with as_database_unavailable():
        await roll_up_all(conn)
        rows = await conn.fetch(SQL.vendor_costs, provider, min(days), max(days))
    for row in rows:
        what = row["day"], row["model"] if named else ""
        ours[what] = ours.get(what, ZERO) + Usd(row["amount"])
    differences = [
        RecordDifference(" ".join([str(what[0]), what[1]]).strip(), _shown(ours, what), _shown(theirs, what))
        for what in sorted(ours.keys() | theirs.keys())
        if abs(ours.get(what, ZERO) - theirs.get(what, ZERO)) > tolerance
    ]
    return Reconciliation(len(ours.keys() | theirs.keys()), differences)


async def reconcile_processor(conn: asyncpg.Connection, processor: str, stated: Sequence[StatedMove]) -> Reconciliation:
    """Each capture and refund by its id, over the days that the statement covers. Raises DatabaseUnavailable."""
    since, until = _covered([each.day for each in stated])
    with as_database_unavailable():
        rows = await conn.fetch(SQL.processor_records, processor, since, until, [each.id for each in stated])
    with_fee = {(each.kind, each.id) for each in stated if each.fee is not None}
    ours = {(row["kind"], row["id"]): _recorded(row, (row["kind"], row["id"]) in with_fee) for row in rows}
    theirs: dict[tuple[str, str], str] = {}
    for each in stated:
        what = each.kind, each.id
        shown = _move(each.money, each.fee if each.kind == "capture" else None)
        theirs[what] = f"{theirs[what]} and again {shown}" if what in theirs else shown
    differences = [
        RecordDifference(" ".join(what), ours.get(what, _NONE), theirs.get(what, _NONE))
        for what in sorted(ours.keys() | theirs.keys())
        if ours.get(what) != theirs.get(what)
    ]
    return Reconciliation(len(ours.keys() | theirs.keys()), differences)


def _covered(days: Sequence[date]) -> tuple[datetime, datetime]:
    """Whole days (UTC), from the first to the last."""
    first, last = (datetime(day.year, day.month, day.day, tzinfo=UTC) for day in (min(days), max(days)))
    return first, last + _DAY


def _shown(amounts: Mapping[tuple[date, str], Usd], what: tuple[date, str]) -> str:
    return str(amounts[what]) if what in amounts else _NONE


def _recorded(row: asyncpg.Record, with_fee: bool) -> str:  # noqa: FBT001  it is about one row
    fee = Usd(row["fee"]) if row["has_fee"] and with_fee else None
    return _move(Money(row["currency"], row["minor"]), fee)


def _move(money: Money, fee: Usd | None) -> str:
    return str(money) if fee is None else f"{money}, fee {fee} USD"
