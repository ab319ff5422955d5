"""Random moves of credit between random requests, in memory: the invariants of the books after every step."""

from collections.abc import Coroutine
from copy import copy
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from hypothesis import settings
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
from tests.ledger.conftest import SOLD, START
from tests.ledger.moves import KINDS, LEGS, SHARES, TYPES, Move, check_wallet, perform, postings

from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.entropy import SeededEntropy
from tokenharbor.kernel.errors import BooksRefused
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO, Usd
from tokenharbor.kernel.payer import Payer
from tokenharbor.kernel.world import make_world
from tokenharbor.ledger import credit_moves
from tokenharbor.ledger.chain import GENESIS, entry_digest, next_head
from tokenharbor.ledger.credit_moves import EntryStamp
from tokenharbor.ledger.credit_state import CreditEntry
from tokenharbor.ledger.memory_book import MemoryBook
from tokenharbor.ledger.memory_tables import MemoryTables
from tokenharbor.ledger.memory_wallets import MemoryWallets
from tokenharbor.ledger.reversal import Reversal
from tokenharbor.ledger.types import Clawback, Credit, Hold, KeyLimits, PlacedHold, Pool, Settlement

POOLS = st.sampled_from([Pool.PAID, Pool.PAID, Pool.TRIAL, Pool.MATCH, Pool.PROMO])
LIFETIMES = st.sampled_from([None, None, timedelta(minutes=1), timedelta(days=2)])
STEPS = st.sampled_from([timedelta(seconds=1), timedelta(minutes=1), timedelta(days=3)])

Result = TypeVar("Result")


class CreditMachine(RuleBasedStateMachine):
    """One account. A refused move changes nothing."""

    lots = Bundle("lots")
    holds = Bundle("holds")

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock(START)
        self.world = make_world(self.clock, SeededEntropy(1))
        self.tables = MemoryTables()
        self.book, self.wallets = MemoryBook(self.tables), MemoryWallets(self.tables)
        self.account, self.key = self.world.ids.new(), self.world.ids.new()

    def run(self, coming: Coroutine[Any, Any, Result]) -> Result | None:
        """A refused move returns nothing."""

        before = (len(self.tables.entries), copy(self.tables.wallets[self.account]))
        try:
            return _done(coming)
        except BooksRefused:
            assert (len(self.tables.entries), self.tables.wallets[self.account]) == before
            return None

    @initialize(target=lots)
    def open(self) -> Credit:
        self.tables.open_account(self.account)
        self.tables.open_key(self.key, self.account, KeyLimits())
        first = self._credit(1000, Pool.PAID, None)
        self.run(self.wallets.credit(first))
        return first

    @rule(target=lots, amount=st.integers(1, 3000), pool=POOLS, lifetime=LIFETIMES)
    def credit(self, amount: int, pool: Pool, lifetime: timedelta | None) -> Credit:
        credit = self._credit(amount, pool, lifetime)
        self.run(self.wallets.credit(credit))
        return credit

    @rule(target=lots, amount=st.integers(1, 3000), lifetime=LIFETIMES)
    def lock_match(self, amount: int, lifetime: timedelta | None) -> Credit:
        credit = self._credit(amount, Pool.MATCH, lifetime)

        async def lock() -> bool:
            async with self.wallets.transaction():
                state = await self.wallets.lock(self.account, credit.at)
                return await self.wallets.post(credit_moves.lock_match(state, credit))

        self.run(lock())
        return credit

    @rule(moved=st.lists(lots, min_size=1, max_size=3), kind=st.sampled_from(KINDS), share=SHARES)
    def move(self, moved: list[Credit], kind: str, share: int) -> None:
        lot_ids = [*dict.fromkeys(lot.lot_id for lot in moved)]
        if lot_ids[0] in self.tables.wallets[self.account].lots:
            move = Move(kind, lot_ids, share, EntryStamp(self.world.ids.new(), self.clock.now()))
            answer = self.run(perform(move, self.account, self.wallets))
            assert answer is None or answer[1:] == (True, False)

    @rule(named=st.lists(lots, min_size=1, max_size=2), type_=TYPES, legs=LEGS)
    def post_whatever(self, named: list[Credit], type_: Any, legs: list[tuple[int, str, str, int]]) -> None:
        written = tuple(postings(self.account, [lot.lot_id for lot in named], legs))
        entry = CreditEntry(self.world.ids.new(), self.account, type_, self.clock.now(), written)
        self.run(self.wallets.post(entry))

    @rule(lot=lots, amount=st.integers(1, 2000))
    def claw(self, lot: Credit, amount: int) -> None:
        at, to = self.clock.now(), "clearing/manual/usd"
        self.run(self.wallets.claw(Clawback(self.world.ids.new(), self.account, lot.lot_id, Usd(amount), at, to)))

    @rule(lot=lots)
    def reverse(self, lot: Credit) -> None:
        """Once only; then all that the credit brought is back, spent, or owed."""
        reversal = Reversal(lot.entry_id, self.clock.now())
        self.run(self.wallets.reverse(reversal))
        written = self.tables.entries.get(reversal.entry_id)
        self.run(self.wallets.reverse(reversal))
        assert self.tables.entries.get(reversal.entry_id) == written

    @rule(target=holds, amounts=st.lists(st.integers(0, 900), max_size=3))
    def place(self, amounts: list[int]) -> Any:
        payer = Payer(self.account, self.key)
        batch = [Hold(self.world.ids.new(), payer, Usd(amount), self.clock.now()) for amount in amounts]
        answers = self.run(self.book.place(batch)) or []
        return multiple(*[hold for hold, answer in zip(batch, answers, strict=True) if isinstance(answer, PlacedHold)])

    @rule(hold=consumes(holds), cost=st.integers(0, 1200))
    def settle(self, hold: Hold, cost: int) -> None:
        end = (hold.request_id, hold.payer, SOLD, "complete", b"{}", b"salt", self.clock.now())
        self.run(self.book.settle([Settlement(*end, Usd(cost), ZERO, ZERO, Usd(cost))]))

    @rule(hold=consumes(holds))
    def drop(self, hold: Hold) -> None:
        self.run(self.book.drop([hold.request_id], self.clock.now()))

    @rule(step=STEPS)
    def wait(self, step: timedelta) -> None:
        self.clock.advance(step)

    @invariant()
    def the_books_hold_together(self) -> None:
        for wallet in self.tables.wallets.values():
            check_wallet(wallet, [posting for each in self.tables.postings.values() for posting in each])
            assert wallet.held == sum(hold.amount for hold in self.tables.holds.values())

    @invariant()
    def what_cannot_be_spent_is_never_available(self) -> None:
        for account_id, wallet in self.tables.wallets.items():
            balance = _done(self.wallets.balance(account_id, self.clock.now()))
            assert balance.available + balance.held == sum(balance.pools.values()) - balance.pools.get(Pool.LOCKED, 0)
            assert balance.available <= wallet.free

    def teardown(self) -> None:
        """Positions and chain follow from the entries."""
        head, pos, step = GENESIS, 0, 0
        leaves: list[bytes] = []
        for number, entry in enumerate(sorted(self.tables.entries.values(), key=lambda entry: entry.seq), 1):
            if entry.step != step:
                head = next_head(head, leaves) if leaves else head
                leaves, step = [], step + 1
            assert (entry.seq, entry.pos, entry.step, entry.ordinal) == (number, pos, step, len(leaves))
            leaves.append(entry_digest(entry))
            pos += entry.amount if entry.type == "usage" else 0
        for wallet in self.tables.wallets.values():
            assert (wallet.spent, wallet.step) == (pos, step)
            assert wallet.chain == (next_head(head, leaves) if leaves else head)

    def _credit(self, amount: int, pool: Pool, lifetime: timedelta | None) -> Credit:
        at = self.clock.now()
        ids: tuple[UUID, UUID] = self.world.ids.new(), self.world.ids.new()
        expires_at = None if lifetime is None else at + lifetime
        origin = "top-up" if pool is Pool.PAID else "operator"
        return Credit(*ids, self.account, pool, origin, Usd(amount), at, "", expires_at)


def _done(coming: Coroutine[Any, Any, Result]) -> Result:
    """In memory nothing waits, so it needs no loop."""
    try:
        coming.send(None)
    except StopIteration as stop:
        result: Result = stop.value
        return result
    raise AssertionError("something waits")


def _machine(examples: int) -> None:
    run_state_machine_as_test(
        CreditMachine, settings=settings(max_examples=examples, stateful_step_count=25, deadline=None)
    )


def test_credit_holds_together_whatever_is_moved() -> None:
    _machine(at_most(40))


@pytest.mark.slow
def test_credit_holds_together_in_500_runs() -> None:
    _machine(500)
