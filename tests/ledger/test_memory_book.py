"""A crash of the books in memory loses the changes that were not durable, and no others."""

from datetime import UTC, datetime, timedelta

from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.entropy import SeededEntropy
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.kernel.payer import Payer
from tokenharbor.kernel.world import World, make_world
from tokenharbor.ledger.memory_book import MemoryBook
from tokenharbor.ledger.memory_tables import MemoryTables
from tokenharbor.ledger.memory_wallets import MemoryWallets
from tokenharbor.ledger.types import Credit, Hold, KeyLimits, PlacedHold, Pool, Product, SettledCharge, Settlement


class Small:
    """One account, with one lot that expires after an hour and one that does not."""

    def __init__(self) -> None:
        self.clock = ManualClock(datetime(2026, 11, 25, tzinfo=UTC))
        self.world: World = make_world(self.clock, SeededEntropy(1))
        self.tables = MemoryTables()
        self.book, self.wallets = MemoryBook(self.tables), MemoryWallets(self.tables)
        self.account, self.key = self.world.ids.new(), self.world.ids.new()
        self.payer = Payer(self.account, self.key)

    async def open(self) -> None:
        self.tables.open_account(self.account)
        self.tables.open_key(self.key, self.account, KeyLimits(daily=Usd(150)))
        for pool, lifetime in ((Pool.PAID, None), (Pool.TRIAL, timedelta(hours=1))):
            at = self.clock.now()
            expires_at = None if lifetime is None else at + lifetime
            ids = self.world.ids
            await self.wallets.credit(
                Credit(ids.new(), ids.new(), self.account, pool, "operator", Usd(100), at, "", expires_at=expires_at)
            )

    async def place(self, amount: int) -> UUID:
        hold = Hold(self.world.ids.new(), self.payer, Usd(amount), self.clock.now())
        assert await self.book.place([hold]) == [PlacedHold(Usd(amount))]
        return hold.request_id

    async def settle(self, request_id: UUID, amount: int) -> None:
        product, at = Product("m", "p", "token-harbor"), self.clock.now()
        end = (request_id, self.payer, product, "complete", b"{}", b"salt", at)
        settlement = Settlement(*end, Usd(amount), ZERO, ZERO, Usd(amount))
        assert await self.book.settle([settlement]) == [SettledCharge(Usd(amount), ZERO, ZERO)]

    async def available(self) -> tuple[int, int]:
        balance = await self.wallets.balance(self.account, self.clock.now())
        return balance.available, balance.held


async def test_holds_after_the_last_settlement_vanish() -> None:
    small = Small()
    await small.open()
    before = await small.place(30)
    settled = await small.place(20)
    await small.settle(settled, 15)
    await small.place(40)
    small.tables.crash()
    assert await small.available() == (155, 30)
    assert set(small.tables.holds) == {before}
    await small.place(105)  # the day's budget is 150: 15 are spent and 30 held


async def test_what_was_synced_stays() -> None:
    small = Small()
    await small.open()
    await small.place(30)
    small.tables.sync()
    await small.place(40)
    small.tables.crash()
    small.tables.crash()
    assert await small.available() == (170, 30)


async def test_an_expiry_that_a_lost_hold_ran_is_run_again() -> None:
    small = Small()
    await small.open()
    small.clock.advance(timedelta(hours=2))
    await small.place(10)
    expired = dict(small.tables.entries)
    small.tables.crash()
    assert len(small.tables.entries) == 2
    assert await small.available() == (100, 0)
    await small.place(10)
    assert small.tables.entries == expired
