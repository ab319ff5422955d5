"""Routes of withdrawals (outlook, preview, request, cancellation) and payees."""

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
from litestar import delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter

from tokenharbor.console.authority import Right
from tokenharbor.console.context import AccountId, Caller, CallerFunding, Conn, ConsoleContext, Context
from tokenharbor.console.lists import parse_id
from tokenharbor.console.ownership import check_owner
from tokenharbor.console.parameters import ONE_LINE, IdempotencyKey, Line, Name, positive, stored_idempotency_key
from tokenharbor.console.routes.topups import own_top_up
from tokenharbor.funding import payee_store, withdrawal_store
from tokenharbor.funding.payees import NewPayee, add_payee, remove_payee
from tokenharbor.funding.payout_documents import (
    AccountOutlookDocument,
    PayeeDocument,
    WithdrawalDocument,
    WithdrawalPreviewDocument,
)
from tokenharbor.funding.withdrawals import (
    WithdrawalRequest,
    ask_withdrawal,
    cancel_withdrawal,
    preview_account,
    preview_withdrawal,
)
from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.reasons import ErrorReason

TopUpShown = Annotated[str | None, QueryParameter(description="Pay back to this top-up's payment method.")]
PayeeShown = Annotated[str | None, QueryParameter(description="Pay to this payee.")]
Amount = Annotated[Usd | None, QueryParameter(description="Credit to pay out; the most possible by default.")]


class WithdrawalBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A withdrawal, to the payment method of `top_up` or to `payee`. `amount_usd` null pays out the most possible."""

    top_up: str | None = None
    payee: str | None = None
    amount_usd: Usd | None = None
    reason: Line = ""


class PayeeBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A payee: an address, of a kind that the processor supports."""

    processor: Name
    kind: Name
    address: Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=ONE_LINE)]


@get(
    "/api/accounts/{account_id:str}/withdrawals/outlook",
    right=Right.READ,
    operation_id="getWithdrawalOutlook",
    tags=["withdrawals"],
)
async def show_outlook(context: Context, account: AccountId) -> AccountOutlookDocument:
    """Get how much of each lot can be withdrawn, how, and from when."""
    return AccountOutlookDocument.of(await preview_account(context.funding, account))


@get(
    "/api/accounts/{account_id:str}/withdrawals/preview",
    right=Right.READ,
    operation_id="previewWithdrawal",
    tags=["withdrawals"],
)
async def show_preview(
    context: Context,
    account: AccountId,
    top_up: TopUpShown = None,
    payee: PayeeShown = None,
    amount_usd: Amount = None,
) -> WithdrawalPreviewDocument:
    """Preview a withdrawal without making it."""
    body = WithdrawalBody(top_up=top_up, payee=payee, amount_usd=amount_usd)
    request = await _request(context, account, body, key="preview", actor="preview")
    return WithdrawalPreviewDocument.of(await preview_withdrawal(context.funding, request))


@post(
    "/api/accounts/{account_id:str}/withdrawals",
    right=Right.SPEND,
    operation_id="createWithdrawal",
    tags=["withdrawals"],
)
async def create_withdrawal(
    context: Context,
    funding: CallerFunding,
    caller: Caller,
    account: AccountId,
    data: JSONBody[WithdrawalBody],
    idempotency_key: IdempotencyKey,
) -> WithdrawalDocument:
    """Request a withdrawal."""
    request = await _request(context, account, data, key=stored_idempotency_key(idempotency_key), actor=caller.id)
    return WithdrawalDocument.of(await ask_withdrawal(funding, request))


@get(
    "/api/accounts/{account_id:str}/withdrawals",
    right=Right.READ,
    operation_id="listWithdrawals",
    tags=["withdrawals"],
)
async def list_withdrawals(conn: Conn, account: AccountId) -> list[WithdrawalDocument]:
    """List the account's withdrawals, oldest first."""
    return [WithdrawalDocument.of(each) for each in await withdrawal_store.list_withdrawals(conn, account)]


@post(
    "/api/accounts/{account_id:str}/withdrawals/{withdrawal_id:str}/cancellation",
    right=Right.SPEND,
    operation_id="cancelWithdrawal",
    tags=["withdrawals"],
    status_code=200,
)
async def cancel(
    context: Context, funding: CallerFunding, caller: Caller, account: AccountId, withdrawal_id: FromPath[str]
) -> WithdrawalDocument:
    """Cancel a requested withdrawal, and return its credit."""
    wanted = parse_id("withdrawal", withdrawal_id, "withdrawal_id")
    async with context.pool.acquire() as conn:
        found = await check_owner(withdrawal_store.get_withdrawal(conn, wanted), account, "withdrawal")
    return WithdrawalDocument.of(await cancel_withdrawal(funding, found.id, caller.id))


@get("/api/accounts/{account_id:str}/payees", right=Right.READ, operation_id="listPayees", tags=["withdrawals"])
async def list_payees(conn: Conn, account: AccountId) -> list[PayeeDocument]:
    """List the account's payees, oldest first."""
    return [PayeeDocument.of(each, address) for each, address in await payee_store.list_payees(conn, account)]


@post("/api/accounts/{account_id:str}/payees", right=Right.SPEND, operation_id="createPayee", tags=["withdrawals"])
async def create_payee(
    funding: CallerFunding, caller: Caller, account: AccountId, data: JSONBody[PayeeBody]
) -> PayeeDocument:
    """Add a payee. An operator must verify it before the first payout."""
    wanted = NewPayee(
        account_id=account, processor=data.processor, kind=data.kind, address=data.address, actor=caller.id
    )
    return PayeeDocument.of(await add_payee(funding, wanted), wanted.address)


@delete(
    "/api/accounts/{account_id:str}/payees/{payee_id:str}",
    right=Right.SPEND,
    operation_id="removePayee",
    tags=["withdrawals"],
)
async def delete_payee(context: Context, funding: CallerFunding, account: AccountId, payee_id: FromPath[str]) -> None:
    """Remove a payee and erase its address."""
    await remove_payee(funding, await _own_payee(context, account, payee_id))


WITHDRAWAL_ROUTES: Final[Sequence[HTTPRouteHandler]] = (
    show_outlook,
    show_preview,
    create_withdrawal,
    list_withdrawals,
    cancel,
    list_payees,
    create_payee,
    delete_payee,
)


async def _request(
    context: ConsoleContext, account: UUID, body: WithdrawalBody, *, key: str, actor: str
) -> WithdrawalRequest:
    """Return the request for a withdrawal. Raises NotFound, InvalidRequest."""
    if (body.top_up is None) == (body.payee is None):
        raise InvalidRequest("Give either top_up or payee.", param="payee").because(
            ErrorReason.WITHDRAWAL_TARGET_MISSING
        )
    return WithdrawalRequest(
        account_id=account,
        idempotency_key=key,
        actor=actor,
        top_up_id=None if body.top_up is None else (await own_top_up(context, account, body.top_up)).id,
        payee_id=None if body.payee is None else await _own_payee(context, account, body.payee),
        amount=positive(body.amount_usd, "amount_usd"),
        reason=body.reason,
    )


async def _own_payee(context: ConsoleContext, account: UUID, shown: str) -> UUID:
    payee_id = parse_id("payee", shown, "payee")
    async with context.pool.acquire() as conn:
        return (await check_owner(payee_store.get_payee(conn, payee_id), account, "payee")).id
