"""Routes of an account's management keys."""

from collections.abc import Sequence
from typing import Final

import msgspec
from litestar import delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from tokenharbor.console.authority import Right
from tokenharbor.console.context import AccountActor, AccountId, Conn, Context
from tokenharbor.console.lists import Page, parse_id
from tokenharbor.console.parameters import Moment, OnceKey, future_expiry
from tokenharbor.identity import management_keys
from tokenharbor.identity.idempotency import claim_idempotency_key
from tokenharbor.identity.roles import AccountRole
from tokenharbor.signin import management
from tokenharbor.signin.documents import ManagementKeyDocument, NewManagementKeyDocument
from tokenharbor.signin.management import NewManagementKey


class ManagementKeyBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A management key to create. Its role can be at most `admin`."""

    name: str
    role: AccountRole
    expires_at: Moment | None = None


@get(
    "/api/accounts/{account_id:str}/management-keys",
    right=Right.MANAGE,
    operation_id="listManagementKeys",
    tags=["management keys"],
)
async def list_keys(conn: Conn, account: AccountId) -> Page[ManagementKeyDocument]:
    """List all management keys (without their secrets), oldest first."""
    rows = await management_keys.list_management_keys(conn, account)
    return Page([ManagementKeyDocument.of(each) for each in rows], None)


@post(
    "/api/accounts/{account_id:str}/management-keys",
    right=Right.MANAGE,
    operation_id="createManagementKey",
    tags=["management keys"],
)
async def create_key(
    *,
    data: JSONBody[ManagementKeyBody],
    conn: Conn,
    context: Context,
    account: AccountId,
    actor: AccountActor,
    idempotency_key: OnceKey = None,
) -> NewManagementKeyDocument:
    """Create a management key. It is shown only in this answer. Its role cannot exceed what its creator may grant, and
    it ends with the creator's membership.
    """
    until = future_expiry(data.expires_at, context.world.clock.now(), "expires_at")
    issued = await management.issue_management_key(
        conn,
        context.world,
        context.sign_in.key_hashes,
        account_id=account,
        wanted=NewManagementKey(data.name, data.role, until),
        actor=actor,
    )
    await claim_idempotency_key(conn, account, idempotency_key, issued.key.shown_id, context.world.clock.now())
    return NewManagementKeyDocument(ManagementKeyDocument.of(issued.key), issued.secret)


@delete(
    "/api/accounts/{account_id:str}/management-keys/{key_id:str}",
    right=Right.MANAGE,
    operation_id="revokeManagementKey",
    tags=["management keys"],
)
async def revoke_key(
    *, key_id: FromPath[str], conn: Conn, context: Context, account: AccountId, actor: AccountActor
) -> None:
    """Revoke a management key, with immediate effect."""
    shown = parse_id("mkey", key_id)
    await management.revoke_management_key(conn, context.world, account, shown, actor=actor)


MANAGEMENT_KEY_ROUTES: Final[Sequence[HTTPRouteHandler]] = (list_keys, create_key, revoke_key)
