"""Routes of live events: an account's events as a stream."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, Final

from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import HeaderParameter
from litestar.response import Stream

from tokenharbor.console.authority import Right
from tokenharbor.console.context import AccountId, context_of
from tokenharbor.console.guard import check_access
from tokenharbor.kernel.errors import RateLimited, Refusal
from tokenharbor.kernel.ids import UUID

_NUMBER = re.compile(r"[0-9]{1,18}")
_HEARTBEAT_SECONDS: Final = 20.0
_HEARTBEAT: Final = b"event: heartbeat\ndata: {}\n\n"
_RETRY: Final = b"retry: 3000\n\n"
_HEADERS: Final = {"cache-control": "no-store", "x-accel-buffering": "no"}

AnyRequest = Request[Any, Any, Any]
LastEventId = Annotated[str | None, HeaderParameter(name="Last-Event-ID", description="Id of the last event received.")]


@get(
    "/api/accounts/{account_id:str}/events",
    right=Right.READ,
    operation_id="streamEvents",
    tags=["account"],
    media_type="text/event-stream",
)
async def stream_events(request: AnyRequest, account: AccountId, last_event_id: LastEventId = None) -> Stream:
    """Stream the account's events as server-sent events: `balance`, `request` and `cashback`, each with its document,
    and `heartbeat` after 20 seconds without any. `Last-Event-ID` resumes after that event; an event can come twice.
    """
    context_of(request).live.check_watcher_limits(account)
    events = _events(request, account, event_number(last_event_id))
    return Stream(events, media_type="text/event-stream", headers=_HEADERS)


def event_number(last_event_id: str | None) -> int | None:
    """Parse an event's id. An invalid one is ignored, as the browser would send it again and again."""
    return int(last_event_id) if last_event_id and _NUMBER.fullmatch(last_event_id) else None


async def _events(request: AnyRequest, account: UUID, after: int | None) -> AsyncIterator[bytes]:
    """Yield events until the client disconnects or loses access, which is checked every 20 seconds.

    Ends at once if too many watchers came at the same time.
    """
    yield _RETRY
    clock = context_of(request).world.clock
    checked = clock.monotonic()
    with contextlib.suppress(RateLimited):
        async with context_of(request).live.watch(account, after) as watcher:
            while True:
                try:
                    async with asyncio.timeout(_HEARTBEAT_SECONDS):
                        event = await watcher.events.get()
                    if event is None:
                        return
                    yield event.encode()
                except TimeoutError:
                    yield _HEARTBEAT
                if clock.monotonic() - checked >= _HEARTBEAT_SECONDS:
                    checked = clock.monotonic()
                    if not await _may_watch(request):
                        return


async def _may_watch(request: AnyRequest) -> bool:
    try:
        await check_access(request, request.route_handler)
    except Refusal:
        return False
    return True


EVENT_ROUTES: Final[Sequence[HTTPRouteHandler]] = (stream_events,)
