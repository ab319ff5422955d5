"""Sign-in of the console's process: under the edition in force, with referral codes and OpenID."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import asyncpg

from tokenharbor.app.secrets import root_secret
from tokenharbor.app.server_url import name_loopback
from tokenharbor.app.settings import Settings
from tokenharbor.editions.policy import Policy
from tokenharbor.kernel.errors import Misconfigured
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.world import World
from tokenharbor.rewards.referrals import find_referrer, record_sign_up
from tokenharbor.signin.context import SignIn, make_sign_in
from tokenharbor.signin.openid_provider import OpenIdConfig, OpenIdProvider


@dataclass(frozen=True, slots=True)
class RewardReferrals:
    """Referral codes, checked and recorded by the rewards room."""

    world: World

    async def check(self, conn: asyncpg.Connection, code: str) -> None:
        await find_referrer(conn, code)

    async def record(self, conn: asyncpg.Connection, code: str, account_id: UUID) -> None:
        await record_sign_up(conn, self.world, code, account_id)


def make_console_sign_in(
    settings: Settings, world: World, pool: asyncpg.Pool, policy: Callable[[], Policy], url: str
) -> SignIn:
    """Return the sign-in of the console. Raises Misconfigured."""
    sign_in = make_sign_in(
        world=world,
        root=root_secret(settings, world.entropy),
        acquire=pool.acquire,
        policy=policy,
        referrals=RewardReferrals(world),
        public_url=name_loopback(url),
    )
    openid = read_openid(settings)
    return sign_in if openid is None else replace(sign_in, openid=OpenIdProvider(openid, world))


def read_openid(settings: Settings) -> OpenIdConfig | None:
    """Return the configured OpenID provider, None if there is none. Raises Misconfigured if a field is missing."""
    stated = settings.openid
    if stated.issuer is None:
        return None
    secret = settings.secret(stated.client_secret)
    if not stated.client_id or not stated.name or secret is None:
        raise Misconfigured(f"{settings.file} [openid]: name, client_id and client_secret are needed with issuer")
    return OpenIdConfig(name=stated.name, issuer=stated.issuer, client_id=stated.client_id, client_secret=secret)
