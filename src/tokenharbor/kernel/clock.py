"""Time: the system's clock, a clock that simulations move by hand, and the formats of times."""

import time  # noqa: TID251  the one place where time is read
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Protocol, overload


def show_time(moment: datetime | None) -> str | None:
    """Return a time in UTC as ISO 8601, to the second."""
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@overload
def to_second(moment: datetime) -> datetime: ...
@overload
def to_second(moment: None) -> None: ...
@overload
def to_second(moment: datetime | None) -> datetime | None: ...
def to_second(moment: datetime | None) -> datetime | None:
    """Return a time in UTC without the fraction of the second, for documents."""
    return None if moment is None else moment.astimezone(UTC).replace(microsecond=0)


class Clock(Protocol):
    """A source of time. `now` is an aware UTC time; `monotonic` counts seconds from an arbitrary origin."""

    def now(self) -> datetime: ...

    def monotonic(self) -> float: ...

    def unix_ms(self) -> int: ...


class SystemClock:
    """The machine's clock."""

    now = staticmethod(partial(datetime.now, UTC))  # noqa: TID251  the one place; a partial saves a Python frame
    monotonic = staticmethod(time.monotonic)

    def unix_ms(self) -> int:
        return time.time_ns() // 1_000_000


class ManualClock:
    """A clock that moves only when `advance` is called; for simulations and tests."""

    def __init__(self, start: datetime) -> None:
        self._start = start
        self._elapsed = timedelta()

    def advance(self, by: timedelta) -> None:
        self._elapsed += by

    def now(self) -> datetime:
        return self._start + self._elapsed

    def monotonic(self) -> float:
        return self._elapsed.total_seconds()

    def unix_ms(self) -> int:
        return (self.now() - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
