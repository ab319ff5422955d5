"""A fault in one row is stored there, logged and tried again, and does not stop other rows."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs
from tests.funding.conftest import Till
from tests.funding.fake_processor import SECRET
from tests.funding.test_disputes import dispute, hear
from tests.funding.test_refunds import paid, refund

from tokenharbor.funding import store
from tokenharbor.funding.auto import AutoTopUpSettings, set_auto_top_up, top_up_low_accounts
from tokenharbor.funding.context import NoHooks
from tokenharbor.funding.events import handle_events, receive_webhook, sweep_events
from tokenharbor.funding.sweep import sweep_disputes, sweep_refunds, sweep_top_ups
from tokenharbor.identity.store import create_account
from tokenharbor.kernel.money import Usd
from tokenharbor.payments.types import DisputeState, RefundState, SavedMethod

OURS = "internal error: KeyError"


class Broken(NoHooks):
    """Hooks with a mistake, for the first account that calls them."""

    def __init__(self) -> None:
        self.account: Any = None

    async def run_due(self, conn: Any, account_id: Any) -> None:
        del conn
        self.account = self.account or account_id
        if account_id == self.account:
            raise KeyError(account_id)


@pytest.fixture
def log() -> Iterator[list[Any]]:
    with capture_logs() as lines:
        yield lines


async def two_accounts(till: Till) -> list[Any]:
    async with till.pool.acquire() as conn:
        other = await create_account(conn, till.world, "bob@example.com", "e")
    return [till.account_id, other.id]


async def test_an_events_fault_keeps_no_other_event_waiting(till: Till, log: list[Any]) -> None:
    for account in await two_accounts(till):
        till.account_id = account
        top_up = await till.open(key="one")
        till.processor.pay(top_up.shown_id)
        body = msgspec.json.encode(till.processor.event(top_up.shown_id, 1))
        await receive_webhook(till.funding, "stripe", {"signature": SECRET}, body)
    till.hooks = Broken()
    assert await handle_events(till.funding) == 2
    faults = await till.fetch("select fault, handled_at is null from processor_event order by fault")
    assert faults == [("", False), (OURS, True)]
    assert [line["reason"] for line in log] == [OURS]
    till.hooks = NoHooks()
    till.clock.advance(timedelta(seconds=15))
    assert await handle_events(till.funding) == 1
    assert await till.fetch("select state from top_up") == [("paid",)] * 2


async def test_a_top_ups_fault_keeps_no_other_from_being_looked_at(till: Till, log: list[Any]) -> None:
    for account in await two_accounts(till):
        till.account_id = account
        till.processor.pay((await till.open(key="one")).shown_id)
    till.hooks = Broken()
    till.clock.advance(timedelta(seconds=5))
    assert await sweep_top_ups(till.funding) == 2
    assert await till.fetch("select state, fault from top_up order by 1") == [("open", OURS), ("paid", "")]
    assert [line["reason"] for line in log] == [OURS]


async def test_a_refunds_and_a_disputes_fault_stand_in_their_rows(till: Till, log: list[Any]) -> None:
    top_up = await paid(till, "10")
    till.processor.refund_state = RefundState.PENDING
    await refund(till, top_up, usd="3")
    await hear(till, dispute(till, 100, DisputeState.OPENED))
    till.processor.refunds.clear()  # the processor's file has a mistake
    till.processor.disputes.clear()
    till.clock.advance(timedelta(hours=2))
    assert await sweep_refunds(till.funding) == 1
    assert await sweep_disputes(till.funding) == 1
    assert await till.fetch("select fault from refund union all select fault from dispute") == [(OURS,), (OURS,)]
    assert [line["reason"] for line in log] == [OURS, OURS]


async def test_an_accounts_fault_keeps_no_other_from_auto_top_up(till: Till, log: list[Any]) -> None:
    accounts = await two_accounts(till)
    for account in accounts:
        async with till.pool.acquire() as conn:
            await store.save_method(conn, account, "stripe", SavedMethod("c", "m"), till.clock.now())
        wish = AutoTopUpSettings(
            threshold=Usd.parse("5"), amount=Usd.parse("10"), month_most=Usd.parse("50"), actor="a"
        )
        await set_auto_top_up(till.funding, account, wish)
    till.hooks = Broken()
    with pytest.raises(KeyError):
        await top_up_low_accounts(till.funding)
    assert sorted(await till.fetch("select state from top_up")) == [("open",), ("paid",)]
    assert [line["reason"] for line in log] == [OURS]


async def test_a_processors_fault_keeps_no_other_from_being_swept(till: Till) -> None:
    class Wrong(type(till.processor)):  # type: ignore[misc]
        async def list_events(self, since: Any) -> Any:
            raise KeyError(since)

    till.others = {"a": Wrong(till.clock, name="a")}
    with pytest.raises(KeyError):
        await sweep_events(till.funding)
    assert await till.fetch("select processor from processor_sweep") == [("stripe",)]
