"""Members of accounts and their roles, and open invitations."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import asyncpg

from tokenharbor.db.queries import read_queries
from tokenharbor.identity.roles import AccountRole
from tokenharbor.kernel.ids import UUID


@dataclass(frozen=True, slots=True)
class MemberQueries:
    """The SQL of members.sql."""

    memberships: str
    accounts_of: str
    admitted: str
    role: str
    members: str
    join: str
    change_role: str
    leave: str
    other_owners: str
    invitations: str
    end_invitation: str
    end_invitations_of: str
    end_invitations_by: str
    add_management_key: str
    find_management_key: str
    management_key_role: str
    management_keys: str
    count_management_keys: str
    revoke_management_key: str
    revoke_keys_of: str
    set_name: str


MEMBER_SQL = read_queries(MemberQueries, "tokenharbor.identity", "members.sql")


@dataclass(frozen=True, slots=True)
class Membership:
    """An account of a user, and the user's role there."""

    account_id: UUID
    account_name: str
    role: AccountRole


@dataclass(frozen=True, slots=True)
class Member:
    """A user of an account."""

    user_id: UUID
    email: str = field(repr=False)
    name: str = field(repr=False)
    role: AccountRole
    since: datetime


@dataclass(frozen=True, slots=True)
class InvitationRow:
    """An open invitation. `invited_by` is a shown id."""

    id: UUID
    email: str = field(repr=False)
    role: AccountRole
    invited_by: str
    created_at: datetime
    expires_at: datetime


async def list_memberships(conn: asyncpg.Connection, user_id: UUID) -> Sequence[Membership]:
    """Return a user's memberships, oldest first."""
    rows = await conn.fetch(MEMBER_SQL.memberships, user_id)
    return [Membership(row["id"], row["name"], AccountRole(row["role"])) for row in rows]


async def list_accounts_of(conn: asyncpg.Connection, user_id: UUID) -> Sequence[UUID]:
    """Return the accounts of which a user is, or was, a member."""
    return [row["account_id"] for row in await conn.fetch(MEMBER_SQL.accounts_of, user_id)]


async def list_admitted(conn: asyncpg.Connection, account_id: UUID, user_id: UUID, since: datetime) -> frozenset[str]:
    """Return the user and everyone whom they admitted to the account since: management keys that they made, people whom
    they or those keys invited, and so on; as shown ids.
    """
    return frozenset(row["id"] for row in await conn.fetch(MEMBER_SQL.admitted, account_id, user_id, since))


async def find_role(conn: asyncpg.Connection, account_id: UUID, user_id: UUID) -> AccountRole | None:
    """Return a user's role in an account, or None for no member."""
    role = await conn.fetchval(MEMBER_SQL.role, account_id, user_id)
    return None if role is None else AccountRole(role)


async def list_members(conn: asyncpg.Connection, account_id: UUID) -> Sequence[Member]:
    """Return an account's members, oldest first."""
    rows = await conn.fetch(MEMBER_SQL.members, account_id)
    return [
        Member(row["user_id"], row["email"] or "", row["name"], AccountRole(row["role"]), row["created_at"])
        for row in rows
    ]


async def join_account(
    conn: asyncpg.Connection, account_id: UUID, user_id: UUID, role: AccountRole, at: datetime
) -> bool:
    """Make a user a member; return False for one who already was, and keeps the role."""
    return await conn.fetchval(MEMBER_SQL.join, account_id, user_id, role.value, at) is not None


async def change_role(conn: asyncpg.Connection, account_id: UUID, user_id: UUID, role: AccountRole) -> None:
    await conn.execute(MEMBER_SQL.change_role, account_id, user_id, role.value)


async def leave_account(conn: asyncpg.Connection, account_id: UUID, user_id: UUID) -> None:
    await conn.execute(MEMBER_SQL.leave, account_id, user_id)


async def has_other_owner(conn: asyncpg.Connection, account_id: UUID, user_id: UUID) -> bool:
    """Whether the account has an owner beside this user; the caller must have locked its row."""
    return bool(await conn.fetchval(MEMBER_SQL.other_owners, account_id, user_id))


async def list_invitations(conn: asyncpg.Connection, account_id: UUID, at: datetime) -> Sequence[InvitationRow]:
    """Return an account's open invitations, oldest first."""
    rows = await conn.fetch(MEMBER_SQL.invitations, account_id, at)
    return [InvitationRow(**{**row, "email": row["email"] or "", "role": AccountRole(row["role"])}) for row in rows]


async def end_invitation(
    conn: asyncpg.Connection, invitation_id: UUID, account_id: UUID, at: datetime
) -> AccountRole | None:
    """End an invitation and return its role; None if the account has no such open invitation."""
    role = await conn.fetchval(MEMBER_SQL.end_invitation, invitation_id, account_id, at)
    return None if role is None else AccountRole(role)


async def end_invitations_of(conn: asyncpg.Connection, account_id: UUID, user_id: UUID, at: datetime) -> None:
    """End all invitations of a user to an account."""
    await conn.execute(MEMBER_SQL.end_invitations_of, account_id, user_id, at)


async def end_invitations_by(
    conn: asyncpg.Connection, account_id: UUID, inviters: Sequence[str], roles: Collection[AccountRole], at: datetime
) -> None:
    """End the invitations to one of these roles that members or management keys (shown ids) made."""
    await conn.execute(MEMBER_SQL.end_invitations_by, account_id, inviters, [role.value for role in roles], at)


async def set_account_name(conn: asyncpg.Connection, account_id: UUID, name: str) -> None:
    await conn.execute(MEMBER_SQL.set_name, account_id, name)
