"""Fixtures: a stopped clock, a database, an in-memory processor and an account that tops up."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec
import pytest
from tests.funding.fake_processor import SECRET, FakeProcessor

from tokenharbor.db.partitions import ensure_partitions
from tokenharbor.db.pool import ConnectOptions, open_pool
from tokenharbor.editions.load import load_edition
from tokenharbor.editions.policy import Policy
from tokenharbor.funding import store
from tokenharbor.funding.context import Funding, NoHooks
from tokenharbor.funding.events import handle_events, receive_webhook
from tokenharbor.funding.topups import TopUpRequest, open_top_up
from tokenharbor.funding.types import TopUp
from tokenharbor.identity.store import create_account
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.entropy import SeededEntropy
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.world import World, make_world
from tokenharbor.ledger.types import Balance
from tokenharbor.ledger.verify import verify
from tokenharbor.ledger.wallets import Wallets
from tokenharbor.payments.manual import ManualProcessor
from tokenharbor.payments.processor import Processor

START = datetime(2026, 3, 31, 12, tzinfo=UTC)


@dataclass
class Till:
    """Everything that a test of top-ups needs."""

    pool: asyncpg.Pool
    clock: ManualClock
    world: World
    processor: FakeProcessor
    account_id: UUID
    policy: Policy
    alarms: list[tuple[str, str]] = field(default_factory=list)
    hooks: Any = field(default_factory=NoHooks)
    others: dict[str, Processor] = field(default_factory=lambda: {"manual": ManualProcessor()})

    @property
    def funding(self) -> Funding:
        return Funding(
            world=self.world,
            processors={self.processor.name: self.processor, **self.others},
            pretended=frozenset(),
            may_pretend=lambda: False,
            policy=lambda: self.policy,
            acquire=self.pool.acquire,
            public_url="https://harbor.test",
            report=lambda alarm, what, _processor: self.alarms.append((alarm.value, what)),
            hooks=self.hooks,
        )

    def request(self, usd: str = "10", key: str = "one", **more: Any) -> TopUpRequest:
        fields = {"currency": "USD", "actor": "customer", **more}
        return TopUpRequest(account_id=self.account_id, amount=Usd.parse(usd), idempotency_key=key, **fields)

    async def open(self, usd: str = "10", key: str = "one", **more: Any) -> TopUp:
        return await open_top_up(self.funding, self.request(usd, key, **more))

    async def deliver(self, top_up: TopUp, number: int = 1, signature: str = SECRET) -> bool:
        """Deliver a webhook and handle its event."""
        body = msgspec.json.encode(self.processor.event(top_up.shown_id, number))
        news = await receive_webhook(self.funding, self.processor.name, {"signature": signature}, body)
        await handle_events(self.funding)
        return news

    async def top_up(self, top_up_id: UUID) -> TopUp:
        async with self.pool.acquire() as conn:
            return await store.get_top_up(conn, top_up_id)

    async def sign_up(self, email: str) -> UUID:
        """Open another account."""
        async with self.pool.acquire() as conn:
            return (await create_account(conn, self.world, email, "e")).id

    async def balance(self) -> Balance:
        async with self.pool.acquire() as conn:
            return await Wallets(conn).balance(self.account_id, self.clock.now())

    async def fetch(self, sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await self.pool.fetch(sql)]

    async def check_books(self, credited: int) -> None:
        """Check the number of credits, each with its capture, the wallet's sum, and `ledger verify`."""
        captures = await self.fetch("select lot_id, captured from capture order by 1")
        lots = await self.fetch("select id, amount from lot where origin = 'top-up' order by 1")
        assert captures == lots
        assert len(lots) == credited
        topped_up = await self.pool.fetchval("select topped_up from wallet where account_id = $1", self.account_id)
        assert topped_up == sum(amount for _, amount in lots)
        paid = await self.fetch("select count(*) from top_up where state = 'paid'")
        assert paid == [(credited,)]
        async with self.pool.acquire() as conn:
            assert (await verify(conn)).fault is None


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
async def till(database_url: str, clock: ManualClock) -> AsyncIterator[Till]:
    world = make_world(clock, SeededEntropy(1))
    async with await open_pool(ConnectOptions(database_url)) as pool:
        async with pool.acquire() as conn:
            await ensure_partitions(conn, START)
            account = await create_account(conn, world, "ada@example.com", "e")
        yield Till(pool, clock, world, FakeProcessor(clock), account.id, load_edition("token-hub"))
