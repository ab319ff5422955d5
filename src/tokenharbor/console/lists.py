"""Lists in pages: the cursor is the sort key of the last row of the page before, unencrypted."""

from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeVar

import msgspec
from litestar.params import Parameter

from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.reasons import ErrorReason

D = TypeVar("D")
R = TypeVar("R")


class Page(msgspec.Struct, Generic[D], frozen=True):
    """A page of a list. Pass `next_cursor` as `cursor` to get the next page; null on the last page."""

    data: Sequence[D]
    next_cursor: str | None


Limit = Annotated[int, Parameter(ge=1, le=100, description="Number of items, at most.")]
Cursor = Annotated[str | None, Parameter(description="`next_cursor` of the previous page.")]


def page_of(rows: Sequence[R], limit: int, key_of: Callable[[R], str], show: Callable[[R], D]) -> Page[D]:
    """Return a page of `limit` rows, given up to `limit + 1`: the extra row means that there is a next page."""
    shown = rows[:limit]
    return Page([show(row) for row in shown], key_of(shown[-1]) if len(rows) > limit else None)


def parse_id(kind: ids.Kind, text: str, param: str = "id") -> UUID:
    """Parse an id from a path, a query or a cursor. Raises InvalidRequest."""
    try:
        return ids.parse(kind, text)
    except ValueError as error:
        raise InvalidRequest(str(error), param=param).because(ErrorReason.VALUE_INVALID, detail=str(error)) from None
