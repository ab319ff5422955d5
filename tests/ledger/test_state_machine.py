"""The same random operations on both stores of the books: answers, balances, entries and chains are equal."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import asyncpg
import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from tests.examples import at_most
from tests.ledger.conftest import EXPIRING, PRICE, SOLD, VERSION, open_meter, open_wallet
from tests.ledger.moves import KINDS, LEGS, SHARES, TYPES, Move, check_wallet, perform, postings
from tests.postgres_server import create_database

from tokenharbor.db.partitions import ensure_partitions
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.entropy import SeededEntropy
from tokenharbor.kernel.errors import BooksError, BooksRefused
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import MAX_NANO, Usd
from tokenharbor.kernel.payer import UNLIMITED, Payer, RateLimits
from tokenharbor.kernel.world import World, make_world
from tokenharbor.ledger import credit_moves
from tokenharbor.ledger.batch_arguments import place_again_arguments
from tokenharbor.ledger.book import RequestBook, wait_for_answers
from tokenharbor.ledger.credit_moves import EntryStamp
from tokenharbor.ledger.credit_state import CreditEntry
from tokenharbor.ledger.memory_book import MemoryBook
from tokenharbor.ledger.memory_rates import Budgets, RateCount
from tokenharbor.ledger.memory_tables import MemoryTables
from tokenharbor.ledger.memory_wallets import MemoryWallets
from tokenharbor.ledger.reversal import Reversal
from tokenharbor.ledger.statements import read_statements
from tokenharbor.ledger.store import PostgresBook, open_book
from tokenharbor.ledger.types import (
    Balance,
    Clawback,
    Credit,
    Hold,
    KeyLimits,
    PlacedHold,
    Pool,
    Product,
    RateUse,
    RefusedHold,
    Release,
    SettledCharge,
    Settlement,
)
from tokenharbor.ledger.verify import verify
from tokenharbor.ledger.wallets import Wallets

START = datetime(2026, 11, 27, 23, 58, tzinfo=UTC)  # days and a month turn over within minutes and days
ACCOUNTS = 3
KEYS_EACH = 2
AMOUNTS = st.integers(0, 900)
BOUNDS = st.none() | st.integers(0, 1500)
POOLS = st.sampled_from([Pool.PAID, Pool.TRIAL, Pool.MATCH, Pool.PROMO])
LIFETIMES = st.sampled_from([None, timedelta(minutes=1), timedelta(hours=5), timedelta(days=2)])
TOKENS = st.integers(0, 1000)
FREES = st.sampled_from([0, 0, 0, 2, 5])
RATES = st.builds(
    RateLimits,
    st.none() | st.integers(1, 6),
    st.none() | st.integers(1, 3000),
    st.none() | st.integers(1, 6),
)
WINDOW_STEPS = st.sampled_from([timedelta(seconds=20), timedelta(seconds=61), timedelta(hours=5)])
STEPS = st.sampled_from([timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=7), timedelta(days=3)])


@dataclass
class Stage:
    """The fixtures that all examples share: the loop, both stores, and ids that never repeat."""

    runner: asyncio.Runner
    postgres: PostgresBook
    conn: asyncpg.Connection
    gateway: UUID
    entropy: SeededEntropy


@pytest.fixture
def stage(postgres_url: str, migrated_template: str) -> Iterator[Stage]:
    url = create_database(postgres_url, "machine", migrated_template)
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()

        async def open_stage() -> Stage:
            conn = await asyncpg.connect(url)
            stack.push_async_callback(conn.close)
            for weeks in range(5):
                await ensure_partitions(conn, START + timedelta(weeks=weeks))
            world = make_world(ManualClock(START), SeededEntropy(1))
            gateway = world.ids.new()
            await conn.execute("insert into gateway values ($1, '/home', 1, $2)", gateway, START)
            await conn.execute("insert into price values ($1, $2, $3)", VERSION, PRICE, START)
            book = await stack.enter_async_context(open_book(url, gateway))
            return Stage(runner, book, conn, gateway, SeededEntropy(2))

        yield runner.run(open_stage())
        runner.run(stack.aclose())


class Machine(RuleBasedStateMachine):
    """Both books, side by side. Open holds, settled and released requests are remembered to be used again."""

    stage: Stage
    holds = Bundle("holds")
    settled = Bundle("settled")
    released = Bundle("released")
    lots = Bundle("lots")

    def __init__(self) -> None:
        super().__init__()
        self.passed = timedelta()  # the minutes that both are told to have passed
        self.rates = dict.fromkeys(range(ACCOUNTS), UNLIMITED)
        self.key_rates: dict[UUID, RateLimits] = {}
        self.memory = MemoryTables(lambda: datetime.now(UTC) + self.passed)
        self.clock = ManualClock(START)
        self.world: World = make_world(self.clock, self.stage.entropy)
        self.accounts = [self.world.ids.new() for _ in range(ACCOUNTS)]
        self.keys = {account: [self.world.ids.new() for _ in range(KEYS_EACH)] for account in self.accounts}

    def both(self, call: Callable[[RequestBook], Awaitable[Any]]) -> Any:
        """In both books of requests."""
        return self._equal(call(MemoryBook(self.memory)), call(self.stage.postgres))

    def both_wallets(self, call: Callable[[Wallets | MemoryWallets], Awaitable[Any]]) -> Any:
        return self._equal(call(MemoryWallets(self.memory)), call(Wallets(self.stage.conn)))

    def _equal(self, memory: Awaitable[Any], postgres: Awaitable[Any]) -> Any:
        async def answer(coming: Awaitable[Any]) -> Any:
            try:
                result = await coming
            except BooksError as error:
                return type(error)
            return [_plain(item) for item in await wait_for_answers(result)] if isinstance(result, list) else result

        expected = self.stage.runner.run(answer(memory))
        assert self.stage.runner.run(answer(postgres)) == expected
        return expected

    @initialize()
    def open(self) -> None:
        for account in self.accounts:
            self.memory.open_account(account)
            self.stage.runner.run(open_wallet(self.stage.conn, account))
            for key in self.keys[account]:
                self._limit(key, account, KeyLimits())

    @rule(
        who=st.tuples(st.integers(0, ACCOUNTS - 1), st.integers(0, KEYS_EACH - 1)),
        limits=st.tuples(*[st.none() | st.integers(0, 3000)] * 3),
    )
    def limit(self, who: tuple[int, int], limits: tuple[int | None, int | None, int | None]) -> None:
        account = self.accounts[who[0]]
        amounts = [None if limit is None else Usd(limit) for limit in limits]
        self._limit(self.keys[account][who[1]], account, KeyLimits(*amounts))

    @rule(account=st.integers(0, ACCOUNTS - 1), budgets=st.tuples(*[st.none() | st.integers(1, 3000)] * 2))
    def limit_account(self, account: int, budgets: tuple[int | None, int | None]) -> None:
        daily, monthly = [None if limit is None else Usd(limit) for limit in budgets]
        self.memory.limit_account(self.accounts[account], Budgets(daily, monthly))
        numbers = [MAX_NANO if limit is None else limit for limit in budgets]
        sql = "update wallet set daily = $2, monthly = $3 where account_id = $1"
        self.stage.runner.run(self.stage.conn.execute(sql, self.accounts[account], *numbers))

    @rule(account=st.integers(0, ACCOUNTS - 1), rates=RATES)
    def rate_account(self, account: int, rates: RateLimits) -> None:
        self.rates[account] = rates

    @rule(account=st.integers(0, ACCOUNTS - 1), key=st.integers(0, KEYS_EACH - 1), rates=RATES)
    def rate_key(self, account: int, key: int, rates: RateLimits) -> None:
        self.key_rates[self.keys[self.accounts[account]][key]] = rates

    @rule(step=WINDOW_STEPS)
    def let_windows_pass(self, step: timedelta) -> None:
        self.passed += step
        self.stage.runner.run(self._move_windows(step))

    async def _move_windows(self, step: timedelta) -> None:
        """Make windows older, as PostgreSQL's clock cannot be moved."""
        for sql in (
            "update wallet set window_start = window_start - $2::interval where account_id = any($1)",
            "update wallet set free_start = free_start - $2::interval where account_id = any($1)",
            "update key_meter set window_start = window_start - $2::interval where account_id = any($1)",
            "update hold set placed_at = placed_at - $2::interval where account_id = any($1)",
        ):
            await self.stage.conn.execute(sql, self.accounts, step)

    @rule(
        target=lots,
        account=st.integers(0, ACCOUNTS - 1),
        amount=st.integers(1, 3000),
        pool=POOLS,
        lifetime=LIFETIMES,
        reference=st.none() | st.sampled_from("ab"),
    )
    def credit(
        self, account: int, amount: int, pool: Pool, lifetime: timedelta | None, reference: str | None
    ) -> Credit:
        credit = self._credit(account, amount, pool, lifetime, reference)
        self.both_wallets(lambda wallets: wallets.credit(credit))
        self.both_wallets(lambda wallets: wallets.credit(credit))
        return credit

    def _credit(
        self, account: int, amount: int, pool: Pool, lifetime: timedelta | None, reference: str | None = None
    ) -> Credit:
        at = self.clock.now()
        return Credit(
            self.world.ids.new(),
            self.world.ids.new(),
            self.accounts[account],
            pool,
            "operator",
            Usd(amount),
            at,
            "because",
            expires_at=None if lifetime is None else at + lifetime,
            reference=None if reference is None else f"{self.accounts[account]}/{reference}",
        )

    @rule(lot=lots, amount=st.integers(0, 2000))
    def claw(self, lot: Credit, amount: int) -> None:
        at, to = self.clock.now(), "clearing/manual/usd"
        claw = Clawback(self.world.ids.new(), lot.account_id, lot.lot_id, Usd(amount), at, to)
        self.both_wallets(lambda wallets: wallets.claw(claw))

    @rule(lot=lots)
    def reverse(self, lot: Credit) -> None:
        reversal = Reversal(lot.entry_id, self.clock.now(), "a test")
        self.both_wallets(lambda wallets: wallets.reverse(reversal))
        self.both_wallets(lambda wallets: wallets.reverse(msgspec.structs.replace(reversal, reason="again")))

    @rule(target=lots, account=st.integers(0, ACCOUNTS - 1), amount=st.integers(1, 3000), lifetime=LIFETIMES)
    def lock_match(self, account: int, amount: int, lifetime: timedelta | None) -> Credit:
        credit = self._credit(account, amount, Pool.MATCH, lifetime)

        async def lock(wallets: Wallets | MemoryWallets) -> bool:
            async with wallets.transaction():
                state = await wallets.lock(credit.account_id, credit.at)
                return await wallets.post(credit_moves.lock_match(state, credit))

        self.both_wallets(lock)
        return credit

    @rule(moved=st.lists(lots, min_size=1, max_size=3), kind=st.sampled_from(KINDS), share=SHARES)
    def move(self, moved: list[Credit], kind: str, share: int) -> None:
        account = moved[0].account_id
        lot_ids = [*dict.fromkeys(lot.lot_id for lot in moved if lot.account_id == account)]
        if lot_ids[0] in self.memory.wallets[account].lots:
            move = Move(kind, lot_ids, share, EntryStamp(self.world.ids.new(), self.clock.now(), "a test"))
            self.both_wallets(partial(perform, move, account))

    @rule(named=st.lists(lots, min_size=1, max_size=2), type_=TYPES, legs=LEGS)
    def post_whatever(self, named: list[Credit], type_: Any, legs: list[tuple[int, str, str, int]]) -> None:
        account, at = named[0].account_id, self.clock.now()
        written = tuple(postings(account, [lot.lot_id for lot in named], legs))
        entry = CreditEntry(self.world.ids.new(), account, type_, at, written)

        async def post(wallets: Wallets | MemoryWallets) -> bool:
            async with wallets.transaction():
                return await wallets.post(entry)

        self.both_wallets(post)

    @rule(settlement=settled)
    def reverse_what_is_no_credit(self, settlement: Settlement) -> None:
        reversal = Reversal(settlement.request_id, self.clock.now())
        assert self.both_wallets(lambda wallets: wallets.reverse(reversal)) is BooksRefused

    @rule(
        target=holds,
        asked=st.lists(
            st.tuples(
                st.integers(0, ACCOUNTS - 1), st.integers(0, KEYS_EACH - 1), st.integers(-1, 1200), TOKENS, FREES
            ),
            max_size=6,
        ),
        again=st.lists(holds, max_size=2),
    )
    def place(self, asked: list[tuple[int, int, int, int, int]], again: list[Hold]) -> Any:
        batch = [hold for hold in _distinct(again) if hold.request_id in self.memory.holds]
        batch += [
            Hold(
                self.world.ids.new(),
                self._payer(account, key),
                Usd(amount),
                self.clock.now(),
                tokens,
                free_limit,
            )
            for account, key, amount, tokens, free_limit in asked
        ]
        answers = self.both(lambda book: book.place(batch))
        return multiple(*[hold for hold, answer in zip(batch, answers, strict=True) if isinstance(answer, PlacedHold)])

    @rule(lost=st.lists(holds, max_size=3))
    def lose_and_place_again(self, lost: list[Hold]) -> None:
        """Lose holds as a restart of PostgreSQL does, with all that they counted for."""
        again = [hold for hold in _distinct(lost) if hold.request_id not in self.memory.requests]
        self.both(lambda book: book.drop([hold.request_id for hold in again], self.clock.now()))
        if again:
            at = max(hold.at for hold in again)
            self.stage.runner.run(MemoryBook(self.memory).place_again(again, at))
            arguments = place_again_arguments(again, self.stage.gateway)
            self.stage.runner.run(self.stage.conn.fetchval(read_statements().place_holds_again, *arguments))

    @rule(lapsed=st.lists(holds, max_size=3))
    def lapse(self, lapsed: list[Hold]) -> None:
        ids = [hold.request_id for hold in lapsed]
        self.memory.free_places(ids)
        self.stage.runner.run(self.stage.conn.execute("select free_places($1)", ids))

    @rule(
        target=settled,
        ends=st.lists(st.tuples(consumes(holds), AMOUNTS, AMOUNTS, AMOUNTS, BOUNDS), max_size=5),
        again=st.lists(settled, max_size=2),
    )
    def settle(self, ends: list[tuple[Hold, int, int, int, int | None]], again: list[Settlement]) -> Any:
        done = self.memory.requests
        batch = [s for s in _distinct(again, lambda s: s.request_id) if s.request_id in done]
        batch += [
            self._settlement(hold, cost, fee, vendor, bound)
            for hold, cost, fee, vendor, bound in _distinct(ends, lambda end: end[0].request_id)
            if hold.request_id not in done
        ]
        used = {key: meter.spent + meter.held for key, meter in self.memory.meters.items()}
        answers = self.both(lambda book: book.settle(batch))
        for settlement, answer in zip(batch, answers, strict=True):
            if isinstance(answer, SettledCharge) and not answer.repeated:
                assert answer.charge <= settlement.bound
                assert answer.charge + answer.overrun == settlement.cost
        for key, meter in self.memory.meters.items():
            quota = meter.limits.quota
            assert quota is None or meter.spent + meter.held <= max(quota, used[key])
        return multiple(*[s for s, answer in zip(batch, answers, strict=True) if isinstance(answer, SettledCharge)])

    @rule(target=released, ends=st.lists(st.tuples(consumes(holds), st.integers(-1, 50)), max_size=4))
    def release(self, ends: list[tuple[Hold, int]]) -> Any:
        batch = [
            Release(*self._end(hold), Usd(max(loss, 0)))
            for hold, loss in _distinct(ends, lambda end: end[0].request_id)
            if hold.request_id not in self.memory.requests
        ]
        self.both(lambda book: book.release(batch))
        return multiple(*batch)

    @rule(release=released)
    def release_again_or_settle_what_was_released(self, release: Release) -> None:
        self.both(lambda book: book.release([release]))
        settlement = Settlement(
            *self._end(Hold(release.request_id, release.payer, Usd(5), release.at)), Usd(5), Usd(1), Usd(2), Usd(5)
        )
        self.both(lambda book: book.settle([settlement]))

    @rule(settlement=settled)
    def hold_and_release_what_was_settled(self, settlement: Settlement) -> None:
        hold = Hold(settlement.request_id, settlement.payer, Usd(3), self.clock.now())
        self.both(lambda book: book.place([hold]))
        self.both(lambda book: book.release([Release(*self._end(hold), Usd(7))]))

    @rule(hold=holds, stranger=st.integers(0, ACCOUNTS - 1))
    def settle_for_somebody(self, hold: Hold, stranger: int) -> None:
        account = self.accounts[stranger]
        other = Hold(hold.request_id, Payer(account, self.keys[account][0]), hold.amount, hold.at)
        if hold.request_id not in self.memory.requests:
            self.both(lambda book: book.settle([self._settlement(other, 10, 0, 5)]))

    @rule(dropped=st.lists(holds, max_size=3))
    def drop(self, dropped: list[Hold]) -> None:
        self.both(lambda book: book.drop([hold.request_id for hold in dropped], self.clock.now()))

    @rule(step=STEPS)
    def wait(self, step: timedelta) -> None:
        if self.clock.now() + step < START + timedelta(weeks=5):
            self.clock.advance(step)

    @rule(account=st.integers(0, ACCOUNTS - 1))
    def expire(self, account: int) -> None:
        self.both_wallets(lambda wallets: wallets.expire(self.accounts[account], self.clock.now()))

    @invariant()
    def balances_are_equal(self) -> None:
        for account in self.accounts if self.memory.wallets else ():
            self.both_wallets(partial(_balance, account, self.clock.now()))

    @invariant()
    def the_line_holds_together(self) -> None:
        for wallet in self.memory.wallets.values():
            check_wallet(wallet, [posting for each in self.memory.postings.values() for posting in each])
            assert wallet.held == sum(
                h.amount for h in self.memory.holds.values() if h.payer.account_id == wallet.account_id
            )
        for key_id, meter in self.memory.meters.items():
            assert meter.held == sum(hold.amount for hold in self.memory.holds.values() if hold.payer.key_id == key_id)

    @invariant()
    def rates_are_counted_alike(self) -> None:
        assert self.stage.runner.run(self._counted()) == {
            row_id: (row.rates.open, *_window(row.rates.at(self.memory.window_time(START))))
            for rows in (self.memory.wallets, self.memory.meters)
            for row_id, row in rows.items()
        }
        for wallet in self.memory.wallets.values():
            ours = [h.request_id for h in self.memory.holds.values() if h.payer.account_id == wallet.account_id]
            assert wallet.rates.open == sum(self.memory.places[request_id].open for request_id in ours)

    async def _counted(self) -> dict[UUID, tuple[int, int, int]]:
        """Open requests, and what is counted in a window that has not ended."""
        fetch = self.stage.conn.fetch
        wallets = await fetch("select account_id as id, * from wallet where account_id = any($1)", self.accounts)
        meters = await fetch("select key_id as id, * from key_meter where account_id = any($1)", self.accounts)
        rows = [*wallets, *meters]
        begun = await self.stage.conn.fetchval("select clock_timestamp() - interval '1 minute'")
        stands = {row["id"]: row["window_requests"] > 0 and row["window_start"] > begun for row in rows}
        return {
            row["id"]: (row["open"], row["window_requests"], row["window_tokens"])
            if stands[row["id"]]
            else (row["open"], 0, 0)
            for row in rows
        }

    def teardown(self) -> None:
        if self.memory.wallets:
            assert self.stage.runner.run(self._written()) == [
                {name: getattr(entry, name) for name in entry.__struct_fields__}
                for entry in sorted(self.memory.entries.values(), key=lambda entry: (entry.account_id.int, entry.seq))
            ]
            assert self.stage.runner.run(verify(self.stage.conn, self.accounts)).fault is None
            heads = self.stage.runner.run(self._heads())
            assert heads == {wallet.account_id: wallet.chain for wallet in self.memory.wallets.values()}

    async def _written(self) -> Sequence[dict[str, Any]]:
        rows = await self.stage.conn.fetch(
            "select * from entry where account_id = any($1) order by account_id, seq", self.accounts
        )
        return [dict(row) for row in rows]

    async def _heads(self) -> dict[UUID, bytes]:
        rows = await self.stage.conn.fetch("select * from wallet where account_id = any($1)", self.accounts)
        return {row["account_id"]: row["chain"] for row in rows}

    def _payer(self, account: int, key: int) -> Payer:
        account_id = self.accounts[account]
        key_id = self.keys[account_id][key]
        return Payer(account_id, key_id, self.key_rates.get(key_id, UNLIMITED), self.rates[account])

    def _settlement(self, hold: Hold, cost: int, fee: int, vendor: int, bound: int | None = None) -> Settlement:
        """The bound is the hold's, unless another is given. Tokens are used as far as nano-dollars are."""
        most = hold.amount if bound is None else Usd(bound)
        return Settlement(*self._end(hold), Usd(cost), Usd(min(fee, cost)), Usd(vendor), most, cost)

    def _limit(self, key: UUID, account: UUID, limits: KeyLimits) -> None:
        self.memory.open_key(key, account, limits)
        self.stage.runner.run(open_meter(self.stage.conn, key, account, limits))

    def _end(self, hold: Hold) -> tuple[UUID, Payer, Product, str, bytes, bytes, datetime]:
        """The fields that settlements and releases have in common."""
        detail = b'{"asked": "deepseek-v3.2"}'
        product = EXPIRING if hold.request_id.int % 2 else SOLD
        return hold.request_id, hold.payer, product, "complete", detail, hold.request_id.bytes, self.clock.now()


async def _balance(account: UUID, at: datetime, wallets: Wallets | MemoryWallets) -> Balance:
    return await wallets.balance(account, at)


def _plain(answer: Any) -> Any:
    """Without times: PostgreSQL has its own clock."""
    if isinstance(answer, RefusedHold):
        return msgspec.structs.replace(answer, retry_ms=answer.retry_ms > 0, rates=_untimed(answer.rates))
    if isinstance(answer, PlacedHold):
        return PlacedHold(answer.amount, _untimed(answer.rates))
    return type(answer) if isinstance(answer, Exception) else answer


def _untimed(rates: RateUse | None) -> RateUse | None:
    if rates is None:
        return None
    return RateUse(*[msgspec.structs.replace(use, ends_in_ms=0) for use in (rates.key, rates.account)])


def _window(count: RateCount) -> tuple[int, int]:
    return count.requests, count.tokens


def _distinct(items: Sequence[Any], request_id: Callable[[Any], UUID] = lambda item: item.request_id) -> list[Any]:
    return list({request_id(item): item for item in items}.values())


@pytest.mark.hypothesis  # so that it runs at length, too
def test_memory_and_postgres_keep_the_same_books(stage: Stage) -> None:
    machine = type("StagedMachine", (Machine,), {"stage": stage})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=at_most(30), stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
    assert stage.runner.run(verify(stage.conn)).fault is None
