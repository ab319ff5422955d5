"""Routes of usage: requests, receipts, totals and CSV."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Stream
from msgspec.structs import replace

from tokenharbor.accounts.usage import UsageDivision, read_usage
from tokenharbor.accounts.usage_documents import UsageReportDocument
from tokenharbor.accounts.usage_export import UsageSpan, export_usage
from tokenharbor.billing.detail import CacheLayer, Status
from tokenharbor.billing.documents import ReceiptDocument, RequestDocument
from tokenharbor.console.answers import stream_csv
from tokenharbor.console.authority import Right
from tokenharbor.console.context import AccountId, ConsoleContext, Context, Heavy
from tokenharbor.console.lists import Cursor, Limit, Page, page_of, parse_id
from tokenharbor.console.parameters import Filter, Since, Until, in_utc
from tokenharbor.kernel import ids
from tokenharbor.kernel.documents import Document
from tokenharbor.kernel.errors import InvalidRequest, NotFound
from tokenharbor.kernel.reasons import ErrorReason
from tokenharbor.ledger.history import RequestFilter, RequestHistory
from tokenharbor.ledger.sessions import read_stages

_USUAL_SPAN: Final = timedelta(days=30)
_CHOICES_SPAN: Final = timedelta(days=90)
_LONGEST_SPAN: Final = timedelta(days=400)
_MOMENT: Final = timedelta(microseconds=1)
_LONGEST_BY_HOUR: Final = timedelta(days=31)

By = Annotated[
    list[UsageDivision] | None, QueryParameter(name="by", description="Dimensions to group by; default `day`.")
]


class RequestChoices(Document, frozen=True):
    """Values to filter requests by: those that the account used in the last 90 days."""

    models: Sequence[str]
    providers: Sequence[str]
    keys: Sequence[str]
    stages: Sequence[str]


@get("/api/accounts/{account_id:str}/requests", right=Right.READ, operation_id="listRequests", tags=["usage"])
async def list_requests(
    heavy: Heavy,
    account: AccountId,
    model: Filter = None,
    provider: Filter = None,
    key: FromQuery[str | None] = None,
    status: FromQuery[Status | None] = None,
    cache: FromQuery[CacheLayer | None] = None,
    stage: Filter = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[RequestDocument]:
    """List requests, newest first. With a filter, a page can have fewer than `limit` and still have a next page."""
    wanted = RequestFilter(
        before=None if cursor is None else parse_id("req", cursor, "cursor"),
        model=model,
        provider=provider,
        key_id=None if key is None else parse_id("key", key, "key"),
        status=status,
        cache=cache,
        stage=stage,
        most=limit + 1,
    )
    read = await RequestHistory(heavy).requests(account, wanted)
    page = page_of(
        read.found, limit, lambda row: ids.show("req", row[0].request_id), lambda row: RequestDocument.of(*row)
    )
    return page if read.searched_to is None else replace(page, next_cursor=ids.show("req", read.searched_to))


@get(
    "/api/accounts/{account_id:str}/requests/choices",
    right=Right.READ,
    operation_id="listRequestChoices",
    tags=["usage"],
)
async def list_choices(heavy: Heavy, context: Context, account: AccountId) -> RequestChoices:
    """List the values to filter requests by."""
    now = context.world.clock.now() + _MOMENT
    since = now - _CHOICES_SPAN
    report = await read_usage(heavy, account, since=since, until=now, by=("key", "model", "provider"))
    stages = await read_stages(heavy, account, since.date(), now.date() + timedelta(days=1))
    return RequestChoices(
        models=sorted({each.model for each in report.totals if each.model}),
        providers=sorted({each.provider for each in report.totals if each.provider}),
        keys=sorted({ids.show("key", each.key_id) for each in report.totals if each.key_id is not None}),
        stages=[each.stage for each in stages],
    )


@get(
    "/api/accounts/{account_id:str}/requests/{request_id:str}",
    right=Right.READ,
    operation_id="getReceipt",
    tags=["usage"],
    responses={200: ResponseSpec(ReceiptDocument, generate_examples=False, description="The receipt")},
)
async def show_receipt(context: Context, account: AccountId, request_id: FromPath[str]) -> Response[Any]:
    """Get a request's signed receipt with its proof. Verify the exact bytes of the answer."""
    wanted = parse_id("req", request_id, "request_id")
    async with context.pool.acquire() as conn:  # returned before the prover takes another
        past = await RequestHistory(conn).request(account, wanted)
    if past is None:
        raise NotFound("There is no such request.")
    content = msgspec.json.encode(await context.prover.receipt(past))
    return Response(content, media_type="application/json")


@get("/api/accounts/{account_id:str}/usage", right=Right.READ, operation_id="getUsage", tags=["usage"])
async def show_usage(
    heavy: Heavy, context: Context, account: AccountId, by: By = None, since: Since = None, until: Until = None
) -> UsageReportDocument:
    """Get the account's usage and cost, in whole UTC hours. The default is the last 30 days."""
    start, end = _span(context, since, until, _LONGEST_BY_HOUR if by and "hour" in by else _LONGEST_SPAN)
    dimensions: list[UsageDivision] = by or ["day"]
    report = await read_usage(heavy, account, since=start, until=end, by=dimensions)
    return UsageReportDocument.of(report, dimensions)


@get(
    "/api/accounts/{account_id:str}/usage.csv",
    right=Right.READ,
    operation_id="exportUsage",
    tags=["usage"],
    media_type="text/csv",
)
async def export_requests(context: Context, account: AccountId, since: Since = None, until: Until = None) -> Stream:
    """Export usage as CSV, one row per request, oldest first. The default is the whole history."""
    span = UsageSpan(in_utc(since), in_utc(until))
    name = f"tokenharbor-usage-{context.world.clock.now().date()}.csv"
    return await stream_csv(context, account, lambda conn: export_usage(conn, account, span), name)


USAGE_ROUTES: Final[Sequence[HTTPRouteHandler]] = (
    list_requests,
    list_choices,
    show_receipt,
    show_usage,
    export_requests,
)


def _span(
    context: ConsoleContext, since: datetime | None, until: datetime | None, longest: timedelta
) -> tuple[datetime, datetime]:
    end = in_utc(until) or context.world.clock.now() + _MOMENT  # includes requests that end now
    start = in_utc(since) or end - min(_USUAL_SPAN, longest)
    if not start < end <= start + longest:
        raise InvalidRequest(f"`since` must be before `until`, by at most {longest.days} days.", param="since").because(
            ErrorReason.SPAN_INVALID, days=longest.days
        )
    return start, end
