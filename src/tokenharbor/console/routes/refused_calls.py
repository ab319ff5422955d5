"""Routes of refused calls, which were refused before a hold and have no receipt: their number by key and code."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final, Literal, Self

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery, QueryParameter

from tokenharbor.console.authority import Right
from tokenharbor.console.context import AccountId, Conn, Context
from tokenharbor.console.lists import parse_id
from tokenharbor.kernel import ids
from tokenharbor.kernel.documents import Document
from tokenharbor.ledger.refused_calls import RefusedCalls, read_refused_calls

KeyShown = Annotated[str | None, QueryParameter(description="Only calls of this key.")]


class RefusedCallsDocument(Document, frozen=True):
    """The number of refused calls of an error code. By key: `hour` is the latest UTC hour, and a null `key` counts the
    remaining keys of an account with very many. By hour: all keys together.
    """

    code: str
    calls: int
    key: str | None
    hour: datetime

    @classmethod
    def of(cls, refused: RefusedCalls) -> Self:
        key = None if refused.key_id is None else ids.show("key", refused.key_id)
        return cls(code=refused.code, calls=refused.calls, key=key, hour=refused.hour)


@get(
    "/api/accounts/{account_id:str}/refused-calls",
    right=Right.READ,
    operation_id="listRefusedCalls",
    tags=["usage"],
)
async def show_refused(
    conn: Conn,
    context: Context,
    account: AccountId,
    by: FromQuery[Literal["key", "hour"]] = "key",
    key: KeyShown = None,
) -> list[RefusedCallsDocument]:
    """List the calls of the last seven days that were refused at once, by error code. They cost nothing and have no
    receipt. Returns at most 1,000 rows, the most calls first; with `by=hour`, the latest first.
    """
    key_id = None if key is None else parse_id("key", key, "key")
    found = await read_refused_calls(conn, account, context.world.clock.now(), key_id=key_id, by_hour=by == "hour")
    return [RefusedCallsDocument.of(each) for each in found]


REFUSED_CALL_ROUTES: Final[Sequence[HTTPRouteHandler]] = (show_refused,)
