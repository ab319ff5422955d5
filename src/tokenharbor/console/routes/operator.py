"""Routes for operators: all accounts, and undelivered mails."""

from collections.abc import Sequence
from typing import Final

from litestar import get
from litestar.handlers import HTTPRouteHandler

from tokenharbor.accounts.documents import AccountDocument
from tokenharbor.console.authority import Right
from tokenharbor.console.context import Conn, Context
from tokenharbor.console.lists import Cursor, Limit, Page, page_of, parse_id
from tokenharbor.identity import store, user_mails
from tokenharbor.kernel import ids
from tokenharbor.signin.documents import UserMailDocument


@get("/api/operator/accounts", right=Right.OPERATE, operation_id="listAllAccounts", tags=["operator"])
async def list_accounts(conn: Conn, limit: Limit = 50, cursor: Cursor = None) -> Page[AccountDocument]:
    """List all accounts, oldest first."""
    after = None if cursor is None else parse_id("acct", cursor, "cursor")
    rows = await store.read_accounts(conn, after, limit + 1)
    return page_of(rows, limit, lambda account: ids.show("acct", account.id), AccountDocument.of)


@get("/api/operator/mails", right=Right.OPERATE, operation_id="listMails", tags=["operator"])
async def list_mails(conn: Conn, context: Context, limit: Limit = 50, cursor: Cursor = None) -> Page[UserMailDocument]:
    """List undelivered mails to users, newest first, to hand over by other means."""
    before = None if cursor is None else parse_id("mail", cursor, "cursor")
    rows = await user_mails.page_mails(conn, context.sign_in.mail_seal, limit + 1, before)
    page = page_of(rows, limit, lambda row: ids.show("mail", row[0]), lambda row: row[1])
    return Page([UserMailDocument.of(mail) for mail in page.data if mail is not None], page.next_cursor)


OPERATOR_ROUTES: Final[Sequence[HTTPRouteHandler]] = (list_accounts, list_mails)
