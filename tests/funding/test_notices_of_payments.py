"""Notices of top-ups, disputes and withdrawals: written once, in the transaction that causes them."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from tests.funding.conftest import Till
from tests.funding.test_disputes import dispute, hear

from tokenharbor.alerts.store import list_notices
from tokenharbor.alerts.words import notice_body, notice_subject
from tokenharbor.funding.auto import AutoTopUpSettings, set_auto_top_up, top_up_low_accounts
from tokenharbor.funding.fulfil import fulfil
from tokenharbor.kernel.errors import BooksRefused
from tokenharbor.kernel.money import Usd
from tokenharbor.payments.types import DisputeState, PaymentState


async def notices(till: Till) -> list[tuple[str, str]]:
    """Kinds and subjects, oldest first."""
    async with till.pool.acquire() as conn:
        found = await list_notices(conn, till.account_id, 100)
    assert all("acct_" in notice_body(notice, "https://harbor.test") for notice, _ in found)
    return [(notice.kind.value, notice_subject(notice)) for notice, _ in reversed(found)]


async def test_a_top_up_is_told_once_however_often_it_is_heard_of(till: Till) -> None:
    opened = await till.open("10", save_method=True)
    assert await notices(till) == []
    till.processor.pay(opened.shown_id)
    for number in (1, 2, 3):
        await till.deliver(opened, number)
    await fulfil(till.funding, opened.id)
    assert await notices(till) == [("top_up_received", "Top-up received: 10.00 USD of credit")]


async def test_a_credit_that_is_undone_is_not_told(till: Till) -> None:
    class Hooks:
        async def run_due(self, *_: Any) -> None: ...

        async def captured(self, *_: Any) -> None:
            raise BooksRefused("no")

    opened = await till.open("10")
    till.processor.pay(opened.shown_id)
    till.hooks = Hooks()
    await fulfil(till.funding, opened.id)
    assert await notices(till) == []


async def test_automatic_top_ups_and_their_stop_are_told(till: Till) -> None:
    opened = await till.open("10", save_method=True)
    till.processor.pay(opened.shown_id)
    await fulfil(till.funding, opened.id)
    ten, fifty, most = map(Usd.parse, ("20", "50", "100"))
    wish = AutoTopUpSettings(threshold=fifty, amount=ten, month_most=most, actor="customer")
    await set_auto_top_up(till.funding, till.account_id, wish)
    for state in (PaymentState.PAID, PaymentState.FAILED):
        till.clock.advance(timedelta(hours=1))
        till.processor.charge_state = state
        await top_up_low_accounts(till.funding)
    assert [kind for kind, _ in await notices(till)] == ["top_up_received", "auto_top_up_made", "auto_top_up_stopped"]
    reason = await till.pool.fetchval("select facts from notice where kind = 'auto_top_up_stopped'")
    stopped = await till.pool.fetchval("select stop_reason from auto_top_up")
    assert msgspec.json.decode(reason) == {"reason": stopped, "code": "payment_failed"}


@pytest.mark.parametrize("pretended", [True, False])
async def test_a_pretended_payment_is_called_so(till: Till, pretended: bool) -> None:
    opened = await till.open("10")
    await till.pool.execute("update top_up set pretended = $1", pretended)
    till.processor.pay(opened.shown_id)
    await fulfil(till.funding, opened.id)
    async with till.pool.acquire() as conn:
        ((notice, _),) = await list_notices(conn, till.account_id, 1)
    assert ("pretended" in notice_body(notice, "https://harbor.test")) == pretended


async def test_a_dispute_is_told_when_it_is_opened_and_when_it_is_over_and_the_operator_hears_it(till: Till) -> None:
    opened = await till.open("10")
    till.processor.pay(opened.shown_id)
    await fulfil(till.funding, opened.id)
    for number, (state, withdrawn) in enumerate(
        ((DisputeState.OPENED, 0), (DisputeState.FUNDS_WITHDRAWN, 1000), (DisputeState.LOST, 1000)), start=1
    ):
        till.clock.advance(timedelta(minutes=1))
        for again in (1, 2):
            await hear(till, dispute(till, 1000, state, withdrawn), number * 10 + again)
    assert await notices(till) == [
        ("top_up_received", "Top-up received: 10.00 USD of credit"),
        ("dispute_opened", "Payment disputed: 10.00 USD"),
        ("dispute_lost", "Dispute closed: 10.00 USD returned to the payer"),
    ]
    assert [alarm for alarm, _ in till.alarms] == ["dispute_opened", "dispute_lost"]


async def test_a_withdrawal_is_told_at_each_step_once(till: Till) -> None:
    payee, withdrawal = till.world.ids.new(), till.world.ids.new()
    await till.pool.execute(
        "insert into payee values ($1, $2, 'stripe', 'email', 'digest', $3, 'customer')",
        payee, till.account_id, till.clock.now(),
    )  # fmt: skip
    await till.pool.execute(
        "insert into withdrawal (id, account_id, idempotency_key, actor, payee_id, processor, pretended, amount, "
        "currency, amount_minor, state, asked_at) values ($1, $2, 'k', 'customer', $3, 'stripe', false, 5000000000, "
        "'USD', 500, 'asked', $4)",
        withdrawal, till.account_id, payee, till.clock.now(),
    )  # fmt: skip
    for state in ("approved", "called", "called", "done", "done"):
        till.clock.advance(timedelta(minutes=1))
        await till.pool.execute("update withdrawal set state = $1, decided_at = $2", state, till.clock.now())
    assert sorted(await notices(till)) == [
        ("withdrawal_approved", "Withdrawal approved: 5.00 USD"),
        ("withdrawal_asked", "Withdrawal requested: 5.00 USD"),
        ("withdrawal_done", "Withdrawal paid out: 5.00 USD"),
    ]
