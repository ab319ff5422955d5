"""The undo of an e-mail change: ends what was done in the user's name since one day before the change was requested.

The attacker who requested the change had a session of the user, and may have used it before and after. Keys, members
and other items created with it give access by themselves. So all of them end in the transaction of the undo, before
they can be used again; the user need not find them in lists. The attacker's actions are those that the audit log
records for the user, for management keys that the user created since, and for members that any of these admitted since,
and so on.

The undo only removes access, except that it restores the user's own role. A user who undoes by mistake must create keys
again; the preview and the answer list them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol

import asyncpg

from tokenharbor.identity import members, store
from tokenharbor.identity.changes import AccountChange, lock_account, read_changes_since, read_names
from tokenharbor.identity.roles import AccountRole
from tokenharbor.identity.sessions import Visitor
from tokenharbor.identity.users import User
from tokenharbor.kernel import ids
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.world import World
from tokenharbor.signin.management import revoke_management_key
from tokenharbor.signin.records import Actor, FieldChange, record
from tokenharbor.signin.team import end_membership, end_open_grants, set_role

BEFORE: Final = timedelta(days=1)
"""How long before the request the attacker may already have had the session."""


class UndoneKind(StrEnum):
    """The kinds of items that the undo ends or restores."""

    KEY = "key"
    MANAGEMENT_KEY = "management_key"
    MEMBER = "member"
    ROLE = "role"
    INVITATION = "invitation"
    PAYEE = "payee"
    WITHDRAWAL = "withdrawal"
    AUTO_TOP_UP = "auto_top_up"
    ALERT_WEBHOOK = "alert_webhook"
    ALERTS = "alerts"  # by mail, turned on again


@dataclass(frozen=True, slots=True)
class Undone:
    """An item of an account that was undone. `id` is empty for settings that an account has once."""

    kind: UndoneKind
    account_id: UUID
    id: str = ""
    name: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intrusion:
    """The changes that an attacker may have made to an account: those by `actors` (shown ids) since a time. `by` undoes
    them, in the transaction of `conn`.
    """

    conn: asyncpg.Connection
    account_id: UUID
    actors: frozenset[str]
    since: datetime
    changes: Sequence[AccountChange]
    by: Actor
    now: datetime

    def added(self, field: str) -> Sequence[str]:
        """Return the shown ids of the items that were added, by the name of their field in the audit log."""
        return [each.subject for each in self.changes if each.field == field and not each.before]

    def has_changed(self, setting: str) -> bool:
        """Return whether a setting of the account was changed."""
        return any(each.field.partition(".")[0] == setting for each in self.changes)

    def undone(self, kind: UndoneKind, shown: str = "", name: str = "") -> Undone:
        return Undone(kind, self.account_id, shown, name)


class UndoHooks(Protocol):
    """The undo of changes outside of sign-in: payments, alerts."""

    async def undo(self, intrusion: Intrusion) -> Sequence[Undone]: ...


async def undo_since(
    conn: asyncpg.Connection, world: World, user: User, visitor: Visitor, *, since: datetime, hooks: UndoHooks
) -> Sequence[Undone]:
    """Undo the attacker's changes in every account that the user is or was a member of; return the items undone."""
    actor = Actor(id=user.shown_id, role=AccountRole.OWNER, user_id=user.id, address=visitor.address)
    undone: list[Undone] = []
    for account_id in await members.list_accounts_of(conn, user.id):
        await lock_account(conn, account_id)
        actors = await members.list_admitted(conn, account_id, user.id, since)
        log = await read_changes_since(conn, account_id, since)
        theirs = [each for each in log if each.actor in actors]
        intrusion = Intrusion(
            conn=conn, account_id=account_id, actors=actors, since=since, changes=theirs, by=actor,
            now=world.clock.now(),
        )  # fmt: skip
        ended = [*await _undo_roles(world, intrusion, log), *await _end_keys(world, intrusion)]
        ended += [*await _end_invitations(world, intrusion), *await hooks.undo(intrusion)]
        if ended:
            change = FieldChange(field="email_undo", after=str(len(ended)), subject=user.shown_id)
            await record(conn, world, account_id, actor, change)
        names = await read_names(conn, account_id, [each.id for each in ended])
        undone += [Undone(each.kind, account_id, each.id, each.name or names.get(each.id, "")) for each in ended]
    return undone


async def _undo_roles(world: World, intrusion: Intrusion, log: Sequence[AccountChange]) -> Sequence[Undone]:
    """Remove members admitted by the attacker, and restore changed roles of older members. Removed members stay
    removed, except for the user.
    """
    roles: dict[str, list[AccountChange]] = {}
    for each in log:
        if each.field == "role":
            roles.setdefault(each.subject, []).append(each)
    mine = roles.pop(intrusion.by.id, [])
    undone: list[Undone] = []
    for subject, changed in roles.items():
        undone += await _undo_role(world, intrusion, subject, changed)
    return [*undone, *await _restore_role(world, intrusion, mine)]


async def _undo_role(
    world: World, intrusion: Intrusion, subject: str, changed: Sequence[AccountChange]
) -> Sequence[Undone]:
    user_id, account_id = ids.parse("user", subject), intrusion.account_id
    role = await members.find_role(intrusion.conn, account_id, user_id)
    if role is None:
        return []
    if subject in intrusion.actors:
        await end_membership(intrusion.conn, world, account_id, user_id, actor=intrusion.by)
        return [intrusion.undone(UndoneKind.MEMBER, subject)]
    before = next((each.before for each in changed if each.actor in intrusion.actors), "")
    if changed[-1].actor not in intrusion.actors or before in ("", role.value):
        return []
    await set_role(intrusion.conn, world, account_id, user_id, AccountRole(before), actor=intrusion.by)
    return [intrusion.undone(UndoneKind.ROLE, subject)]


async def _restore_role(world: World, intrusion: Intrusion, changed: Sequence[AccountChange]) -> Sequence[Undone]:
    """Restore the user's own role if the attacker's members took it, or if the account has no other owner now."""
    conn, account_id, by = intrusion.conn, intrusion.account_id, intrusion.by
    if by.user_id is None or not changed or not changed[0].before:
        return []
    before, role = AccountRole(changed[0].before), await members.find_role(conn, account_id, by.user_id)
    taken = changed[-1].actor in intrusion.actors - {by.id}
    orphaned = before is AccountRole.OWNER and not await members.has_other_owner(conn, account_id, by.user_id)
    if role is before or not (taken or orphaned):
        return []
    await members.join_account(conn, account_id, by.user_id, before, intrusion.now)
    await members.change_role(conn, account_id, by.user_id, before)
    change = FieldChange(field="role", before=role or "", after=before, subject=by.id)
    await record(conn, world, account_id, by, change)
    return [intrusion.undone(UndoneKind.ROLE, by.id)]


async def _end_keys(world: World, intrusion: Intrusion) -> Sequence[Undone]:
    conn, account_id, now = intrusion.conn, intrusion.account_id, intrusion.now
    ended = {
        **{
            shown: await revoke_management_key(conn, world, account_id, ids.parse("mkey", shown), actor=intrusion.by)
            for shown in intrusion.added("management_key")
        },
        **{shown: await store.revoke_key(conn, ids.parse("key", shown), now) for shown in intrusion.added("key")},
    }
    kinds = {"mkey": UndoneKind.MANAGEMENT_KEY, "key": UndoneKind.KEY}
    return [intrusion.undone(kinds[shown.partition("_")[0]], shown) for shown, at in ended.items() if at == now]


async def _end_invitations(world: World, intrusion: Intrusion) -> Sequence[Undone]:
    """End the attacker's open invitations and unused consents to tools."""
    conn, account_id = intrusion.conn, intrusion.account_id
    undone = []
    for each in await members.list_invitations(conn, account_id, intrusion.now):
        if each.invited_by in intrusion.actors:
            shown = ids.show("inv", each.id)
            change = FieldChange(field="invitation", before=each.role, subject=shown)
            await record(conn, world, account_id, intrusion.by, change)
            undone.append(intrusion.undone(UndoneKind.INVITATION, shown))
    await end_open_grants(conn, account_id, sorted(intrusion.actors), intrusion.now)
    return undone
