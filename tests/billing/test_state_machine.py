"""Concurrent requests of many accounts, cancelled at every await, with failing books: complete answers are billed once,
and no hold remains.
"""

import asyncio
import shutil
import tempfile
from collections import Counter
from collections.abc import Awaitable
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest
import structlog
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.billing.offers import AT, POLICY, offer, request
from tests.billing.process import Call, Database, DatabaseMode, Ending, Process, WatchedMeter
from tests.examples import at_most
from tests.loops import VirtualLoop

from tokenharbor.billing.alarms import Alarm, Alarms
from tokenharbor.billing.lane import BillingLane
from tokenharbor.billing.meter import MeterState
from tokenharbor.billing.quote import quote
from tokenharbor.billing.replay import replay
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.entropy import SeededEntropy
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.payer import Payer
from tokenharbor.kernel.usage import Usage
from tokenharbor.kernel.world import make_world
from tokenharbor.ledger.journal import left_journals
from tokenharbor.ledger.line import is_whole, line_end
from tokenharbor.ledger.memory_tables import MemoryTables
from tokenharbor.ledger.memory_wallets import MemoryWallets
from tokenharbor.ledger.types import Credit, KeyLimits, Pool

Result = TypeVar("Result")

ACCOUNTS = 2
KEYS_EACH = 2
OFFER = offer(input=1_000_000, output=2_000_000)
WHOLE = 1_000_000 * 1_001 // 1000 + 2_000_000 * 8_000 // 1000  # nano-USD: the quote of a request without a maximum
USAGES = st.sampled_from([
    None,
    Usage(input=900, output=3),
    Usage(input=900, output=40, cache_read=100),
    Usage(input=90_000, output=40),  # more than the quote's bound of input: the rest is our loss
    Usage(input=900, output=50_000),  # cannot be: the text is counted
])  # fmt: skip
SECONDS = st.sampled_from([0.0, 0.3, 2.5, 20.0])
TURNS = st.integers(0, 8)
ASKED = st.tuples(
    st.integers(0, ACCOUNTS - 1), st.integers(0, KEYS_EACH - 1), st.sampled_from([2_000, 50, None])
)  # the account, its key, and the maximum


class MoneyMachine(RuleBasedStateMachine):
    """Rules move callers, providers, the database, the disk and time; a step goes on for as many turns as it says."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        self.home = Path(tempfile.mkdtemp(prefix="th-machine-"))
        self.clock = ManualClock(AT)
        self.world = make_world(self.clock, SeededEntropy(1))
        self.tables = MemoryTables()
        self.calls: list[Call] = []
        self.processes: list[Process] = []
        self.alarms: list[Alarms] = []
        self.forgetful = False  # a process was killed, or had nowhere to write: alarms may differ from the books

    def run(self, work: Awaitable[Result]) -> Result:
        async def main() -> Result:
            return await work

        return self.loop.run_until_complete(main())

    @property
    def process(self) -> Process:
        return self.processes[-1]

    @initialize(second=st.sampled_from([WHOLE // 9, WHOLE * 30, 0]))
    def open(self, second: int) -> None:
        """The first account is rich, the second as it comes; the second key of each has a quota."""
        self.accounts = [self.world.ids.new() for _ in range(ACCOUNTS)]
        self.keys = [[self.world.ids.new() for _ in range(KEYS_EACH)] for _ in self.accounts]
        for account, keys in zip(self.accounts, self.keys, strict=True):
            self.tables.open_account(account)
            self.tables.open_key(keys[0], account, KeyLimits())
            self.tables.open_key(keys[1], account, KeyLimits(quota=Usd(WHOLE * 3)))
        self.top_up(0, WHOLE * 30)
        if second:
            self.top_up(1, second)
        self.database = Database(self.tables)
        self._start()

    def _start(self) -> None:
        async def start() -> None:
            self.processes.append(Process(self.world, self.database, self.home))

        self.run(start())
        self.alarms.append(self.process.alarms)

    # ---- callers and providers

    @rule(asked=st.lists(ASKED, min_size=1, max_size=5), turns=TURNS, stays=st.booleans())
    def ask(self, asked: list[tuple[int, int, int | None]], turns: int, stays: bool) -> None:
        new = [self._call(*each) for each in asked]

        async def serve() -> None:
            for call in new:
                self.process.serve(call)

        self.run(serve())
        self.calls += new
        self.turn(turns)
        if not stays:
            self._leave(new[-1])

    def _call(self, account: int, key: int, most: int | None) -> Call:
        asked = request(max_output=most)
        meter = WatchedMeter(self.world.ids.new(), self.clock.now(), self.clock.monotonic())
        payer = Payer(self.accounts[account], self.keys[account][key])
        meter.bill_to(BillingLane(payer, POLICY, "openai_chat", "m", "m"), asked)
        return Call(meter, asked, quote(asked, [OFFER], AT), OFFER, self.loop.create_future())

    @rule(which=st.integers(0, 99), size=st.integers(1, 200), turns=TURNS)
    def say(self, which: int, size: int, turns: int) -> None:
        """The provider's content, passed on to the caller."""
        held = [call for call in self._open() if call.meter.state is MeterState.HELD and not call.ending.done()]
        if held:
            meter = held[which % len(held)].meter
            if meter.offer is None:
                meter.note_served_by(OFFER, "up", 0.0)
            meter.delivered_bytes += size
            self.turn(turns)

    @rule(
        ends=st.lists(st.tuples(st.integers(0, 99), st.booleans(), USAGES), min_size=1, max_size=4),
        turns=TURNS,
        stays=st.booleans(),
    )
    def end(self, ends: list[tuple[int, bool, Usage | None]], turns: int, stays: bool) -> None:
        for which, fails, usage in ends:
            waiting = [call for call in self._open() if not call.ending.done()]
            if waiting:
                ended = waiting[which % len(waiting)]
                ended.ending.set_result(Ending(not fails, usage))
        self.turn(turns)
        if waiting and not stays:
            self._leave(ended)

    @rule(which=st.integers(0, 99), turns=TURNS)
    def hang_up(self, which: int, turns: int) -> None:
        """Wherever the request waits just now."""
        there = self._open()
        if there:
            self._leave(there[which % len(there)])
            self.turn(turns)

    def _leave(self, call: Call) -> None:
        assert call.task is not None
        if not call.task.done():
            call.billed_at_hang_up = _is_to_be_billed(call)
            call.task.cancel()

    @rule(account=st.integers(0, ACCOUNTS - 1), amount=st.sampled_from([1, WHOLE // 9, WHOLE]))
    def top_up(self, account: int, amount: int) -> None:
        ids, at = self.world.ids, self.clock.now()
        credit = Credit(ids.new(), ids.new(), self.accounts[account], Pool.PAID, "operator", Usd(amount), at, "a test")
        self.run(MemoryWallets(self.tables).credit(credit))

    # ---- what fails

    @rule(mode=st.sampled_from(DatabaseMode), seconds=SECONDS)
    def change_database(self, mode: DatabaseMode, seconds: float) -> None:
        self.database.change(mode)
        self.wait(seconds)

    @rule()
    def crash_database(self) -> None:
        """Holds of the last moments vanish."""
        self.tables.crash()

    @rule(full=st.booleans())
    def change_disk(self, full: bool) -> None:
        self.process.journal.is_full = full
        self.forgetful |= full

    @rule(seconds=SECONDS)
    def wait(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))
        self.run(asyncio.sleep(seconds))

    @rule(turns=TURNS)
    def turn(self, turns: int) -> None:
        async def turn() -> None:
            for _ in range(turns):
                await asyncio.sleep(0)

        self.run(turn())

    @rule()
    def kill(self) -> None:
        """The process is gone; its successor replays the journal and gives back its holds."""
        self.forgetful = True
        self.run(self.process.kill())
        self.database.change(DatabaseMode.THERE)
        self._succeed()

    @rule()
    def restart(self) -> None:
        """The process stops as it is told to, and the next one begins. Nobody waits for what the drain has left."""
        self.settle_down()
        self.run(self.process.stop())
        assert not self.tables.holds
        assert left_journals(self.home) == []
        self._succeed()

    def _succeed(self) -> None:
        alarms = Alarms()
        self.alarms.append(alarms)
        self.run(replay(left_journals(self.home), self.database.connect(), alarms))
        self.run(self.database.connect().drop([*self.tables.holds], self.clock.now()))
        self._start()

    # ---- what holds after every step

    @invariant()
    def no_wallet_is_overspent_and_what_is_held_is_held_for_a_request(self) -> None:
        for account, wallet in self.tables.wallets.items():
            holds = [hold.amount for hold in self.tables.holds.values() if hold.payer.account_id == account]
            assert is_whole(wallet.line)
            assert 0 <= wallet.spent <= wallet.cut <= line_end(wallet.line)
            assert wallet.held == sum(holds)

    @invariant()
    def what_is_spent_is_the_sum_of_the_entries(self) -> None:
        spent: Counter[object] = Counter()
        for entry in self.tables.entries.values():
            if entry.type == "usage":
                spent[entry.account_id] += entry.amount
                spent[self.tables.requests[entry.id].payer.key_id] += entry.amount
        assert all(wallet.spent == spent[account] for account, wallet in self.tables.wallets.items())
        assert all(meter.spent == spent[key] for key, meter in self.tables.meters.items())

    @invariant()
    def nobody_pays_for_what_was_refused_or_failed(self) -> None:
        for call in self.calls:
            if call.told in {"refused", "failed"}:
                assert not self._is_charged(call), call.told

    @invariant()
    def a_complete_answer_is_in_the_books_or_in_the_journal(self) -> None:
        journal = b"".join(file.read_bytes() for file in left_journals(self.home))
        for call in self.calls:
            if call.told == "complete" and not self._is_charged(call):
                assert str(call.meter.request_id).encode() in journal

    @precondition(lambda self: self.calls)
    @rule()
    def settle_down(self) -> None:
        """Database and disk are there again, providers end, and all that goes on by itself has gone on."""
        self.process.journal.is_full = False
        self.database.change(DatabaseMode.THERE)
        self.wait(20.0)
        for call in self._open():
            if not call.ending.done():
                call.ending.set_result(Ending(complete=True, usage=Usage(input=900, output=3)))
        self.wait(20.0)
        assert not self._open()
        assert not self.tables.holds
        for call in self.calls:
            self._check_ended(call)
        self._check_alarms()

    def _check_ended(self, call: Call) -> None:
        entry = self.tables.entries.get(call.meter.request_id)
        if call.told == "complete":
            assert entry is not None
            assert call.charge is not None
            assert entry.type == "usage"
            assert entry.amount <= call.charge <= entry.amount + entry.over, "what was told is the most"
            usage = call.meter.usage
            if usage is None or call.meter.quarantined:
                assert entry.amount > 0, "by our own count"
            else:
                assert entry.amount + entry.over == OFFER.rates.rate(usage, AT).total
        elif call in self.process.calls and not call.told:  # the caller left
            assert self._is_charged(call) is call.billed_at_hang_up
            assert call.billed_at_hang_up or call.meter.state in {MeterState.OPEN, MeterState.CLOSED}

    def _check_alarms(self) -> None:
        for kind, lost in (
            (Alarm.OVERRUN, sum(entry.over for entry in self.tables.entries.values())),
            (Alarm.UNBILLED, sum(e.vendor_cost for e in self.tables.entries.values() if e.type == "loss")),
        ):
            told = sum(amount for each in self.alarms for (alarm, _), amount in each.lost_nano.items() if alarm is kind)
            assert self.forgetful or told == lost, (kind, told, lost)

    def teardown(self) -> None:
        try:
            if self.processes:
                self.settle_down()
                self.run(self.process.stop())
                assert left_journals(self.home) == []
        finally:
            for process in self.processes:
                self.run(process.kill())
            self.loop.close()
            shutil.rmtree(self.home)

    def _open(self) -> list[Call]:
        return [call for call in self.process.calls if call.task is not None and not call.task.done()]

    def _is_charged(self, call: Call) -> bool:
        entry = self.tables.entries.get(call.meter.request_id)
        return entry is not None and entry.type == "usage"


def _is_to_be_billed(call: Call) -> bool:
    """Of a caller who leaves now."""
    meter = call.meter
    return meter.state is MeterState.SETTLING or (meter.state is MeterState.HELD and meter.delivered_bytes > 0)


@pytest.mark.hypothesis  # so that it runs at length, too
@pytest.mark.takes(40)
def test_money_comes_out_right_whatever_happens() -> None:
    with structlog.testing.capture_logs():
        run_state_machine_as_test(
            MoneyMachine,
            settings=settings(
                max_examples=4 * at_most(100),
                stateful_step_count=50,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
