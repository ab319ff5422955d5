"""Reconciliation: compares our records of what providers are owed and processors took with their own statements."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

import asyncpg

from tokenharbor.db.errors import as_database_unavailable
from tokenharbor.db.queries import read_queries
from tokenharbor.funding.statement_reading import COMPARED_KINDS, StatementCost, StatementMovement
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
    """A difference: what our record and theirs say of one thing; `-` where one has none."""

    what: str
    ours: str
    theirs: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearingTotal:
    """A clearing account's movements in one currency, in minor units: `ours` by our record, `theirs` by the statement.
    `fees` (stated apart), `transfers` (to our bank) and `others` are only in the statement. `closing` is their total.
    """

    currency: str
    ours: int
    theirs: int
    fees: int
    transfers: int
    others: int

    @property
    def closing(self) -> int:
        return self.theirs + self.fees + self.transfers + self.others


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The number of things compared, and the differences, in order. For a processor also the totals by currency, before
    the fees of single payments, and the sums of these fees: ours and theirs.
    """

    compared: int
    differences: Sequence[RecordDifference]
    totals: Sequence[ClearingTotal] = ()
    fees: tuple[Usd, Usd] = (ZERO, ZERO)


async def reconcile_provider(
    conn: asyncpg.Connection, provider: str, stated: Sequence[StatementCost], tolerance: Usd
) -> Reconciliation:
    """Compare a provider's costs by day and model, or by day if the statement names no models, over the days that it
    covers. Amounts that differ by no more than `tolerance` agree. Raises DatabaseUnavailable.
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


async def reconcile_processor(
    conn: asyncpg.Connection, processor: str, stated: Sequence[StatementMovement]
) -> Reconciliation:
    """Compare each capture, refund, dispute and withdrawal by its id, over the days that the statement covers, and the
    totals. Raises DatabaseUnavailable.
    """
    since, until = _covered([each.day for each in stated])
    with as_database_unavailable():
        rows = await conn.fetch(SQL.processor_records, processor, since, until, [each.id for each in stated])
    ours, theirs = _recorded(rows), _stated(stated)
    whats = sorted(ours.keys() | theirs.keys())
    shown = [(what, *_show_both(what[0], ours.get(what), theirs.get(what))) for what in whats]
    differences = [RecordDifference(" ".join(what), here, there) for what, here, there in shown if here != there]
    return Reconciliation(len(whats), differences, _totals(ours, theirs, stated), (_fees(ours), _fees(theirs)))


@dataclass(slots=True)
class _Movement:
    """The movement of one capture, refund, dispute or withdrawal; `lines` are the amounts of its lines."""

    currency: str
    lines: list[int]
    fee: Usd = ZERO
    has_fee: bool = False

    @property
    def minor(self) -> int:
        return sum(self.lines)


_Movements = Mapping[tuple[str, str], _Movement]


def _recorded(rows: Sequence[asyncpg.Record]) -> _Movements:
    return {
        (row["kind"], row["id"]): _Movement(
            row["currency"], [row["minor"]], Usd(row["fee"] or 0), has_fee=row["fee"] is not None
        )
        for row in rows
    }


def _stated(stated: Sequence[StatementMovement]) -> _Movements:
    """Sum the statement's lines by kind and id. Movements that sum to zero, since they were reversed, are left out."""
    movements: dict[tuple[str, str], _Movement] = {}
    for each in stated:
        if each.kind in COMPARED_KINDS:
            movement = movements.setdefault((each.kind, each.id), _Movement(each.currency, []))
            movement.lines.append(each.minor)
            if each.fee is not None:
                movement.fee, movement.has_fee = movement.fee + each.fee, True
    return {what: movement for what, movement in movements.items() if movement.minor or movement.fee}


def _fees(side: _Movements) -> Usd:
    return sum((each.fee for each in side.values()), ZERO)


def _totals(ours: _Movements, theirs: _Movements, stated: Sequence[StatementMovement]) -> Sequence[ClearingTotal]:
    def moved(side: _Movements, currency: str) -> int:
        return sum(each.minor for each in side.values() if each.currency == currency)

    def apart(kind: str, currency: str) -> int:
        return sum(each.minor for each in stated if (each.kind, each.currency) == (kind, currency))

    currencies = {each.currency for each in ours.values()} | {each.currency for each in stated}
    return [
        ClearingTotal(
            currency=currency,
            ours=moved(ours, currency),
            theirs=moved(theirs, currency),
            fees=apart("fee", currency),
            transfers=apart("transfer", currency),
            others=apart("other", currency),
        )
        for currency in sorted(currencies)
    ]


def _show_both(kind: str, ours: _Movement | None, theirs: _Movement | None) -> tuple[str, str]:
    """Return both sides as text, with the fee if both sides state it."""
    with_fee = ours is not None and theirs is not None and ours.has_fee and theirs.has_fee
    here, there = (_show_move(kind, each, with_fee=with_fee) for each in (ours, theirs))
    return here, there


def _show_move(kind: str, movement: _Movement | None, *, with_fee: bool) -> str:
    """Return one side as text. Amounts that left have no sign, as in most statements."""
    if movement is None:
        return _NONE
    same_sign = len({minor > 0 for minor in movement.lines}) == 1
    amounts = movement.lines if same_sign else [movement.minor]
    shown = " and again ".join(str(Money(movement.currency, abs(minor))) for minor in amounts)
    back = " back" if movement.minor > 0 and kind != "capture" else ""
    return f"{shown}{back}, fee {movement.fee} USD" if with_fee else f"{shown}{back}"


def _covered(days: Sequence[date]) -> tuple[datetime, datetime]:
    """Return the time from the start of the first day to the end of the last (UTC)."""
    first, last = (datetime(day.year, day.month, day.day, tzinfo=UTC) for day in (min(days), max(days)))
    return first, last + _DAY


def _shown(amounts: Mapping[tuple[date, str], Usd], what: tuple[date, str]) -> str:
    return str(amounts[what]) if what in amounts else _NONE
