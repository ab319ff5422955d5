"""Fixtures: a stopped clock, a database, accounts that top up and spend, and the edition with rewards."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
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
from tokenharbor.funding import store
from tokenharbor.funding.types import Capture
from tokenharbor.identity.store import create_account
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.entropy import SeededEntropy
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Money, Usd
from tokenharbor.kernel.payer import Payer
from tokenharbor.kernel.world import World, make_world
from tokenharbor.ledger import credit_moves
from tokenharbor.ledger.book import wait_for_answers
from tokenharbor.ledger.credit_moves import EntryStamp
from tokenharbor.ledger.credit_state import CreditState
from tokenharbor.ledger.store import PostgresBook, open_book
from tokenharbor.ledger.types import Clawback, Credit, Hold, PlacedHold, Pool, Product, Settlement
from tokenharbor.ledger.verify import verify
from tokenharbor.ledger.wallets import Wallets
from tokenharbor.rewards.due import run_due
from tokenharbor.rewards.hooks import RewardHooks

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
DISPUTED = timedelta(days=180)
_PRICE = '{"input":"0.28"}'
_SOLD = Product("deepseek-v3.2", "alibaba", "token-harbor", "", sha256(_PRICE.encode()).digest())
_DETAIL = (
    '{"asked":"m","model":"deepseek-v3.2","status":"complete","served":{"provider":"alibaba"},'
    '"key_id":"%s","edition":"token-harbor"}'
)


@dataclass
class Scene:
    """Everything that a test of rewards needs. Amounts are decimal strings of USD."""

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

    @property
    def hooks(self) -> RewardHooks:
        return RewardHooks(self.world, lambda: self.policy)

    async def run_due(self, account: UUID) -> bool:
        return await run_due(self.conn, self.world, self.policy, account)

    async def top_up(self, account: UUID, usd: str, instrument: str = "", *, automatic: bool = False) -> UUID:
        """As funding does it: the capture, its credit, the hooks. Its lot."""
        ids, now, amount = self.world.ids, self.clock.now(), Usd.parse(usd)
        top_up, lot, cents = ids.new(), ids.new(), amount // 10_000_000
        capture = Capture(
            processor="paypal", capture_id=f"cap_{top_up}", top_up_id=top_up, account_id=account, lot_id=lot,
            money=Money("USD", cents), captured=amount, fee=Usd(0), instrument=instrument, paid_at=now,
            refundable_until=now + timedelta(days=30), processor_refundable_until=None,
            dispute_until=now + DISPUTED, automatic=automatic,
        )  # fmt: skip
        async with self.conn.transaction():
            await self.hooks.run_due(self.conn, account)
            await self.conn.execute(
                "insert into top_up (id, account_id, idempotency_key, processor, method, created_at, actor, currency, "
                "amount_minor, credit, state, paid_at, capture_id) "
                "values ($1, $2, gen_random_uuid()::text, 'paypal', 'paypal', $3, 'customer', 'USD', $4, $5, 'paid', "
                "$3, $6)",
                top_up, account, now, cents, amount, capture.capture_id,
            )  # fmt: skip
            await store.add_capture(self.conn, capture)
            credit = Credit(
                ids.new(), lot, account, Pool.PAID, "top-up", amount, now, "", withdrawable_from=now,
                source="clearing/paypal/usd",
            )  # fmt: skip
            await Wallets(self.conn).credit(credit)
            await store.add_topped_up(self.conn, account, amount)
            await self.hooks.captured(self.conn, capture)
        return lot

    async def refund(self, account: UUID, lot: UUID, usd: str) -> tuple[str, UUID]:
        """As a voluntary one does it, up to the call of the processor: what it pays, and its id."""
        amount, return_id, wallets = Usd.parse(usd), self.world.ids.new(), Wallets(self.conn)
        async with self.conn.transaction():
            await self.hooks.run_due(self.conn, account)
            shown = await self.hooks.preview_return(self.conn, account, lot, amount)
            took = await self.hooks.take_back(self.conn, account, lot, amount, return_id=return_id, disputed=False)
            assert took == shown
            paid, stamp = amount - took.reduced, EntryStamp(self.world.ids.new(), self.clock.now())
            if paid:
                await wallets.post(credit_moves.set_aside(await self.state(account), stamp, {lot: paid}))
        return short(paid), return_id

    async def dispute(self, account: UUID, lot: UUID, usd: str) -> UUID:
        """Money that a payer took back: the own lot's rest, then what rewards take, then debt."""
        amount, return_id, wallets = Usd.parse(usd), self.world.ids.new(), Wallets(self.conn)
        async with self.conn.transaction():
            await self.hooks.run_due(self.conn, account)
            clawback = Clawback(
                self.world.ids.new(), account, lot, amount, self.clock.now(), "clearing/paypal/usd", "disputed"
            )
            await wallets.claw(clawback)
            await self.hooks.take_back(self.conn, account, lot, amount, return_id=return_id, disputed=True)
        return return_id

    async def restore(self, account: UUID, lot: UUID, usd: str) -> None:
        """As funding does it before rewards come back: what was set aside, or taken, is on the line again."""
        amounts, stamp = {lot: Usd.parse(usd)}, EntryStamp(self.world.ids.new(), self.clock.now())
        async with self.conn.transaction():
            state = await self.state(account)
            if state.in_payout(lot):
                entry = credit_moves.restore(state, stamp, amounts)
            else:
                entry = credit_moves.give_back(state, stamp, amounts, "clearing/paypal/usd")
            await Wallets(self.conn).post(entry)

    async def spend(self, account: UUID, usd: str, *, settled: bool = True) -> None:
        """A request; with `settled` False it stays open."""
        settle = await self.begin(account, usd)
        if settled:
            await settle()

    async def begin(self, account: UUID, usd: str) -> Callable[[], Awaitable[None]]:
        """A request, and how it ends."""
        amount, payer = Usd.parse(usd), Payer(account, self.keys[account])
        hold = Hold(self.world.ids.new(), payer, amount, self.clock.now())
        placed: Any = await self.book.place([hold])
        assert await wait_for_answers(placed) == [PlacedHold(amount)]

        async def settle() -> None:
            detail = (_DETAIL % payer.key_id).encode()
            end = Settlement(
                hold.request_id, payer, _SOLD, "complete", detail, b"sixteen of salt.", self.clock.now(), amount,
                Usd(0), Usd(0), amount,
            )  # fmt: skip
            await wait_for_answers(await self.book.settle([end]))

        return settle

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
