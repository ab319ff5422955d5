"""Parameters shared by several routes: idempotency keys, times, filters, amounts."""

from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec
from litestar.params import HeaderParameter, QueryParameter

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.reasons import ErrorReason

_PRINTABLE: Final = r"^[\x21-\x7e]+(?![\s\S])"

IdempotencyKey = Annotated[
    str,
    HeaderParameter(
        name="Idempotency-Key",
        min_length=1,
        max_length=100,
        pattern=_PRINTABLE,
        description="Identifies the request: repeating it with the same key has no further effect.",
    ),
]

OnceKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        min_length=1,
        max_length=100,
        pattern=_PRINTABLE,
        description="Prevents duplicates: a second request with the same key gets a 409 that names the first's result.",
    ),
]

Since = Annotated[datetime | None, QueryParameter(description="Start, inclusive. UTC, unless it has a time zone.")]
Until = Annotated[datetime | None, QueryParameter(description="End, exclusive. UTC, unless it has a time zone.")]

ONE_LINE: Final = r"^[^\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]*(?![\s\S])"
"""No control characters, including those that change text direction. Not `$`, which also matches before a newline."""

Line = Annotated[str, msgspec.Meta(max_length=500, pattern=ONE_LINE)]
"""A line of text, such as a reason."""

Name = Annotated[str, msgspec.Meta(max_length=100, pattern=ONE_LINE)]

Filter = Annotated[str | None, QueryParameter(max_length=200, pattern=ONE_LINE)]
"""Filters a list by this name."""

Moment = Annotated[datetime, msgspec.Meta(tz=True)]

_FIRST = datetime(2000, 1, 1, tzinfo=UTC)  # earlier than all data, and within PostgreSQL's range
_LAST = datetime(2900, 1, 1, tzinfo=UTC)


def in_utc(moment: datetime | None) -> datetime | None:
    """Convert a time to UTC (its default zone), clamped to the years 2000 to 2900."""
    if moment is None:
        return None
    stated = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return min(max(stated, _FIRST), _LAST).astimezone(UTC)


def future_expiry(moment: datetime | None, now: datetime, param: str) -> datetime | None:
    """Return an expiry, None for never. Raises InvalidRequest unless it is in the future, before the year 2900."""
    if moment is not None and not now < moment < _LAST:
        raise InvalidRequest("The expiry must be in the future, before the year 2900.", param=param).because(
            ErrorReason.EXPIRY_INVALID
        )
    return moment


def stored_idempotency_key(key: str) -> str:
    """Return an idempotency key as stored, with a prefix that keeps it apart from our own keys."""
    return f"api-{key}"


def positive(amount: Usd | None, param: str) -> Usd | None:
    """Return an amount, or None. Raises InvalidRequest for an amount of 0 or below."""
    if amount is not None and amount <= 0:
        raise InvalidRequest("The amount must be above 0.", param=param).because(ErrorReason.AMOUNT_NOT_POSITIVE)
    return amount
