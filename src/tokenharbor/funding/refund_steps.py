"""The changes of a refund in the ledger when it is done, fails, or comes back; in the caller's transaction.

The wallet is locked. Invariant: for each step there is one that undoes it, so a processor may report a refund as done,
failed and done again, and the ledger follows.
"""

import dataclasses

import asyncpg

from tokenharbor.funding import refund_store, store
from tokenharbor.funding.context import Funding
from tokenharbor.funding.refund_types import CaptureBalance, Refund, RefundOrigin
from tokenharbor.funding.returns import (
    CreditReturn,
    CreditReturns,
    ReturnedMoney,
    clearing_of,
    lost_of,
    tax_returned,
)
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import Usd
from tokenharbor.ledger.wallets import Wallets


async def close(conn: asyncpg.Connection, funding: Funding, refund: Refund, processor_refund_id: str | None) -> Refund:
    """Finish a refund whose money has left: use the credit set aside; the rest comes from the lot, or becomes debt."""
    capture = await _capture(conn, refund)
    closed, minor = min(refund.amount, capture.left), min(refund.money.minor, capture.left_minor)
    returns = credit_returns(conn, funding, refund, capture)
    await returns.leave(closed, refund.set_aside)
    part = ReturnedMoney(refund.money, closed)
    tax = tax_returned(capture, closed, minor)
    lost = lost_of(capture, part, refund.amount, tax)
    await returns.book_differences(part, tax=tax, lost=lost)
    await refund_store.add_returned(conn, refund, closed, minor)
    await store.add_topped_up(conn, refund.account_id, -closed)
    done = dataclasses.replace(refund, processor_refund_id=processor_refund_id, closed=closed, closed_minor=minor)
    return await refund_store.set_done(conn, done, refund.ended_at or funding.world.clock.now())


async def close_again(
    conn: asyncpg.Connection, funding: Funding, refund: Refund, processor_refund_id: str | None
) -> Refund:
    """Finish a refund that had failed, so that nothing is set aside for it: set aside what the lot has, then close
    it.
    """
    capture = await _capture(conn, refund)
    there = await take_credit(conn, funding, capture, refund.amount, refund.id)
    await credit_returns(conn, funding, refund, capture).set_aside(there)
    return await close(conn, funding, dataclasses.replace(refund, set_aside=there, ended_at=None), processor_refund_id)


async def close_more(conn: asyncpg.Connection, funding: Funding, refund: Refund) -> Refund:
    """Close a refund again after some of its capture came back, so that less of it is our loss."""
    await _move_back(conn, funding, refund)
    return await close_again(conn, funding, refund, refund.processor_refund_id)


async def fail(
    conn: asyncpg.Connection, funding: Funding, refund: Refund, processor_refund_id: str | None, why: str
) -> Refund:
    """Fail a refund whose money did not leave: the lot gets its credit back."""
    await give_up(conn, funding, refund)
    now = funding.world.clock.now()
    return await refund_store.set_failed(conn, refund.id, processor_refund_id, now, why or "the refund failed")


async def give_up(conn: asyncpg.Connection, funding: Funding, refund: Refund) -> None:
    """Return the credit and rewards that were set aside for a refund. The caller changes its row."""
    await credit_returns(conn, funding, refund, await _capture(conn, refund)).restore(refund.set_aside)
    await funding.hooks.give_back(conn, refund.account_id, return_id=refund.id)
    await funding.hooks.run_due(conn, refund.account_id)


async def reopen(
    conn: asyncpg.Connection, funding: Funding, refund: Refund, processor_refund_id: str, why: str
) -> Refund:
    """Fail a refund whose money had left and has come back."""
    await _move_back(conn, funding, refund)
    now = funding.world.clock.now()
    return await refund_store.set_failed(conn, refund.id, processor_refund_id, now, why or "the money came back")


async def take_credit(
    conn: asyncpg.Connection, funding: Funding, capture: CaptureBalance, amount: Usd, refund_id: UUID
) -> Usd:
    """Take back the rewards for a refund that we did not ask for. Return how much of its credit can be set aside."""
    own = min(amount, capture.left)
    await funding.hooks.run_due(conn, capture.account_id)
    if own:
        await funding.hooks.take_back(
            conn, capture.account_id, capture.lot_id, own, return_id=refund_id, disputed=False
        )
    state = await Wallets(conn).lock(capture.account_id, funding.world.clock.now())
    return min(own, state.unspent(capture.lot_id))


def credit_returns(
    conn: asyncpg.Connection, funding: Funding, refund: Refund, capture: CaptureBalance
) -> CreditReturns:
    wanted = CreditReturn(
        account_id=refund.account_id,
        lot_id=refund.lot_id,
        clearing=clearing_of(capture),
        reason=f"refund {refund.shown_id}",
        asked_at=None if refund.origin is RefundOrigin.PROCESSOR else refund.asked_at,
    )
    return CreditReturns(conn, funding, wanted)


async def _move_back(conn: asyncpg.Connection, funding: Funding, refund: Refund) -> None:
    capture = await _capture(conn, refund)
    returns, part = credit_returns(conn, funding, refund, capture), ReturnedMoney(refund.money, refund.closed)
    tax = -tax_returned(capture, -refund.closed, -refund.closed_minor)
    lost = lost_of(capture, part, refund.amount, tax)
    await returns.book_differences(part, tax=tax, lost=lost, back=True)
    await returns.move_back(refund.closed)
    await funding.hooks.give_back(conn, refund.account_id, return_id=refund.id)
    await returns.pay_debt()
    await refund_store.add_returned(conn, refund, -refund.closed, -refund.closed_minor)
    await store.add_topped_up(conn, refund.account_id, refund.closed)


async def _capture(conn: asyncpg.Connection, refund: Refund) -> CaptureBalance:
    capture = await refund_store.find_capture(conn, refund.processor, refund.capture_id)
    assert capture is not None, "guaranteed by a foreign key"  # noqa: S101  for mypy
    return capture
