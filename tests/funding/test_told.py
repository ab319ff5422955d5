"""What top-ups tell their account: in the transaction that causes it, once."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from tests.funding.conftest import Till

from tokenharbor.alerts.store import list_notices
from tokenharbor.alerts.words import notice_body, notice_subject
from tokenharbor.funding.auto import AutoTopUpWish, set_auto_top_up, top_up_low_accounts
from tokenharbor.funding.fulfil import fulfil
from tokenharbor.kernel.errors import BooksRefused
from tokenharbor.kernel.money import Usd
from tokenharbor.payments.types import PaymentState


async def told(till: Till) -> list[tuple[str, str]]:
    """Kinds and subjects, oldest first."""
    async with till.pool.acquire() as conn:
        found = await list_notices(conn, till.account_id, 100)
    assert all("acct_" in notice_body(notice, "https://harbor.test") for notice, _ in found)
    return [(notice.kind.value, notice_subject(notice)) for notice, _ in reversed(found)]


async def test_a_top_up_is_told_once_however_often_it_is_heard_of(till: Till) -> None:
    opened = await till.open("10", save_method=True)
    assert await told(till) == []
    till.processor.pay(opened.shown_id)
    for number in (1, 2, 3):
        await till.deliver(opened, number)
    await fulfil(till.funding, opened.id)
    assert await told(till) == [("top_up_received", "Top-up received: 10.00 USD of credit")]


async def test_a_credit_that_is_undone_is_not_told(till: Till) -> None:
    class Hooks:
        async def run_due(self, *_: Any) -> None: ...

        async def captured(self, *_: Any) -> None:
            raise BooksRefused("no")

    opened = await till.open("10")
    till.processor.pay(opened.shown_id)
    till.hooks = Hooks()
    await fulfil(till.funding, opened.id)
    assert await told(till) == []


async def test_automatic_top_ups_and_their_stop_are_told(till: Till) -> None:
    opened = await till.open("10", save_method=True)
    till.processor.pay(opened.shown_id)
    await fulfil(till.funding, opened.id)
    ten, fifty, most = map(Usd.parse, ("20", "50", "100"))
    wish = AutoTopUpWish(threshold=fifty, amount=ten, month_most=most, actor="customer")
    await set_auto_top_up(till.funding, till.account_id, wish)
    for state in (PaymentState.PAID, PaymentState.FAILED):
        till.clock.advance(timedelta(hours=1))
        till.processor.charge_state = state
        await top_up_low_accounts(till.funding)
    assert [kind for kind, _ in await told(till)] == ["top_up_received", "auto_top_up_made", "auto_top_up_stopped"]
    reason = await till.pool.fetchval("select facts from notice where kind = 'auto_top_up_stopped'")
    stopped = await till.pool.fetchval("select stop_reason from auto_top_up")
    assert msgspec.json.decode(reason) == {"reason": stopped}


@pytest.mark.parametrize("pretended", [True, False])
async def test_a_pretended_payment_is_called_so(till: Till, pretended: bool) -> None:
    opened = await till.open("10")
    await till.pool.execute("update top_up set pretended = $1", pretended)
    till.processor.pay(opened.shown_id)
    await fulfil(till.funding, opened.id)
    async with till.pool.acquire() as conn:
        ((notice, _),) = await list_notices(conn, till.account_id, 1)
    assert ("pretended" in notice_body(notice, "https://harbor.test")) == pretended
