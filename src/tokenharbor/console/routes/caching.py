"""Routes of an account's kept answers: whose requests share them."""

from collections.abc import Sequence
from typing import Final

import msgspec
from litestar import get, patch
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody
from msgspec import UNSET, UnsetType

from tokenharbor.accounts.caching import (
    CachingDocument,
    choose_semantic_cache,
    let_requests_opt_in,
    read_caching,
    share_cache,
)
from tokenharbor.console.authority import Right
from tokenharbor.console.context import AccountId, Conn, Context


class CachingBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether all keys and end users of the account may have each other's answers; whether a question in other words
    may have the same answer; whether a single request may ask for that where it is off. What is not stated stays.
    """

    shared: bool | UnsetType = UNSET
    semantic: bool | UnsetType = UNSET
    semantic_by_request: bool | UnsetType = UNSET


@get("/api/accounts/{account_id:str}/caching", right=Right.READ, operation_id="getCaching", tags=["account"])
async def show_caching(conn: Conn, context: Context, account: AccountId) -> CachingDocument:
    """Whether answers are given again, for how long, and to whom."""
    return await read_caching(conn, context.policy().cache, account)


@patch("/api/accounts/{account_id:str}/caching", right=Right.OWN, operation_id="changeCaching", tags=["account"])
async def edit_caching(
    data: JSONBody[CachingBody], conn: Conn, context: Context, account: AccountId
) -> CachingDocument:
    """Share kept answers among the account's keys and end users, or stop it; turn the semantic cache on or off, or let
    single requests do so, or not. It is in force within a second.
    """
    policy = context.policy().cache
    if data.semantic is not UNSET:
        await choose_semantic_cache(conn, policy, account, on=data.semantic)
    if data.semantic_by_request is not UNSET:
        await let_requests_opt_in(conn, account, allowed=data.semantic_by_request)
    if data.shared is not UNSET:
        await share_cache(conn, account, shared=data.shared)
    return await read_caching(conn, policy, account)


CACHING_ROUTES: Final[Sequence[HTTPRouteHandler]] = (show_caching, edit_caching)
