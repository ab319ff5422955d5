"""Thousands of deadlines on one timer: members hold their deadline, and a sweep finds those that passed."""

import asyncio
from math import inf
from typing import Protocol

NEVER = inf


class HasDeadline(Protocol):
    """An object with a deadline in the loop's time; `NEVER` if it has none."""

    deadline: float

    def expire(self, now: float) -> None:
        """Handle a passed deadline: close, or set a later one."""


class DeadlineSweeper:
    """Sweeps its members when the earliest deadline passes, at most once per `resolution` seconds.

    Setting a deadline is an assignment and a comparison: `member.deadline = at; if at < sweeper.due: sweeper.arm(at)`.
    A deadline that is postponed before the sweep costs nothing.
    """

    __slots__ = ("_loop", "_members", "_resolution", "_timer", "due")

    def __init__(self, loop: asyncio.AbstractEventLoop, resolution: float = 0.05) -> None:
        self._loop = loop
        self._members: set[HasDeadline] = set()
        self._resolution = resolution
        self._timer: asyncio.TimerHandle | None = None
        self.due = NEVER  # the time of the next sweep

    def add(self, member: HasDeadline) -> None:
        self._members.add(member)

    def discard(self, member: HasDeadline) -> None:
        self._members.discard(member)

    def arm(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.due = at
        self._timer = self._loop.call_at(at, self._sweep)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        self.due = NEVER

    def _sweep(self) -> None:
        now = self._loop.time()
        self._timer = None
        self.due = now  # expiring members set deadlines without arming: the sweep arms once, below
        for member in [m for m in self._members if m.deadline <= now]:
            member.expire(now)
        earliest = min((m.deadline for m in self._members), default=NEVER)
        self.due = NEVER
        if earliest < NEVER:
            self.arm(max(earliest, now + self._resolution))
