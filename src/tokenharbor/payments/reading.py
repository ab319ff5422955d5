"""Functions for all processors: reading answers, messages without secrets, and the hash of an instrument."""

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
"""Maps a processor's name of an instrument to the hash that the books keep."""

_LONGEST_REASON = 300
_KEY_LIKE = re.compile(r"\b(?:sk|rk|pk|whsec)_\w+|\bBearer\s+\S+|[\w.+-]+@[\w-]+\.[\w.-]+", re.IGNORECASE)


def instrument_hasher(key: bytes) -> HashInstrument:
    """Return a keyed hash function, so that nobody can test card fingerprints or payers' ids against the books."""
    return lambda name: hmac.new(key, name.encode(), hashlib.sha256).hexdigest()[:32]


def read_answer(kind: type[T], answer: Any, who: str) -> T:
    """Convert an answer. Raises ProcessorUnavailable if a required field is missing: the call may have succeeded."""
    try:
        return msgspec.convert(answer, kind)
    except (msgspec.ValidationError, RecursionError):
        raise ProcessorUnavailable(f"{who} sent an answer without a required field; try again") from None


def read_amount(currency: str | None, minor: int | None, who: str) -> Money:
    """Return an amount. Raises ProcessorUnavailable if it is malformed or in an unknown currency."""
    try:
        return Money((currency or "").upper(), -1 if minor is None else minor)
    except ValueError:
        raise ProcessorUnavailable(f"{who} sent an answer without a usable amount; try again") from None


def amount_or_none(currency: str | None, minor: int | None) -> Money | None:
    """Return an amount, None if it is missing or in a currency that the books do not have."""
    try:
        return Money((currency or "").upper(), -1 if minor is None else minor)
    except ValueError:
        return None


def sanitize_message(reason: str | None, otherwise: str) -> str:
    """Return a processor's message on one line, with anything like a key or an e-mail address removed."""
    words = " ".join(_KEY_LIKE.sub("…", reason or "").split())
    return words[:_LONGEST_REASON] or otherwise
