"""The way in of a console's process: sign-in under its edition, with the referrals of rewards."""

from collections.abc import Callable
from dataclasses import dataclass

import asyncpg

from tokenharbor.app.secrets import root_secret
from tokenharbor.app.server_url import name_loopback
from tokenharbor.app.settings import Settings
from tokenharbor.editions.policy import Policy
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.world import World
from tokenharbor.rewards.referrals import find_referrer, record_sign_up
from tokenharbor.signin.context import SignIn, make_sign_in


@dataclass(frozen=True, slots=True)
class RewardReferrals:
    """The referral codes of accounts."""

    world: World

    async def check(self, conn: asyncpg.Connection, code: str) -> None:
        await find_referrer(conn, code)

    async def record(self, conn: asyncpg.Connection, code: str, account_id: UUID) -> None:
        await record_sign_up(conn, self.world, code, account_id)


def make_console_sign_in(
    settings: Settings, world: World, pool: asyncpg.Pool, policy: Callable[[], Policy], url: str
) -> SignIn:
    """Raises Misconfigured."""
    return make_sign_in(
        world=world,
        root=root_secret(settings, world.entropy),
        acquire=pool.acquire,
        policy=policy,
        referrals=RewardReferrals(world),
        public_url=name_loopback(url),
    )
