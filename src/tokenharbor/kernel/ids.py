"""Ids: UUIDv7 (RFC 9562), shown as a prefix and 26 characters of base32 that sort by time."""

from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import UUID, SafeUUID  # noqa: TID251  the one place where ids are made

from tokenharbor.kernel.clock import Clock
from tokenharbor.kernel.entropy import Entropy

__all__ = ["UUID", "Ids", "Kind", "ShownIds", "made_at", "of_digest", "parse", "show"]

_Books = Literal["acct", "user", "key", "req", "ent", "hold", "lot", "video", "gw", "conv"]
_Payments = Literal["topup", "rew", "code", "refund", "dispute", "payee", "withdrawal"]
_Access = Literal["sess", "mkey", "pkey", "inv", "mail", "chg"]
Kind = _Books | _Payments | _Access

_ALPHABET = "0123456789abcdefghijklmnopqrstuv"  # base32hex: its order is the numbers' order
_PAIRS = tuple(a + b for a in _ALPHABET for b in _ALPHABET)
_VALUES = {letter: value for value, letter in enumerate(_ALPHABET)}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_VERSION_7 = 7 << 76 | 2 << 62  # version and variant
_OURS = (1 << 128) - 1 & ~(15 << 76 | 3 << 62)  # every other bit
_TAIL = 8  # letters
_SERIES = 1 << 5 * _TAIL - 2  # raises the letter before the tail; the last letter holds three bits
_bare, _set = object.__new__, object.__setattr__


class Ids:
    """A maker of ids that never repeat and never go backwards within one process."""

    def __init__(self, clock: Clock, entropy: Entropy) -> None:
        self._clock = clock
        self._entropy = entropy
        self._last = 0
        self._last_ms = 0

    def new(self) -> UUID:
        now_ms = self._clock.unix_ms()
        if now_ms > self._last_ms:
            self._last_ms = now_ms
            drawn = int.from_bytes(self._entropy.bytes(10), "big")
            self._last = (now_ms << 80 | drawn) & _OURS | _VERSION_7
        else:  # the same millisecond, or a clock set back: go on from the last one
            self._last += 1
        return _uuid(self._last)

    def series(self, kind: Kind) -> "ShownIds":
        """Return a series of shown ids at a tenth of the cost of `new` and `show`, for answers that are not stored."""
        self.new()
        self._last += _SERIES  # so that two series of one millisecond differ before their tails
        return ShownIds(kind, _uuid(self._last))


def _uuid(value: int) -> UUID:
    uuid = _bare(UUID)  # its constructor takes three times as long, mostly for checks
    _set(uuid, "int", value)
    _set(uuid, "is_safe", SafeUUID.unknown)
    return uuid


def of_digest(digest: bytes) -> UUID:
    """Return an id made of 16 bytes of a digest; it has no time."""
    return _uuid(int.from_bytes(digest, "big"))


def show(kind: Kind, uuid: UUID) -> str:
    """Return an id as text: its kind, such as `req_`, then 26 characters."""
    p = _PAIRS
    v = uuid.int << 2  # 130 bits: 13 pairs of five-bit letters, written out since a loop takes twice as long
    return (
        f"{kind}_{p[v >> 120]}{p[v >> 110 & 1023]}{p[v >> 100 & 1023]}{p[v >> 90 & 1023]}{p[v >> 80 & 1023]}"
        f"{p[v >> 70 & 1023]}{p[v >> 60 & 1023]}{p[v >> 50 & 1023]}{p[v >> 40 & 1023]}{p[v >> 30 & 1023]}"
        f"{p[v >> 20 & 1023]}{p[v >> 10 & 1023]}{p[v & 1023]}"
    )


class ShownIds:
    """A series of shown ids next to a first one: see `Ids.series`. They differ from it in the tail, which is a letter
    that no id of `Ids` has there, and a count.
    """

    def __init__(self, kind: Kind, first: UUID) -> None:
        text = show(kind, first)
        letter = "h" if text[-_TAIL] == "g" else "g"
        self._begin = f"{text[:-_TAIL]}{letter}".encode()
        self._count = 0

    def next(self) -> bytes:
        self._count = count = (self._count + 1) % 1_000_000
        return b"%b%06d0" % (self._begin, count)


def parse(kind: Kind, text: str) -> UUID:
    """Return the id that `show` wrote. Raises ValueError for anything else."""
    prefix, _, letters = text.partition("_")
    if prefix != kind or len(letters) != 26:
        raise ValueError(f"not an id (expected {kind}_ and 26 characters): {text[:60]!r}")
    value = 0
    for letter in letters:
        if letter not in _VALUES:
            raise ValueError(f"not an id (expected {kind}_ and 26 characters): {text[:60]!r}")
        value = (value << 5) | _VALUES[letter]
    if value & 3:
        raise ValueError(f"not a valid {kind}_ id (its last character is impossible): {text[:60]!r}")
    return UUID(int=value >> 2)


def made_at(uuid: UUID) -> datetime:
    """Return when an id was made, to the millisecond."""
    return _EPOCH + timedelta(milliseconds=uuid.int >> 80)
