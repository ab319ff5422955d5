"""Providers of the parameters that a handler can take; `context.py` describes each."""

import dataclasses
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import asyncpg
from litestar import Request
from litestar.di import Provide

from tokenharbor.console.context import ConsoleContext, context_of
from tokenharbor.console.guard import check_again, client_address
from tokenharbor.console.principal import Principal
from tokenharbor.funding.context import Funding, Requester
from tokenharbor.identity.changes import set_actor
from tokenharbor.kernel.errors import PermissionDenied
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.reasons import ErrorReason
from tokenharbor.signin.records import Actor

AnyRequest = Request[Any, Any, Any]


async def provide_context(request: AnyRequest) -> ConsoleContext:
    return context_of(request)


async def provide_conn(request: AnyRequest) -> AsyncIterator[asyncpg.Connection]:
    async with context_of(request).pool.acquire() as conn:
        if request.method == "GET":
            yield conn
        else:
            async with conn.transaction():
                caller: Principal | None = request.scope.get("user")
                if caller is not None:
                    await set_actor(conn, caller.id, client_address(request), context_of(request).world.clock.now())
                    await check_again(request, conn)
                yield conn


async def provide_heavy(request: AnyRequest) -> AsyncIterator[asyncpg.Connection]:
    async with context_of(request).heavy_pool.acquire() as conn:
        yield conn


async def provide_caller(request: AnyRequest) -> Principal:
    caller: Principal = request.scope["user"]
    return caller


async def provide_funding(request: AnyRequest) -> Funding:
    caller: Principal = request.scope["user"]
    checked = False

    async def check(conn: asyncpg.Connection) -> None:  # once: later steps record what a processor answered
        nonlocal checked
        if not checked:
            await check_again(request, conn)
            checked = True

    requester = Requester(caller.id, client_address(request), check)
    return dataclasses.replace(context_of(request).funding, requester=requester)


async def provide_account(request: AnyRequest) -> UUID:
    account_id: UUID = request.scope["auth"]
    return account_id


async def provide_actor(request: AnyRequest) -> Actor:
    """Return the author of changes. Raises PermissionDenied for an operator who is not a member."""
    caller: Principal = request.scope["user"]
    role = caller.roles.get(request.scope["auth"])
    if role is None:
        raise PermissionDenied("Only a member may change this account.").because(ErrorReason.MEMBERS_ONLY)
    address = client_address(request)
    return Actor(id=caller.id, role=role, user_id=caller.user_id, maker_id=caller.maker_id, address=address)


DEPENDENCIES: Final[Mapping[str, Provide]] = {
    "conn": Provide(provide_conn),
    "heavy": Provide(provide_heavy),
    "context": Provide(provide_context),
    "caller": Provide(provide_caller),
    "account": Provide(provide_account),
    "funding": Provide(provide_funding),
    "actor": Provide(provide_actor),
}
