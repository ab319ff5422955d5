"""Fixtures for the tests of sign-in: a fixed clock, a migrated database, and users."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import asyncpg
import pytest

from tokenharbor.db.partitions import ensure_partitions
from tokenharbor.db.pool import ConnectOptions, open_pool
from tokenharbor.editions.load import load_edition
from tokenharbor.editions.policy import Policy
from tokenharbor.identity.sessions import Visitor
from tokenharbor.identity.user_mails import list_mails
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.entropy import SeededEntropy
from tokenharbor.kernel.errors import Rejected
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.secret import RootSecret
from tokenharbor.kernel.world import World, make_world
from tokenharbor.signin.context import SignIn, make_sign_in
from tokenharbor.signin.sessions import NewSession
from tokenharbor.signin.sign_up import OpenedLink, SignUpForm, sign_up, verify_email
from tokenharbor.signin.undo import Intrusion, Undone

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
PASSWORD = "dull-otter-91-lamp"
HERE = Visitor("192.0.2.7", "Firefox")
ROOT = RootSecret("of-the-tests-" * 4)


@dataclass
class Referrals:
    """A code that somebody has, and what was recorded of it."""

    recorded: list[tuple[str, UUID]] = field(default_factory=list)

    async def check(self, conn: asyncpg.Connection, code: str) -> None:  # noqa: ARG002
        if code != "FRIEND":
            raise Rejected("no such referral code", param="referral")

    async def record(self, conn: asyncpg.Connection, code: str, account_id: UUID) -> None:  # noqa: ARG002
        self.recorded.append((code, account_id))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def world(clock: ManualClock) -> World:
    return make_world(clock, SeededEntropy(1))


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    opened = await open_pool(ConnectOptions(database_url))
    async with opened.acquire() as conn:
        await ensure_partitions(conn, START)
    yield opened
    opened.terminate()


@pytest.fixture
async def conn(pool: asyncpg.Pool) -> AsyncIterator[asyncpg.Connection]:
    async with pool.acquire() as connection:
        yield connection


@pytest.fixture
def referrals() -> Referrals:
    return Referrals()


@pytest.fixture(scope="session")
def policy() -> Policy:
    return load_edition("token-harbor")


@pytest.fixture
def sign_in(world: World, pool: asyncpg.Pool, policy: Policy, referrals: Referrals) -> SignIn:
    return make_sign_in(
        world=world,
        root=ROOT,
        acquire=pool.acquire,
        policy=lambda: policy,
        referrals=referrals,
        public_url="http://localhost:8080",
    )


class NoOtherRooms:
    """No payments, no alerts."""

    async def undo(self, intrusion: Intrusion) -> Sequence[Undone]:  # noqa: ARG002
        return ()


ROOMS = NoOtherRooms()


async def mails_to(sign_in: SignIn, email: str) -> list[str]:
    """Return the bodies of the mails to an address, newest first."""
    async with sign_in.acquire() as conn:
        return [mail.text.body for mail in await list_mails(conn, sign_in.mail_seal, 100) if mail.email == email]


async def link_to(sign_in: SignIn, email: str) -> str:
    """Return the token of the newest link mailed to an address."""
    found = re.search(r"#(\S+)", (await mails_to(sign_in, email))[0])
    assert found is not None
    return found[1]


NewUser = Callable[[str], Awaitable[NewSession]]


@pytest.fixture
def new_user(sign_in: SignIn) -> NewUser:
    """Make users who have signed up and opened the link."""

    async def make(email: str) -> NewSession:
        mark = await sign_up(sign_in, SignUpForm(email=email, password=PASSWORD), Visitor())
        return await verify_email(sign_in, OpenedLink(token=await link_to(sign_in, email), browser_token=mark), HERE)

    return make
