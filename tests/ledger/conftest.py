"""The scene of the books' tests: a database, a manual clock, the books, and short methods for operations."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import asyncpg
import msgspec
import pytest
from tests.postgres_server import create_database

from tokenharbor.db.partitions import ensure_partitions
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.entropy import SystemEntropy
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import MAX_NANO, Usd
from tokenharbor.kernel.payer import Payer
from tokenharbor.kernel.world import World, make_world
from tokenharbor.ledger import credit_moves
from tokenharbor.ledger.book import wait_for_answers
from tokenharbor.ledger.credit_moves import EntryStamp
from tokenharbor.ledger.credit_state import CreditEntry, CreditState
from tokenharbor.ledger.store import PostgresBook, open_book
from tokenharbor.ledger.types import (
    Credit,
    Hold,
    KeyLimits,
    PlacedHold,
    Pool,
    Product,
    RefusedHold,
    Release,
    SettledCharge,
    Settlement,
)
from tokenharbor.ledger.verify import verify
from tokenharbor.ledger.wallets import Wallets

PRICE = '{"input":"0.28"}'
VERSION = sha256(PRICE.encode()).digest()
"""The price of every settlement here."""

DETAIL = (
    '{"asked":"m","model":"%s","status":"complete","served":{"provider":"alibaba"},'
    '"key_id":"%s","edition":"token-harbor"}'
)

SOLD = Product("deepseek-v3.2", "alibaba", "token-harbor", "", VERSION)

EXPIRING = msgspec.structs.replace(SOLD, metadata_expires=True)
"""The same, in an edition that does not keep metadata."""

START = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


@dataclass
class Scene:
    """An account with one key, and the books; tests open more accounts and keys as needed."""

    url: str
    conn: asyncpg.Connection
    book: PostgresBook
    clock: ManualClock
    world: World
    account: UUID
    keys: dict[UUID, UUID] = field(default_factory=dict)

    async def open_account(self, account: UUID | None = None) -> UUID:
        account, key = account or self.world.ids.new(), self.world.ids.new()
        await open_wallet(self.conn, account)
        await open_meter(self.conn, key, account, KeyLimits())
        self.keys[account] = key
        return account

    @property
    def wallets(self) -> Wallets:
        return Wallets(self.conn)

    @property
    def key(self) -> UUID:
        return self.keys[self.account]

    def second_book(self) -> AbstractAsyncContextManager[PostgresBook]:
        return open_book(self.url, self.world.ids.new())

    async def limit(self, limits: KeyLimits) -> None:
        await open_meter(self.conn, self.key, self.account, limits)

    async def credit(
        self,
        amount: int,
        pool: Pool = Pool.PAID,
        lifetime: timedelta | None = None,
        account: UUID | None = None,
        reference: str | None = None,
    ) -> Credit:
        at = self.clock.now()
        credit = Credit(
            self.world.ids.new(),
            self.world.ids.new(),
            account or self.account,
            pool,
            "top-up" if pool is Pool.PAID else "operator",
            Usd(amount),
            at,
            "a test",
            expires_at=None if lifetime is None else at + lifetime,
            reference=reference,
        )
        await self.wallets.credit(credit)
        return credit

    async def match(self, amount: int, lifetime: timedelta | None = None) -> Credit:
        """Grant a match, all of it locked."""
        at = self.clock.now()
        ids = self.world.ids.new(), self.world.ids.new()
        expires_at = None if lifetime is None else at + lifetime
        credit = Credit(*ids, self.account, Pool.MATCH, "match", Usd(amount), at, "a test", expires_at)
        await self.move(lambda state: credit_moves.lock_match(state, credit))
        return credit

    async def move(self, make: Callable[[CreditState], CreditEntry]) -> CreditEntry:
        """Move credit as every caller does."""
        async with self.wallets.transaction():
            entry = make(await self.wallets.lock(self.account, self.clock.now()))
            assert await self.wallets.post(entry)
        return entry

    def stamp(self) -> EntryStamp:
        return EntryStamp(self.world.ids.new(), self.clock.now())

    def hold(self, amount: int, account: UUID | None = None) -> Hold:
        account = account or self.account
        return Hold(self.world.ids.new(), self.payer(account), Usd(amount), self.clock.now())

    def payer(self, account: UUID) -> Payer:
        return Payer(account, self.keys[account])

    def settlement(
        self,
        hold: Hold,
        cost: int,
        fee: int = 0,
        vendor_cost: int = 0,
        bound: int | None = None,
        product: Product = SOLD,
    ) -> Settlement:
        """The bound is the hold's, unless another is given."""
        most = hold.amount if bound is None else Usd(bound)
        return Settlement(
            hold.request_id,
            hold.payer,
            product,
            "complete",
            (DETAIL % (product.model, hold.payer.key_id)).encode("utf-8", "replace"),
            b"sixteen of salt.",
            self.clock.now(),
            Usd(cost),
            Usd(fee),
            Usd(vendor_cost),
            most,
        )

    def as_release(self, hold: Hold, loss: int = 0) -> Release:
        end = self.settlement(hold, 0)
        return Release(end.request_id, end.payer, end.product, end.status, end.detail, end.salt, end.at, Usd(loss))

    async def place(self, *holds: Hold) -> list[PlacedHold | RefusedHold | Exception]:
        answers = await self.book.place(holds)
        come: Sequence[Any] = await wait_for_answers(answers)
        return list(come)

    async def settle(self, *settlements: Settlement) -> list[SettledCharge | Exception]:
        return [*await wait_for_answers(await self.book.settle(settlements))]

    async def release(self, *holds: Hold, loss: int = 0) -> list[Exception | None]:
        releases = [self.as_release(hold, loss) for hold in holds]
        return [*await wait_for_answers(await self.book.release(releases))]

    async def spend(self, amount: int) -> None:
        """Run a request from hold to settlement."""
        hold = self.hold(amount)
        assert await self.place(hold) == [PlacedHold(Usd(amount))]
        assert await self.settle(self.settlement(hold, amount)) == [SettledCharge(Usd(amount), Usd(0), Usd(0))]

    async def available(self, account: UUID | None = None) -> Usd:
        return (await self.wallets.balance(account or self.account, self.clock.now())).available

    async def held(self, account: UUID | None = None) -> Usd:
        return (await self.wallets.balance(account or self.account, self.clock.now())).held

    async def postings(self, entry_id: UUID) -> list[tuple[int, str, str]]:
        """Amount, source, destination."""
        sql = "select amount, source, destination from posting where entry_id = $1 order by ordinal"
        return [tuple(row) for row in await self.conn.fetch(sql, entry_id)]

    async def fault(self) -> str | None:
        return (await verify(self.conn, [self.account])).fault


async def open_wallet(conn: asyncpg.Connection, account: UUID) -> None:
    """Open a wallet, as the trigger of accounts does."""
    await conn.execute("insert into wallet (account_id) values ($1) on conflict do nothing", account)


async def open_meter(conn: asyncpg.Connection, key: UUID, account: UUID, limits: KeyLimits) -> None:
    """Open a meter, as the trigger of API keys does."""
    numbers = [MAX_NANO if limit is None else limit for limit in (limits.quota, limits.daily, limits.monthly)]
    await conn.execute(
        "insert into key_meter (key_id, account_id, quota, daily, monthly) values ($1, $2, $3, $4, $5) "
        "on conflict (key_id) do update set quota = excluded.quota, daily = excluded.daily, monthly = excluded.monthly",
        key,
        account,
        *numbers,
    )


@pytest.fixture(scope="session")
def ledger_url(postgres_url: str, migrated_template: str) -> str:
    """The database that the room's tests share; each test has its own accounts."""

    url = create_database(postgres_url, "ledger", migrated_template)

    async def prepare() -> None:
        conn = await asyncpg.connect(url)
        await ensure_partitions(conn, START)
        await ensure_partitions(conn, START + timedelta(days=8))
        await conn.close()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, prepare()).result()
    return url


@pytest.fixture
async def scene(ledger_url: str) -> AsyncIterator[Scene]:
    async with open_scene(ledger_url) as scene:
        yield scene


@pytest.fixture
async def lone_scene(database_url: str) -> AsyncIterator[Scene]:
    """A scene with its own database, for tests that damage it."""
    conn = await asyncpg.connect(database_url)
    await ensure_partitions(conn, START)
    await conn.close()
    async with open_scene(database_url) as scene:
        yield scene


@asynccontextmanager
async def open_scene(url: str) -> AsyncIterator[Scene]:
    clock = ManualClock(START)
    world = make_world(clock, SystemEntropy())
    conn = await asyncpg.connect(url)
    try:
        gateway = world.ids.new()
        await conn.execute("insert into gateway values ($1, $2, 1, $3)", gateway, f"/home/{gateway}", START)
        await conn.execute("insert into price values ($1, $2, $3) on conflict do nothing", VERSION, PRICE, START)
        async with open_book(url, gateway) as book:
            scene = Scene(url, conn, book, clock, world, world.ids.new())
            await scene.open_account(scene.account)
            yield scene
    finally:
        await conn.close()
