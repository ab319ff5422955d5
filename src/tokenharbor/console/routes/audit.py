"""Routes of an account's audit log."""

from collections.abc import Sequence
from typing import Final

from litestar import get
from litestar.handlers import HTTPRouteHandler

from tokenharbor.console.authority import Right
from tokenharbor.console.context import AccountId, Conn
from tokenharbor.console.lists import Cursor, Limit, Page, page_of, parse_id
from tokenharbor.identity.changes import page_changes, read_names
from tokenharbor.kernel import ids
from tokenharbor.signin.documents import AuditDocument


@get("/api/accounts/{account_id:str}/audit", right=Right.MANAGE, operation_id="listAudit", tags=["audit"])
async def list_audit(conn: Conn, account: AccountId, limit: Limit = 50, cursor: Cursor = None) -> Page[AuditDocument]:
    """List all changes, newest first: author, time, address, and values before and after."""
    before = None if cursor is None else parse_id("chg", cursor, "cursor")
    rows = await page_changes(conn, account, before, limit + 1)
    names = await read_names(conn, account, {each for _, row in rows for each in (row.actor, row.subject)})
    return page_of(rows, limit, lambda row: ids.show("chg", row[0]), lambda row: AuditDocument.of(*row, names))


AUDIT_ROUTES: Final[Sequence[HTTPRouteHandler]] = (list_audit,)
