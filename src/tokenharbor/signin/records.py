"""Records of changes to accounts, and of users' changes to their own sign-in."""

from dataclasses import dataclass

import asyncpg

from tokenharbor.identity.changes import AccountChange, record_change, record_user_change
from tokenharbor.identity.roles import AccountRole
from tokenharbor.identity.sessions import Visitor
from tokenharbor.identity.users import User
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """The author of a change to an account: shown id, role there, and address. `user_id` is None for a management key,
    whose creator is `maker_id`.
    """

    id: str
    role: AccountRole
    user_id: UUID | None = None
    maker_id: UUID | None = None
    address: str = ""

    @property
    def answers_id(self) -> UUID | None:
        """The user responsible: the actor or the management key's creator; None if there is none."""
        return self.user_id or self.maker_id


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """A change to a field of an account, or of a `subject` in it. Empty values are not stated."""

    field: str
    before: str = ""
    after: str = ""
    subject: str = ""


async def record(conn: asyncpg.Connection, world: World, account_id: UUID, actor: Actor, change: FieldChange) -> None:
    """Record a change to an account. Call this in the transaction of the change."""
    told = AccountChange(
        world.clock.now(),
        actor.id,
        change.field,
        change.before,
        change.after,
        subject=change.subject,
        address=actor.address,
    )
    await record_change(conn, world.ids.new(), account_id, told)


async def record_own_change(
    conn: asyncpg.Connection, world: World, user: User, visitor: Visitor, change: FieldChange
) -> None:
    """Record a user's change to their own sign-in."""
    told = AccountChange(
        world.clock.now(), user.shown_id, change.field, change.before, change.after, address=visitor.address
    )
    await record_user_change(conn, world.ids.new(), user.id, told)
