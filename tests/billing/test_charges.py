"""The settler, with books in memory: a request's money in each state of its meter."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.billing.offers import AT, MODEL, POLICY, offer, request
from tests.billing.process import Database, DatabaseMode, Process, WatchedMeter
from tests.editions.derived import derive

from tokenharbor.billing.alarms import Alarm
from tokenharbor.billing.detail import RequestDetail, read_detail
from tokenharbor.billing.lane import BillingLane
from tokenharbor.billing.meter import MeterState
from tokenharbor.billing.quote import quote
from tokenharbor.catalog.pricing import Terms
from tokenharbor.editions.policy import Policy
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.entropy import SeededEntropy
from tokenharbor.kernel.errors import InsufficientQuota, Unavailable
from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.payer import Payer
from tokenharbor.kernel.usage import Usage
from tokenharbor.kernel.world import make_world
from tokenharbor.ledger.entry import Entry
from tokenharbor.ledger.journal import left_journals
from tokenharbor.ledger.memory_tables import MemoryTables
from tokenharbor.ledger.memory_wallets import MemoryWallets
from tokenharbor.ledger.types import Credit, KeyLimits, Pool

OFFER = offer(input=1_000_000, output=2_000_000)
USAGE = Usage(input=900, output=40)
CHARGE = OFFER.rates.rate(USAGE, AT).total
BROKEN_STREAMS = derive("token-harbor", billing={"broken_streams": True})


class Desk:
    """One account with one key, a database and a process."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.world = make_world(ManualClock(AT), SeededEntropy(1))
        self.tables = MemoryTables()
        self.payer = Payer(self.world.ids.new(), self.world.ids.new())
        self.tables.open_account(self.payer.account_id)
        self.tables.open_key(self.payer.key_id, self.payer.account_id, KeyLimits())
        self.database = Database(self.tables)
        self.process = Process(self.world, self.database, home)
        self.settler = self.process.settler

    async def credit(self, amount: int = 1_000_000_000) -> None:
        ids = self.world.ids
        credit = Credit(ids.new(), ids.new(), self.payer.account_id, Pool.PAID, "operator", Usd(amount), AT, "a test")
        await MemoryWallets(self.tables).credit(credit)

    def meter(self, policy: Policy = POLICY) -> WatchedMeter:
        meter = WatchedMeter(self.world.ids.new(), AT, 0.0)
        meter.bill_to(BillingLane(self.payer, policy, "openai_chat", "m", "m"), request(max_output=2_000))
        return meter

    async def place(self, meter: WatchedMeter) -> None:
        whole = quote(meter.request, [OFFER], AT)
        await self.process.holds.place(meter, meter.request, [OFFER], meter.policy, whole)

    async def held(self, policy: Policy = POLICY) -> WatchedMeter:
        meter = self.meter(policy)
        await self.place(meter)
        assert meter.state is MeterState.HELD
        return meter

    async def answered(self, usage: Usage | None = USAGE, policy: Policy = POLICY) -> WatchedMeter:
        meter = await self.held(policy)
        meter.note_served_by(OFFER, "up", 0.0)
        meter.usage, meter.ended = usage, True
        return meter

    def entry(self, meter: WatchedMeter) -> Entry | None:
        return self.tables.entries.get(meter.request_id)

    def detail(self, meter: WatchedMeter) -> RequestDetail:
        return read_detail(self.tables.requests[meter.request_id].detail)

    async def quiet(self) -> None:
        """All that goes on by itself has gone on, and nothing is held."""
        async with asyncio.timeout(10):
            await self.process.books.drain()
        assert not self.tables.holds
        assert self.tables.wallets[self.payer.account_id].held == 0


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(tmp_path)
    await desk.credit()
    yield desk
    desk.process.journal.cut_off()


# ---- nothing held


async def test_a_request_that_asked_for_no_hold_leaves_nothing(desk: Desk) -> None:
    meter = desk.meter()
    await desk.settler.release_hold(meter)
    desk.settler.end_unsettled(meter)
    await desk.quiet()
    assert meter.state is MeterState.OPEN
    assert desk.tables.requests == {}


async def test_a_refused_hold_leaves_nothing(desk: Desk) -> None:
    desk.tables.open_key(desk.payer.key_id, desk.payer.account_id, KeyLimits(quota=Usd(1)))
    meter = desk.meter()
    with pytest.raises(InsufficientQuota):
        await desk.place(meter)
    await desk.settler.release_hold(meter)
    await desk.quiet()
    assert meter.state is MeterState.OPEN
    assert desk.tables.requests == {}


# ---- a hold asked for


@pytest.mark.parametrize(
    "mode", [DatabaseMode.THERE, DatabaseMode.SILENT, DatabaseMode.SLOW_HOLDS, DatabaseMode.LOCKED]
)
async def test_a_hold_that_is_on_its_way_is_released_after_it_stands(desk: Desk, mode: DatabaseMode) -> None:
    desk.database.change(mode)
    meter = desk.meter()
    placing = asyncio.ensure_future(desk.place(meter))
    await asyncio.sleep(0)
    assert meter.state is MeterState.PLACING
    placing.cancel()
    desk.settler.end_unsettled(meter)
    await asyncio.wait([placing])
    await asyncio.sleep(0.01)
    desk.database.change(DatabaseMode.THERE)
    await desk.quiet()
    assert (meter.state, desk.detail(meter).status) == (MeterState.CLOSED, "hung_up")
    assert desk.entry(meter) is None


async def test_a_hold_whose_outcome_is_unknown_is_released(desk: Desk) -> None:
    desk.database.change(DatabaseMode.UNHEARD)
    meter = desk.meter()
    with pytest.raises(Unavailable):
        await desk.place(meter)
    assert meter.state is MeterState.PLACING
    assert meter.request_id in desk.tables.holds
    await desk.settler.release_hold(meter)
    desk.database.change(DatabaseMode.THERE)
    await desk.quiet()


# ---- a hold that stands


async def test_a_complete_answer_is_billed_at_the_prices_of_the_quote(desk: Desk) -> None:
    meter = await desk.answered()
    assert await desk.settler.settle(meter) == CHARGE
    desk.settler.end_unsettled(meter)
    await desk.settler.release_hold(meter)
    await desk.quiet()
    entry, detail = desk.entry(meter), desk.detail(meter)
    assert entry is not None
    assert (entry.type, entry.amount, entry.over, entry.provider) == ("usage", CHARGE, 0, "p")
    assert (detail.status, detail.usage, detail.usage_source) == ("complete", USAGE, "vendor")
    assert (detail.hold, detail.key_id) == (meter.hold, desk.payer.key_id)
    assert meter.state is MeterState.CLOSED


@pytest.mark.parametrize(
    ("usage", "saved"),
    [
        (Usage(input=100, cache_read=700, output=40), 700 * 900),
        (Usage(input=100, cache_read=700, cache_write_5m=10, cache_write_1h=5), 700 * 900 - 10 * 250 - 5 * 1000),
        (Usage(input=1, cache_write_5m=4), -4 * 250),
        (Usage(input=900), 0),
    ],
)
async def test_a_detail_says_what_the_vendors_cache_saved(desk: Desk, usage: Usage, saved: int) -> None:
    await desk.credit()
    meter = await desk.held()
    plain, written = (
        {"input": 1_000_000, "output": 2_000_000},
        {"cache_write_5m": 1_250_000, "cache_write_1h": 2_000_000},
    )
    meter.note_served_by(offer(Terms(), MODEL, **plain, **written, cache_read=100_000), "up", 0.0)
    meter.usage, meter.ended = usage, True
    await desk.settler.settle(meter)
    assert desk.detail(meter).saved == saved


async def test_a_cost_beyond_the_quote_is_our_loss_and_an_alarm(desk: Desk) -> None:
    meter = await desk.answered(Usage(input=90_000, output=40))
    charge = await desk.settler.settle(meter)
    entry = desk.entry(meter)
    assert entry is not None
    assert charge == entry.amount == meter.hold
    assert desk.process.alarms.lost_nano[Alarm.OVERRUN, "p"] == entry.over > 0
    assert Alarm.INPUT_OVER_BOUND in meter.alarms


async def test_usage_that_cannot_be_is_not_billed(desk: Desk) -> None:
    meter = await desk.answered(Usage(input=900, output=50_000))
    meter.delivered_bytes = 40
    await desk.settler.settle(meter)
    detail = desk.detail(meter)
    assert detail.usage is not None
    assert (detail.usage_source, detail.quarantined, detail.usage.output) == ("estimated", True, 10)
    assert detail.delivered_bytes == 40


async def test_a_failure_gives_the_hold_back_before_it_is_told(desk: Desk) -> None:
    meter = await desk.held()
    meter.refusal = "upstream_error"
    await desk.settler.release_hold(meter)
    assert not desk.tables.holds
    assert (desk.detail(meter).status, desk.detail(meter).refusal) == ("failed", "upstream_error")
    assert desk.entry(meter) is None


@pytest.mark.parametrize("turns", range(6))
async def test_a_lost_answers_cost_is_a_loss_that_is_alarmed_once_wherever_its_caller_leaves(
    desk: Desk, turns: int
) -> None:
    meter = await desk.held()
    meter.note_served_by(OFFER, "up", 0.0)
    meter.usage_so_far, meter.refusal = USAGE, "upstream_error"
    giving = asyncio.ensure_future(desk.settler.release_hold(meter))
    for _ in range(turns):
        await asyncio.sleep(0)
    if turns:
        giving.cancel()
    await asyncio.wait([giving])
    await desk.quiet()
    entry = desk.entry(meter)
    assert entry is not None
    assert (entry.type, entry.amount, entry.vendor_cost) == ("loss", 0, CHARGE)
    assert desk.process.alarms.lost_nano[Alarm.UNBILLED, "p"] == CHARGE


@pytest.mark.parametrize("mode", [DatabaseMode.AWAY, DatabaseMode.UNHEARD])
async def test_a_release_that_the_database_does_not_confirm_is_asked_for_again(desk: Desk, mode: DatabaseMode) -> None:
    meter = await desk.held()
    desk.database.change(mode)
    await desk.settler.release_hold(meter)
    desk.database.change(DatabaseMode.THERE)
    await desk.quiet()
    assert desk.detail(meter).status == "failed"


@pytest.mark.parametrize(
    ("delivered", "refusal", "cut", "policy", "billed"),
    [
        (0, "", False, POLICY, False),
        (40, "", False, POLICY, True),
        (40, "upstream_error", False, POLICY, False),
        (40, "upstream_error", True, POLICY, True),
        (40, "upstream_error", False, BROKEN_STREAMS, True),
        (0, "upstream_error", False, BROKEN_STREAMS, False),
    ],
)
async def test_what_was_delivered_is_billed_if_the_caller_left_or_the_edition_says_so(
    desk: Desk, delivered: int, refusal: str, cut: bool, policy: Policy, billed: bool
) -> None:
    meter = await desk.held(policy)
    meter.note_served_by(OFFER, "up", 0.0)
    meter.delivered_bytes, meter.refusal, meter.cut = delivered, refusal, cut
    if refusal:
        await desk.settler.release_hold(meter)
    else:
        desk.settler.end_unsettled(meter)
    await desk.quiet()
    entry, detail = desk.entry(meter), desk.detail(meter)
    assert (entry is not None and entry.amount > 0) is billed
    assert detail.status == ("failed" if refusal else "hung_up")
    assert detail.usage_source == ("estimated" if billed else "none")


async def test_a_task_keeps_its_hold(desk: Desk) -> None:
    meter = await desk.answered()
    waiting = desk.settler.task_settlement(meter)
    desk.settler.leave_to_task(meter)
    desk.settler.end_unsettled(meter)
    await asyncio.sleep(0.01)
    assert (waiting.cost, meter.request_id in desk.tables.holds) == (CHARGE, True)


# ---- a settlement asked for


@pytest.mark.parametrize("mode", [DatabaseMode.THERE, DatabaseMode.SILENT, DatabaseMode.LOCKED, DatabaseMode.UNHEARD])
@pytest.mark.parametrize("turns", range(1, 5))
async def test_who_leaves_during_the_settlement_is_billed_once(desk: Desk, mode: DatabaseMode, turns: int) -> None:
    meter = await desk.answered(Usage(input=90_000, output=40))
    desk.database.change(mode)
    settling = asyncio.ensure_future(desk.settler.settle(meter))
    for _ in range(turns):
        await asyncio.sleep(0)
    settling.cancel()
    await asyncio.wait([settling])
    desk.settler.end_unsettled(meter)
    desk.database.change(DatabaseMode.THERE)
    await desk.quiet()
    entry = desk.entry(meter)
    assert entry is not None
    assert (entry.type, entry.amount) == ("usage", meter.hold)
    assert desk.tables.wallets[desk.payer.account_id].spent == meter.hold
    assert desk.process.alarms.lost_nano[Alarm.OVERRUN, "p"] == entry.over > 0


async def test_without_the_database_a_charge_is_durable_in_the_journal(desk: Desk) -> None:
    meter = await desk.answered()
    desk.database.change(DatabaseMode.AWAY)
    assert await desk.settler.settle(meter) == CHARGE
    assert str(meter.request_id).encode() in b"".join(file.read_bytes() for file in left_journals(desk.home))
    desk.database.change(DatabaseMode.THERE)
    await desk.quiet()
    assert desk.entry(meter) is not None


async def test_a_charge_that_the_books_refuse_makes_the_answer_incomplete(desk: Desk) -> None:
    meter, other = await desk.answered(), await desk.answered()
    other.request_id = meter.request_id
    await desk.settler.release_hold(other)
    with pytest.raises(Unavailable) as raised:
        await desk.settler.settle(meter)
    assert "refused" in str(raised.value)
    assert meter.state is MeterState.CLOSED


async def test_without_database_and_journal_the_charge_is_unknown_and_said_so(desk: Desk) -> None:
    meter = await desk.answered()
    desk.database.change(DatabaseMode.AWAY)
    desk.process.journal.is_full = True
    with pytest.raises(Unavailable) as raised:
        await desk.settler.settle(meter)
    assert "may still be charged" in str(raised.value)
    desk.database.change(DatabaseMode.THERE)
    await desk.quiet()
