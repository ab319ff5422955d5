"""Sealed values in one process's memory, bounded in bytes and dropped when they expire."""

from collections import OrderedDict
from typing import NamedTuple

from tokenharbor.kernel.clock import Clock

_OVERHEAD = 300  # bytes of an entry beside its value: its name, its place in the table, two numbers
_LARGEST_SHARE = 16


class _Entry(NamedTuple):
    sealed: bytes
    until: float


class SealedMemory:
    """Sealed values by name. The least recently used ones are evicted first; expiry is by the monotonic clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()  # least recently used first
        self._ages: dict[bytes, float] = {}  # monotonic seconds of expiry, in order of insertion
        self.bytes = 0
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, name: bytes) -> bytes | None:
        entry = self._entries.get(name)
        if entry is None:
            return None
        if entry.until <= self._clock.monotonic():
            self._drop(name)
            return None
        self._entries.move_to_end(name)
        return entry.sealed

    def set(self, name: bytes, sealed: bytes, seconds: float, most_bytes: int) -> None:
        """Set a value for `seconds`. A value above `largest(most_bytes)` is not kept: it would evict too many
        others.
        """
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
        """Drop expired values, oldest first. After an edition shortens the time, newer values that expire earlier are
        dropped only once the older ones are.
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
    """Return the bytes of the largest value that is kept."""
    return most_bytes // _LARGEST_SHARE
