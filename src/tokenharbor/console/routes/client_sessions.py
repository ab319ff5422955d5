"""Routes of client sessions: their list, the requests of each, and the usage of stages of work."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, Literal

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery

from tokenharbor.billing.session_documents import ClientSessionDetailDocument, ClientSessionDocument, StageDocument
from tokenharbor.console.authority import Right
from tokenharbor.console.context import AccountId, Context, Heavy
from tokenharbor.console.lists import Cursor, Limit, Page, page_of, parse_id
from tokenharbor.console.parameters import Since, Until, in_utc
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import InvalidRequest, NotFound
from tokenharbor.kernel.reasons import ErrorReason
from tokenharbor.ledger.sessions import list_sessions, read_session, read_stages, session_requests

_USUAL_SPAN: Final = timedelta(days=30)
_LONGEST_SPAN: Final = timedelta(days=400)
_DAY: Final = timedelta(days=1)


@get("/api/accounts/{account_id:str}/sessions", right=Right.READ, operation_id="listClientSessions", tags=["usage"])
async def show_sessions(
    heavy: Heavy, account: AccountId, limit: Limit = 50, cursor: Cursor = None
) -> Page[ClientSessionDocument]:
    """List client sessions, the last used first. A page can have fewer than `limit` and still have a next page."""
    before = None if cursor is None else parse_id("req", cursor, "cursor")
    read = await list_sessions(heavy, account, before, limit + 1)
    page = page_of(read.found, limit, lambda each: ids.show("req", each.last_id), ClientSessionDocument.of)
    if page.next_cursor is None and read.searched_to is not None:
        return Page(page.data, ids.show("req", read.searched_to))
    return page


@get(
    "/api/accounts/{account_id:str}/sessions/{session_id:str}",
    right=Right.READ,
    operation_id="getClientSession",
    tags=["usage"],
)
async def show_session(
    heavy: Heavy, account: AccountId, session_id: FromPath[str], limit: Limit = 50, cursor: Cursor = None
) -> ClientSessionDetailDocument:
    """Get a client session: its turns, cost, savings by caches, share of input read from providers' caches, and latest
    requests.
    """
    before = None if cursor is None else parse_id("req", cursor, "cursor")
    session = ids.show("conv", parse_id("conv", session_id, "session_id"))
    totals = await read_session(heavy, account, session)
    if totals is None:
        raise NotFound("There is no such session.")
    found = await session_requests(heavy, account, session, before, limit + 1)
    after = ids.show("req", found[limit - 1][0].request_id) if len(found) > limit else None
    return ClientSessionDetailDocument.of(session, totals, found[:limit], after)


@get("/api/accounts/{account_id:str}/usage/stages", right=Right.READ, operation_id="listStages", tags=["usage"])
async def show_stages(
    heavy: Heavy,
    context: Context,
    account: AccountId,
    by: FromQuery[Literal["day", "stage"]] = "day",
    since: Since = None,
    until: Until = None,
) -> Sequence[StageDocument]:
    """Get the usage of each stage of work, of requests for a model pool: by UTC day, or with `by=stage` in total. The
    default is the last 30 days.
    """
    end = in_utc(until) or context.world.clock.now()
    start = in_utc(since) or end - _USUAL_SPAN
    if not timedelta(0) <= end - start <= _LONGEST_SPAN:
        raise InvalidRequest(
            f"`since` must be before `until`, by at most {_LONGEST_SPAN.days} days.", param="since"
        ).because(ErrorReason.SPAN_INVALID, days=_LONGEST_SPAN.days)
    totals = await read_stages(heavy, account, start.date(), end.date() + _DAY, by_day=by == "day")
    return [StageDocument.of(each) for each in totals]


CLIENT_SESSION_ROUTES: Final[Sequence[HTTPRouteHandler]] = (show_sessions, show_session, show_stages)
