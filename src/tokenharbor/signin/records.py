"""Records of changes: who changed what of an account or of themselves, from where."""

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
    """Who acts for an account: a shown id, the role there, the user (None: a management key, which `maker_id` made),
    and from where.
    """

    id: str
    role: AccountRole
    user_id: UUID | None = None
    maker_id: UUID | None = None
    address: str = ""

    @property
    def answers_id(self) -> UUID | None:
        """The user whose membership all of it hangs on. None: nobody's."""
        return self.user_id or self.maker_id


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """What changed of an account, or of the `subject` that belongs to it. "": not stated."""

    field: str
    before: str = ""
    after: str = ""
    subject: str = ""


async def record(conn: asyncpg.Connection, world: World, account_id: UUID, actor: Actor, change: FieldChange) -> None:
    """In the transaction of the change."""
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
    """What users change of their own sign-in."""
    told = AccountChange(
        world.clock.now(), user.shown_id, change.field, change.before, change.after, address=visitor.address
    )
    await record_user_change(conn, world.ids.new(), user.id, told)
