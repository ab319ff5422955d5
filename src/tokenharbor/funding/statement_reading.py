"""Reads statements of providers and processors from CSV; the first line names the columns."""

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, TypeVar

from tokenharbor.kernel.errors import Rejected
from tokenharbor.kernel.money import Money, Usd

COST_COLUMNS = ("date", "model", "amount_usd")
MOVE_COLUMNS = ("date", "type", "id", "amount", "currency", "fee")
_OPTIONAL = frozenset({"model", "fee"})
COMPARED_KINDS: Final = ("capture", "refund", "dispute", "withdrawal")
"""Kinds of lines that are also in our records."""
OTHER_KINDS: Final = ("fee", "transfer", "other")
"""Kinds of lines that only the processor has: fees of no payment, transfers to our bank, and all else."""
_BACK: Final = "_reversal"
_KINDS: Final = (*COMPARED_KINDS, *(f"{kind}{_BACK}" for kind in COMPARED_KINDS if kind != "capture"), *OTHER_KINDS)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StatementCost:
    """A provider's charge on a day; `model` is None if the statement names no models."""

    day: date
    model: str | None
    amount: Usd


@dataclass(frozen=True, slots=True)
class StatementMovement:
    """A line of a processor's statement. `minor` is negative if money left; `fee` is None if it is not stated."""

    day: date
    kind: str
    id: str
    currency: str
    minor: int
    fee: Usd | None


def read_costs(lines: Iterable[str]) -> Sequence[StatementCost]:
    """Return the costs in a provider's statement. Raises Rejected with the number of a bad line."""
    return _read(lines, COST_COLUMNS, _cost)


def read_movements(lines: Iterable[str]) -> Sequence[StatementMovement]:
    """Return the movements in a processor's statement. Raises Rejected with the number of a bad line."""
    return _read(lines, MOVE_COLUMNS, _move)


def _read(lines: Iterable[str], columns: Sequence[str], read: Callable[[Mapping[str, str]], T]) -> Sequence[T]:
    try:
        return _read_rows(csv.DictReader(lines), columns, read)
    except (csv.Error, UnicodeError):
        raise Rejected("the statement must be CSV in UTF-8") from None


def _read_rows(
    rows: "csv.DictReader[str]", columns: Sequence[str], read: Callable[[Mapping[str, str]], T]
) -> Sequence[T]:
    missing = [name for name in columns if name not in (rows.fieldnames or ()) and name not in _OPTIONAL]
    if missing:
        raise Rejected(
            f"statement: the first line lacks the columns {', '.join(missing)}; it must have {', '.join(columns)}"
        )
    found = []
    for number, row in enumerate(rows, start=2):
        try:
            found.append(read({name: (row.get(name) or "").strip() for name in columns if name in row}))
        except ValueError as error:
            raise Rejected(f"statement, line {number}: {error}") from None
    if not found:
        raise Rejected("statement: no lines after the first")
    return found


def _cost(row: Mapping[str, str]) -> StatementCost:
    return StatementCost(date.fromisoformat(row["date"][:10]), row.get("model"), Usd.parse(row["amount_usd"]))


def _move(row: Mapping[str, str]) -> StatementMovement:
    """Return a movement. Only for `other` does the sign count, since not all processors write money that left as
    negative.
    """
    if row["type"] not in _KINDS:
        raise ValueError(f"type must be one of {', '.join(_KINDS)}, not {row['type'][:40]!r}")
    money = Money.parse(row["amount"].removeprefix("-"), row["currency"].upper())
    stated = row.get("fee", "").removeprefix("-")
    kind = row["type"].removesuffix(_BACK)
    comes = kind == "capture" or kind != row["type"] or (kind == "other" and not row["amount"].startswith("-"))
    return StatementMovement(
        date.fromisoformat(row["date"][:10]),
        kind,
        row["id"],
        money.currency,
        money.minor if comes else -money.minor,
        Usd.parse(stated) if stated else None,
    )
