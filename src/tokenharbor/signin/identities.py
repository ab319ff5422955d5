"""Other services that a user is connected to: listed, and disconnected, but never the last way in.

An identity is named by a keyed hash of who the user is there: what a service calls somebody is shown to nobody.
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
from tokenharbor.signin.ways_in import check_way_in

_KIND: Final = "identity"


@dataclass(frozen=True, slots=True)
class ConnectedService:
    """One that the user signs in by, or did while it was configured."""

    id: str
    issuer: str
    created_at: datetime


async def list_services(conn: asyncpg.Connection, sign_in: SignIn, user_id: UUID) -> Sequence[ConnectedService]:
    """A user's, oldest first."""
    found = await list_identities(conn, user_id)
    return [ConnectedService(_id_of(sign_in, each), each.issuer, each.created_at) for each in found]


async def disconnect(sign_in: SignIn, user_id: UUID, service_id: str, visitor: Visitor) -> None:
    """It signs the user in no more. Raises Missing; Conflict for who could not sign in then."""
    async with sign_in.acquire() as conn, conn.transaction():
        user = await lock_user(conn, user_id)
        found = await list_identities(conn, user.id)
        identity = next((each for each in found if _id_of(sign_in, each) == service_id), None)
        if identity is None:
            raise Missing("you are not connected to this service")
        await drop_identity(conn, user.id, identity)
        await check_way_in(conn, sign_in, user)
        change = FieldChange(field="other_service", before=identity.issuer)
        await record_own_change(conn, sign_in.world, user, visitor, change)


def _id_of(sign_in: SignIn, identity: Identity) -> str:
    return sign_in.hasher.hash(_KIND, f"{identity.issuer}\0{identity.subject}").hex()[:32]
