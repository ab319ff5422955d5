"""Top-ups: opened once, paid once, credited once, whoever reports them and how often."""

import asyncio
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from tests.funding.conftest import START, Till

from tokenharbor.editions.load import load_edition
from tokenharbor.funding.events import handle_events, receive_webhook, sweep_events
from tokenharbor.funding.fulfil import fulfil
from tokenharbor.funding.rates import set_exchange_rate
from tokenharbor.funding.sweep import sweep_top_ups
from tokenharbor.funding.topups import MOST_OPEN, open_top_up
from tokenharbor.funding.types import Capture, TopUpState
from tokenharbor.kernel.errors import Conflict, ForgedEvent, ProcessorRefused, ProcessorUnavailable, Rejected
from tokenharbor.kernel.money import Money, Usd
from tokenharbor.ledger.types import Pool
from tokenharbor.payments.types import PaymentState


async def test_a_paid_top_up_is_credited_in_full_with_the_editions_terms(till: Till) -> None:
    opened = await till.open("10")
    assert (opened.state, opened.money, opened.url) == ("open", Money("USD", 1000), "https://pay.test/obj_1")
    assert (await till.balance()).available == 0
    till.processor.pay(opened.shown_id)
    paid = await fulfil(till.funding, opened.id)
    assert (paid.state, paid.capture_id, paid.next_look_at) == ("paid", "cap_obj_1", None)
    assert (await till.balance()).pools == {Pool.PAID: Usd.parse("10")}
    lots = await till.fetch("select pool, origin, expires_at, refundable_until, withdrawable_from from lot")
    assert lots == [("paid", "top-up", START.replace(year=2027), START + timedelta(days=7), START)]
    captures = await till.fetch("select captured_minor, fee, instrument, dispute_until from capture")
    assert captures == [(1000, 590_000_000, "hash-of-a-card", START + timedelta(days=120))]
    postings = await till.fetch("select source from posting")
    assert postings == [("clearing/stripe/usd",)]
    await till.check_books(1)


async def test_credit_of_an_edition_without_expiry_never_expires(till: Till) -> None:
    till.policy = load_edition("token-harbor")
    till.processor.name = "paypal"
    till.processor.methods = {"paypal": frozenset({"USD"})}
    opened = await till.open("50")
    till.processor.pay(opened.shown_id)
    await fulfil(till.funding, opened.id)
    assert await till.fetch("select expires_at from lot") == [(None,)]


async def test_what_the_edition_does_not_sell_is_refused(till: Till) -> None:
    for amount, more, param in (
        ("4.99", {}, "amount"),
        ("1000.01", {}, "amount"),
        ("7.001", {}, "amount"),
        ("10", {"currency": "EUR"}, "currency"),
        ("10", {"currency": "CNY"}, "currency"),  # no rate
        ("10", {"processor": "paypal"}, "processor"),
        ("10", {"method": "cash"}, "processor"),
        ("10", {"key": ""}, "idempotency_key"),
    ):
        with pytest.raises(Rejected) as rejected:
            await till.open(amount, **{"key": "k", **more})
        assert rejected.value.param == param, (amount, more)
    till.policy = load_edition("token-harbor")
    with pytest.raises(Rejected, match="one of"):
        await till.open("11", key="k")
    assert await till.fetch("select id from top_up") == []


async def test_a_retry_with_the_same_key_is_the_same_top_up(till: Till) -> None:
    first = await till.open("20", key="k")
    assert await till.open("20", key="k") == first
    both = await asyncio.gather(*(till.open("30", key="m") for _ in range(5)))
    assert len({each.id for each in both}) == 1
    assert len(till.processor.payments) == 2
    with pytest.raises(Conflict):
        await till.open("21", key="k")


async def test_an_account_has_so_many_open_top_ups_at_most(till: Till) -> None:
    opened = [await till.open(key=str(number)) for number in range(MOST_OPEN)]
    with pytest.raises(Conflict):
        await till.open(key="one more")
    assert await till.open(key="0") == opened[0], "a retry is no other one"
    till.processor.pay(opened[0].shown_id)
    await fulfil(till.funding, opened[0].id)
    await till.open(key="one more")


async def test_a_retry_after_a_lost_answer_opens_the_same_checkout(till: Till) -> None:
    def lose(_call: str) -> None:
        raise ProcessorUnavailable("the answer was lost")

    till.processor.before_answer = lose
    with pytest.raises(ProcessorUnavailable):
        await till.open(key="k")
    [(top_up_id, url)] = await till.fetch("select id, url from top_up")
    assert url is None
    till.processor.before_answer = lambda _call: None
    again = await till.open(key="k")
    assert (again.id, again.url) == (top_up_id, "https://pay.test/obj_1")


async def test_a_checkout_that_was_never_opened_in_time_needs_another_key(till: Till) -> None:
    till.processor.is_away = True
    with pytest.raises(ProcessorUnavailable):
        await till.open(key="k")
    till.processor.is_away = False
    till.clock.advance(timedelta(hours=6))
    with pytest.raises(Conflict):
        await till.open(key="k")
    assert till.processor.payments == {}


async def test_a_processor_that_refuses_ends_the_top_up(till: Till) -> None:
    till.processor.refuses = "the account is closed"
    with pytest.raises(ProcessorRefused):
        await till.open(key="k")
    assert await till.fetch("select state, fault from top_up") == [("failed", "the account is closed")]
    assert (await till.open(key="k")).state == "failed"


async def test_a_payment_is_credited_once_by_return_webhook_sweep_and_restart(till: Till) -> None:
    opened = await till.open()
    till.processor.pay(opened.shown_id)
    till.clock.advance(timedelta(seconds=5))
    await asyncio.gather(
        fulfil(till.funding, opened.id),
        till.deliver(opened, 1),
        till.deliver(opened, 2),
        sweep_top_ups(till.funding),
        fulfil(till.funding, opened.id),
    )
    await till.deliver(opened, 1)
    await sweep_top_ups(till.funding)
    await till.check_books(1)
    assert till.alarms == []


async def test_two_webhooks_within_70_ms_credit_once(till: Till) -> None:
    opened = await till.open()
    till.processor.pay(opened.shown_id)
    await asyncio.gather(*(till.deliver(opened, number) for number in (1, 1, 2, 3)))
    await till.check_books(1)


async def test_an_event_that_was_seen_before_its_credit_loses_nothing(till: Till) -> None:
    """The processor is unavailable when the event is handled: event and top-up are tried again."""
    opened = await till.open()
    till.processor.pay(opened.shown_id)
    event = till.processor.event(opened.shown_id)
    body = msgspec.json.encode(event)
    assert await receive_webhook(till.funding, "stripe", {"signature": "webhook-secret"}, body)
    till.processor.is_away = True
    assert await handle_events(till.funding) == 1
    assert await till.fetch("select handled_at, fault from processor_event") == [(None, "it does not answer")]
    till.processor.is_away = False
    assert not await receive_webhook(till.funding, "stripe", {"signature": "webhook-secret"}, body), "seen before"
    till.clock.advance(timedelta(seconds=15))
    assert await handle_events(till.funding) == 1
    await till.check_books(1)
    assert await handle_events(till.funding) == 0


async def test_a_webhook_before_the_redirect_finds_the_top_up_by_our_id(till: Till) -> None:
    def die(_call: str) -> None:
        raise ProcessorUnavailable("the answer was lost")

    till.processor.before_answer = die
    with pytest.raises(ProcessorUnavailable):
        await till.open(key="k")
    till.processor.before_answer = lambda _call: None
    [(top_up_id,)] = await till.fetch("select id from top_up")
    top_up = await till.top_up(top_up_id)
    till.processor.pay(top_up.shown_id)
    await till.deliver(top_up)
    await till.check_books(1)
    assert (await till.top_up(top_up_id)).processor_id == "obj_1"
    assert (await till.open(key="k")).state == "paid"


async def test_forged_webhooks_credit_nothing(till: Till) -> None:
    opened = await till.open()
    for signature in ("wrong", ""):
        with pytest.raises(ForgedEvent):
            await till.deliver(opened, signature=signature)
    await till.deliver(opened, 1)  # genuine, but nobody has paid: an event is a hint
    assert (await till.top_up(opened.id)).state == "open"
    assert await till.fetch("select event_id from processor_event") == [("evt_obj_1_1",)]
    await till.check_books(0)


@pytest.mark.parametrize("money", [Money("USD", 1), Money("USD", 1001), Money("CNY", 1000)])
async def test_another_amount_or_currency_is_reviewed_and_credits_nothing(till: Till, money: Money) -> None:
    opened = await till.open()
    till.processor.pay(opened.shown_id, money)
    await till.deliver(opened)
    reviewed = await till.top_up(opened.id)
    assert (reviewed.state, reviewed.next_look_at) == ("review", None)
    assert str(money) in reviewed.fault
    assert till.alarms == [("payment_mismatch", opened.shown_id)]
    await till.check_books(0)


async def test_a_payment_of_another_account_is_reviewed_and_credits_nothing(till: Till) -> None:
    opened, other = await till.open(key="a"), await till.open(key="b")
    till.processor.pay(other.shown_id)
    till.processor.payments["obj_1"] = till.processor.payments["obj_2"]  # it answers with somebody else's payment
    assert (await fulfil(till.funding, opened.id)).state == "review"
    await till.check_books(0)
    assert (await fulfil(till.funding, other.id)).state == "paid"
    await till.check_books(1)


async def test_a_capture_is_credited_to_one_top_up_only(till: Till) -> None:
    first, second = await till.open(key="a"), await till.open(key="b")
    for each in (first, second):
        till.processor.pay(each.shown_id, capture_id="cap_same")
    assert [(await fulfil(till.funding, each.id)).state for each in (first, second)] == ["paid", "review"]
    assert till.alarms == [("payment_mismatch", second.shown_id)]
    await till.check_books(1)


async def test_pending_credits_nothing_until_it_is_paid(till: Till) -> None:
    opened = await till.open()
    till.processor.change(opened.shown_id, state=PaymentState.PENDING)
    for _ in range(30):
        till.clock.advance(timedelta(days=1))
        await sweep_top_ups(till.funding)
        assert (await till.top_up(opened.id)).state == "pending"
    till.processor.pay(opened.shown_id)
    till.clock.advance(timedelta(hours=1))
    await sweep_top_ups(till.funding)
    await till.check_books(1)


async def test_open_intents_are_read_at_5_s_15_s_a_minute_5_minutes_then_hourly_for_a_week(till: Till) -> None:
    opened = await till.open()
    reads = []
    while (await till.top_up(opened.id)).state is TopUpState.OPEN:
        due = (await till.top_up(opened.id)).next_look_at
        assert due is not None
        till.clock.advance(due - till.clock.now())
        reads.append(till.clock.now() - START)
        assert await sweep_top_ups(till.funding) == 1
        assert await sweep_top_ups(till.funding) == 0
    seconds = [int(each.total_seconds()) for each in reads]
    assert seconds[:6] == [5, 15, 60, 300, 3900, 7500]
    assert timedelta(days=7) < reads[-1] <= timedelta(days=7, hours=1)
    assert (await till.top_up(opened.id)).state == "expired"
    till.processor.pay(opened.shown_id)  # late, and reported by a webhook
    await till.deliver(opened)
    await till.check_books(1)


async def test_a_processor_that_does_not_answer_is_asked_again(till: Till) -> None:
    opened = await till.open()
    till.processor.pay(opened.shown_id)
    till.processor.is_away = True
    till.clock.advance(timedelta(seconds=5))
    await sweep_top_ups(till.funding)
    assert (await till.top_up(opened.id)).fault == "it does not answer"
    till.processor.is_away = False
    till.clock.advance(timedelta(seconds=10))
    await sweep_top_ups(till.funding)
    await till.check_books(1)


async def test_the_hourly_sweep_of_events_finds_what_no_webhook_brought(till: Till) -> None:
    opened = await till.open()
    till.processor.pay(opened.shown_id)
    till.processor.events.append(till.processor.event(opened.shown_id))
    await sweep_events(till.funding)
    await sweep_events(till.funding)
    await handle_events(till.funding)
    await till.check_books(1)
    till.processor.is_away = True
    with pytest.raises(ProcessorUnavailable):
        await sweep_events(till.funding)


async def test_an_event_about_nothing_of_ours_is_handled(till: Till) -> None:
    opened = await till.open()
    event = till.processor.event(opened.shown_id)
    changes: list[dict[str, Any]] = [{"top_up_id": "theirs"}, {"top_up_id": None}, {"subject": "other"}]
    for number, fields in enumerate(changes):
        changed = {**msgspec.to_builtins(event), "event_id": str(number), "object_id": "obj_9", **fields}
        body = msgspec.json.encode(changed)
        assert await receive_webhook(till.funding, "stripe", {"signature": "webhook-secret"}, body)
    await handle_events(till.funding)
    assert await till.fetch("select count(*) from processor_event where handled_at is null") == [(0,)]


async def test_a_payment_in_cny_credits_what_was_agreed_while_its_rate_lasts(till: Till) -> None:
    await set_exchange_rate(till.funding, "CNY", "7.1234", lasts=None, actor="operator")
    opened = await till.open("10", currency="CNY", method="alipay")
    assert (opened.money, opened.rate, opened.credit) == (Money("CNY", 7124), "7.1234", Usd.parse("10"))
    till.processor.pay(opened.shown_id)
    await set_exchange_rate(till.funding, "CNY", "7.8", lasts=None, actor="operator")
    till.clock.advance(timedelta(hours=3))  # it was paid in time, and read late
    await fulfil(till.funding, opened.id)
    assert (await till.balance()).available == Usd.parse("10")
    assert await till.fetch("select source from posting") == [("clearing/stripe/cny",)]
    await till.check_books(1)


@pytest.mark.parametrize(("rate", "credited"), [("7.8", "9.133333333"), ("6.5", "10.000000000")])
async def test_a_late_payment_in_cny_credits_at_the_lower_of_both_rates(till: Till, rate: str, credited: str) -> None:
    await set_exchange_rate(till.funding, "CNY", "7.1234", lasts=None, actor="operator")
    opened = await till.open("10", currency="CNY")
    till.clock.advance(timedelta(minutes=31))
    await set_exchange_rate(till.funding, "CNY", rate, lasts=None, actor="operator")
    till.processor.pay(opened.shown_id)
    await fulfil(till.funding, opened.id)
    assert str((await till.balance()).available) == credited
    await till.check_books(1)


async def test_a_rate_ends(till: Till) -> None:
    await set_exchange_rate(till.funding, "CNY", "7", lasts=timedelta(hours=1), actor="operator")
    await till.open("10", currency="CNY", key="a")
    till.clock.advance(timedelta(hours=1))
    with pytest.raises(Rejected):
        await till.open("10", currency="CNY", key="b")
    for currency, text in (
        ("USD", "1"),
        ("EUR", "1"),
        ("CNY", "0"),
        ("CNY", "1e3"),
        ("CNY", "7.1234567"),
        ("CNY", "0.000001"),
    ):
        with pytest.raises(Rejected):
            await set_exchange_rate(till.funding, currency, text, lasts=None, actor="operator")


async def test_other_rooms_take_part_in_the_same_transaction(till: Till) -> None:
    heard: list[Any] = []

    class Hooks:
        async def run_due(self, conn: Any, _account_id: Any) -> None:
            heard.append(("due", await conn.fetchval("select count(*) from entry")))

        async def captured(self, conn: Any, capture: Capture) -> None:
            heard.append((capture.capture_id, await conn.fetchval("select count(*) from entry")))
            if len(heard) == 2:
                raise RuntimeError("a fault of ours")

    till.hooks = Hooks()
    opened = await till.open()
    till.processor.pay(opened.shown_id)
    with pytest.raises(RuntimeError):
        await fulfil(till.funding, opened.id)
    await till.check_books(0)
    await fulfil(till.funding, opened.id)
    assert heard == [("due", 0), ("cap_obj_1", 1)] * 2
    await till.check_books(1)


async def test_what_the_books_refuse_is_reviewed(till: Till) -> None:
    await till.pool.execute("update wallet set debt = 0, topped_up = 0")
    opened = await till.open()
    till.processor.pay(opened.shown_id)
    await till.pool.execute("create function refuse() returns trigger language plpgsql as $$ begin "
                            "raise exception 'no' using errcode = 'TH001'; end $$")  # fmt: skip
    await till.pool.execute("create trigger refused before insert on lot for each row execute function refuse()")
    assert (await fulfil(till.funding, opened.id)).state == "review"
    assert till.alarms == [("payment_mismatch", opened.shown_id)]
    await till.check_books(0)


async def test_a_top_up_whose_processor_is_configured_no_more_waits(till: Till) -> None:
    opened = await till.open()
    till.processor.name = "other"
    with pytest.raises(ProcessorUnavailable):
        await fulfil(till.funding, opened.id)
    assert (await open_top_up(till.funding, till.request())).id == opened.id
