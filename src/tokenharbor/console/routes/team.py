"""Routes of an account's team: members and invitations."""

from collections.abc import Sequence
from typing import Final

import msgspec
from litestar import delete, get, patch, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from tokenharbor.console.authority import Right
from tokenharbor.console.context import AccountActor, AccountId, Conn, Context
from tokenharbor.console.lists import Page, parse_id
from tokenharbor.console.routes.session import user_id_of
from tokenharbor.identity import members
from tokenharbor.identity.roles import AccountRole
from tokenharbor.signin import team
from tokenharbor.signin.documents import InvitationDocument, MemberDocument


class InvitationBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The e-mail address to invite, and its role."""

    email: str
    role: AccountRole


class RoleBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A member's new role."""

    role: AccountRole


@get("/api/accounts/{account_id:str}/members", right=Right.READ, operation_id="listMembers", tags=["team"])
async def list_members(conn: Conn, account: AccountId) -> Page[MemberDocument]:
    """List the account's members, oldest first."""
    return Page([MemberDocument.of(each) for each in await members.list_members(conn, account)], None)


@patch(
    "/api/accounts/{account_id:str}/members/{user_id:str}",
    right=Right.MANAGE,
    status_code=204,
    operation_id="changeMember",
    tags=["team"],
)
async def change_member(
    *,
    user_id: FromPath[str],
    data: JSONBody[RoleBody],
    conn: Conn,
    context: Context,
    account: AccountId,
    actor: AccountActor,
) -> None:
    """Change a member's role. You can only give and take roles that your own role may grant."""
    member_id = parse_id("user", user_id)
    await team.change_member(conn, context.world, account, member_id, data.role, actor=actor)


@delete(
    "/api/accounts/{account_id:str}/members/{user_id:str}",
    right=Right.MANAGE,
    operation_id="removeMember",
    tags=["team"],
)
async def remove_member(
    *, user_id: FromPath[str], conn: Conn, context: Context, account: AccountId, actor: AccountActor
) -> None:
    """Remove a member, with the management keys and invitations that the member created."""
    await team.remove_member(conn, context.world, account, parse_id("user", user_id), actor=actor)


@delete("/api/accounts/{account_id:str}/membership", right=Right.READ, operation_id="leaveAccount", tags=["team"])
async def leave_account(conn: Conn, context: Context, account: AccountId, actor: AccountActor) -> None:
    """Leave an account. The last owner cannot leave."""
    await team.remove_member(conn, context.world, account, user_id_of(actor.user_id), actor=actor)


@get("/api/accounts/{account_id:str}/invitations", right=Right.MANAGE, operation_id="listInvitations", tags=["team"])
async def list_invitations(conn: Conn, context: Context, account: AccountId) -> Page[InvitationDocument]:
    """List open invitations, oldest first."""
    rows = await members.list_invitations(conn, account, context.world.clock.now())
    return Page([InvitationDocument.of(each) for each in rows], None)


@post("/api/accounts/{account_id:str}/invitations", right=Right.MANAGE, operation_id="invite", tags=["team"])
async def invite(
    *, data: JSONBody[InvitationBody], conn: Conn, context: Context, account: AccountId, actor: AccountActor
) -> InvitationDocument:
    """Invite a person by mail. Replaces an earlier invitation to the same address."""
    return InvitationDocument.of(await team.invite(conn, context.sign_in, account, data.email, data.role, actor=actor))


@delete(
    "/api/accounts/{account_id:str}/invitations/{invitation_id:str}",
    right=Right.MANAGE,
    operation_id="withdrawInvitation",
    tags=["team"],
)
async def withdraw_invitation(
    *, invitation_id: FromPath[str], conn: Conn, context: Context, account: AccountId, actor: AccountActor
) -> None:
    """Withdraw an invitation; its link stops working."""
    shown = parse_id("inv", invitation_id)
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
