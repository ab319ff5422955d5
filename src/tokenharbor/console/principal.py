"""The authenticated caller: a user with a session, or a program with a management key."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import asyncpg

from tokenharbor.identity.roles import AccountRole
from tokenharbor.kernel.ids import UUID


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller. `id` is the shown id of the user or management key, recorded with changes; `roles` are by account."""

    id: str
    roles: Mapping[UUID, AccountRole]
    user_id: UUID | None = None  # None: a management key
    session_id: UUID | None = None  # of a user
    maker_id: UUID | None = None  # of a management key: the user who created it
    operator: bool = False


class Authenticator(Protocol):
    """Finds the caller by a session's token or a management key; returns None if it is not valid."""

    async def by_session(self, token: str, address: str) -> Principal | None: ...

    async def by_management_key(self, key: str) -> Principal | None: ...

    async def find_role(self, conn: asyncpg.Connection, principal: Principal, account_id: UUID) -> AccountRole | None:
        """Return the role that a principal has in an account now; None if the session, key or membership has ended."""
