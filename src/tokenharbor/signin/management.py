"""Use cases of management keys: issued with a role that the creator may grant, shown once, revoked."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import asyncpg

from tokenharbor.identity import management_keys
from tokenharbor.identity.attempts import count_attempt
from tokenharbor.identity.changes import lock_account
from tokenharbor.identity.keys import MANAGEMENT_PREFIX, make_key
from tokenharbor.identity.management_keys import ManagementKey
from tokenharbor.identity.roles import AccountRole
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import Conflict, RateLimited, Rejected
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.reasons import ErrorReason
from tokenharbor.kernel.secret import DerivedSecret
from tokenharbor.kernel.world import World
from tokenharbor.signin.limits import MANAGEMENT_KEYS
from tokenharbor.signin.profile import check_name
from tokenharbor.signin.records import Actor, FieldChange, record
from tokenharbor.signin.team import check_grant, end_open_grants

MOST: Final = 100
"""Unrevoked management keys of an account, at most."""


@dataclass(frozen=True, slots=True)
class NewManagementKey:
    """A management key to create."""

    name: str
    role: AccountRole
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class IssuedManagementKey:
    """A key just issued. `secret` is shown once and not stored."""

    key: ManagementKey
    secret: str = field(repr=False)


async def issue_management_key(
    conn: asyncpg.Connection,
    world: World,
    derived: DerivedSecret,
    *,
    account_id: UUID,
    wanted: NewManagementKey,
    actor: Actor,
) -> IssuedManagementKey:
    """Issue a management key. Raises PermissionDenied, Rejected, Missing; Conflict, RateLimited for too many."""
    if wanted.role is AccountRole.OWNER:
        raise Rejected("a management key cannot have the role owner: use admin or below", param="role").because(
            ErrorReason.MANAGEMENT_KEY_OWNER
        )
    check_grant(actor, wanted.role)
    now = world.clock.now()
    if wanted.expires_at is not None and wanted.expires_at <= now:
        raise Rejected("the expiry must be in the future", param="expires_at").because(ErrorReason.EXPIRY_INVALID)
    await lock_account(conn, account_id)
    await _check_room(conn, account_id, now)
    made = make_key(world.entropy, MANAGEMENT_PREFIX)
    key = ManagementKey(
        id=world.ids.new(),
        account_id=account_id,
        created_by=actor.answers_id,
        first4=made.first4,
        last4=made.last4,
        name=check_name(wanted.name),
        role=wanted.role,
        created_at=now,
        expires_at=wanted.expires_at,
    )
    await management_keys.add_management_key(conn, derived, key, made)
    change = FieldChange(field="management_key", after=f"{key.role} {key.name}".strip(), subject=key.shown_id)
    await record(conn, world, account_id, actor, change)
    return IssuedManagementKey(key, made.key)


async def revoke_management_key(
    conn: asyncpg.Connection, world: World, account_id: UUID, key_id: UUID, *, actor: Actor
) -> datetime:
    """Revoke a key, with its open invitations and consents; return when it was first revoked. Raises Missing."""
    now = world.clock.now()
    name, revoked_at = await management_keys.revoke_management_key(conn, key_id, account_id, now)
    if revoked_at == now:
        await end_open_grants(conn, account_id, [ids.show("mkey", key_id)], now)
        change = FieldChange(field="management_key", before=name, subject=ids.show("mkey", key_id))
        await record(conn, world, account_id, actor, change)
    return revoked_at


async def _check_room(conn: asyncpg.Connection, account_id: UUID, now: datetime) -> None:
    """Check the limits on management keys. The account must be locked. Raises Conflict, RateLimited."""
    if await management_keys.count_management_keys(conn, account_id) >= MOST:
        raise Conflict(f"the account has {MOST} management keys: revoke some first").because(
            ErrorReason.MANAGEMENT_KEYS_MOST, most=MOST
        )
    if await count_attempt(conn, MANAGEMENT_KEYS, account_id.bytes, now) is not None:
        most = MANAGEMENT_KEYS.most
        raise RateLimited(f"{most} management keys were created today: try again tomorrow").because(
            ErrorReason.MANAGEMENT_KEYS_DAY, most=most
        )
