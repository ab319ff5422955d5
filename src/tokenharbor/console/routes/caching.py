"""Routes of an account's cache settings."""

from collections.abc import Sequence
from typing import Final

import msgspec
from litestar import get, patch
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody
from msgspec import UNSET, UnsetType

from tokenharbor.accounts.caching import (
    CachingDocument,
    allow_semantic_by_request,
    read_caching,
    share_cache,
    switch_semantic_cache,
)
from tokenharbor.console.authority import Right
from tokenharbor.console.context import AccountId, Conn, Context


class CachingBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Changes to the cache settings. `shared`: all keys and end users of the account share cached answers. `semantic`:
    the semantic cache is on. `semantic_by_request`: a request may turn it on for itself. Fields not given stay as they
    are.
    """

    shared: bool | UnsetType = UNSET
    semantic: bool | UnsetType = UNSET
    semantic_by_request: bool | UnsetType = UNSET


@get("/api/accounts/{account_id:str}/caching", right=Right.READ, operation_id="getCaching", tags=["account"])
async def show_caching(conn: Conn, context: Context, account: AccountId) -> CachingDocument:
    """Get the cache settings: whether and for how long answers are cached, and who shares them."""
    return await read_caching(conn, context.policy().cache, account)


@patch("/api/accounts/{account_id:str}/caching", right=Right.OWN, operation_id="changeCaching", tags=["account"])
async def edit_caching(
    data: JSONBody[CachingBody], conn: Conn, context: Context, account: AccountId
) -> CachingDocument:
    """Change the cache settings. Takes effect within a second."""
    policy = context.policy().cache
    if data.semantic is not UNSET:
        await switch_semantic_cache(conn, policy, account, on=data.semantic)
    if data.semantic_by_request is not UNSET:
        await allow_semantic_by_request(conn, account, allowed=data.semantic_by_request)
    if data.shared is not UNSET:
        await share_cache(conn, account, shared=data.shared)
    return await read_caching(conn, policy, account)


CACHING_ROUTES: Final[Sequence[HTTPRouteHandler]] = (show_caching, edit_caching)
