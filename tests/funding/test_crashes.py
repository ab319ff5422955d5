"""A crash between any two steps of a top-up: after the restart it is done once or not at all, as its state says."""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta

import msgspec
from tests.funding.conftest import Till
from tests.funding.crash import Died, Steps, dying

from tokenharbor.funding import auto_store
from tokenharbor.funding.auto import AutoTopUpSettings, set_auto_top_up, top_up_low_accounts
from tokenharbor.funding.events import handle_events, receive_webhook
from tokenharbor.funding.fulfil import fulfil
from tokenharbor.funding.sweep import sweep_top_ups
from tokenharbor.funding.topups import open_top_up
from tokenharbor.funding.types import TopUp
from tokenharbor.kernel.money import Usd

MOST_STEPS = 100


async def restart(till: Till) -> None:
    """Run what a server does by itself for the next ten minutes."""
    for _ in range(8):
        till.clock.advance(timedelta(seconds=75))
        await handle_events(till.funding)
        await sweep_top_ups(till.funding)


async def test_a_death_at_any_step_of_opening_leaves_one_checkout_or_none(till: Till) -> None:
    for number in range(MOST_STEPS):
        key, known = f"key-{number}", len(till.processor.payments)
        try:
            await open_top_up(dying(till, Steps(number)), till.request(key=key))
            break
        except Died:
            await restart(till)
        again = await open_top_up(till.funding, till.request(key=key))
        assert (again.state, again.url is not None) == ("open", True), number
        assert len(till.processor.payments) == known + 1, number
        assert await till.fetch("select count(*) from top_up") == [(number + 1,)], number
    assert number > 6


async def test_a_death_at_any_step_of_the_return_credits_once(till: Till) -> None:
    for number in range(MOST_STEPS):
        top_up = await till.open(key=f"key-{number}")
        till.processor.pay(top_up.shown_id)
        try:
            await fulfil(dying(till, Steps(number)), top_up.id)
            break
        except Died:
            await restart(till)
        assert (await till.top_up(top_up.id)).state == "paid", number
    assert number > 10
    await till.check_books(number + 1)
    assert till.alarms == []


async def test_a_death_at_any_step_of_a_webhook_credits_once(till: Till) -> None:
    for number in range(MOST_STEPS):
        top_up = await till.open(key=f"key-{number}")
        till.processor.pay(top_up.shown_id)
        await till.pool.execute("update top_up set next_look_at = null")  # no sweep of top-ups helps
        body = msgspec.json.encode(till.processor.event(top_up.shown_id))
        mortal = dying(till, Steps(number))
        try:
            await receive_webhook(mortal, till.processor.name, {"signature": "webhook-secret"}, body)
            await handle_events(mortal)
            break
        except Died:
            if not await till.fetch("select 1 from processor_event where handled_at is null"):  # it got no 200
                await till.deliver(top_up)
            await restart(till)
        assert (await till.top_up(top_up.id)).state == "paid", number
    assert number > 12
    await till.check_books(number + 1)


async def test_a_death_at_any_step_of_an_auto_top_up_charges_once_or_not_at_all(till: Till) -> None:
    first = await till.open("10", key="first", save_method=True)
    till.processor.pay(first.shown_id)
    await fulfil(till.funding, first.id)
    wish = AutoTopUpSettings(
        threshold=Usd.parse("500"), amount=Usd.parse("5"), month_most=Usd.parse("900"), actor="customer"
    )
    for number in range(MOST_STEPS):
        await set_auto_top_up(till.funding, till.account_id, wish)
        known = len(till.processor.charges)
        died = False
        try:
            await top_up_low_accounts(dying(till, Steps(number)))
        except Died:
            died = True
        async with till.pool.acquire() as conn:
            await auto_store.switch_off(conn, till.account_id, till.clock.now(), "test")
        await restart(till)
        assert len(till.processor.charges) in (known, known + 1), number
        assert await till.fetch("select count(*) from top_up where state in ('open', 'pending')") == [(0,)], number
        if not died:
            break
    assert number > 16
    charged = len(till.processor.charges)
    await till.check_books(charged + 1)
    assert len(set(till.processor.captures())) == charged + 1


async def test_deaths_of_two_processes_at_once_credit_once(till: Till) -> None:
    for number in range(0, 24, 3):
        top_up = await till.open(key=f"key-{number}")
        till.processor.pay(top_up.shown_id)
        acts = (fulfil(dying(till, Steps(number + more)), top_up.id) for more in (0, 1, 4))
        for outcome in await asyncio.gather(*(_until_death(act) for act in acts)):
            assert outcome is None or outcome.state == "paid"
        await restart(till)
    await till.check_books(8)


async def _until_death(act: Awaitable[TopUp]) -> TopUp | None:
    try:
        return await act
    except Died:
        return None
