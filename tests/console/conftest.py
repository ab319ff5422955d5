"""Fixtures of the control API on a fresh database, with callers of every role."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import asyncpg
import httpx
import pytest
from tests.funding.fake_processor import FakeProcessor

from tokenharbor.accounts.credits import Grant, grant_credit
from tokenharbor.alerts.context import Alerting
from tokenharbor.alerts.webhook import WebhookSender
from tokenharbor.app.sign_in import RewardReferrals
from tokenharbor.billing.proofs import Prover
from tokenharbor.catalog.describe import ModelDocuments, ModelsOnSale
from tokenharbor.catalog.load import load_catalog
from tokenharbor.console.app import make_app
from tokenharbor.console.context import ConsoleContext
from tokenharbor.console.live import LiveFeed
from tokenharbor.console.principal import Principal
from tokenharbor.db.partitions import ensure_partitions
from tokenharbor.db.pool import ConnectOptions, Login, connect, open_pool
from tokenharbor.db.roles import ensure_console_role
from tokenharbor.editions.load import load_edition
from tokenharbor.editions.policy import Policy
from tokenharbor.funding.context import Funding
from tokenharbor.funding.printed import Issuer
from tokenharbor.identity.roles import AccountRole
from tokenharbor.identity.store import Account, create_account
from tokenharbor.kernel import ids
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.entropy import SeededEntropy
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.secret import RootSecret, SecretBox, SecretPurpose
from tokenharbor.kernel.signing import MessageSigner
from tokenharbor.kernel.world import World, make_world
from tokenharbor.ledger.types import Pool
from tokenharbor.rewards.hooks import RewardHooks
from tokenharbor.signin.context import make_sign_in
from tokenharbor.wire import PROVIDER_DIALECTS

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
SITE = "http://localhost:8080"


class Doorman:
    """A fake authenticator: it knows the token `s-…` or key `thm_…` of each principal."""

    def __init__(self) -> None:
        self.sessions: dict[str, Principal] = {}
        self.keys: dict[str, Principal] = {}

    async def by_session(self, token: str, address: str) -> Principal | None:  # noqa: ARG002
        return self.sessions.get(token)

    async def by_management_key(self, key: str) -> Principal | None:
        return self.keys.get(key)

    async def find_role(self, conn: asyncpg.Connection, principal: Principal, account_id: UUID) -> AccountRole | None:  # noqa: ARG002
        return principal.roles.get(account_id)


@dataclass
class Browser:
    """A page of ours in a browser, signed in if there is a session."""

    client: httpx.AsyncClient
    session: str | None = None

    async def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"sec-fetch-site": "same-origin"} | options.pop("headers", {})
        if self.session is not None:
            headers["cookie"] = f"__Host-th={self.session}"
        return await self.client.request(method, path, headers=headers, **options)

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.ask("GET", path, **options)


@dataclass
class Office:
    """The console under test, with one account."""

    app: Any  # to be called as ASGI says
    context: ConsoleContext
    client: httpx.AsyncClient
    doorman: Doorman
    account: Account
    processor: FakeProcessor

    @property
    def account_path(self) -> str:
        return f"/api/accounts/{ids.show('acct', self.account.id)}"

    async def grant(self, usd: str, pool: Pool, account_id: UUID | None = None) -> None:
        grant = Grant(Usd.parse(usd), pool, "a test")
        async with self.context.pool.acquire() as conn:
            await grant_credit(conn, self.context.world, account_id or self.account.id, grant)

    @property
    def anybody(self) -> Browser:
        return Browser(self.client)

    def member(self, role: AccountRole, account_id: UUID | None = None) -> Browser:
        """A user who has the role, by default in the office's account."""
        return self._browser({account_id or self.account.id: role})

    @property
    def operator(self) -> Browser:
        return self._browser({}, operator=True)

    def management_key(self, role: AccountRole) -> str:
        key = f"thm_live_{len(self.doorman.keys)}"
        self.doorman.keys[key] = Principal("mkey_1", {self.account.id: role})
        return key

    def _browser(self, roles: dict[UUID, AccountRole], *, operator: bool = False) -> Browser:
        user_id = self.context.world.ids.new()
        session = f"s-{user_id}"
        self.doorman.sessions[session] = Principal(ids.show("user", user_id), roles, user_id, operator=operator)
        return Browser(self.client, session)


def make_funding(pool: asyncpg.Pool, world: World, policy: Policy, processor: FakeProcessor) -> Funding:
    """With a processor in memory that the edition offers, and rewards."""
    return Funding(
        world=world,
        processors={processor.name: processor},
        pretended=frozenset(),
        may_pretend=lambda: False,
        policy=lambda: policy,
        acquire=pool.acquire,
        public_url=SITE,
        report=lambda *_: None,
        hooks=RewardHooks(world, lambda: policy),
    )


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def world(clock: ManualClock) -> World:
    return make_world(clock, SeededEntropy(1))


@pytest.fixture(scope="session")
def console_login(postgres_url: str, migrated_template: str) -> Login:
    """The console's role, which every copy of the template knows."""

    async def make() -> Login:
        conn = await connect(ConnectOptions(postgres_url % migrated_template))
        try:
            return await ensure_console_role(conn, "of-the-tests")
        finally:
            await conn.close()

    with ThreadPoolExecutor(1) as thread:  # where a loop may run already
        return thread.submit(asyncio.run, make()).result()


@pytest.fixture
async def pool(console_login: Login, database_url: str) -> AsyncIterator[asyncpg.Pool]:
    """With no more rights than the console's process has."""
    owner = await connect(ConnectOptions(database_url))
    await ensure_partitions(owner, START)
    await owner.close()
    async with await open_pool(ConnectOptions(database_url, login=console_login), size=3) as pool:
        yield pool


@pytest.fixture
async def office(pool: asyncpg.Pool, world: World) -> AsyncIterator[Office]:
    doorman = Doorman()
    policy, catalog = load_edition("token-harbor"), load_catalog({}, PROVIDER_DIALECTS)
    sale = ModelsOnSale(ModelDocuments(catalog, policy.price), sorted(catalog.models))
    root = RootSecret("of-the-tests-" * 4)
    sign_in = make_sign_in(
        world=world,
        root=root,
        acquire=pool.acquire,
        policy=lambda: policy,
        referrals=RewardReferrals(world),
        public_url=SITE,
    )
    processor = FakeProcessor(world.clock, name="paypal", methods={"paypal": frozenset({"USD"})})
    context = ConsoleContext(
        world=world,
        pool=pool,
        heavy_pool=pool,
        policy=lambda: policy,
        catalog=lambda: catalog,
        authenticator=doorman,
        sign_in=sign_in,
        funding=make_funding(pool, world, policy, processor),
        live=LiveFeed(pool, world),
        alerting=Alerting(
            world=world,
            acquire=pool.acquire,
            mailer=None,
            webhooks=WebhookSender(private=True),
            seal=SecretBox(root.derive(SecretPurpose.WEBHOOKS), world.entropy),
            public_url=SITE,
        ),
        key_hashes=root.derive(SecretPurpose.KEY_HASHES),
        prover=Prover(pool, MessageSigner(root.derive(SecretPurpose.RECEIPTS)), world.clock),
        issuer=Issuer(),
        models=lambda: sale,
    )
    async with pool.acquire() as conn:
        account = await create_account(conn, world, "ada@example.com", policy.name)
    app = cast("Any", make_app(context))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=SITE) as client:
        yield Office(app, context, client, doorman, account, processor)
