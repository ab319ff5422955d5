"""Ids: UUIDv7 (RFC 9562), shown as a prefix and 26 characters of base32 that sort like their time."""

from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import UUID  # noqa: TID251  the one place where ids are made

from tokenharbor.kernel.clock import Clock
from tokenharbor.kernel.entropy import Entropy

__all__ = ["UUID", "Ids", "Kind", "at", "parse", "show"]

Kind = Literal["acct", "user", "key", "req", "ent", "hold", "lot"]

_ALPHABET = "0123456789abcdefghijklmnopqrstuv"  # base32hex: its order is the numbers' order
_PAIRS = tuple(a + b for a in _ALPHABET for b in _ALPHABET)
_VALUES = {letter: value for value, letter in enumerate(_ALPHABET)}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Ids:
    """Makes ids that never repeat and never go backwards within one process."""

    def __init__(self, clock: Clock, entropy: Entropy) -> None:
        self._clock = clock
        self._entropy = entropy
        self._last = 0

    def new(self) -> UUID:
        drawn = int.from_bytes(self._entropy.bytes(10), "big")
        low = (2 << 62) | (drawn & ((1 << 62) - 1))
        top = (self._clock.unix_ms() << 16) | 0x7000 | (drawn >> 68)
        value = (top << 64) | low
        if value <= self._last:  # the same millisecond, or a clock set back: go on from the last one
            value = self._last + 1
        self._last = value
        return UUID(int=value)


def show(kind: Kind, uuid: UUID) -> str:
    """`req_` and the like, then 26 characters."""
    value = uuid.int << 2  # 130 bits: 13 pairs of five-bit letters
    return f"{kind}_" + "".join([_PAIRS[(value >> shift) & 1023] for shift in range(120, -1, -10)])


def parse(kind: Kind, text: str) -> UUID:
    """The id behind what `show` wrote; ValueError for anything else."""
    prefix, _, letters = text.partition("_")
    if prefix != kind or len(letters) != 26:
        raise ValueError(f"not an id of the form {kind}_ and 26 characters: {text[:60]!r}")
    value = 0
    for letter in letters:
        if letter not in _VALUES:
            raise ValueError(f"not an id of the form {kind}_ and 26 characters: {text[:60]!r}")
        value = (value << 5) | _VALUES[letter]
    if value & 3:
        raise ValueError(f"not an id of the form {kind}_ and 26 characters: {text[:60]!r}")
    return UUID(int=value >> 2)


def at(uuid: UUID) -> datetime:
    """When the id was made, to the millisecond."""
    return _EPOCH + timedelta(milliseconds=uuid.int >> 80)
