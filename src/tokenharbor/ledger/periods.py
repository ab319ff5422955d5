"""The UTC days and months of budgets, and the split of a batch by day."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeVar


class _Timed(Protocol):
    @property
    def at(self) -> datetime: ...


Row = TypeVar("Row", bound=_Timed)


def is_one_day(rows: Sequence[Row]) -> bool:
    times = [row.at for row in rows]
    return len(times) == 1 or (bool(times) and min(times).date() == max(times).date())


def by_day(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Split rows into runs of one UTC day each, so that daily and monthly budgets start anew exactly at midnight."""
    if is_one_day(rows):
        yield rows
        return
    times = [row.at for row in rows]
    begin = 0
    for i in range(1, len(rows) + 1):
        if i == len(rows) or times[i].date() != times[begin].date():
            yield rows[begin:i]
            begin = i


def day_end(at: datetime) -> datetime:
    return _midnight(at) + timedelta(days=1)


def month_end(at: datetime) -> datetime:
    return (_midnight(at).replace(day=1) + timedelta(days=32)).replace(day=1)


def _midnight(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
