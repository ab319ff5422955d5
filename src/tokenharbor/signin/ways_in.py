"""The ways in which a user can sign in: nobody takes away their own last one."""

import asyncpg

from tokenharbor.identity.passkeys import list_passkeys
from tokenharbor.identity.users import User, list_identities
from tokenharbor.kernel.errors import Conflict
from tokenharbor.kernel.reasons import ErrorReason
from tokenharbor.signin.context import SignIn
from tokenharbor.signin.passkey_site import has_passkeys


async def check_way_in(conn: asyncpg.Connection, sign_in: SignIn, user: User) -> None:
    """After one was taken away, and in its transaction; or with the user as they would be. Raises Conflict for none."""
    if user.password or (has_passkeys(sign_in) and await list_passkeys(conn, user.id)):
        return
    if not await _signs_in_elsewhere(conn, sign_in, user):
        raise Conflict("this is your only way to sign in: set a password or add a passkey first").because(
            ErrorReason.LAST_WAY_IN
        )


async def _signs_in_elsewhere(conn: asyncpg.Connection, sign_in: SignIn, user: User) -> bool:
    """By the service that is configured now, which lets nobody in who has set up an authenticator app."""
    if sign_in.openid is None or user.totp_at is not None:
        return False
    issuer = sign_in.openid.config.issuer
    return any(each.issuer == issuer for each in await list_identities(conn, user.id))
