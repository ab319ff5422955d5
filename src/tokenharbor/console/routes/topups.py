"""Routes of top-ups and their receipts, and of auto top-up."""

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
from litestar import Response, delete, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter

from tokenharbor.console.answers import answer_pdf
from tokenharbor.console.authority import Right
from tokenharbor.console.context import AccountId, Caller, CallerFunding, Conn, ConsoleContext, Context
from tokenharbor.console.lists import Cursor, Limit, Page, page_of, parse_id
from tokenharbor.console.ownership import check_owner
from tokenharbor.console.parameters import IdempotencyKey, Name, stored_idempotency_key
from tokenharbor.funding import store
from tokenharbor.funding.auto import AutoTopUpSettings, set_auto_top_up, show_auto_top_up, switch_off_auto_top_up
from tokenharbor.funding.auto_documents import AutoTopUpDocument
from tokenharbor.funding.documents import TopUpDocument
from tokenharbor.funding.fulfil import fulfil
from tokenharbor.funding.payment_receipts import make_payment_receipt
from tokenharbor.funding.store import TopUpFilter
from tokenharbor.funding.top_up_balances import NOTHING_PAID, read_top_up_balances
from tokenharbor.funding.topups import TopUpRequest, open_top_up
from tokenharbor.funding.types import TopUp, TopUpState
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.signin.limits import TOP_UP_READS, TOP_UP_SYNCS, admit, allows

Progress = Annotated[TopUpState | None, QueryParameter(name="state", description="Only top-ups in this state.")]
Currency = Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}(?![\\s\\S])")]


class TopUpBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A top-up to open. The default processor and method are the edition's first. `save_method` saves the method for
    auto top-up, with the payer's consent.
    """

    amount_usd: Usd
    currency: Currency = "USD"
    processor: Name | None = None
    method: Name | None = None
    save_method: bool = False


class AutoTopUpBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of auto top-up: charge `amount_usd` when the balance falls below `threshold_usd`, at most `month_usd` in
    a UTC month.
    """

    threshold_usd: Usd
    amount_usd: Usd
    month_usd: Usd
    processor: Name | None = None


@get("/api/accounts/{account_id:str}/top-ups", right=Right.READ, operation_id="listTopUps", tags=["top-ups"])
async def list_top_ups(
    conn: Conn,
    context: Context,
    account: AccountId,
    progress: Progress = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[TopUpDocument]:
    """List top-ups, newest first."""
    before = None if cursor is None else parse_id("topup", cursor, "cursor")
    rows = await store.list_top_ups(conn, TopUpFilter(account, progress, before, limit + 1))
    balances = await read_top_up_balances(conn, context.policy().refunds, rows, context.world.clock.now())
    return page_of(
        rows,
        limit,
        lambda top_up: top_up.shown_id,
        lambda top_up: TopUpDocument.of(top_up, balances.get(top_up.id, NOTHING_PAID)),
    )


@post("/api/accounts/{account_id:str}/top-ups", right=Right.SPEND, operation_id="createTopUp", tags=["top-ups"])
async def create_top_up(
    context: Context,
    funding: CallerFunding,
    caller: Caller,
    account: AccountId,
    data: JSONBody[TopUpBody],
    idempotency_key: IdempotencyKey,
) -> TopUpDocument:
    """Open a top-up. Pay it at the answer's `url`."""
    request = TopUpRequest(
        account_id=account,
        amount=data.amount_usd,
        currency=data.currency,
        idempotency_key=stored_idempotency_key(idempotency_key),
        actor=caller.id,
        processor=data.processor,
        method=data.method,
        save_method=data.save_method,
    )
    return await _shown(context, await open_top_up(funding, request))


@get(
    "/api/accounts/{account_id:str}/top-ups/{top_up_id:str}",
    right=Right.READ,
    operation_id="getTopUp",
    tags=["top-ups"],
)
async def show_top_up(context: Context, account: AccountId, top_up_id: FromPath[str]) -> TopUpDocument:
    """Get a top-up."""
    return await _shown(context, await own_top_up(context, account, top_up_id))


@post(
    "/api/accounts/{account_id:str}/top-ups/{top_up_id:str}/sync",
    right=Right.READ,
    operation_id="syncTopUp",
    tags=["top-ups"],
    status_code=200,
)
async def sync_top_up(context: Context, account: AccountId, top_up_id: FromPath[str]) -> TopUpDocument:
    """Update a top-up from its processor, and credit its payment. The page that the payer returns to calls this. The
    processor is asked at most once a second; too many calls get 429.
    """
    found = await own_top_up(context, account, top_up_id)
    if found.state in (TopUpState.OPEN, TopUpState.PENDING):
        await admit(context.sign_in, [(TOP_UP_SYNCS, account.hex)])
        if await allows(context.sign_in, TOP_UP_READS, account.hex):
            found = await fulfil(context.funding, found.id)
    return await _shown(context, found)


@get(
    "/api/accounts/{account_id:str}/top-ups/{top_up_id:str}/receipt.pdf",
    right=Right.READ,
    operation_id="getTopUpReceipt",
    tags=["top-ups"],
    media_type="application/pdf",
)
async def print_receipt(conn: Conn, context: Context, account: AccountId, top_up_id: FromPath[str]) -> Response[bytes]:
    """Get the receipt of a paid top-up as PDF. It is not a tax invoice."""
    found = await check_owner(store.get_top_up(conn, parse_id("topup", top_up_id, "top_up_id")), account, "top-up")
    printed = await make_payment_receipt(conn, found.id, context.issuer)
    return await answer_pdf(printed, f"tokenharbor-receipt-{found.shown_id}.pdf")


@get("/api/accounts/{account_id:str}/auto-top-up", right=Right.READ, operation_id="getAutoTopUp", tags=["top-ups"])
async def show_auto(context: Context, account: AccountId) -> AutoTopUpDocument:
    """Get the settings of auto top-up, what delays the next charge, and why it was stopped."""
    return AutoTopUpDocument.of(await show_auto_top_up(context.funding, account))


@put("/api/accounts/{account_id:str}/auto-top-up", right=Right.SPEND, operation_id="setAutoTopUp", tags=["top-ups"])
async def set_auto(
    funding: CallerFunding, caller: Caller, account: AccountId, data: JSONBody[AutoTopUpBody]
) -> AutoTopUpDocument:
    """Switch auto top-up on. It charges the method saved with an earlier top-up."""
    wanted = AutoTopUpSettings(
        threshold=data.threshold_usd,
        amount=data.amount_usd,
        month_most=data.month_usd,
        actor=caller.id,
        processor=data.processor,
    )
    return AutoTopUpDocument.of(await set_auto_top_up(funding, account, wanted))


@delete(
    "/api/accounts/{account_id:str}/auto-top-up",
    right=Right.SPEND,
    operation_id="switchOffAutoTopUp",
    tags=["top-ups"],
    status_code=200,
)
async def switch_off_auto(funding: CallerFunding, caller: Caller, account: AccountId) -> AutoTopUpDocument:
    """Switch auto top-up off."""
    return AutoTopUpDocument.of(await switch_off_auto_top_up(funding, account, caller.id))


TOP_UP_ROUTES: Final[Sequence[HTTPRouteHandler]] = (
    list_top_ups,
    create_top_up,
    show_top_up,
    sync_top_up,
    print_receipt,
    show_auto,
    set_auto,
    switch_off_auto,
)


async def _shown(context: ConsoleContext, top_up: TopUp) -> TopUpDocument:
    """Return the top-up's document with what is left of its credit."""
    async with context.pool.acquire() as conn:
        balances = await read_top_up_balances(conn, context.policy().refunds, [top_up], context.world.clock.now())
    return TopUpDocument.of(top_up, balances.get(top_up.id, NOTHING_PAID))


async def own_top_up(context: ConsoleContext, account: UUID, shown: str) -> TopUp:
    """Return a top-up of the account. Raises NotFound."""
    top_up_id = parse_id("topup", shown, "top_up_id")
    async with context.pool.acquire() as conn:
        return await check_owner(store.get_top_up(conn, top_up_id), account, "top-up")
