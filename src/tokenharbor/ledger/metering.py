"""Metering: the charges of each key, recomputed from the account's entries and compared with the key's meter."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tokenharbor.kernel.ids import UUID, show
from tokenharbor.kernel.money import Usd
from tokenharbor.ledger.entry import Entry
from tokenharbor.ledger.faults import FaultError
from tokenharbor.ledger.periods import day_end, month_end

_INSTANT = timedelta(microseconds=1)
_MOST_LATE = 100_000  # charges that may arrive after their period's end


@dataclass(slots=True)
class _Period:
    """The charges of a key in the current period of its meter.

    A charge may be late: if another request has already begun the next period, it counts in that one. So the last
    charges before `start` may or may not be part of the sum.
    """

    start: datetime
    begun: bool = False
    spent: int = 0
    before: deque[int] = field(default_factory=lambda: deque(maxlen=_MOST_LATE))

    def take(self, at: datetime, amount: int) -> None:
        if self.begun or at >= self.start:
            self.begun = True
            self.spent += amount
        else:
            self.before.append(amount)

    def allows(self, stated: int, unknown: int) -> bool:
        total = self.spent
        for amount in (0, *reversed(self.before)):
            total += amount
            if total > stated:
                return False
            if stated <= total + unknown:
                return True
        return False


class _Key:
    """A key's meter as stored, and as recomputed."""

    def __init__(self, key_id: UUID, row: Mapping[str, Any]) -> None:
        self.key_id = key_id
        self.row = row
        self.charged = 0
        self.last: datetime | None = None
        end: datetime | None = row["day_end"]
        self.day = None if end is None else _Period(end - timedelta(days=1))
        self.month = (
            None if end is None else _Period((end - _INSTANT).replace(day=1, hour=0, minute=0, second=0, microsecond=0))
        )

    def take(self, at: datetime, amount: int) -> None:
        self.charged += amount
        if self.last is None or at > self.last:
            self.last = at
        if self.day is not None and self.month is not None:
            self.day.take(at, amount)
            self.month.take(at, amount)

    def fault(self, unknown: "_UnknownCharges") -> str | None:
        row, day, month = self.row, self.day, self.month
        if not self.charged <= row["spent"] <= self.charged + unknown.amount:
            return f"was charged {Usd(self.charged)}, but its meter has {Usd(row['spent'])}"
        if day is None or month is None:
            unused = self.last is None and row["month_end"] is None and row["day_spent"] == row["month_spent"] == 0
            return None if unused else "has requests, but its meter has no period"
        last = row["day_end"] - _INSTANT
        if (day_end(last), month_end(last)) != (row["day_end"], row["month_end"]) or self.ended > row["day_end"]:
            return f"has a meter whose day ends at {row['day_end']:%Y-%m-%d %H:%M:%S} and month at {row['month_end']}"
        if not day.allows(row["day_spent"], unknown.since[day.start]):
            return f"was charged {Usd(day.spent)} in its day, but its meter has {Usd(row['day_spent'])}"
        if not month.allows(row["month_spent"], unknown.since[month.start]):
            return f"was charged {Usd(month.spent)} in its month, but its meter has {Usd(row['month_spent'])}"
        return None

    @property
    def ended(self) -> datetime:
        """The end of the day of the last charge."""
        return self.row["day_end"] if self.last is None else day_end(self.last)


class _UnknownCharges:
    """Charges whose key is unknown because their requests' rows were dropped: their total, and their total since the
    beginning of each period of the keys.
    """

    def __init__(self, keys: Iterable[_Key]) -> None:
        self.amount = 0
        self.since = {period.start: 0 for key in keys for period in (key.day, key.month) if period is not None}

    def take(self, at: datetime, amount: int) -> None:
        self.amount += amount
        for start in self.since:
            if at >= start:
                self.since[start] += amount


@dataclass(frozen=True, slots=True)
class UnchargedDay:
    """The current day of a key's meter, if the key was charged nothing in it: some request must have ended that day."""

    key_id: UUID
    start: datetime
    end: datetime


class KeyMeterAudit:
    """A check of the meters of an account's keys. It takes requests' entries in order. Every call raises FaultError."""

    def __init__(self, meters: Mapping[UUID, Mapping[str, Any]]) -> None:
        self._keys = {key_id: _Key(key_id, row) for key_id, row in meters.items()}
        self._unknown = _UnknownCharges(self._keys.values())

    def take(self, entry: Entry, key_id: UUID | None) -> None:
        """Count an entry; `key_id` is None if the request's row is gone."""
        amount = entry.amount if entry.type == "usage" else 0
        if key_id is None:
            self._unknown.take(entry.at, amount)
        else:
            key = self._keys.get(key_id)
            if key is None:
                raise FaultError(f"{show('req', entry.id)} names {show('key', key_id)}, which has no meter")
            key.take(entry.at, amount)

    def close(self, spent: int) -> None:
        """Compare all meters with their entries, and their sum with the wallet's `spent`."""
        for key in self._keys.values():
            fault = key.fault(self._unknown)
            if fault is not None:
                raise FaultError(f"{show('key', key.key_id)} {fault}")
        metered = sum(key.row["spent"] for key in self._keys.values())
        if metered != spent:
            raise FaultError(f"the meters of the keys add up to {Usd(metered)}, but {Usd(spent)} is spent")

    def uncharged_days(self) -> Iterator[UnchargedDay]:
        """Yield the current day of each meter whose key was charged nothing in it."""
        for key in self._keys.values():
            day = key.day
            if day is not None and not day.begun and not self._unknown.since[day.start]:
                yield UnchargedDay(key.key_id, day.start, key.row["day_end"])
