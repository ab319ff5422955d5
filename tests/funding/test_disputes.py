"""A dispute: frozen while it is open, taken when the processor takes the money, and returned when it is won."""

import asyncio
from datetime import timedelta
from typing import Any

import msgspec
from tests.funding.conftest import Till
from tests.funding.crash import Died, Steps, dying
from tests.funding.test_refunds import DOLLAR, paid, preview, refund, tell, use_up

from tokenharbor.db.partitions import ensure_partitions
from tokenharbor.funding.audit import find_capture_fault
from tokenharbor.funding.context import NoHooks
from tokenharbor.funding.disputes import apply_dispute
from tokenharbor.funding.events import handle_events, receive_webhook
from tokenharbor.funding.sweep import sweep_disputes, sweep_refunds
from tokenharbor.kernel.money import Money, Usd
from tokenharbor.ledger.types import Clawback
from tokenharbor.ledger.verify import verify
from tokenharbor.ledger.wallets import Wallets
from tokenharbor.payments.types import DisputeState, EventSubject, ProcessorDispute, ProcessorEvent, RefundState


def dispute(
    till: Till, minor: int, state: DisputeState, withdrawn: int = 0, capture_id: str = "cap_obj_1"
) -> ProcessorDispute:
    """Set what the processor reports of its dispute of a capture from now on."""
    reported = ProcessorDispute(
        dispute_id=f"dp_{capture_id}",
        capture_id=capture_id,
        state=state,
        money=Money("USD", minor),
        withdrawn=Money("USD", withdrawn),
    )
    till.processor.disputes[reported.dispute_id] = reported
    return reported


async def hear(till: Till, reported: ProcessorDispute, number: int = 1) -> None:
    """Deliver a webhook about the dispute and handle its event."""
    event = ProcessorEvent(
        event_id=f"evt_{reported.dispute_id}_{number}",
        kind="charge.dispute.updated",
        subject=EventSubject.DISPUTE,
        object_id=reported.dispute_id,
        at=till.clock.now(),
    )
    await receive_webhook(till.funding, "stripe", {"signature": "webhook-secret"}, msgspec.json.encode(event))
    await handle_events(till.funding)


async def sums(till: Till) -> tuple[Usd, Usd, Usd, Usd, Usd]:
    """Available, owed, refunded, disputed, set aside; the books are right."""
    balance = await till.balance()
    [(refunded, disputed, in_payout)] = await till.fetch(
        """select sum(refunded)::bigint, sum(disputed)::bigint,
                  (select coalesce(sum(amount), 0)::bigint from restricted_credit) from capture"""
    )
    async with till.pool.acquire() as conn:
        assert (await verify(conn)).fault is None
        assert await find_capture_fault(conn) is None
    return balance.available, balance.debt, refunded, disputed, in_payout


async def clearing(till: Till) -> int:
    """Return what the processor owes us by the books."""
    [(net,)] = await till.fetch(
        """select coalesce(sum(case when source = 'clearing/stripe/usd' then amount else -amount end), 0)::bigint
           from posting where 'clearing/stripe/usd' in (source, destination)"""
    )
    return int(net)


async def test_an_open_dispute_freezes_the_lots_rest_and_one_that_is_won_frees_it(till: Till) -> None:
    await paid(till)
    await use_up(till, "2")
    await hear(till, dispute(till, 500, DisputeState.OPENED))
    assert await sums(till) == (0, 0, 0, 0, 8 * DOLLAR), "no money has moved"
    assert [kind for kind, _ in till.alarms] == ["dispute_opened"]
    await hear(till, dispute(till, 500, DisputeState.WON), 2)
    assert await sums(till) == (8 * DOLLAR, 0, 0, 0, 0)
    assert await till.fetch("select state, next_look_at from dispute") == [("won", None)]


async def test_money_that_is_withdrawn_leaves_the_lot_and_what_was_spent_of_it_is_debt(till: Till) -> None:
    await paid(till)
    await use_up(till, "7")
    await hear(till, dispute(till, 1000, DisputeState.FUNDS_WITHDRAWN, 1000))
    assert await sums(till) == (0, 7 * DOLLAR, 0, 10 * DOLLAR, 0)
    await hear(till, dispute(till, 1000, DisputeState.LOST, 1000), 2)
    assert await sums(till) == (0, 7 * DOLLAR, 0, 10 * DOLLAR, 0)
    assert await clearing(till) == 0


async def test_other_top_ups_pay_what_was_spent_and_have_it_again_when_it_is_won(till: Till) -> None:
    await paid(till)
    till.clock.advance(timedelta(seconds=1))
    await paid(till, "20", "two")
    await use_up(till, "7")
    await hear(till, dispute(till, 1000, DisputeState.FUNDS_WITHDRAWN, 1000))
    assert await sums(till) == (13 * DOLLAR, 0, 0, 10 * DOLLAR, 0)
    await hear(till, dispute(till, 1000, DisputeState.WON), 2)
    assert await sums(till) == (23 * DOLLAR, 0, 0, 0, 0)
    assert await till.fetch("select topped_up from wallet") == [(30 * DOLLAR,)]
    assert len(await till.fetch("select id from lot")) == 2, "the same lots"


async def test_debt_that_a_later_top_up_paid_comes_back_as_a_new_lot(till: Till) -> None:
    await paid(till)
    await use_up(till, "7")
    await hear(till, dispute(till, 1000, DisputeState.FUNDS_WITHDRAWN, 1000))
    await paid(till, "20", "two")
    assert (await sums(till))[:2] == (13 * DOLLAR, 0)
    await hear(till, dispute(till, 1000, DisputeState.WON), 2)
    assert await sums(till) == (23 * DOLLAR, 0, 0, 0, 0)
    assert await till.fetch("select amount from lot where origin = 'returned'") == [(7 * DOLLAR,)]
    assert await clearing(till) == 30 * DOLLAR


async def test_a_lot_that_expired_meanwhile_is_granted_anew(till: Till) -> None:
    await paid(till)
    await hear(till, dispute(till, 1000, DisputeState.OPENED))
    till.clock.advance(timedelta(days=400))
    async with till.pool.acquire() as conn:
        await ensure_partitions(conn, till.clock.now())
    await hear(till, dispute(till, 1000, DisputeState.WON), 2)
    assert await sums(till) == (10 * DOLLAR, 0, 0, 0, 0)
    [(expires_at,)] = await till.fetch("select expires_at from lot where origin = 'returned'")
    assert expires_at > till.clock.now() + timedelta(days=360)


async def test_partial_refunds_and_a_dispute_beyond_the_capture_are_our_loss(till: Till) -> None:
    top_up = await paid(till)
    await refund(till, top_up, "a", "3")
    await refund(till, top_up, "b", "3")
    await hear(till, dispute(till, 1000, DisputeState.LOST, 1000))
    assert await sums(till) == (0, 0, 6 * DOLLAR, 4 * DOLLAR, 0)
    [(loss,)] = await till.fetch("select amount from posting where source = 'loss/dispute'")
    assert loss == 6 * DOLLAR
    assert ("payment_mismatch") in [kind for kind, _ in till.alarms]
    assert await clearing(till) == -6 * DOLLAR
    await hear(till, dispute(till, 1000, DisputeState.WON), 2)
    assert await sums(till) == (4 * DOLLAR, 0, 6 * DOLLAR, 0, 0)
    assert await clearing(till) == 4 * DOLLAR


async def test_a_refund_on_its_way_and_a_dispute_take_no_more_than_was_paid(till: Till) -> None:
    top_up = await paid(till)
    till.processor.refund_state = RefundState.PENDING
    await refund(till, top_up, "a", "6")
    await hear(till, dispute(till, 1000, DisputeState.LOST, 1000))
    assert await sums(till) == (0, 6 * DOLLAR, 0, 10 * DOLLAR, 6 * DOLLAR)
    await tell(till, till.processor.change_refund("re_1", RefundState.DONE))
    assert await sums(till) == (0, 0, 0, 10 * DOLLAR, 0), "what was set aside pays the debt"
    assert await till.fetch("select amount from posting where source = 'loss/dispute'") == [(6 * DOLLAR,)]


async def test_events_in_any_order_and_number_do_what_was_read(till: Till) -> None:
    await paid(till)
    reported = dispute(till, 400, DisputeState.FUNDS_WITHDRAWN, 400)
    await asyncio.gather(*(hear(till, reported, number) for number in (1, 1, 2, 3)))
    assert await sums(till) == (0, 0, 0, 4 * DOLLAR, 6 * DOLLAR)
    dispute(till, 400, DisputeState.LOST, 400)
    till.clock.advance(timedelta(hours=1))
    await sweep_disputes(till.funding)  # no event reported it
    assert await sums(till) == (6 * DOLLAR, 0, 0, 4 * DOLLAR, 0)


async def test_a_customers_refund_waits_while_something_is_disputed(till: Till) -> None:
    await paid(till)
    second = await paid(till, "20", "two")
    await hear(till, dispute(till, 1000, DisputeState.OPENED))
    assert (await preview(till, second)).review


async def test_what_held_or_became_free_since_is_frozen_at_the_next_look(till: Till) -> None:
    await paid(till)
    await till.pool.execute("update wallet set held = 3000000000")
    reported = dispute(till, 1000, DisputeState.OPENED)
    await apply_dispute(till.funding, "stripe", reported)
    assert (await till.fetch("select frozen from dispute")) == [(7 * DOLLAR,)]
    await till.pool.execute("update wallet set held = 0")
    await apply_dispute(till.funding, "stripe", reported)
    assert await sums(till) == (0, 0, 0, 0, 10 * DOLLAR)


class SpentRewards(NoHooks):
    """Rewards of a top-up that were spent: four dollars become debt; they are forgiven when the dispute is won."""

    def __init__(self, till: Till) -> None:
        self._till = till

    async def take_back(self, conn: Any, account_id: Any, lot_id: Any, amount: Any, **more: Any) -> Any:
        assert more["disputed"]
        till = self._till
        book = Wallets(conn)
        await book.claw(
            Clawback(till.world.ids.new(), account_id, lot_id, Usd(4 * DOLLAR), till.clock.now(), "expense/promotion")
        )
        return await super().take_back(conn, account_id, lot_id, amount, **more)


async def test_spent_rewards_are_paid_by_other_top_ups(till: Till) -> None:
    await paid(till)
    till.clock.advance(timedelta(seconds=1))
    await paid(till, "20", "two")
    till.hooks = SpentRewards(till)
    await hear(till, dispute(till, 1000, DisputeState.LOST, 1000))
    assert await sums(till) == (16 * DOLLAR, 0, 0, 10 * DOLLAR, 0)
    assert await till.fetch("select share, amount from dispute_part order by 1") == [
        ("own", 10 * DOLLAR), ("reward", 4 * DOLLAR),
    ]  # fmt: skip


async def test_a_death_at_any_step_of_a_dispute_takes_and_returns_once(till: Till) -> None:
    await paid(till)
    for number in range(100):
        last = False
        for state, withdrawn, left in ((DisputeState.FUNDS_WITHDRAWN, 1000, 0), (DisputeState.WON, 0, 10)):
            reported = dispute(till, 1000, state, withdrawn)
            event = ProcessorEvent(
                event_id=f"evt_{number}_{state}", kind="dispute", subject=EventSubject.DISPUTE,
                object_id=reported.dispute_id, at=till.clock.now(),
            )  # fmt: skip
            await receive_webhook(till.funding, "stripe", {"signature": "webhook-secret"}, msgspec.json.encode(event))
            try:
                await handle_events(dying(till, Steps(number)))
                last = True
            except Died:
                for _ in range(4):
                    till.clock.advance(timedelta(seconds=75))
                    await handle_events(till.funding)
                    await sweep_refunds(till.funding)
            assert await sums(till) == (left * DOLLAR, 0, 0, (10 - left) * DOLLAR, 0), (number, state)
        if last:
            break
    assert number > 12
