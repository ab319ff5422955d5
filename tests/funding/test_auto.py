"""Auto top-up and each of its brakes."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from tests.funding.conftest import Till

from tokenharbor.funding import auto_store
from tokenharbor.funding.auto import (
    AutoTopUpBrake,
    AutoTopUpOutlook,
    AutoTopUpSettings,
    find_suspect,
    set_auto_top_up,
    show_auto_top_up,
    switch_off_auto_top_up,
    top_up_low_accounts,
)
from tokenharbor.funding.auto_store import KeySpending
from tokenharbor.funding.fulfil import fulfil
from tokenharbor.funding.sweep import sweep_top_ups
from tokenharbor.funding.types import AutoTopUp, AutoTopUpStop, Capture
from tokenharbor.kernel.errors import Rejected
from tokenharbor.kernel.money import Usd
from tokenharbor.payments.types import PaymentState

PAUSE = timedelta(minutes=10)


def usd(text: str) -> Usd:
    return Usd.parse(text)


@pytest.fixture
async def low(till: Till) -> Till:
    """An account with a saved method, 10 USD, and auto top-up of 20 USD below 15 USD."""
    opened = await till.open("10", save_method=True)
    till.processor.pay(opened.shown_id)
    await fulfil(till.funding, opened.id)
    await wish(till)
    till.clock.advance(PAUSE)
    return till


async def wish(till: Till, threshold: str = "15", amount: str = "20", month: str = "100") -> AutoTopUpOutlook:
    wanted = AutoTopUpSettings(threshold=usd(threshold), amount=usd(amount), month_most=usd(month), actor="customer")
    return await set_auto_top_up(till.funding, till.account_id, wanted)


async def run(till: Till) -> int:
    """Return how many charges there were by then."""
    await top_up_low_accounts(till.funding)
    return len(till.processor.charges)


async def spend(till: Till, amount: str) -> None:
    """Take credit off the line as a settlement does; the books are not checked afterwards."""
    await till.pool.execute("update wallet set spent = spent + $1", usd(amount))


def of(shown: AutoTopUpOutlook) -> AutoTopUp:
    assert shown.wanted is not None
    return shown.wanted


async def test_it_is_off_until_it_is_switched_on_and_needs_a_saved_method(till: Till) -> None:
    for shown in (
        await show_auto_top_up(till.funding, till.account_id),
        await switch_off_auto_top_up(till.funding, till.account_id, "customer"),
    ):
        assert (shown.enabled, shown.wanted, shown.brake, shown.saved) == (False, None, None, [])
        assert shown.policy == till.policy.auto_topup
    with pytest.raises(Rejected) as rejected:
        await wish(till)
    assert rejected.value.param == "processor"
    opened = await till.open("10")  # paid, but nothing was agreed to be saved
    till.processor.pay(opened.shown_id)
    await fulfil(till.funding, opened.id)
    with pytest.raises(Rejected):
        await wish(till)
    assert await run(till) == 0


async def test_a_low_account_is_charged_once_and_credited(low: Till) -> None:
    assert await run(low) == 1
    assert (await low.balance()).available == usd("30")
    [(state, automatic, method)] = await low.fetch("select state, automatic, method from top_up where automatic")
    assert (state, automatic, method) == ("paid", True, "saved")
    assert await run(low) == 1
    await low.check_books(2)


async def test_of_many_gateways_one_charges(low: Till) -> None:
    await asyncio.gather(*(top_up_low_accounts(low.funding) for _ in range(6)))
    assert len(low.processor.charges) == 1
    await low.check_books(2)


async def test_an_automatic_capture_says_so_to_whoever_grants_a_match(low: Till) -> None:
    heard: list[bool] = []

    class Hooks:
        async def run_due(self, _conn: Any, _account_id: Any) -> None: ...

        async def captured(self, _conn: Any, capture: Capture) -> None:
            heard.append(capture.automatic)

    low.hooks = Hooks()
    await run(low)
    assert heard == [True]


async def test_what_is_held_is_not_spent(low: Till) -> None:
    await low.pool.execute("update auto_top_up set threshold = $1", usd("5"))
    await low.pool.execute("update wallet set held = $1", usd("9"))
    assert await run(low) == 0
    await low.pool.execute("update wallet set held = 0")
    await spend(low, "6")
    assert await run(low) == 1


async def test_one_is_in_flight_at_a_time(low: Till) -> None:
    low.processor.charge_state = PaymentState.PENDING
    for _ in range(3):
        assert await run(low) == 1
        low.clock.advance(timedelta(days=1))
    [(state,)] = await low.fetch("select state from top_up where automatic")
    assert state == "pending"


async def test_a_month_has_a_ceiling(low: Till) -> None:
    await wish(low, month="45")
    for charges in (1, 2, 2, 2):
        assert await run(low) == charges
        await low.pool.execute("update wallet set spent = line_end")
        low.clock.advance(PAUSE)
    low.clock.advance(datetime(2026, 4, 1, 1, tzinfo=UTC) - low.clock.now())
    assert await run(low) == 3


async def test_two_are_a_pause_apart(low: Till) -> None:
    assert await run(low) == 1
    await low.pool.execute("update wallet set spent = line_end")
    low.clock.advance(PAUSE - timedelta(seconds=1))
    assert await run(low) == 1
    low.clock.advance(timedelta(seconds=1))
    assert await run(low) == 2


@pytest.mark.parametrize("state", [PaymentState.FAILED, PaymentState.NEEDS_PAYER])
async def test_a_payment_that_fails_or_needs_the_payer_stops_it_with_a_reason(low: Till, state: PaymentState) -> None:
    low.processor.charge_state = state
    assert await run(low) == 1
    stopped = await show_auto_top_up(low.funding, low.account_id)
    assert (stopped.enabled, of(stopped).stopped_at) == (False, low.clock.now())
    assert "card declined" in stopped.stop_reason
    assert [kind for kind, _ in low.alarms] == ["auto_top_up_stopped"]
    low.processor.charge_state = PaymentState.PAID
    low.clock.advance(timedelta(days=1))
    assert await run(low) == 1
    started = await wish(low)
    assert (started.enabled, started.stop_reason) == (True, "")
    assert await run(low) == 2


async def test_a_processor_that_refuses_stops_it(low: Till) -> None:
    low.processor.refuses = "no such customer"
    await run(low)
    assert "no such customer" in (await show_auto_top_up(low.funding, low.account_id)).stop_reason
    assert await low.fetch("select state, fault from top_up where automatic") == [("failed", "no such customer")]


async def test_a_charge_whose_answer_was_lost_is_asked_for_again_and_made_once(low: Till) -> None:
    low.processor.is_away = True
    assert await run(low) == 0
    low.processor.is_away = False
    low.clock.advance(timedelta(seconds=5))
    await sweep_top_ups(low.funding)
    assert len(low.processor.charges) == 1
    await low.check_books(2)


async def test_a_charge_that_is_older_than_the_processors_memory_is_only_searched_for(low: Till) -> None:
    low.processor.is_away = True
    await run(low)
    low.processor.is_away = False
    low.clock.advance(timedelta(days=1))
    await sweep_top_ups(low.funding)
    assert low.processor.charges == []
    [(state, fault)] = await low.fetch("select state, fault from top_up where automatic")
    assert (state, "nothing was taken" in fault) == ("failed", True)


async def test_a_debt_keeps_it_waiting(low: Till) -> None:
    await low.pool.execute("update wallet set debt = 1")
    assert await run(low) == 0


async def test_a_refund_switches_it_off_in_its_own_transaction(low: Till) -> None:
    async with low.pool.acquire() as conn, conn.transaction():
        assert await auto_store.stop(
            conn, low.account_id, AutoTopUpStop.REFUND, "a refund was asked for", low.clock.now()
        )
        assert not await auto_store.stop(conn, low.account_id, AutoTopUpStop.REFUND, "again", low.clock.now())
    assert await run(low) == 0
    shown = await show_auto_top_up(low.funding, low.account_id)
    assert (shown.stop_code, shown.stop_reason) == (AutoTopUpStop.REFUND, "a refund was asked for")


async def test_an_owner_switches_it_off(low: Till) -> None:
    off = await switch_off_auto_top_up(low.funding, low.account_id, "customer")
    assert (off.enabled, of(off).stopped_at, off.stop_code, off.stop_reason) == (False, None, None, "")
    assert await run(low) == 0


async def test_a_key_that_spends_many_times_its_usual_stops_it(low: Till) -> None:
    key, day_end = low.world.ids.new(), low.clock.now() + timedelta(hours=6)
    await low.pool.execute(
        "insert into api_key (id, account_id, hash, hash_key_id, first4, last4, created_at) "
        "values ($1, $2, 'h', 'k', 'abcd', 'efgh', $3)",
        key, low.account_id, low.clock.now() - timedelta(days=20),
    )  # fmt: skip
    await low.pool.execute(
        "update key_meter set spent = $1, day_spent = $2, day_end = $3", usd("60"), usd("40"), day_end
    )  # 1 USD a day before
    assert await run(low) == 0
    stopped = await show_auto_top_up(low.funding, low.account_id)
    assert (stopped.enabled, "key_" in stopped.stop_reason) == (False, True)
    assert [kind for kind, _ in low.alarms] == ["auto_top_up_stopped"]


async def age_account(till: Till, days: int, spent: str, today: str) -> None:
    """The sum of all keys, whose own meters stay as they are: revoked ones, new ones, many that spend a little."""
    created, day_end = till.clock.now() - timedelta(days=days), till.clock.now() + timedelta(hours=6)
    await till.pool.execute("update account set created_at = $1", created)
    await till.pool.execute(
        "update wallet set spent = $1, day_spent = $2, day_end = $3", usd(spent), usd(today), day_end
    )


async def test_a_thiefs_new_key_shows_in_what_all_keys_spend_together(low: Till) -> None:
    await low.pool.execute(
        "insert into api_key (id, account_id, hash, hash_key_id, first4, last4, created_at) "
        "values ($1, $2, 'h', 'k', 'abcd', 'efgh', $3)",
        low.world.ids.new(), low.account_id, low.clock.now(),
    )  # fmt: skip
    await age_account(low, days=20, spent="9.9", today="0")
    assert await run(low) == 1, "nothing unusual"
    low.clock.advance(PAUSE)
    await age_account(low, days=20, spent="29.9", today="20")
    await low.pool.execute("update key_meter set spent = $1, day_spent = $1, day_end = 'infinity'", usd("20"))
    assert await run(low) == 1
    stopped = await show_auto_top_up(low.funding, low.account_id)
    assert (stopped.enabled, "all keys together" in stopped.stop_reason) == (False, True)


async def test_an_account_of_less_than_a_week_has_no_usual(low: Till) -> None:
    await age_account(low, days=6, spent="8", today="8")
    await wish(low, amount="5")
    assert await run(low) == 1


def test_what_looks_like_theft() -> None:
    def suspect(today: int, before: int, days: int) -> bool:
        key = KeySpending(key_id=None, today=Usd(today), before=Usd(before), days=days)
        return find_suspect([key], Usd(20), 10) is key

    assert suspect(today=21, before=14, days=7)
    assert not suspect(today=20, before=14, days=7), "ten times its usual"
    assert not suspect(today=19, before=0, days=7), "little"
    assert suspect(today=20, before=0, days=7)
    assert not suspect(today=500, before=1, days=6), "too new to have a usual"


async def test_what_the_edition_does_not_allow_is_refused(low: Till) -> None:
    for threshold, amount, month, param in (
        ("0.99", "20", "100", "threshold"),
        ("15", "20", "19", "month"),
        ("15", "20", "1000.01", "month"),
        ("15", "4", "100", "amount"),
    ):
        with pytest.raises(Rejected) as rejected:
            await wish(low, threshold, amount, month)
        assert rejected.value.param == param
    low.policy = msgspec.structs.replace(
        low.policy, auto_topup=msgspec.structs.replace(low.policy.auto_topup, enabled=False)
    )
    with pytest.raises(Rejected):
        await wish(low)
    assert await run(low) == 0, "what was on before stays off, too"


async def test_what_keeps_the_next_charge_waiting_is_shown_and_until_when(low: Till) -> None:
    async def shown() -> AutoTopUpOutlook:
        return await show_auto_top_up(low.funding, low.account_id)

    assert (await shown()).brake is None
    assert [(each.processor, each.method) for each in (await shown()).saved] == [(low.processor.name, "card")]
    low.processor.charge_state = PaymentState.PENDING
    await run(low)
    assert ((await shown()).brake, (await shown()).this_month) == (AutoTopUpBrake.IN_FLIGHT, usd("20"))
    charge = (await low.fetch("select id from top_up where automatic"))[0][0]
    low.processor.pay((await low.top_up(charge)).shown_id)
    await fulfil(low.funding, charge)
    assert ((await shown()).brake, (await shown()).goes_on_at) == (AutoTopUpBrake.PAUSE, low.clock.now() + PAUSE)
    await low.pool.execute("update wallet set debt = 1")
    assert (await shown()).brake is AutoTopUpBrake.DEBT
    await low.pool.execute("update wallet set debt = 0")
    ceiling = await wish(low, month="39")
    assert (ceiling.brake, ceiling.goes_on_at) == (AutoTopUpBrake.CEILING, datetime(2026, 4, 1, tzinfo=UTC))


async def test_what_cannot_be_charged_later_is_not_saved(till: Till) -> None:
    till.processor.savable = frozenset({"card"})
    with pytest.raises(Rejected):
        await till.open("10", save_method=True, method="alipay")
    assert (await till.open("10", save_method=True)).method == "card"
