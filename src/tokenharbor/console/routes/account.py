"""Routes of an account: what it is."""

from collections.abc import Sequence
from typing import Final

from litestar import get
from litestar.handlers import HTTPRouteHandler

from tokenharbor.accounts.documents import AccountDocument
from tokenharbor.console.authority import Right
from tokenharbor.console.context import AccountId, Conn, Context
from tokenharbor.identity import store


@get("/api/accounts/{account_id:str}", right=Right.READ, operation_id="getAccount", tags=["account"])
async def read_account(conn: Conn, context: Context, account: AccountId) -> AccountDocument:
    """An account, and the terms of its plan."""
    return AccountDocument.of(await store.get_account(conn, account), context.policy())


ACCOUNT_ROUTES: Final[Sequence[HTTPRouteHandler]] = (read_account,)
