"""The context of sign-in: connections, secrets, the edition, and hooks of other rooms."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

import asyncpg

from tokenharbor.editions.policy import Policy
from tokenharbor.identity.tokens import TokenHasher
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.secret import DerivedSecret, RootSecret, SecretBox, SecretPurpose
from tokenharbor.kernel.world import World
from tokenharbor.signin.openid_provider import OpenIdProvider
from tokenharbor.signin.passwords import Passwords


class ReferralHooks(Protocol):
    """Hooks for the referral code of a sign-up."""

    async def check(self, conn: asyncpg.Connection, code: str) -> None:
        """Check that a code exists. Raises Rejected."""

    async def record(self, conn: asyncpg.Connection, code: str, account_id: UUID) -> None:
        """Record the referral, in the transaction that opens the account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """The parts of sign-in in a process. `acquire` gives a connection for one step; none is held while a password is
    hashed. `public_url` is the base of links in mails. `openid` is the OpenID provider, if one is configured.
    """

    world: World
    acquire: Callable[[], AbstractAsyncContextManager[asyncpg.Connection]]
    hasher: TokenHasher
    key_hashes: DerivedSecret
    factor_seal: SecretBox
    mail_seal: SecretBox
    openid_seal: SecretBox
    passwords: Passwords
    policy: Callable[[], Policy]
    referrals: ReferralHooks
    public_url: str
    openid: OpenIdProvider | None = None


def make_sign_in(
    *,
    world: World,
    root: RootSecret,
    acquire: Callable[[], AbstractAsyncContextManager[asyncpg.Connection]],
    policy: Callable[[], Policy],
    referrals: ReferralHooks,
    public_url: str,
) -> SignIn:
    return SignIn(
        world=world,
        acquire=acquire,
        hasher=TokenHasher(root.derive(SecretPurpose.SIGN_IN)),
        key_hashes=root.derive(SecretPurpose.KEY_HASHES),
        factor_seal=SecretBox(root.derive(SecretPurpose.SECOND_FACTORS), world.entropy),
        mail_seal=SecretBox(root.derive(SecretPurpose.MAILS), world.entropy),
        openid_seal=SecretBox(root.derive(SecretPurpose.OPENID), world.entropy),
        passwords=Passwords(world.entropy),
        policy=policy,
        referrals=referrals,
        public_url=public_url,
    )
