"""Lists that are read page by page: a cursor is the sort key of the last row that was shown, sealed against no one."""

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
    """A part of a list. `next_cursor` asks for the part after it; None: this is the last."""

    data: Sequence[D]
    next_cursor: str | None


Limit = Annotated[int, Parameter(ge=1, le=100, description="How many, at most.")]
Cursor = Annotated[str | None, Parameter(description="`next_cursor` of the page before.")]


def page_of(rows: Sequence[R], limit: int, key_of: Callable[[R], str], show: Callable[[R], D]) -> Page[D]:
    """A page of `limit`, from rows of which one more was read: whether it is there says whether another page is."""
    shown = rows[:limit]
    return Page([show(row) for row in shown], key_of(shown[-1]) if len(rows) > limit else None)


def parse_id(kind: ids.Kind, text: str, param: str = "id") -> UUID:
    """An id of a path, a query or a cursor. Raises InvalidRequest."""
    try:
        return ids.parse(kind, text)
    except ValueError as error:
        raise InvalidRequest(str(error), param=param).because(ErrorReason.VALUE_INVALID, detail=str(error)) from None
