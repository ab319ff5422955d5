"""What processors' files share: answers read into types, messages without secrets, and the hash of an instrument."""

import hashlib
import hmac
import re
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from tokenharbor.kernel.errors import ProcessorUnavailable
from tokenharbor.kernel.money import Money

T = TypeVar("T")

HashInstrument = Callable[[str], str]
"""From what a processor calls an instrument to what the books keep of it."""

_LONGEST_REASON = 300
_KEY_LIKE = re.compile(r"\b(?:sk|rk|pk|whsec)_\w+|\bBearer\s+\S+|[\w.+-]+@[\w-]+\.[\w.-]+", re.IGNORECASE)


def instrument_hasher(key: bytes) -> HashInstrument:
    """Keyed, so that nobody can try card fingerprints or payers' ids against the books."""
    return lambda name: hmac.new(key, name.encode(), hashlib.sha256).hexdigest()[:32]


def read_answer(kind: type[T], answer: Any, who: str) -> T:
    """An answer's fields. Raises ProcessorUnavailable for one that lacks what must be there: it may have happened."""
    try:
        return msgspec.convert(answer, kind)
    except (msgspec.ValidationError, RecursionError):
        raise ProcessorUnavailable(f"{who} gave an answer that lacks what it should have; try again") from None


def read_amount(currency: str | None, minor: int | None, who: str) -> Money:
    """Raises ProcessorUnavailable for what is no amount that the books know."""
    try:
        return Money((currency or "").upper(), -1 if minor is None else minor)
    except ValueError:
        raise ProcessorUnavailable(f"{who} gave an answer without a usable amount; try again") from None


def amount_or_none(currency: str | None, minor: int | None) -> Money | None:
    """None for what is missing, or in a currency that the books do not have."""
    try:
        return Money((currency or "").upper(), -1 if minor is None else minor)
    except ValueError:
        return None


def for_people(reason: str | None, otherwise: str) -> str:
    """A processor's words in one line, without what looks like a key or an address."""
    words = " ".join(_KEY_LIKE.sub("…", reason or "").split())
    return words[:_LONGEST_REASON] or otherwise
