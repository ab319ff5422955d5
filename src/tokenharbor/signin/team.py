"""Members of an account: invited by mail, with a role that is a ceiling; changed, removed, and never the last owner.

Nobody gives, or takes from others, a role above their own ceiling (`GRANTABLE`). Who loses a role loses with it what
only that role may give: open invitations and management keys that they made.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import asyncpg

from tokenharbor.identity import members
from tokenharbor.identity.attempts import count_attempt
from tokenharbor.identity.changes import lock_account
from tokenharbor.identity.management_keys import revoke_keys_of
from tokenharbor.identity.members import InvitationRow
from tokenharbor.identity.roles import AccountRole
from tokenharbor.identity.sessions import Visitor
from tokenharbor.identity.tokens import Invitation, LinkToken, TokenPurpose, add_token, make_token
from tokenharbor.identity.users import ensure_user, get_user, normalise_email
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import Conflict, Missing, PermissionDenied, RateLimited, Rejected
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.world import World
from tokenharbor.signin.context import SignIn
from tokenharbor.signin.entry import NewSession, begin_session, open_link
from tokenharbor.signin.limits import INVITATIONS, TOKENS_BY_ADDRESS, admit, network_of
from tokenharbor.signin.mails import MailLetter, UserMailKind, send_mail
from tokenharbor.signin.records import Actor, FieldChange, record
from tokenharbor.signin.sign_up import welcome

INVITATION_LASTS: Final = timedelta(days=7)

_ALL = frozenset(AccountRole)
_NOBODY: frozenset[AccountRole] = frozenset()

GRANTABLE: Final[Mapping[AccountRole, frozenset[AccountRole]]] = {
    AccountRole.OWNER: _ALL,
    AccountRole.ADMIN: _ALL - {AccountRole.OWNER},
    AccountRole.DEVELOPER: _NOBODY,
    AccountRole.BILLING: _NOBODY,
    AccountRole.VIEWER: _NOBODY,
}
"""Which roles a role may give to others, and take from them."""


@dataclass(frozen=True, slots=True)
class AcceptedInvitation:
    """`session` None: who accepted has a password, and signs in with it."""

    account_id: UUID
    session: NewSession | None


async def invite(
    conn: asyncpg.Connection, sign_in: SignIn, account_id: UUID, email: str, role: AccountRole, *, actor: Actor
) -> InvitationRow:
    """A link is on its way by mail; an earlier one of the same person opens nothing any more.

    Raises PermissionDenied, Rejected, Conflict for a member, RateLimited, Missing.
    """
    check_grant(actor, role)
    email, world = normalise_email(email), sign_in.world
    now, token = world.clock.now(), make_token(world.entropy)
    account = await lock_account(conn, account_id)
    if await count_attempt(conn, INVITATIONS, account_id.bytes, now) is not None:
        raise RateLimited("Too many invitations today. Send it tomorrow.")
    user_id = await ensure_user(conn, world.ids.new(), email, now)
    if await members.find_role(conn, account_id, user_id) is not None:
        raise Conflict("this person is a member already")
    await members.end_invitations_of(conn, account_id, user_id, now)
    purpose = TokenPurpose.INVITE
    link = LinkToken(
        id=world.ids.new(), purpose=purpose, user_id=user_id, invitation=Invitation(account_id, role, actor.id)
    )
    await add_token(conn, link, sign_in.hasher.hash(purpose, token), now, lasts=INVITATION_LASTS)
    locale = (await get_user(conn, user_id)).locale
    about = _plain(account.name) or ids.show("acct", account_id)
    await send_mail(
        conn, sign_in, MailLetter(kind=UserMailKind.INVITE, user_id=user_id, locale=locale, token=token, about=about)
    )
    shown = ids.show("inv", link.id)
    await record(conn, world, account_id, actor, FieldChange(field="invitation", after=role, subject=shown))
    return InvitationRow(link.id, email, role, actor.id, now, now + INVITATION_LASTS)


async def withdraw_invitation(
    conn: asyncpg.Connection, world: World, account_id: UUID, invitation_id: UUID, *, actor: Actor
) -> None:
    """Its link opens nothing from now on. Raises Missing, PermissionDenied."""
    shown = ids.show("inv", invitation_id)
    role = await members.end_invitation(conn, invitation_id, account_id, world.clock.now())
    if role is None:
        raise Missing(f"no open invitation {shown}")
    check_grant(actor, role)
    await record(conn, world, account_id, actor, FieldChange(field="invitation", before=role, subject=shown))


async def accept_invitation(
    sign_in: SignIn, token: str, visitor: Visitor, *, password: str = "", replaces: str = ""
) -> AcceptedInvitation:
    """Who opens the link is a member. Who has no password yet chooses one, and is signed in.

    Raises Rejected, RateLimited.
    """
    await admit(sign_in, [(TOKENS_BY_ADDRESS, network_of(visitor))])
    hashed = await sign_in.passwords.hash(password) if password else ""
    async with sign_in.acquire() as conn, conn.transaction():
        link = await open_link(conn, sign_in, token, TokenPurpose.INVITE)
        user = await get_user(conn, link.user_id)
        session, invitation = None, link.invitation
        if invitation is None:
            raise Rejected("this link is no invitation", param="token")
        if not user.password:
            sign_in.passwords.check(password, user.email)
            user = await welcome(conn, sign_in, link.user_id, password=hashed, own_account=False)
            session = await begin_session(conn, sign_in, user, visitor, replaces=replaces)
        await _join(conn, sign_in.world, invitation, Actor(id=user.shown_id, role=invitation.role, user_id=user.id))
    return AcceptedInvitation(invitation.account_id, session)


async def change_member(
    conn: asyncpg.Connection, world: World, account_id: UUID, user_id: UUID, role: AccountRole, *, actor: Actor
) -> None:
    """Another role from now on. Raises Missing, PermissionDenied, Conflict for the last owner."""
    before = await _lock_member(conn, account_id, user_id)
    check_grant(actor, before)
    check_grant(actor, role)
    if before is role:
        return
    await _check_owner_left(conn, account_id, user_id, before)
    await members.change_role(conn, account_id, user_id, role)
    await _drop_grants(conn, world, account_id, user_id, _ALL - GRANTABLE[role])
    shown = ids.show("user", user_id)
    await record(conn, world, account_id, actor, FieldChange(field="role", before=before, after=role, subject=shown))


async def remove_member(
    conn: asyncpg.Connection, world: World, account_id: UUID, user_id: UUID, *, actor: Actor
) -> None:
    """Anybody may leave. Raises Missing, PermissionDenied, Conflict for the last owner."""
    before = await _lock_member(conn, account_id, user_id)
    if user_id != actor.user_id:
        check_grant(actor, before)
    await _check_owner_left(conn, account_id, user_id, before)
    await members.leave_account(conn, account_id, user_id)
    await _drop_grants(conn, world, account_id, user_id, _ALL)
    shown = ids.show("user", user_id)
    await record(conn, world, account_id, actor, FieldChange(field="role", before=before, subject=shown))


def check_grant(actor: Actor, role: AccountRole) -> None:
    """Raises PermissionDenied for a role that is not the actor's to give or to take."""
    if role not in GRANTABLE[actor.role]:
        raise PermissionDenied(f"The role {actor.role} may not give or take the role {role}.")


async def _join(conn: asyncpg.Connection, world: World, invitation: Invitation, actor: Actor) -> None:
    if actor.user_id is not None and await members.join_account(
        conn, invitation.account_id, actor.user_id, invitation.role, world.clock.now()
    ):
        change = FieldChange(field="role", after=invitation.role, subject=actor.id)
        await record(conn, world, invitation.account_id, actor, change)


async def _lock_member(conn: asyncpg.Connection, account_id: UUID, user_id: UUID) -> AccountRole:
    """The account's row is locked, so that two owners do not leave at once."""
    await lock_account(conn, account_id)
    role = await members.find_role(conn, account_id, user_id)
    if role is None:
        raise Missing(f"no member {ids.show('user', user_id)}")
    return role


async def _check_owner_left(conn: asyncpg.Connection, account_id: UUID, user_id: UUID, role: AccountRole) -> None:
    if role is AccountRole.OWNER and not await members.has_other_owner(conn, account_id, user_id):
        raise Conflict("an account has an owner: make somebody else an owner first")


async def _drop_grants(
    conn: asyncpg.Connection, world: World, account_id: UUID, user_id: UUID, roles: frozenset[AccountRole]
) -> None:
    now = world.clock.now()
    await members.end_invitations_by(conn, account_id, ids.show("user", user_id), roles, now)
    await revoke_keys_of(conn, account_id, user_id, roles, now)


def _plain(name: str) -> str:
    """An account's name in a mail of ours: nothing that a mail program makes a link of."""
    return "".join(letter for letter in name if letter.isalnum() or letter in " -'&")[:60].strip()
