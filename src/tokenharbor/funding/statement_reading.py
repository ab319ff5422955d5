"""Statements of providers and processors, read from CSV: the first line names the columns."""

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from tokenharbor.kernel.errors import Rejected
from tokenharbor.kernel.money import Money, Usd

COST_COLUMNS = ("date", "model", "amount_usd")
MOVE_COLUMNS = ("date", "type", "id", "amount", "currency", "fee")
_OPTIONAL = frozenset({"model", "fee"})
_KINDS = ("capture", "refund")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StatedCost:
    """What a provider charged on a day; `model` None: the statement does not say for which."""

    day: date
    model: str | None
    amount: Usd


@dataclass(frozen=True, slots=True)
class StatedMove:
    """A capture or a refund as a processor states it; amounts are not negative. `fee` None: not stated."""

    day: date
    kind: str
    id: str
    money: Money
    fee: Usd | None


def read_costs(lines: Iterable[str]) -> Sequence[StatedCost]:
    """Raises Rejected with the number of the line."""
    return _read(lines, COST_COLUMNS, _cost)


def read_moves(lines: Iterable[str]) -> Sequence[StatedMove]:
    """Raises Rejected with the number of the line."""
    return _read(lines, MOVE_COLUMNS, _move)


def _read(lines: Iterable[str], columns: Sequence[str], read: Callable[[Mapping[str, str]], T]) -> Sequence[T]:
    rows = csv.DictReader(lines)
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
    """Processors write what leaves as negative."""
    if row["type"] not in _KINDS:
        raise ValueError(f"type is {' or '.join(_KINDS)}: {row['type'][:40]!r}")
    money = Money.parse(row["amount"].removeprefix("-"), row["currency"].upper())
    stated = row.get("fee", "").removeprefix("-")
    fee = Usd.parse(stated) if stated else None
    return StatedMove(date.fromisoformat(row["date"][:10]), row["type"], row["id"], money, fee)
