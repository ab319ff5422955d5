"""Statements of providers and processors, read from CSV: the first line names the columns."""

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
"""What we have on record, too."""
OTHER_KINDS: Final = ("fee", "transfer", "other")
"""What only the processor states: fees of no payment, what went to our bank, and all else."""
_BACK: Final = "_reversal"
_KINDS: Final = (*COMPARED_KINDS, *(f"{kind}{_BACK}" for kind in COMPARED_KINDS if kind != "capture"), *OTHER_KINDS)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StatedCost:
    """What a provider charged on a day; `model` None: the statement does not say for which."""

    day: date
    model: str | None
    amount: Usd


@dataclass(frozen=True, slots=True)
class StatedMove:
    """A line of a processor's statement. `minor` is what came by it, below zero what left; `fee` None: not stated."""

    day: date
    kind: str
    id: str
    currency: str
    minor: int
    fee: Usd | None


def read_costs(lines: Iterable[str]) -> Sequence[StatedCost]:
    """Raises Rejected with the number of the line."""
    return _read(lines, COST_COLUMNS, _cost)


def read_moves(lines: Iterable[str]) -> Sequence[StatedMove]:
    """Raises Rejected with the number of the line."""
    return _read(lines, MOVE_COLUMNS, _move)


def _read(lines: Iterable[str], columns: Sequence[str], read: Callable[[Mapping[str, str]], T]) -> Sequence[T]:
    try:
        return _read_rows(csv.DictReader(lines), columns, read)
    except (csv.Error, UnicodeError):
        raise Rejected("statement: it must be CSV in UTF-8") from None


def _read_rows(
    rows: "csv.DictReader[str]", columns: Sequence[str], read: Callable[[Mapping[str, str]], T]
) -> Sequence[T]:
    missing = [name for name in columns if name not in (rows.fieldnames or ()) and name not in _OPTIONAL]
    if missing:
        raise Rejected(f"statement: the first line lacks {', '.join(missing)}; columns: {', '.join(columns)}")
    found = []
    for number, row in enumerate(rows, start=2):
        try:
            found.append(read({name: (row.get(name) or "").strip() for name in columns if name in row}))
        except ValueError as error:
            raise Rejected(f"statement, line {number}: {error}") from None
    if not found:
        raise Rejected("statement: there are no lines after the first")
    return found


def _cost(row: Mapping[str, str]) -> StatedCost:
    return StatedCost(date.fromisoformat(row["date"][:10]), row.get("model"), Usd.parse(row["amount_usd"]))


def _move(row: Mapping[str, str]) -> StatedMove:
    """Some processors write what leaves as negative, some do not: only of what is `other` the sign counts."""
    if row["type"] not in _KINDS:
        raise ValueError(f"type is one of {', '.join(_KINDS)}: {row['type'][:40]!r}")
    money = Money.parse(row["amount"].removeprefix("-"), row["currency"].upper())
    stated = row.get("fee", "").removeprefix("-")
    kind = row["type"].removesuffix(_BACK)
    comes = kind == "capture" or kind != row["type"] or (kind == "other" and not row["amount"].startswith("-"))
    return StatedMove(
        date.fromisoformat(row["date"][:10]),
        kind,
        row["id"],
        money.currency,
        money.minor if comes else -money.minor,
        Usd.parse(stated) if stated else None,
    )
