"""Passwords found in breaches, as a sorted file of short digests (made by scripts/make_common_passwords.py)."""

import hashlib
from bisect import bisect_left
from pathlib import Path
from typing import Final

FILE: Final = Path(__file__).parent / "common_passwords.bin"

_SIZE: Final = 5


class CommonPasswords:
    """The file, held in memory (200 kB)."""

    def __init__(self) -> None:
        self._digests = FILE.read_bytes()
        self._places = range(len(self._digests) // _SIZE)

    def __contains__(self, password: str) -> bool:
        """Return whether the password is in the file, ignoring case."""
        wanted = digest(normalise(password))
        place = bisect_left(self._places, wanted, key=self._at)
        return place < len(self._places) and self._at(place) == wanted

    def _at(self, place: int) -> bytes:
        return self._digests[place * _SIZE : (place + 1) * _SIZE]


def normalise(password: str) -> str:
    return password.casefold()


def digest(password: str) -> bytes:
    return hashlib.sha256(password.encode()).digest()[:_SIZE]
