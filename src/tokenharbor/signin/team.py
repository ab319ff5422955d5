"""Members of an account: invited by mail with a role, changed and removed; the last owner always stays.

A member can give, and take from others, only the roles in `GRANTABLE`. A member who loses a role also loses the open
invitations and management keys that only that role may give.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import asyncpg

from tokenharbor.identity import members
from tokenharbor.identity.attempts import count_attempt
from tokenharbor.identity.changes import lock_account
from tokenharbor.identity.connections import end_consents_by
from tokenharbor.identity.management_keys import list_management_keys, revoke_keys_of
from tokenharbor.identity.members import InvitationRow
from tokenharbor.identity.roles import AccountRole
from tokenharbor.identity.sessions import Visitor
from tokenharbor.identity.tokens import (
    LONGEST_TOKEN,
    Invitation,
    LinkToken,
    TokenPurpose,
    add_token,
    find_invited_to,
    make_token,
)
from tokenharbor.identity.users import ensure_user, get_user, normalise_email
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import Conflict, Missing, PermissionDenied, RateLimited, Rejected
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.reasons import ErrorReason
from tokenharbor.kernel.world import World
from tokenharbor.signin.context import SignIn
from tokenharbor.signin.limits import INVITATIONS, TOKENS_BY_ADDRESS, admit, network_of
from tokenharbor.signin.mails import MailDraft, UserMailKind, send_mail
from tokenharbor.signin.records import Actor, FieldChange, record
from tokenharbor.signin.sessions import NewSession, begin_session, open_link
from tokenharbor.signin.sign_up import activate_user

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
"""The roles that each role may give and take."""


@dataclass(frozen=True, slots=True)
class AcceptedInvitation:
    """The account joined. `session` is None for a user with a password or authenticator app, who must sign in."""

    account_id: UUID
    session: NewSession | None


async def invite(
    conn: asyncpg.Connection, sign_in: SignIn, account_id: UUID, email: str, role: AccountRole, *, actor: Actor
) -> InvitationRow:
    """Mail an invitation, which replaces an earlier one to the same address.

    Raises PermissionDenied, Rejected, Conflict for a member, RateLimited, Missing.
    """
    check_grant(actor, role)
    email, world = normalise_email(email), sign_in.world
    now, token = world.clock.now(), make_token(world.entropy)
    account = await lock_account(conn, account_id)
    if await count_attempt(conn, INVITATIONS, account_id.bytes, now) is not None:
        raise RateLimited("Too many invitations today: try again tomorrow.").because(ErrorReason.INVITATIONS_MOST)
    user_id = await ensure_user(conn, world.ids.new(), email, now)
    if await members.find_role(conn, account_id, user_id) is not None:
        raise Conflict("this person is already a member").because(ErrorReason.MEMBER_ALREADY)
    await members.end_invitations_of(conn, account_id, user_id, now)
    purpose = TokenPurpose.INVITE
    link = LinkToken(
        id=world.ids.new(), purpose=purpose, user_id=user_id, invitation=Invitation(account_id, role, actor.id)
    )
    await add_token(conn, link, sign_in.hasher.hash(purpose, token), now, lasts=INVITATION_LASTS)
    locale, about = await _language_of(conn, user_id, actor), _plain(account.name)
    kind = UserMailKind.INVITE if about else UserMailKind.INVITE_BY
    about = about or await _inviter(conn, account_id, actor)
    draft = MailDraft(kind=kind, user_id=user_id, locale=locale, token=token, about=about, role=role)
    await send_mail(conn, sign_in, draft)
    shown = ids.show("inv", link.id)
    await record(conn, world, account_id, actor, FieldChange(field="invitation", after=role, subject=shown))
    return InvitationRow(link.id, email, role, actor.id, now, now + INVITATION_LASTS)


async def withdraw_invitation(
    conn: asyncpg.Connection, world: World, account_id: UUID, invitation_id: UUID, *, actor: Actor
) -> None:
    """Withdraw an invitation. Raises Missing, PermissionDenied."""
    shown = ids.show("inv", invitation_id)
    role = await members.end_invitation(conn, invitation_id, account_id, world.clock.now())
    if role is None:
        raise Missing(f"no open invitation {shown}")
    check_grant(actor, role)
    await record(conn, world, account_id, actor, FieldChange(field="invitation", before=role, subject=shown))


async def accept_invitation(
    sign_in: SignIn, token: str, visitor: Visitor, *, password: str = "", replaces: str = ""
) -> AcceptedInvitation:
    """Join the account with an invitation's link. A user without a password sets one, and is signed in.

    Raises Rejected, RateLimited.
    """
    await admit(sign_in, [(TOKENS_BY_ADDRESS, network_of(visitor))])
    hashed = await sign_in.passwords.hash(password) if password else ""
    async with sign_in.acquire() as conn, conn.transaction():
        await _lock_invited_to(conn, sign_in, token)
        link = await open_link(conn, sign_in, token, TokenPurpose.INVITE)
        user = await get_user(conn, link.user_id)
        session, invitation = None, link.invitation
        if invitation is None:
            raise Rejected("this link is not an invitation", param="token").because(ErrorReason.LINK_NO_INVITATION)
        if not user.password:
            sign_in.passwords.check(password, user.email)
            user = await activate_user(conn, sign_in, link.user_id, password=hashed, own_account=False)
            if user.totp_at is None:
                session = await begin_session(conn, sign_in, user, visitor, replaces=replaces)
        await _join(conn, sign_in.world, invitation, Actor(id=user.shown_id, role=invitation.role, user_id=user.id))
    return AcceptedInvitation(invitation.account_id, session)


async def change_member(
    conn: asyncpg.Connection, world: World, account_id: UUID, user_id: UUID, role: AccountRole, *, actor: Actor
) -> None:
    """Change a member's role. Raises Missing, PermissionDenied, Conflict for the last owner."""
    before = await _lock_member(conn, account_id, user_id)
    check_grant(actor, before)
    check_grant(actor, role)
    if before is role:
        return
    await _check_owner_left(conn, account_id, user_id, before)
    await set_role(conn, world, account_id, user_id, role, actor=actor)


async def remove_member(
    conn: asyncpg.Connection, world: World, account_id: UUID, user_id: UUID, *, actor: Actor
) -> None:
    """Remove a member; anybody may remove themselves. Raises Missing, PermissionDenied, Conflict for the last owner."""
    before = await _lock_member(conn, account_id, user_id)
    if user_id != actor.user_id:
        check_grant(actor, before)
    await _check_owner_left(conn, account_id, user_id, before)
    await end_membership(conn, world, account_id, user_id, actor=actor)


async def set_role(
    conn: asyncpg.Connection, world: World, account_id: UUID, user_id: UUID, role: AccountRole, *, actor: Actor
) -> None:
    """Set a member's role, and end what only the old role may give. The caller must check permission."""
    before = await members.find_role(conn, account_id, user_id) or ""
    await members.change_role(conn, account_id, user_id, role)
    await _drop_grants(conn, world, account_id, user_id, _ALL - GRANTABLE[role])
    shown = ids.show("user", user_id)
    await record(conn, world, account_id, actor, FieldChange(field="role", before=before, after=role, subject=shown))


async def end_membership(
    conn: asyncpg.Connection, world: World, account_id: UUID, user_id: UUID, *, actor: Actor
) -> None:
    """End a membership, with everything that the member gave. The caller must check permission."""
    before = await members.find_role(conn, account_id, user_id) or ""
    await members.leave_account(conn, account_id, user_id)
    await _drop_grants(conn, world, account_id, user_id, _ALL)
    shown = ids.show("user", user_id)
    await record(conn, world, account_id, actor, FieldChange(field="role", before=before, subject=shown))


def check_grant(actor: Actor, role: AccountRole) -> None:
    """Check that the actor may give and take a role. Raises PermissionDenied."""
    if role not in GRANTABLE[actor.role]:
        raise PermissionDenied(f"The role {actor.role} may not give or take the role {role}.").because(
            ErrorReason.ROLE_NOT_YOURS
        )


async def _lock_invited_to(conn: asyncpg.Connection, sign_in: SignIn, token: str) -> None:
    """Lock the account before its invitation, as does everybody who ends invitations and reads the members."""
    account_id = await find_invited_to(conn, sign_in.hasher.hash(TokenPurpose.INVITE, token[: LONGEST_TOKEN + 1]))
    if account_id is not None:
        await lock_account(conn, account_id)


async def _join(conn: asyncpg.Connection, world: World, invitation: Invitation, actor: Actor) -> None:
    if actor.user_id is not None and await members.join_account(
        conn, invitation.account_id, actor.user_id, invitation.role, world.clock.now()
    ):
        change = FieldChange(field="role", after=invitation.role, subject=actor.id)
        await record(conn, world, invitation.account_id, actor, change)


async def _lock_member(conn: asyncpg.Connection, account_id: UUID, user_id: UUID) -> AccountRole:
    """Return a member's role. Locks the account, so that two owners cannot leave at once."""
    await lock_account(conn, account_id)
    role = await members.find_role(conn, account_id, user_id)
    if role is None:
        raise Missing(f"no member {ids.show('user', user_id)}")
    return role


async def _check_owner_left(conn: asyncpg.Connection, account_id: UUID, user_id: UUID, role: AccountRole) -> None:
    if role is AccountRole.OWNER and not await members.has_other_owner(conn, account_id, user_id):
        raise Conflict("an account must have an owner: make another member owner first").because(ErrorReason.LAST_OWNER)


async def _drop_grants(
    conn: asyncpg.Connection, world: World, account_id: UUID, user_id: UUID, roles: frozenset[AccountRole]
) -> None:
    """End what the member and the member's management keys gave: invitations, keys, and unused consents to tools."""
    now = world.clock.now()
    keys = await list_management_keys(conn, account_id)
    givers = [ids.show("user", user_id), *(each.shown_id for each in keys if each.created_by == user_id)]
    await end_open_grants(conn, account_id, givers, now, roles)
    await revoke_keys_of(conn, account_id, user_id, roles, now)


async def end_open_grants(
    conn: asyncpg.Connection,
    account_id: UUID,
    givers: Sequence[str],
    at: datetime,
    roles: frozenset[AccountRole] = _ALL,
) -> None:
    """End unused invitations to these roles, and unused consents to tools, given by these shown ids."""
    await members.end_invitations_by(conn, account_id, givers, roles, at)
    await end_consents_by(conn, account_id, givers, at)


def _plain(name: str, others: str = " -'&") -> str:
    """Return an account's name for use in mails, without characters that mail programs would turn into a link."""
    return "".join(letter for letter in name if letter.isalnum() or letter in others)[:60].strip()


async def _inviter(conn: asyncpg.Connection, account_id: UUID, actor: Actor) -> str:
    """Name the inviter to an account without a name: by the e-mail address of the user or of the key's creator."""
    if actor.answers_id is None:
        return ids.show("acct", account_id)
    return _plain((await get_user(conn, actor.answers_id)).email, "@.+-_")


async def _language_of(conn: asyncpg.Connection, user_id: UUID, inviter: Actor) -> str:
    """Return the language of the invited user; for a new user the inviter's, as they know each other."""
    language = (await get_user(conn, user_id)).language
    if language or inviter.answers_id is None:
        return language
    return (await get_user(conn, inviter.answers_id)).language
