"""Operators of a server: users who may see all accounts, and their sign-in link without a password."""

import asyncpg

from tokenharbor.identity.tokens import TokenHasher
from tokenharbor.identity.users import find_user, make_operator, normalise_email, verify_user
from tokenharbor.kernel.errors import Missing
from tokenharbor.kernel.secret import RootSecret, SecretPurpose
from tokenharbor.kernel.world import World
from tokenharbor.signin.sessions import make_operator_link


async def make_operator_token(conn: asyncpg.Connection, world: World, root: RootSecret, email: str) -> str:
    """Make the user of this e-mail an operator, and return a token for one sign-in. Raises Missing, Rejected."""
    user = await find_user(conn, normalise_email(email))
    if user is None:
        raise Missing(f"no user with the e-mail {email[:100]!r}: create an account with it first")
    await make_operator(conn, user.id)
    await verify_user(conn, user.id, world.clock.now())
    return await make_operator_link(conn, world, TokenHasher(root.derive(SecretPurpose.SIGN_IN)), user.id)


def operator_link(url: str, token: str) -> str:
    """Return the sign-in link. The token is in the fragment, which browsers do not send to servers."""
    return f"{url}/dashboard/operator-sign-in#{token}"
