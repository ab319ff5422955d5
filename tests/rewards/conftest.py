"""A world that stands still, a database, accounts that top up and spend, and the edition with rewards."""

import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import asyncpg
import msgspec
import pytest

from tokenharbor.db.partitions import ensure_partitions
from tokenharbor.db.pool import ConnectOptions, open_pool
from tokenharbor.editions.load import load_edition
from tokenharbor.editions.policy import Policy
from tokenharbor.identity.store import create_account
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.entropy import SeededEntropy
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.payer import Payer
from tokenharbor.kernel.world import World, make_world
from tokenharbor.ledger.book import all_answers
from tokenharbor.ledger.credit_state import CreditState
from tokenharbor.ledger.store import PostgresBook, open_book
from tokenharbor.ledger.types import Credit, Hold, PlacedHold, Pool, Product, Settlement
from tokenharbor.ledger.verify import verify
from tokenharbor.ledger.wallets import Wallets

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
_PRICE = '{"input":"0.28"}'
_SOLD = Product("deepseek-v3.2", "alibaba", "token-harbor", "", sha256(_PRICE.encode()).digest())
_DETAIL = (
    '{"asked":"m","model":"deepseek-v3.2","status":"complete","served":{"provider":"alibaba"},'
    '"key_id":"%s","edition":"token-harbor"}'
)


@dataclass
class Scene:
    """All that a test of rewards needs. Amounts are decimal strings of USD."""

    pool: asyncpg.Pool
    conn: asyncpg.Connection
    book: PostgresBook
    clock: ManualClock
    world: World
    policy: Policy
    keys: dict[UUID, UUID] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    async def sign_up(self, email: str = "") -> UUID:
        email = email or f"tester{next(self.numbers)}@example.com"
        account = await create_account(self.conn, self.world, email, "token-harbor")
        key = self.world.ids.new()
        await self.conn.execute("insert into key_meter (key_id, account_id) values ($1, $2)", key, account.id)
        self.keys[account.id] = key
        return account.id

    def change(self, section: str, **fields: object) -> None:
        """Of the policy in force."""
        changed = msgspec.structs.replace(getattr(self.policy, section), **fields)
        self.policy = msgspec.structs.replace(self.policy, **{section: changed})

    async def credit(self, account: UUID, usd: str, pool: Pool = Pool.PROMO, origin: str = "operator") -> UUID:
        """Its lot."""
        ids = self.world.ids
        credit = Credit(ids.new(), ids.new(), account, pool, origin, Usd.parse(usd), self.clock.now(), "a test")
        await Wallets(self.conn).credit(credit)
        return credit.lot_id

    async def spend(self, account: UUID, usd: str, *, settled: bool = True) -> None:
        """A request; with `settled` False it stays open."""
        amount, payer = Usd.parse(usd), Payer(account, self.keys[account])
        hold = Hold(self.world.ids.new(), payer, amount, self.clock.now())
        placed: Any = await self.book.place([hold])
        assert await all_answers(placed) == [PlacedHold(amount)]
        if settled:
            detail = (_DETAIL % payer.key_id).encode()
            end = Settlement(
                hold.request_id, payer, _SOLD, "complete", detail, b"sixteen of salt.", self.clock.now(), amount,
                Usd(0), Usd(0), amount,
            )  # fmt: skip
            await all_answers(await self.book.settle([end]))

    async def state(self, account: UUID) -> CreditState:
        async with self.conn.transaction():
            return await Wallets(self.conn).lock(account, self.clock.now())

    async def pools(self, account: UUID) -> dict[str, str]:
        """What an account has, in USD without trailing zeros."""
        balance = await Wallets(self.conn).balance(account, self.clock.now())
        return {pool.value: short(amount) for pool, amount in balance.pools.items() if amount}

    async def debt(self, account: UUID) -> str:
        return short((await Wallets(self.conn).balance(account, self.clock.now())).debt)

    async def fetch(self, sql: str, *arguments: object) -> list[tuple[object, ...]]:
        return [tuple(row) for row in await self.conn.fetch(sql, *arguments)]

    async def check_books(self) -> None:
        assert (await verify(self.conn)).fault is None


def short(amount: Usd) -> str:
    return str(amount).rstrip("0").rstrip(".")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
async def scene(database_url: str, clock: ManualClock) -> AsyncIterator[Scene]:
    world = make_world(clock, SeededEntropy(1))
    async with await open_pool(ConnectOptions(database_url)) as pool, pool.acquire() as conn:
        for day in range(0, 64, 7):
            await ensure_partitions(conn, START + timedelta(days=day))
        gateway = world.ids.new()
        await conn.execute("insert into gateway values ($1, '/home', 1, $2)", gateway, START)
        await conn.execute("insert into price values ($1, $2, $3)", _SOLD.price_version, _PRICE, START)
        async with open_book(database_url, gateway) as book:
            yield Scene(pool, conn, book, clock, world, load_edition("token-harbor"))
