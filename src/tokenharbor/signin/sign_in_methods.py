"""The check that a user keeps a way to sign in."""

import asyncpg

from tokenharbor.identity.passkeys import list_passkeys
from tokenharbor.identity.users import User, list_identities
from tokenharbor.kernel.errors import Conflict
from tokenharbor.kernel.reasons import ErrorReason
from tokenharbor.signin.context import SignIn
from tokenharbor.signin.passkey_site import has_passkeys


async def check_can_sign_in(conn: asyncpg.Connection, sign_in: SignIn, user: User) -> None:
    """Check that the user can still sign in. Call this after removing a way, in the same transaction, or with the user
    as they would be. Raises Conflict.
    """
    if user.password or (has_passkeys(sign_in) and await list_passkeys(conn, user.id)):
        return
    if not await _signs_in_elsewhere(conn, sign_in, user):
        raise Conflict("this is your only way to sign in: set a password or add a passkey first").because(
            ErrorReason.LAST_WAY_IN
        )


async def _signs_in_elsewhere(conn: asyncpg.Connection, sign_in: SignIn, user: User) -> bool:
    """Return whether the configured service can sign the user in; it cannot if there is an authenticator app."""
    if sign_in.openid is None or user.totp_at is not None:
        return False
    issuer = sign_in.openid.config.issuer
    return any(each.issuer == issuer for each in await list_identities(conn, user.id))
