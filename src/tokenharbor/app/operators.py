"""Operators of a server: users who may see all accounts, and the link that lets one in without a password."""

import asyncpg

from tokenharbor.identity.tokens import TokenHasher
from tokenharbor.identity.users import find_user, make_operator, normalise_email, verify_user
from tokenharbor.kernel.errors import Missing
from tokenharbor.kernel.secret import RootSecret, SecretPurpose
from tokenharbor.kernel.world import World
from tokenharbor.signin.entry import make_operator_link


async def make_operator_token(conn: asyncpg.Connection, world: World, root: RootSecret, email: str) -> str:
    """The user of this e-mail is an operator; what is returned lets them in, once. Raises Missing, Rejected."""
    user = await find_user(conn, normalise_email(email))
    if user is None:
        raise Missing(f"no user with the e-mail {email[:100]!r}: create an account for it first")
    await make_operator(conn, user.id)
    await verify_user(conn, user.id, world.clock.now())
    return await make_operator_link(conn, world, TokenHasher(root.derive(SecretPurpose.SIGN_IN)), user.id)


def operator_link(url: str, token: str) -> str:
    """The token stands after `#`, which browsers send to no server."""
    return f"{url}/dashboard/operator-sign-in#{token}"
