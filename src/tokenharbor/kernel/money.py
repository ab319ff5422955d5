"""Money: whole nano-USD in one type, amounts of payments in minor units, and the only rounding in the house."""

import re
from collections.abc import Callable
from typing import Final, Self

import msgspec

NANO_PER_USD = 1_000_000_000
PICO_PER_NANO = 1_000
MAX_NANO = 2**63 - 1  # PostgreSQL's BIGINT

_DECIMAL = re.compile(r"(-?)(\d{1,10})(?:\.(\d{1,9}))?", re.ASCII)
_LOOKS_LIKE_A_STATUS = re.compile("429|50[0234]|524")
"""Digits in a refusal's message that some clients take for a transient status, and then retry again and again. So an
amount in a sentence is rounded to fewer places, down to cents, until it has none of them. From $100 on that may not be
enough.
"""


class Usd(int):
    """An amount in whole nano-USD. Sums and differences of amounts are amounts; nothing else is."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a decimal string of US dollars, exactly: at most nine places, else ValueError."""
        match = _DECIMAL.fullmatch(text)
        if match is None:
            raise ValueError(f"not an amount in USD with at most nine places: {text[:40]!r}")
        sign, whole, places = match.groups()
        nano = int(whole) * NANO_PER_USD + int((places or "").ljust(9, "0"))
        if nano > MAX_NANO:
            raise ValueError(f"amount out of range: {text[:40]!r}")
        return cls(-nano if sign else nano)

    def __add__(self, other: int) -> "Usd":
        return Usd(int.__add__(self, other))

    def __sub__(self, other: int) -> "Usd":
        return Usd(int.__sub__(self, other))

    def __neg__(self) -> "Usd":
        return Usd(int.__neg__(self))

    def __str__(self) -> str:
        """Return the amount in US dollars with nine places, as all fields show it."""
        if self < 0:
            return f"-{-self}"
        return "%d.%09d" % divmod(self, NANO_PER_USD)  # noqa: UP031  faster than an f-string with two names

    def brief_down(self) -> str:
        """Return the amount for a sentence: exact, with at least two places; rounded down if it looks like a status."""
        return self._brief(lambda step: self // step * step)

    def brief_up(self) -> str:
        """Return the amount for a sentence likewise, but rounded up."""
        return self._brief(lambda step: -(-self // step) * step)

    def _brief(self, rounded: Callable[[int], int]) -> str:
        exactly_first = (_trimmed(Usd(rounded(10**left_out))) for left_out in range(8))
        return next((text for text in exactly_first if not _LOOKS_LIKE_A_STATUS.search(text)), _trimmed(self))

    def __repr__(self) -> str:
        return f"Usd({int(self)})"


def _trimmed(amount: Usd) -> str:
    whole, _, places = str(amount).partition(".")
    return f"{whole}.{places.rstrip('0').ljust(2, '0')}"


ZERO = Usd(0)


def round_up(numerator: int, denominator: int = 1) -> Usd:
    """Return the quotient rounded up to a whole nano-dollar; for charges."""
    return Usd(-(-numerator // denominator))


def round_down(numerator: int, denominator: int = 1) -> Usd:
    """Return the quotient rounded down to a whole nano-dollar; for incentives and refunds."""
    return Usd(numerator // denominator)


CURRENCIES: Final = ("USD", "CNY")
"""The currencies of payments; each has 100 minor units."""

NANO_PER_CENT = NANO_PER_USD // 100

_TWO_PLACES = re.compile(r"(\d{1,12})(?:\.(\d{1,2}))?", re.ASCII)


class Money(msgspec.Struct, frozen=True, order=False):
    """An amount of a payment: a currency of `CURRENCIES`, and whole minor units (cents, fen). Never below zero."""

    currency: str
    minor: int

    def __post_init__(self) -> None:
        if self.currency not in CURRENCIES:
            raise ValueError(f"not a currency of payments: {self.currency[:10]!r}")
        if not 0 <= self.minor <= MAX_NANO:
            raise ValueError(f"amount out of range: {self.minor}")

    @classmethod
    def parse(cls, text: str, currency: str) -> Self:
        """Read a decimal string with at most two places, exactly; else ValueError."""
        match = _TWO_PLACES.fullmatch(text)
        if match is None:
            raise ValueError(f"not an amount with at most two places: {text[:40]!r}")
        whole, places = match.groups()
        return cls(currency, int(whole) * 100 + int((places or "").ljust(2, "0")))

    @classmethod
    def of_usd_down(cls, amount: Usd) -> Self:
        """Return an amount of USD rounded down to whole cents."""
        return cls("USD", amount // NANO_PER_CENT)

    @property
    def decimal(self) -> str:
        """The amount alone, with two places."""
        return "%d.%02d" % divmod(self.minor, 100)  # noqa: UP031  as in Usd

    def __str__(self) -> str:
        return f"{self.decimal} {self.currency}"

    def __add__(self, other: "Money") -> "Money":
        return Money(self.currency, self.minor + self._same(other))

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.currency, self.minor - self._same(other))

    def _same(self, other: "Money") -> int:
        if other.currency != self.currency:
            raise ValueError(f"{self} and {other} are in different currencies")
        return other.minor

    @property
    def usd(self) -> Usd:
        """The amount as `Usd`. Raises ValueError for another currency, which needs an exchange rate."""
        if self.currency != "USD":
            raise ValueError(f"{self} is not in USD")
        return Usd(self.minor * NANO_PER_CENT)
