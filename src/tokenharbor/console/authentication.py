"""Authentication of callers: a session's user with all their roles, or a management key with its one role."""

from dataclasses import dataclass

import asyncpg

from tokenharbor.console.principal import Principal
from tokenharbor.identity import members
from tokenharbor.identity.management_keys import find_management_key, find_role_of_key
from tokenharbor.identity.members import list_memberships
from tokenharbor.identity.roles import AccountRole
from tokenharbor.identity.sessions import began_at
from tokenharbor.kernel import ids
from tokenharbor.kernel.ids import UUID
from tokenharbor.signin.context import SignIn
from tokenharbor.signin.sessions import find_open_session


@dataclass(frozen=True, slots=True)
class SignInAuthenticator:
    """Authenticates with a query each time, so that an ended session or revoked key is refused at once."""

    sign_in: SignIn

    async def by_session(self, token: str, address: str) -> Principal | None:
        session = await find_open_session(self.sign_in, token, address)
        if session is None:
            return None
        user = session.user
        async with self.sign_in.acquire() as conn:
            memberships = await list_memberships(conn, user.id)
        roles = {each.account_id: each.role for each in memberships}
        return Principal(user.shown_id, roles, user_id=user.id, session_id=session.id, operator=user.operator)

    async def by_management_key(self, key: str) -> Principal | None:
        sign_in = self.sign_in
        async with sign_in.acquire() as conn:
            found = await find_management_key(conn, sign_in.key_hashes, key, sign_in.world.clock.now())
        if found is None:
            return None
        return Principal(found.shown_id, {found.account_id: found.role}, maker_id=found.created_by)

    async def find_role(self, conn: asyncpg.Connection, principal: Principal, account_id: UUID) -> AccountRole | None:
        now = self.sign_in.world.clock.now()
        if principal.user_id is None:
            return await find_role_of_key(conn, account_id, ids.parse("mkey", principal.id), now)
        if await began_at(conn, principal.user_id, principal.session_id, now) is None:
            return None
        return await members.find_role(conn, account_id, principal.user_id)
