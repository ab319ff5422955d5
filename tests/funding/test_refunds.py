"""Refunds: previewed first; made once, whoever reports them; never more than is unused or was paid."""

import asyncio
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from tests.funding.conftest import Till
from tests.funding.crash import Died, Steps, dying

from tokenharbor.editions.load import load_edition
from tokenharbor.funding.events import handle_events, receive_webhook
from tokenharbor.funding.fulfil import fulfil
from tokenharbor.funding.rates import set_exchange_rate
from tokenharbor.funding.refund_types import Refund, RefundOrigin
from tokenharbor.funding.refunds import (
    RefundPreview,
    RefundRequest,
    approve_refund,
    ask_refund,
    preview_refund,
    reject_refund,
)
from tokenharbor.funding.sweep import sweep_refunds
from tokenharbor.funding.types import TopUp
from tokenharbor.kernel.errors import Conflict, HarborError, ProcessorUnavailable, Rejected
from tokenharbor.kernel.money import Money, Usd
from tokenharbor.ledger.types import Clawback
from tokenharbor.ledger.verify import verify
from tokenharbor.ledger.wallets import Wallets
from tokenharbor.payments.types import EventSubject, ProcessorEvent, ProcessorRefund, RefundState

DOLLAR = Usd.parse("1")


async def paid(till: Till, usd: str = "10", key: str = "one", **more: Any) -> TopUp:
    opened = await till.open(usd, key, **more)
    till.processor.pay(opened.shown_id)
    return await fulfil(till.funding, opened.id)


def wish(top_up: TopUp, key: str = "r", usd: str | None = None, **more: Any) -> RefundRequest:
    amount = None if usd is None else Usd.parse(usd)
    fields = {"origin": RefundOrigin.CUSTOMER, "actor": "customer", **more}
    return RefundRequest(top_up_id=top_up.id, idempotency_key=key, amount=amount, **fields)


async def refund(till: Till, top_up: TopUp, key: str = "r", usd: str | None = None, **more: Any) -> Refund:
    return await ask_refund(till.funding, wish(top_up, key, usd, **more))


async def preview(till: Till, top_up: TopUp, usd: str | None = None) -> RefundPreview:
    amount = None if usd is None else Usd.parse(usd)
    return await preview_refund(till.funding, top_up.id, amount, RefundOrigin.CUSTOMER)


async def use_up(till: Till, usd: str) -> None:
    """Spend credit of the account as requests do, as far as a refund can see."""
    lot_id = await till.pool.fetchval("select lot_id from capture order by paid_at limit 1")
    async with till.pool.acquire() as conn:
        amount, entry_id = Usd.parse(usd), till.world.ids.new()
        await Wallets(conn).claw(
            Clawback(entry_id, till.account_id, lot_id, amount, till.clock.now(), "revenue/usage", "spent")
        )


async def tell(
    till: Till, reported: ProcessorRefund, number: int = 1, subject: EventSubject = EventSubject.REFUND
) -> None:
    """Deliver a webhook about a refund and handle its event."""
    object_id = reported.processor_refund_id if subject is EventSubject.REFUND else reported.capture_id
    event = ProcessorEvent(
        event_id=f"evt_{reported.processor_refund_id}_{number}_{subject}",
        kind="refund.updated",
        subject=subject,
        object_id=object_id,
        at=till.clock.now(),
    )
    headers = {"signature": "webhook-secret"}
    await receive_webhook(till.funding, till.processor.name, headers, msgspec.json.encode(event))
    await handle_events(till.funding)


async def sums(till: Till) -> tuple[Usd, Usd, int, Usd]:
    """What is available and owed, what of captures has gone back, and what is topped up in all; the books are right."""
    balance = await till.balance()
    [(refunded, in_payout, topped_up, captured)] = await till.fetch(
        """select (select coalesce(sum(refunded), 0)::bigint from capture),
                  (select coalesce(sum(amount), 0)::bigint from restricted_credit),
                  (select topped_up from wallet), (select coalesce(sum(captured), 0)::bigint from capture)"""
    )
    assert topped_up == captured - refunded
    async with till.pool.acquire() as conn:
        assert (await verify(conn)).fault is None
    return balance.available, balance.debt, refunded, in_payout


async def test_the_unused_part_comes_back_as_it_was_shown(till: Till) -> None:
    top_up = await paid(till)
    await use_up(till, "3.456789")
    shown = await preview(till, top_up)
    assert (shown.returned.money, shown.returned.amount, shown.review) == (Money("USD", 654), Usd.parse("6.54"), False)
    assert (await sums(till))[2:] == (0, 0), "nothing has moved"
    done = await refund(till, top_up)
    assert (done.state, done.money, done.amount) == ("done", Money("USD", 654), Usd.parse("6.54"))
    assert [(each.money, each.refund_id) for each in till.processor.refunds.values()] == [
        (Money("USD", 654), done.shown_id)
    ]
    assert await sums(till) == (Usd.parse("0.003211"), 0, Usd.parse("6.54"), 0)
    ends = await till.fetch("select source, destination from posting where amount = 6540000000 order by entry_id")
    own = f"account/{till.account_id}"
    assert ends == [(f"{own}/paid", f"{own}/payout"), (f"{own}/payout", "clearing/stripe/usd")]
    with pytest.raises(Conflict):
        await refund(till, top_up, "again")


async def test_a_part_may_be_asked_for_and_the_rest_later(till: Till) -> None:
    top_up = await paid(till)
    assert (await refund(till, top_up, "a", "3.999")).money == Money("USD", 399)
    with pytest.raises(Rejected, match=r"at most \$6\.01 of topup_.* can be refunded now") as refused:
        await refund(till, top_up, "b", "6.02")
    assert refused.value.param == "amount"
    assert (await refund(till, top_up, "b", "6.01")).money == Money("USD", 601)
    assert await sums(till) == (0, 0, Usd.parse("10"), 0)


async def test_the_window_is_judged_when_the_customer_asks(till: Till) -> None:
    top_up = await paid(till)
    till.processor.is_away = True
    till.clock.advance(timedelta(days=7))
    waiting = await refund(till, top_up, "a", "1")
    assert (waiting.state, waiting.fault) == ("asked", "it does not answer")
    till.clock.advance(timedelta(seconds=20))
    with pytest.raises(Conflict):
        await preview(till, top_up)
    with pytest.raises(Conflict):
        await refund(till, top_up, "b", "1")
    till.processor.is_away = False
    await sweep_refunds(till.funding)
    assert (await sums(till))[2] == DOLLAR
    by_operator = await refund(till, top_up, "c", "2", origin=RefundOrigin.OPERATOR, actor="ops")
    assert by_operator.state == "done"


async def test_where_customers_may_not_ask_an_operator_decides(till: Till) -> None:
    till.policy = load_edition("relay")
    till.processor.methods = {"card": frozenset({"USD", "CNY"})}
    top_up = await paid(till)
    with pytest.raises(Rejected):
        await refund(till, top_up)
    assert (await refund(till, top_up, origin=RefundOrigin.OPERATOR, reason="the service failed")).state == "done"


async def test_what_cannot_be_refunded_is_refused(till: Till) -> None:
    unpaid = await till.open("20", "unpaid")
    with pytest.raises(Conflict):
        await refund(till, unpaid)
    top_up = await paid(till)
    for usd in ("0", "0.009"):
        with pytest.raises(HarborError):
            await refund(till, top_up, "k", usd)
    await use_up(till, "12")
    with pytest.raises(Conflict, match="owes"):
        await refund(till, top_up)
    assert till.processor.refunds == {}


async def test_a_key_that_is_used_again_is_the_same_refund_or_refused(till: Till) -> None:
    top_up = await paid(till)
    first = await refund(till, top_up, "k", "2")
    assert await refund(till, top_up, "k", "2") == first
    with pytest.raises(Conflict):
        await refund(till, top_up, "k", "3")
    outcomes = await asyncio.gather(*(refund(till, top_up, "m", "1") for _ in range(5)))
    assert len({each.id for each in outcomes}) == 1
    assert len(till.processor.refunds) == 2
    assert (await sums(till))[2] == 3 * DOLLAR


async def test_the_third_refund_in_a_month_waits_for_an_operator(till: Till) -> None:
    top_up = await paid(till)
    await refund(till, top_up, "a", "1")
    await refund(till, top_up, "b", "1")
    assert (await preview(till, top_up)).review
    third = await refund(till, top_up, "c", "3")
    assert third.state == "review"
    assert await sums(till) == (5 * DOLLAR, 0, 2 * DOLLAR, 3 * DOLLAR)
    assert (await reject_refund(till.funding, third.id, "ops", "no")).state == "rejected"
    assert await sums(till) == (8 * DOLLAR, 0, 2 * DOLLAR, 0)
    fourth = await refund(till, top_up, "d", "4")
    assert (await approve_refund(till.funding, fourth.id, "ops")).state == "done"
    with pytest.raises(Conflict):
        await approve_refund(till.funding, fourth.id, "ops")
    assert await sums(till) == (4 * DOLLAR, 0, 6 * DOLLAR, 0)


async def test_a_refund_that_fails_restores_the_lot(till: Till) -> None:
    top_up = await paid(till)
    till.processor.refuses = "the card is gone"
    failed = await refund(till, top_up, "a", "4")
    assert (failed.state, failed.fault) == ("failed", "the card is gone")
    assert await sums(till) == (10 * DOLLAR, 0, 0, 0)
    till.processor.refuses = ""
    till.processor.refund_state = RefundState.PENDING
    called = await refund(till, top_up, "b", "4")
    assert called.state == "called"
    assert await sums(till) == (6 * DOLLAR, 0, 0, 4 * DOLLAR)
    await tell(till, till.processor.change_refund("re_1", RefundState.FAILED))
    assert await sums(till) == (10 * DOLLAR, 0, 0, 0)


async def test_a_refund_that_comes_back_after_it_was_done_restores_the_lot(till: Till) -> None:
    top_up = await paid(till)
    await refund(till, top_up, "a", "4")
    await tell(till, till.processor.change_refund("re_1", RefundState.FAILED))
    assert await sums(till) == (10 * DOLLAR, 0, 0, 0)
    await tell(till, till.processor.change_refund("re_1", RefundState.FAILED), number=2)
    assert await sums(till) == (10 * DOLLAR, 0, 0, 0)


async def test_ones_own_refund_echoed_is_not_a_second_one(till: Till) -> None:
    top_up = await paid(till)
    await refund(till, top_up, "a", "4")
    made = till.processor.refunds["re_1"]
    await asyncio.gather(*(tell(till, made, number) for number in (1, 2, 3)))
    await tell(till, made, 4, EventSubject.CAPTURE)
    assert len(await till.fetch("select id from refund")) == 1
    assert await sums(till) == (6 * DOLLAR, 0, 4 * DOLLAR, 0)


async def test_an_echo_before_the_answer_is_the_same_refund(till: Till) -> None:
    top_up = await paid(till)

    def lose(_call: str) -> None:
        raise ProcessorUnavailable("the answer was lost")

    till.processor.before_answer = lose
    assert (await refund(till, top_up, "a", "4")).state == "asked"
    till.processor.before_answer = lambda _call: None
    await tell(till, till.processor.refunds["re_1"])
    till.clock.advance(timedelta(minutes=1))
    await sweep_refunds(till.funding)
    assert await sums(till) == (6 * DOLLAR, 0, 4 * DOLLAR, 0)
    assert len(till.processor.refunds) == 1


async def test_a_refund_in_the_processors_dashboard_is_the_same_event(till: Till) -> None:
    await paid(till)
    await use_up(till, "8")
    made = till.processor.refund_there("cap_obj_1", 300)
    await asyncio.gather(*(tell(till, made, number) for number in (1, 1, 2)))  # two webhooks within 70 ms, one twice
    assert await till.fetch("select origin, state, amount_minor from refund") == [("processor", "done", 300)]
    assert await sums(till) == (0, DOLLAR, 3 * DOLLAR, 0), "what was spent of it is debt"


async def test_a_refund_in_the_dashboard_is_frozen_while_it_is_pending(till: Till) -> None:
    await paid(till)
    made = till.processor.refund_there("cap_obj_1", 300, RefundState.PENDING)
    await tell(till, made)
    assert await sums(till) == (7 * DOLLAR, 0, 0, 3 * DOLLAR)
    await tell(till, till.processor.change_refund("re_1", RefundState.DONE), 2)
    assert await sums(till) == (7 * DOLLAR, 0, 3 * DOLLAR, 0)


async def test_a_refund_in_the_dashboard_and_here_pays_once(till: Till) -> None:
    """All of it was refunded there while ours was on its way: ours is refused, and nothing is left to spend."""
    top_up = await paid(till)
    till.processor.is_away = True
    ours = await refund(till, top_up, "a")
    till.processor.is_away = False
    made = till.processor.refund_there("cap_obj_1", 1000)
    await tell(till, made)
    till.clock.advance(timedelta(seconds=20))
    await sweep_refunds(till.funding)
    assert await sums(till) == (0, 0, 10 * DOLLAR, 0)
    states = await till.fetch("select origin, state from refund order by origin")
    assert states == [("customer", "failed"), ("processor", "done")]
    assert ours.state == "asked"


async def test_a_refund_of_a_capture_that_is_not_known_yet_waits_for_it(till: Till) -> None:
    opened = await till.open()
    till.processor.pay(opened.shown_id)
    made = till.processor.refund_there("cap_obj_1", 300)
    await tell(till, made)
    assert await till.fetch("select handled_at from processor_event") == [(None,)]
    await fulfil(till.funding, opened.id)
    till.clock.advance(timedelta(minutes=1))
    await handle_events(till.funding)
    assert await sums(till) == (7 * DOLLAR, 0, 3 * DOLLAR, 0)


async def test_a_refund_in_CNY_pays_the_original_share_and_books_the_difference_of_rates(till: Till) -> None:
    await set_exchange_rate(till.funding, "CNY", "7.1234", lasts=None, actor="ops")
    top_up = await paid(till, "10", currency="CNY", method="alipay")
    assert top_up.money == Money("CNY", 7124)
    till.clock.advance(timedelta(hours=1))
    await set_exchange_rate(till.funding, "CNY", "7", lasts=None, actor="ops")
    first = await refund(till, top_up, "a", "4")
    assert first.money == Money("CNY", 2849), "7124 · 4/10, rounded down"
    assert Usd.parse("3.999") < first.amount <= Usd.parse("4")
    await refund(till, top_up, "b")
    assert sum(each.money.minor for each in till.processor.refunds.values()) == 7124
    assert await sums(till) == (0, 0, Usd.parse("10"), 0)
    [(net,)] = await till.fetch("select sum(amount)::bigint from posting where source = 'expense/fx'")
    assert net == Usd.parse("0.177142857"), "71.24 CNY at 7 are 10.177142857 USD"


async def test_a_refund_that_races_a_spend_never_leaves_less_than_nothing(till: Till) -> None:
    top_up = await paid(till)
    refunds = [refund(till, top_up, key, "6") for key in ("a", "b")]
    await asyncio.gather(use_up(till, "7"), *refunds, use_up(till, "0.5"), return_exceptions=True)
    available, debt, refunded, in_payout = await sums(till)
    assert in_payout == 0
    assert available - debt + refunded == Usd.parse("2.5")


async def test_auto_top_up_is_off_after_a_refund(till: Till) -> None:
    top_up = await paid(till, save_method=True)
    await till.pool.execute(
        "insert into auto_top_up values ($1, true, 'stripe', 1, 1, 1, $2, 'customer')",
        till.account_id,
        till.clock.now(),
    )
    made = await refund(till, top_up, "a", "1")
    [(enabled, reason)] = await till.fetch("select enabled, stop_reason from auto_top_up")
    assert (enabled, made.shown_id in reason) == (False, True)


async def restart(till: Till) -> None:
    """Run what a server does by itself for the next ten minutes."""
    for _ in range(8):
        till.clock.advance(timedelta(seconds=75))
        await handle_events(till.funding)
        await sweep_refunds(till.funding)


async def test_a_death_at_any_step_of_a_refund_pays_it_once_or_not_at_all(till: Till) -> None:
    till.policy = load_edition("relay")
    till.processor.methods = {"card": frozenset({"USD", "CNY"})}
    top_up = await paid(till, "100")
    for number in range(100):
        died = False
        try:
            await ask_refund(dying(till, Steps(number)), wish(top_up, f"k{number}", "1", origin=RefundOrigin.OPERATOR))
        except Died:
            died = True
            await restart(till)
        assert await till.fetch("select id from refund where state <> 'done'") == [], number
        assert len(till.processor.refunds) == len(await till.fetch("select id from refund")), number
        if not died:
            break
    assert number > 12
    done = len(till.processor.refunds)
    assert await sums(till) == ((100 - done) * DOLLAR, 0, done * DOLLAR, 0)


async def test_a_death_at_any_step_of_a_dashboards_refund_books_it_once(till: Till) -> None:
    await paid(till, "100")
    for number in range(100):
        made = till.processor.refund_there("cap_obj_1", 100)
        event = ProcessorEvent(
            event_id=f"evt_{number}", kind="refund.created", subject=EventSubject.REFUND,
            object_id=made.processor_refund_id, at=till.clock.now(),
        )  # fmt: skip
        await receive_webhook(till.funding, "stripe", {"signature": "webhook-secret"}, msgspec.json.encode(event))
        try:
            await handle_events(dying(till, Steps(number)))
            break
        except Died:
            await restart(till)
        assert len(await till.fetch("select id from refund where state = 'done'")) == number + 1
    assert number > 12
    assert await sums(till) == ((99 - number) * DOLLAR, 0, (number + 1) * DOLLAR, 0)
