"""Randomness: the operating system's, and a seeded source for simulations."""

import os
import random  # noqa: TID251  the one place where randomness is drawn
from typing import Protocol

_BUFFER_BYTES = 4096  # one system call is enough for about 400 ids


class Entropy(Protocol):
    """A source of random bytes."""

    def bytes(self, count: int) -> bytes: ...


class SystemEntropy:
    """The operating system's randomness, read in bulk; fit for secrets."""

    def __init__(self) -> None:
        self._buffer = b""
        self._used = 0

    def bytes(self, count: int) -> bytes:
        if self._used + count > len(self._buffer):
            self._buffer = os.urandom(max(_BUFFER_BYTES, count))  # noqa: TID251  the one place
            self._used = 0
        start = self._used
        self._used += count
        return self._buffer[start : self._used]


class SeededEntropy:
    """A source that gives the same bytes for the same seed; for simulations and tests, never for secrets."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def bytes(self, count: int) -> bytes:
        return self._random.randbytes(count)
