"""Routes of an account's credit: balance, lots, holds, ledger and statements."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter
from litestar.response import Stream

from tokenharbor.accounts.credit_documents import (
    BalanceDocument,
    HeldCreditDocument,
    LedgerEntryDocument,
    LotDocument,
)
from tokenharbor.accounts.credits import read_balance
from tokenharbor.console.answers import answer_pdf, stream_csv
from tokenharbor.console.authority import Right
from tokenharbor.console.context import AccountId, Conn, ConsoleContext, Context, Heavy
from tokenharbor.console.lists import Cursor, Limit, Page, page_of
from tokenharbor.console.parameters import Since, Until, in_utc
from tokenharbor.funding.statement_documents import StatementDocument
from tokenharbor.funding.statement_files import printed_statement, statement_lines
from tokenharbor.funding.statements import Statement, StatementSpan, read_statement
from tokenharbor.funding.store import read_lot_payments
from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.kernel.reasons import ErrorReason
from tokenharbor.ledger.entry_list import LEDGER_GROUPS, list_entries
from tokenharbor.ledger.export import EntryFilter, export
from tokenharbor.ledger.lots import join_alike, read_lot_balances
from tokenharbor.ledger.open_holds import read_open_holds

_MOST_HOLDS: Final = 50

LedgerGroup = Literal["top_ups", "spending", "cashback", "referral", "promotional"]
Joined = Annotated[bool, QueryParameter(description="Join adjacent lots of the same kind, such as cashback, into one.")]
Group = Annotated[LedgerGroup | None, QueryParameter(name="type", description="Only entries of this type.")]


@get("/api/accounts/{account_id:str}/balance", right=Right.READ, operation_id="getBalance", tags=["credit"])
async def show_balance(conn: Conn, context: Context, account: AccountId) -> BalanceDocument:
    """Get the account's available balance, held amount and balance by pool."""
    balance = await read_balance(conn, context.world, account, run_due=context.run_due_again)
    return msgspec.structs.replace(BalanceDocument.of(balance), currency="USD")


@get("/api/accounts/{account_id:str}/lots", right=Right.READ, operation_id="listLots", tags=["credit"])
async def list_lots(conn: Conn, context: Context, account: AccountId, *, joined: Joined = False) -> list[LotDocument]:
    """List the lots with what is left of each, in the order of spending; restricted credit comes last."""
    found = await read_lot_balances(conn, account, context.world.clock.now())
    return [LotDocument.of(each) for each in (join_alike(found) if joined else found)]


@get("/api/accounts/{account_id:str}/holds", right=Right.READ, operation_id="listHolds", tags=["credit"])
async def list_holds(heavy: Heavy, account: AccountId) -> HeldCreditDocument:
    """Get the amount held now, and the oldest 50 holds with their requests."""
    return HeldCreditDocument.of(await read_open_holds(heavy, account, _MOST_HOLDS))


@get("/api/accounts/{account_id:str}/ledger", right=Right.READ, operation_id="listLedger", tags=["credit"])
async def list_ledger(
    heavy: Heavy, account: AccountId, group: Group = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[LedgerEntryDocument]:
    """List the entries that moved credit, newest first, each with the balance after it."""
    rows = await list_entries(
        heavy,
        account,
        read_lot_payments,
        kinds=None if group is None else LEDGER_GROUPS[group],
        before=_number(cursor),
        most=limit + 1,
    )
    return page_of(rows, limit, lambda entry: str(entry.seq), LedgerEntryDocument.of)


@get(
    "/api/accounts/{account_id:str}/ledger.csv",
    right=Right.READ,
    operation_id="exportLedger",
    tags=["credit"],
    media_type="text/csv",
)
async def export_ledger(
    context: Context, account: AccountId, group: Group = None, since: Since = None, until: Until = None
) -> Stream:
    """Export the ledger as CSV, oldest first, with a running balance."""
    wanted = EntryFilter(None if group is None else LEDGER_GROUPS[group], in_utc(since), in_utc(until))
    name = f"tokenharbor-ledger-{context.world.clock.now().date()}.csv"
    return await stream_csv(context, account, lambda conn: export(conn, account, wanted, read_lot_payments), name)


@get("/api/accounts/{account_id:str}/statements", right=Right.READ, operation_id="getStatement", tags=["credit"])
async def show_statement(
    heavy: Heavy, context: Context, account: AccountId, since: Since = None, until: Until = None
) -> StatementDocument:
    """Get a statement: opening and closing balance of a period, and the changes between. The default is this month."""
    return StatementDocument.of(await read_statement(heavy, account, _span(context, since, until)))


@get(
    "/api/accounts/{account_id:str}/statements.csv",
    right=Right.READ,
    operation_id="getStatementCsv",
    tags=["credit"],
    media_type="text/csv",
)
async def export_statement(
    heavy: Heavy, context: Context, account: AccountId, since: Since = None, until: Until = None
) -> Response[str]:
    """Get a statement as CSV."""
    statement = await read_statement(heavy, account, _span(context, since, until))
    lines, name = statement_lines(statement), _file_name(statement, "csv")
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    return Response("".join(lines), media_type="text/csv; charset=utf-8", headers=headers)


@get(
    "/api/accounts/{account_id:str}/statements.pdf",
    right=Right.READ,
    operation_id="getStatementPdf",
    tags=["credit"],
    media_type="application/pdf",
)
async def print_statement(
    heavy: Heavy, context: Context, account: AccountId, since: Since = None, until: Until = None
) -> Response[bytes]:
    """Get a statement as PDF."""
    statement = await read_statement(heavy, account, _span(context, since, until))
    printed = printed_statement(statement, context.issuer, context.world.clock.now())
    return await answer_pdf(printed, _file_name(statement, "pdf"))


CREDIT_ROUTES: Final[Sequence[HTTPRouteHandler]] = (
    show_balance,
    list_lots,
    list_holds,
    list_ledger,
    export_ledger,
    show_statement,
    export_statement,
    print_statement,
)


def _span(context: ConsoleContext, since: datetime | None, until: datetime | None) -> StatementSpan:
    now = context.world.clock.now()
    month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return StatementSpan(in_utc(since) or month, in_utc(until) or now)


def _file_name(statement: Statement, kind: str) -> str:
    return f"tokenharbor-statement-{statement.span.since:%Y-%m-%d}-{statement.span.until:%Y-%m-%d}.{kind}"


def _number(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 19):
        raise InvalidRequest("Not a cursor of this list.", param="cursor").because(ErrorReason.CURSOR_INVALID)
    return int(cursor)
