"""Who asks: a user by a session, or a program by a management key; and what says so."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from tokenharbor.identity.roles import AccountRole
from tokenharbor.kernel.ids import UUID


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. `id` is a user's or a management key's, as it is shown; records of changes name it. A member's role, or
    a management key's, is what it has of an account.
    """

    id: str
    roles: Mapping[UUID, AccountRole]
    user_id: UUID | None = None  # None: a management key
    session_id: UUID | None = None  # of a user
    maker_id: UUID | None = None  # of a management key: the user who made it
    operator: bool = False


class Authenticator(Protocol):
    """Who is behind a session's token or a management key; None for none that is in force."""

    async def by_session(self, token: str, address: str) -> Principal | None: ...

    async def by_management_key(self, key: str) -> Principal | None: ...
