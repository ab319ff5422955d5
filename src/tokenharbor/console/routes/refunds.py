"""Routes of refunds: preview and request; the unused part of a top-up goes back to its payment method."""

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter

from tokenharbor.console.authority import Right
from tokenharbor.console.context import AccountId, Caller, CallerFunding, Conn, Context
from tokenharbor.console.parameters import IdempotencyKey, Line, positive, stored_idempotency_key
from tokenharbor.console.routes.topups import own_top_up
from tokenharbor.funding import refund_store
from tokenharbor.funding.dispute_store import list_disputes
from tokenharbor.funding.documents import DisputeDocument, RefundDocument, RefundPreviewDocument
from tokenharbor.funding.refund_types import RefundOrigin
from tokenharbor.funding.refunds import RefundRequest, ask_refund, preview_refund
from tokenharbor.kernel.money import Usd

Amount = Annotated[Usd | None, QueryParameter(description="Credit to refund; all unused credit by default.")]


class RefundBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A refund to make. `amount_usd` null refunds all unused credit."""

    amount_usd: Usd | None = None
    reason: Line = ""


@get(
    "/api/accounts/{account_id:str}/top-ups/{top_up_id:str}/refund-preview",
    right=Right.READ,
    operation_id="previewRefund",
    tags=["refunds"],
)
async def show_preview(
    context: Context, account: AccountId, top_up_id: FromPath[str], amount_usd: Amount = None
) -> RefundPreviewDocument:
    """Preview a refund: the amount paid back now, and the credit taken back with it."""
    found = await own_top_up(context, account, top_up_id)
    amount = positive(amount_usd, "amount_usd")
    return RefundPreviewDocument.of(await preview_refund(context.funding, found.id, amount, RefundOrigin.CUSTOMER))


@post(
    "/api/accounts/{account_id:str}/top-ups/{top_up_id:str}/refunds",
    right=Right.SPEND,
    operation_id="createRefund",
    tags=["refunds"],
)
async def create_refund(
    context: Context,
    funding: CallerFunding,
    caller: Caller,
    account: AccountId,
    top_up_id: FromPath[str],
    data: JSONBody[RefundBody],
    idempotency_key: IdempotencyKey,
) -> RefundDocument:
    """Refund the unused part of a top-up to its payment method."""
    found = await own_top_up(context, account, top_up_id)
    request = RefundRequest(
        top_up_id=found.id,
        idempotency_key=stored_idempotency_key(idempotency_key),
        origin=RefundOrigin.CUSTOMER,
        actor=caller.id,
        amount=positive(data.amount_usd, "amount_usd"),
        reason=data.reason,
    )
    return RefundDocument.of(await ask_refund(funding, request))


@get("/api/accounts/{account_id:str}/refunds", right=Right.READ, operation_id="listRefunds", tags=["refunds"])
async def list_refunds(conn: Conn, account: AccountId) -> list[RefundDocument]:
    """List the account's refunds, oldest first."""
    return [RefundDocument.of(each) for each in await refund_store.list_refunds(conn, account)]


@get("/api/accounts/{account_id:str}/disputes", right=Right.READ, operation_id="listDisputes", tags=["refunds"])
async def list_account_disputes(conn: Conn, account: AccountId) -> list[DisputeDocument]:
    """List the account's disputed payments, oldest first."""
    return [DisputeDocument.of(each) for each in await list_disputes(conn, account)]


REFUND_ROUTES: Final[Sequence[HTTPRouteHandler]] = (show_preview, create_refund, list_refunds, list_account_disputes)
