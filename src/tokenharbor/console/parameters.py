"""Parameters that several routes have: idempotency keys, spans of time, filters."""

from datetime import UTC, datetime
from typing import Annotated

import msgspec
from litestar.params import HeaderParameter, QueryParameter

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.kernel.money import Usd

IdempotencyKey = Annotated[
    str,
    HeaderParameter(
        name="Idempotency-Key",
        min_length=1,
        max_length=100,
        pattern=r"^[\x21-\x7e]+$",
        description="The same key is the same request: what was done is not done again.",
    ),
]

Since = Annotated[datetime | None, QueryParameter(description="Start, inclusive; a time without a zone is in UTC.")]
Until = Annotated[datetime | None, QueryParameter(description="End, exclusive; likewise.")]

Line = Annotated[str, msgspec.Meta(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""A line of text, such as a reason."""

Name = Annotated[str, msgspec.Meta(max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]


def in_utc(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def posted_key(key: str) -> str:
    """An idempotency key as it is stored: none of a caller's is one of our own."""
    return f"api-{key}"


def positive(amount: Usd | None, param: str) -> Usd | None:
    """Raises InvalidRequest for an amount of nothing, or below it."""
    if amount is not None and amount <= 0:
        raise InvalidRequest("an amount is above zero", param=param)
    return amount
