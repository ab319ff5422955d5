"""Routes of an account's team: members and invitations."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from litestar import Request, delete, get, patch, post
from litestar.handlers import HTTPRouteHandler

from tokenharbor.console.authority import Right
from tokenharbor.console.context import AccountId, Caller, Conn, Context
from tokenharbor.console.guard import client_address
from tokenharbor.console.lists import Page, parse_id
from tokenharbor.console.principal import Principal
from tokenharbor.console.routes.session import user_id_of
from tokenharbor.identity import members
from tokenharbor.identity.roles import AccountRole
from tokenharbor.kernel.errors import PermissionDenied
from tokenharbor.kernel.ids import UUID
from tokenharbor.signin import team
from tokenharbor.signin.documents import InvitationDocument, MemberDocument
from tokenharbor.signin.records import Actor

AnyRequest = Request[Any, Any, Any]


class InvitationBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is invited, as what."""

    email: str
    role: AccountRole


class RoleBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a member is from now on."""

    role: AccountRole


@get("/api/accounts/{account_id:str}/members", right=Right.READ, operation_id="listMembers", tags=["team"])
async def list_members(conn: Conn, account: AccountId) -> Page[MemberDocument]:
    """Who may act for the account, oldest first."""
    return Page([MemberDocument.of(each) for each in await members.list_members(conn, account)], None)


@patch(
    "/api/accounts/{account_id:str}/members/{user_id:str}",
    right=Right.MANAGE,
    status_code=204,
    operation_id="changeMember",
    tags=["team"],
)
async def change_member(  # noqa: PLR0913  what a handler needs, by name
    user_id: str, data: RoleBody, request: AnyRequest, conn: Conn, context: Context, caller: Caller, account: AccountId
) -> None:
    """Give a member another role. Nobody gives or takes a role above their own ceiling."""
    actor, member_id = actor_of(request, caller, account), parse_id("user", user_id)
    await team.change_member(conn, context.world, account, member_id, data.role, actor=actor)


@delete(
    "/api/accounts/{account_id:str}/members/{user_id:str}",
    right=Right.MANAGE,
    operation_id="removeMember",
    tags=["team"],
)
async def remove_member(  # noqa: PLR0913  what a handler needs, by name
    user_id: str, request: AnyRequest, conn: Conn, context: Context, caller: Caller, account: AccountId
) -> None:
    """Remove a member. The management keys and invitations that the member made end, too."""
    actor = actor_of(request, caller, account)
    await team.remove_member(conn, context.world, account, parse_id("user", user_id), actor=actor)


@delete("/api/accounts/{account_id:str}/membership", right=Right.READ, operation_id="leaveAccount", tags=["team"])
async def leave_account(
    request: AnyRequest, conn: Conn, context: Context, caller: Caller, account: AccountId
) -> None:
    """Leave an account. The last owner cannot."""
    actor = actor_of(request, caller, account)
    await team.remove_member(conn, context.world, account, user_id_of(caller.user_id), actor=actor)


@get("/api/accounts/{account_id:str}/invitations", right=Right.MANAGE, operation_id="listInvitations", tags=["team"])
async def list_invitations(conn: Conn, context: Context, account: AccountId) -> Page[InvitationDocument]:
    """Invitations that are open, oldest first."""
    rows = await members.list_invitations(conn, account, context.world.clock.now())
    return Page([InvitationDocument.of(each) for each in rows], None)


@post("/api/accounts/{account_id:str}/invitations", right=Right.MANAGE, operation_id="invite", tags=["team"])
async def invite(  # noqa: PLR0913  what a handler needs, by name
    data: InvitationBody, request: AnyRequest, conn: Conn, context: Context, caller: Caller, account: AccountId
) -> InvitationDocument:
    """Invite somebody by mail. An earlier invitation of the same person ends."""
    actor = actor_of(request, caller, account)
    return InvitationDocument.of(
        await team.invite(conn, context.sign_in, account, data.email, data.role, actor=actor)
    )


@delete(
    "/api/accounts/{account_id:str}/invitations/{invitation_id:str}",
    right=Right.MANAGE,
    operation_id="withdrawInvitation",
    tags=["team"],
)
async def withdraw_invitation(  # noqa: PLR0913  what a handler needs, by name
    invitation_id: str, request: AnyRequest, conn: Conn, context: Context, caller: Caller, account: AccountId
) -> None:
    """Its link opens nothing from now on."""
    actor, shown = actor_of(request, caller, account), parse_id("inv", invitation_id)
    await team.withdraw_invitation(conn, context.world, account, shown, actor=actor)


TEAM_ROUTES: Final[Sequence[HTTPRouteHandler]] = (
    list_members,
    change_member,
    remove_member,
    leave_account,
    list_invitations,
    invite,
    withdraw_invitation,
)


def actor_of(request: AnyRequest, caller: Principal, account_id: UUID) -> Actor:
    """Who changes something of an account. Raises PermissionDenied for an operator who is no member."""
    role = caller.roles.get(account_id)
    if role is None:
        raise PermissionDenied("Only a member may change this account.")
    return Actor(id=caller.id, role=role, user_id=caller.user_id, address=client_address(request))
