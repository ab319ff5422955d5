"""Attempts to be charged twice, to lose a payment, or to get credit for less than it costs."""

import asyncio
from datetime import timedelta

import pytest
from tests.funding.conftest import Till
from tests.funding.test_auto import PAUSE, low, run, usd, wish  # noqa: F401

from tokenharbor.funding import store
from tokenharbor.funding.auto import show_auto_top_up, switch_off_auto_top_up
from tokenharbor.funding.events import handle_events, sweep_events
from tokenharbor.funding.fulfil import fulfil
from tokenharbor.funding.manual import ManualPayment, confirm_payment, record_payment
from tokenharbor.funding.rates import set_exchange_rate
from tokenharbor.funding.sweep import sweep_top_ups
from tokenharbor.funding.topups import MOST_OPEN
from tokenharbor.identity.store import create_account
from tokenharbor.kernel.errors import Conflict, ProcessorUnavailable, Rejected
from tokenharbor.kernel.money import Money


async def automatic(till: Till) -> tuple[str, str]:
    [(state, fault)] = await till.fetch("select state, fault from top_up where automatic")
    return state, fault


def lose_the_answer(till: Till) -> None:
    def lose(_call: str) -> None:
        till.processor.before_answer = lambda _call: None
        raise ProcessorUnavailable("the answer was lost")

    till.processor.before_answer = lose


async def test_a_charge_whose_answer_was_lost_is_credited_though_the_retry_is_refused(low: Till) -> None:  # noqa: F811
    lose_the_answer(low)
    assert await run(low) == 1
    low.processor.refuses = "this key was used with other parameters"  # another method was saved meanwhile
    low.clock.advance(timedelta(seconds=5))
    await sweep_top_ups(low.funding)
    assert await automatic(low) == ("paid", "")
    await low.check_books(2)


async def test_a_failed_charge_is_not_made_by_looking_at_it_again(low: Till) -> None:  # noqa: F811
    low.processor.refuses = "not now"
    assert await run(low) == 0
    low.processor.refuses = ""
    [(top_up_id,)] = await low.fetch("select id from top_up where automatic")
    assert (await fulfil(low.funding, top_up_id)).state == "failed"
    assert low.processor.charges == []


async def test_what_was_switched_off_before_the_charge_went_out_is_not_charged(low: Till) -> None:  # noqa: F811
    low.processor.is_away = True
    assert await run(low) == 0
    await switch_off_auto_top_up(low.funding, low.account_id, "customer")
    low.processor.is_away = False
    low.clock.advance(timedelta(seconds=5))
    await sweep_top_ups(low.funding)
    assert low.processor.charges == []
    assert (await automatic(low))[0] == "failed"


async def test_an_automatic_payment_that_is_not_as_asked_ends_auto_top_up(low: Till) -> None:  # noqa: F811
    def take_less(_call: str) -> None:
        [charge] = low.processor.charges
        low.processor.change(charge.top_up_id, money=Money("USD", 1999))

    low.processor.before_answer = take_less
    assert await run(low) == 1
    low.processor.before_answer = lambda _call: None
    low.clock.advance(PAUSE)
    assert await run(low) == 1, "no second charge while the first is in doubt"
    shown = await show_auto_top_up(low.funding, low.account_id)
    assert not shown.enabled
    assert "1999" in shown.stop_reason.replace(".", "")


async def test_an_amount_that_is_sold_no_more_stops_its_own_account_only(low: Till) -> None:  # noqa: F811
    async with low.pool.acquire() as conn:
        other = await create_account(conn, low.world, "bob@example.com", "e")
    await low.pool.execute(
        "insert into saved_method select $1, processor, customer_id, method_id, saved_at from saved_method", other.id
    )
    await low.pool.execute(
        "insert into auto_top_up select $1, enabled, processor, threshold, amount, month_most, changed_at, actor"
        " from auto_top_up",
        other.id,
    )
    smaller = min(low.account_id, other.id)
    await low.pool.execute("update auto_top_up set amount = 1, month_most = 100 where account_id = $1", smaller)
    assert await run(low) == 1
    charged = await low.fetch("select account_id from top_up where automatic")
    assert charged == [(max(low.account_id, other.id),)]
    assert not (await show_auto_top_up(low.funding, smaller)).enabled


async def test_a_rate_that_was_replaced_does_not_come_back(till: Till) -> None:
    await set_exchange_rate(till.funding, "CNY", "6", lasts=None, actor="ops")
    till.clock.advance(timedelta(minutes=1))
    await set_exchange_rate(till.funding, "CNY", "6.5", lasts=timedelta(hours=1), actor="ops")
    till.clock.advance(timedelta(hours=1))
    with pytest.raises(Rejected):
        await till.open(currency="CNY")


async def test_who_confirms_is_somebody_and_somebody_else(till: Till) -> None:
    waiting = await record_payment(till.funding, ManualPayment(till.account_id, usd("5000"), "WIRE-1", "Ann"))
    assert waiting.state == "open"
    for name in ("", "  ", "Ann", "ann", " Ann", "ANN "):
        with pytest.raises((Conflict, Rejected)):
            await confirm_payment(till.funding, waiting.id, name)
    assert (await confirm_payment(till.funding, waiting.id, "Bob")).state == "paid"


async def test_many_at_once_open_no_more_than_the_most(till: Till) -> None:
    for number in range(MOST_OPEN - 5):
        await till.open(key=str(number))
    outcomes = await asyncio.gather(*(till.open(key=f"k{n}") for n in range(10)), return_exceptions=True)
    assert sum(isinstance(each, Conflict) for each in outcomes) == 5
    async with till.pool.acquire() as conn:
        assert await store.count_open(conn, till.account_id) == MOST_OPEN


async def test_a_clock_that_was_ahead_hides_no_event(till: Till) -> None:
    till.clock.advance(timedelta(days=400))
    await sweep_events(till.funding)
    till.clock.advance(timedelta(days=-400))
    opened = await till.open()
    till.processor.pay(opened.shown_id)
    till.processor.events.append(till.processor.event(opened.shown_id))
    till.clock.advance(timedelta(hours=1))
    await sweep_events(till.funding)
    await handle_events(till.funding)
    await till.check_books(1)
