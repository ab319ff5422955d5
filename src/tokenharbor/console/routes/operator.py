"""Routes of operators: all accounts."""

from collections.abc import Sequence
from typing import Final

from litestar import get
from litestar.handlers import HTTPRouteHandler

from tokenharbor.accounts.documents import AccountDocument
from tokenharbor.console.authority import Right
from tokenharbor.console.context import Conn
from tokenharbor.console.lists import Cursor, Limit, Page, page_of, parse_id
from tokenharbor.identity import store
from tokenharbor.kernel import ids


@get("/api/operator/accounts", right=Right.OPERATE, operation_id="listAllAccounts", tags=["operator"])
async def list_accounts(conn: Conn, limit: Limit = 50, cursor: Cursor = None) -> Page[AccountDocument]:
    """All accounts, oldest first."""
    after = None if cursor is None else parse_id("acct", cursor, "cursor")
    rows = await store.read_accounts(conn, after, limit + 1)
    return page_of(rows, limit, lambda account: ids.show("acct", account.id), AccountDocument.of)


OPERATOR_ROUTES: Final[Sequence[HTTPRouteHandler]] = (list_accounts,)
