"""Sealed answers in one process's memory: bounded in bytes, gone after their time."""

from collections import OrderedDict
from typing import NamedTuple

from tokenharbor.kernel.clock import Clock

_OVERHEAD = 300  # bytes of an entry beside its value: its name, its place in the table, two numbers
_LARGEST_SHARE = 16


class _Entry(NamedTuple):
    sealed: bytes
    until: float


class SealedMemory:
    """Values by name. What is full loses what was asked for least lately; time is the monotonic clock's."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()  # what was asked for least lately first
        self._ages: dict[bytes, float] = {}  # when each expires, the next to do so first
        self.bytes = 0
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, name: bytes) -> bytes | None:
        entry = self._entries.get(name)
        if entry is None:
            return None
        if entry.until <= self._clock.monotonic():
            self._drop(name)
            return None
        self._entries.move_to_end(name)
        return entry.sealed

    def keep(self, name: bytes, sealed: bytes, seconds: float, most_bytes: int) -> None:
        """What is so large that it would crowd out others is not kept."""
        size = len(sealed) + _OVERHEAD
        if size > largest(most_bytes):
            return
        if name in self._entries:
            self._drop(name)
        until = self._clock.monotonic() + seconds
        self._entries[name] = _Entry(sealed, until)
        self._ages[name] = until
        self.bytes += size
        while self.bytes > most_bytes:
            self._drop(next(iter(self._entries)))
            self.evicted += 1

    def sweep(self) -> None:
        """Forget what has expired, whether or not anybody asks for it. Where an edition's time becomes shorter, an
        older answer keeps its own, and younger ones wait for it.
        """
        now = self._clock.monotonic()
        while self._ages and (oldest := next(iter(self._ages.items())))[1] <= now:
            self._drop(oldest[0])

    def clear(self) -> None:
        self._entries.clear()
        self._ages.clear()
        self.bytes = 0

    def _drop(self, name: bytes) -> None:
        self.bytes -= len(self._entries.pop(name).sealed) + _OVERHEAD
        del self._ages[name]


def largest(most_bytes: int) -> int:
    """Bytes of the largest value that is kept."""
    return most_bytes // _LARGEST_SHARE
