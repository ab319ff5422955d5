"""Withdrawals, payees and auto top-up by somebody else are undone; credit that is not being paid out comes back."""

from tests.funding.conftest import Till
from tests.funding.withdrawing import (
    DOLLAR,
    REFUNDABLE_DAYS,
    ask,
    later,
    matured,
    open_withdrawals,
    paid,
    payee,
    state_of,
    sums,
)

from tokenharbor.funding import payee_store
from tokenharbor.funding.undo import UndoneFunding, undo_funding
from tokenharbor.funding.withdrawals import approve_withdrawal
from tokenharbor.payments.types import PayoutState


async def undo(till: Till) -> UndoneFunding:
    async with till.funding.change() as conn:
        return await undo_funding(
            conn, till.funding, till.account_id, actors={"thief"}, since=till.clock.now(), by="customer"
        )


async def test_a_thiefs_withdrawal_that_nobody_has_paid_is_back_and_its_payee_gone(till: Till) -> None:
    open_withdrawals(till)
    await paid(till)
    await later(till, days=REFUNDABLE_DAYS, seconds=1)
    honest, theirs = await payee(till), await payee(till, "thief@pay.test", actor="thief")
    await ask(till, "mine", usd="2", payee_id=honest.id)
    await ask(till, "theirs", usd="3", payee_id=theirs.id, actor="thief")
    assert await sums(till) == (5 * DOLLAR, 0, 5 * DOLLAR)
    reported = await undo(till)
    assert ([each.amount for each in reported.withdrawals], reported.auto_top_up) == ([3 * DOLLAR], False)
    assert [(each.id, address) for each, address in reported.payees] == [(theirs.id, "thief@pay.test")]
    assert await state_of(till) == ["asked", "failed"]
    assert await sums(till) == (8 * DOLLAR, 0, 2 * DOLLAR)
    async with till.pool.acquire() as conn:
        assert [each.id for each, _ in await payee_store.list_payees(conn, till.account_id)] == [honest.id]


async def test_what_a_processor_pays_already_keeps_its_payee_and_what_is_older_stays(till: Till) -> None:
    open_withdrawals(till)
    await matured(till, "10")
    old = await payee(till, "old@pay.test", actor="thief")
    await later(till, days=1)
    called = await payee(till, "called@pay.test", actor="thief")
    till.processor.payout_state = PayoutState.PENDING
    asked = await ask(till, "called", usd="2", payee_id=called.id, actor="thief")
    await approve_withdrawal(till.funding, asked.id, "ops")
    assert await state_of(till) == ["called"]
    assert await undo(till) == UndoneFunding([], [], auto_top_up=False)
    async with till.pool.acquire() as conn:
        assert [each.id for each, _ in await payee_store.list_payees(conn, till.account_id)] == [old.id, called.id]
