"""Connected services of a user: listed and disconnected, except for the last way to sign in.

An identity's id is a keyed hash of the user's subject at the service, which is never shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

from tokenharbor.identity.sessions import Visitor
from tokenharbor.identity.users import Identity, drop_identity, list_identities, lock_user
from tokenharbor.kernel.errors import Missing
from tokenharbor.kernel.ids import UUID
from tokenharbor.signin.context import SignIn
from tokenharbor.signin.records import FieldChange, record_own_change
from tokenharbor.signin.sign_in_methods import check_can_sign_in

_KIND: Final = "identity"


@dataclass(frozen=True, slots=True)
class ConnectedService:
    """A service that the user can sign in with, or could while it was configured."""

    id: str
    issuer: str
    created_at: datetime


async def list_services(conn: asyncpg.Connection, sign_in: SignIn, user_id: UUID) -> Sequence[ConnectedService]:
    """Return a user's connected services, oldest first."""
    found = await list_identities(conn, user_id)
    return [ConnectedService(_id_of(sign_in, each), each.issuer, each.created_at) for each in found]


async def disconnect(sign_in: SignIn, user_id: UUID, service_id: str, visitor: Visitor) -> None:
    """Disconnect a service. Raises Missing; Conflict if the user could no longer sign in."""
    async with sign_in.acquire() as conn, conn.transaction():
        user = await lock_user(conn, user_id)
        found = await list_identities(conn, user.id)
        identity = next((each for each in found if _id_of(sign_in, each) == service_id), None)
        if identity is None:
            raise Missing("this service is not connected")
        await drop_identity(conn, user.id, identity)
        await check_can_sign_in(conn, sign_in, user)
        change = FieldChange(field="other_service", before=identity.issuer)
        await record_own_change(conn, sign_in.world, user, visitor, change)


def _id_of(sign_in: SignIn, identity: Identity) -> str:
    return sign_in.hasher.hash(_KIND, f"{identity.issuer}\0{identity.subject}").hex()[:32]
