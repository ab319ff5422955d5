"""Parameters that several routes have: idempotency keys, spans of time, filters."""

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
        description="The same key is the same request: what was done is not done again.",
    ),
]

OnceKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        min_length=1,
        max_length=100,
        pattern=_PRINTABLE,
        description="The same key makes no second one: the answer is a 409 that names what was made.",
    ),
]

Since = Annotated[datetime | None, QueryParameter(description="Start, inclusive; a time without a zone is in UTC.")]
Until = Annotated[datetime | None, QueryParameter(description="End, exclusive; likewise.")]

ONE_LINE: Final = r"^[^\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]*(?![\s\S])"
"""No control characters, and none that turn the direction of what is read. Not `$`, which takes a line's end, too."""

Line = Annotated[str, msgspec.Meta(max_length=500, pattern=ONE_LINE)]
"""A line of text, such as a reason."""

Name = Annotated[str, msgspec.Meta(max_length=100, pattern=ONE_LINE)]

Filter = Annotated[str | None, QueryParameter(max_length=200, pattern=ONE_LINE)]
"""Only what has this name."""

Moment = Annotated[datetime, msgspec.Meta(tz=True)]

_FIRST = datetime(2000, 1, 1, tzinfo=UTC)  # there is nothing before it; a database knows fewer times than Python
_LAST = datetime(2900, 1, 1, tzinfo=UTC)


def in_utc(moment: datetime | None) -> datetime | None:
    """Within the times that there can be."""
    if moment is None:
        return None
    stated = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return min(max(stated, _FIRST), _LAST).astimezone(UTC)


def to_come(moment: datetime | None, now: datetime, param: str) -> datetime | None:
    """When something expires; None: never. Raises InvalidRequest for what is past, or beyond all calendars."""
    if moment is not None and not now < moment < _LAST:
        raise InvalidRequest("It expires at a time to come, before the year 2900.", param=param).because(
            ErrorReason.EXPIRY_INVALID
        )
    return moment


def posted_key(key: str) -> str:
    """An idempotency key as it is stored: none of a caller's is one of our own."""
    return f"api-{key}"


def positive(amount: Usd | None, param: str) -> Usd | None:
    """Raises InvalidRequest for an amount of nothing, or below it."""
    if amount is not None and amount <= 0:
        raise InvalidRequest("an amount is above zero", param=param).because(ErrorReason.AMOUNT_NOT_POSITIVE)
    return amount
