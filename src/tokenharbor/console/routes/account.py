"""Routes of an account: its details and name."""

from collections.abc import Sequence
from typing import Final

import msgspec
from litestar import get, patch
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody
from msgspec import UNSET, UnsetType

from tokenharbor.accounts.documents import AccountDocument
from tokenharbor.console.authority import Right
from tokenharbor.console.context import AccountId, Conn, Context
from tokenharbor.identity import members, store
from tokenharbor.signin.profile import check_name


class AccountBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Changes to an account. An empty `name` restores the default name."""

    name: str | UnsetType = UNSET


@get("/api/accounts/{account_id:str}", right=Right.READ, operation_id="getAccount", tags=["account"])
async def read_account(conn: Conn, context: Context, account: AccountId) -> AccountDocument:
    """Get an account with the terms of its plan."""
    return AccountDocument.of(await store.get_account(conn, account), context.policy())


@patch("/api/accounts/{account_id:str}", right=Right.MANAGE, operation_id="changeAccount", tags=["account"])
async def change_account(
    data: JSONBody[AccountBody], conn: Conn, context: Context, account: AccountId
) -> AccountDocument:
    """Change an account. Fields not given stay as they are."""
    if data.name is not UNSET:
        await members.set_account_name(conn, account, check_name(data.name))
    return AccountDocument.of(await store.get_account(conn, account), context.policy())


ACCOUNT_ROUTES: Final[Sequence[HTTPRouteHandler]] = (read_account, change_account)
