"""From a refund that was recorded to its end: the one path for a command, a webhook, the sweep and a restart.

As with top-ups, only what was read at the processor counts. Code that learns of a possible change calls
`follow_refund` (for our refunds) or `apply_reported_refund` (for a refund that an event reports). The credit is set
aside before the processor is asked, so no credit is both spent and refunded. The processor is called outside of any
transaction; what follows from its answer is done in one.

Invariant: one refund object of a processor moves credit once. Each object has one row (`processor_refund_id`), the
wallet's lock lets one caller at a time look for it, and state, entries and the capture's sums are committed together.
Our own refund is also reported by an event: its object carries our id, so our row is found. An object without our id,
or whose row already has another object, was made in the processor's dashboard. It is a refund like any other, and the
part of its credit that was already spent becomes debt.

A capture never gives back more than it took. If a dispute took a part first, the excess is our loss (`loss/dispute`),
and the account gets back the credit set aside for it. When some of the capture comes back, `recover_losses` reduces the
loss.
"""

import asyncpg

from tokenharbor.funding import auto_store, refund_store
from tokenharbor.funding.context import Funding, FundingAlarm
from tokenharbor.funding.losses import recover_losses
from tokenharbor.funding.payouts import check_withdrawals_allowed
from tokenharbor.funding.refund_steps import close, close_again, credit_returns, fail, reopen, take_credit
from tokenharbor.funding.refund_types import CaptureBalance, Refund, RefundOrigin, RefundProgress
from tokenharbor.funding.returns import amount_of
from tokenharbor.funding.types import AutoTopUpStop
from tokenharbor.kernel import ids
from tokenharbor.kernel.errors import (
    Conflict,
    Missing,
    ProcessorError,
    ProcessorRefused,
    ProcessorUnavailable,
    Rejected,
)
from tokenharbor.kernel.ids import UUID
from tokenharbor.kernel.money import ZERO
from tokenharbor.ledger.wallets import Wallets
from tokenharbor.payments.types import ProcessorEvent, ProcessorRefund, RefundOrder, RefundState

_IN_FLIGHT = (RefundProgress.ASKED, RefundProgress.CALLED)


async def follow_refund(funding: Funding, refund_id: UUID) -> Refund:
    """Ask the processor for a refund, or read its state there. Return the refund as it is then.

    Raises Missing, ProcessorUnavailable or DatabaseUnavailable.
    """
    async with funding.acquire() as conn:
        refund = await refund_store.get_refund(conn, refund_id)
    if refund.state not in _IN_FLIGHT:
        return refund
    try:
        reported = await _ask(funding, refund)
    except (ProcessorRefused, Rejected, Conflict) as error:
        return await _refused(funding, refund, str(error))
    return await apply_refund(funding, refund_id, reported)


async def try_follow_refund(funding: Funding, refund_id: UUID) -> Refund:
    """Follow a refund like `follow_refund`. If the processor fails, note it in the row; the sweep asks again."""
    try:
        return await follow_refund(funding, refund_id)
    except ProcessorError as error:
        async with funding.acquire() as conn:
            return await refund_store.note_fault(conn, refund_id, str(error))


async def apply_refund(funding: Funding, refund_id: UUID, reported: ProcessorRefund) -> Refund:
    """Apply a processor's refund as read to ours, in one transaction. Raises Missing or DatabaseUnavailable."""
    async with funding.change() as conn:
        refund = await apply_refund_on(conn, funding, refund_id, reported)
    _report(funding, refund, reported)
    return refund


async def apply_refund_on(
    conn: asyncpg.Connection, funding: Funding, refund_id: UUID, reported: ProcessorRefund
) -> Refund:
    """Apply a processor's refund as read to ours, in the caller's transaction. Raises Missing."""
    account_id = (await refund_store.get_refund(conn, refund_id)).account_id
    await Wallets(conn).lock_wallet(account_id, funding.world.clock.now())  # before any row of this room
    refund = await refund_store.get_refund(conn, refund_id)
    if wrong := await _find_difference(conn, refund, reported):
        return await refund_store.note_fault(conn, refund_id, wrong)
    match refund.state, reported.state:
        case ((RefundProgress.ASKED | RefundProgress.CALLED), RefundState.PENDING):
            return await refund_store.set_called(conn, refund_id, reported.processor_refund_id)
        case ((RefundProgress.ASKED | RefundProgress.CALLED), RefundState.DONE):
            return await close(conn, funding, refund, reported.processor_refund_id)
        case RefundProgress.FAILED, RefundState.DONE:
            return await close_again(conn, funding, refund, reported.processor_refund_id)
        case ((RefundProgress.ASKED | RefundProgress.CALLED), RefundState.FAILED):
            return await fail(conn, funding, refund, reported.processor_refund_id, reported.fault)
        case RefundProgress.DONE, RefundState.FAILED:
            failed = await reopen(conn, funding, refund, reported.processor_refund_id, reported.fault)
            await recover_losses(conn, funding, refund.processor, refund.capture_id)
            await funding.hooks.run_due(conn, account_id)
            return failed
    return refund


async def apply_reported_refund(funding: Funding, processor: str, reported: ProcessorRefund) -> Refund | None:
    """Apply a processor's refund that may be ours or made in its dashboard. Return None if it failed before it was
    known.

    Raises ProcessorUnavailable while no top-up of ours is known to have its capture, ProcessorRefused if the currencies
    differ.
    """
    async with funding.change() as conn:
        capture = await refund_store.find_capture(conn, processor, reported.capture_id)
        if capture is None:
            raise ProcessorUnavailable(f"no top-up of ours has the capture {reported.capture_id[:80]} yet")
        if reported.money.currency != capture.money.currency:
            raise ProcessorRefused(
                f"the refund is in {reported.money.currency}, the payment in {capture.money.currency}"
            )
        await Wallets(conn).lock_wallet(capture.account_id, funding.world.clock.now())
        known = await _find(conn, capture, reported)
        if known is None and reported.state is RefundState.FAILED:
            return None
        if known is None:
            known = await _add_reported(conn, funding, capture.processor, reported)
        refund = await apply_refund_on(conn, funding, known.id, reported)
    _report(funding, refund, reported)
    return refund


async def handle_refund(funding: Funding, processor: str, event: ProcessorEvent) -> str:
    """Handle an event about a refund."""
    return await _handle(funding, processor, await funding.processor(processor).read_refund(event.object_id))


async def handle_capture(funding: Funding, processor: str, event: ProcessorEvent) -> str:
    """Handle an event about a capture, whose refunds may have changed."""
    for reported in await funding.processor(processor).list_refunds(event.object_id):
        await _handle(funding, processor, reported)
    return ""


async def _handle(funding: Funding, processor: str, reported: ProcessorRefund) -> str:
    refund = await apply_reported_refund(funding, processor, reported)
    return "" if refund is not None else "the refund failed before it was known"


async def _ask(funding: Funding, refund: Refund) -> ProcessorRefund:
    """Ask the processor for a refund once, or find the one of an earlier try.

    All tries have one idempotency key; after the first, the capture's refunds are searched before. Raises Rejected or
    Conflict if the refund is a withdrawal and the account may not withdraw any more.
    """
    processor = funding.processor(refund.processor)
    if refund.processor_refund_id is not None:
        return await processor.read_refund(refund.processor_refund_id)
    if refund.looks:
        for reported in await processor.list_refunds(refund.capture_id):
            if reported.refund_id == refund.shown_id:
                return reported
    if refund.origin is RefundOrigin.WITHDRAWAL:
        async with funding.change() as conn:
            await check_withdrawals_allowed(
                conn, funding, await Wallets(conn).lock(refund.account_id, funding.world.clock.now())
            )
    return await processor.refund(
        RefundOrder(
            refund_id=refund.shown_id,
            capture_id=refund.capture_id,
            money=refund.money,
            idempotency_key=f"{refund.shown_id}/refund",
        )
    )


async def _refused(funding: Funding, refund: Refund, why: str) -> Refund:
    """Handle a processor's refusal. If it was refused when asked for, the refund failed. If it cannot be read any more,
    its outcome is unknown, and an operator has to settle it.
    """
    async with funding.change() as conn:
        await Wallets(conn).lock_wallet(refund.account_id, funding.world.clock.now())
        current = await refund_store.get_refund(conn, refund.id)
        if current.state is RefundProgress.ASKED and current.processor_refund_id is None:
            return await fail(conn, funding, current, None, why)
        if current.state is RefundProgress.CALLED:
            return await refund_store.note_fault(conn, refund.id, why, final=True)
        return current


async def _find_difference(conn: asyncpg.Connection, refund: Refund, reported: ProcessorRefund) -> str:
    """Return how a processor's refund differs from ours, "" if it matches."""
    if reported.capture_id != refund.capture_id or reported.money != refund.money:
        refunded = f"{reported.money} of {reported.capture_id[:80]}"
        return f"{refunded} was refunded instead of {refund.money} of {refund.capture_id}"
    other = await refund_store.find_by_object(conn, refund.processor, reported.processor_refund_id)
    if other is not None and other.id != refund.id:
        return f"{reported.processor_refund_id[:80]} already belongs to {other.shown_id}"
    return ""


async def _find(conn: asyncpg.Connection, capture: CaptureBalance, reported: ProcessorRefund) -> Refund | None:
    """Find our refund by the processor's object; if the object is new to us, by our id in it."""
    known = await refund_store.find_by_object(conn, capture.processor, reported.processor_refund_id)
    if known is not None or reported.refund_id is None:
        return known
    try:
        named = await refund_store.get_refund(conn, ids.parse("refund", reported.refund_id))
    except (ValueError, Missing):  # the id of another system
        return None
    ours = (named.processor, named.capture_id) == (capture.processor, capture.capture_id)
    return named if ours and named.processor_refund_id is None else None


async def _add_reported(
    conn: asyncpg.Connection, funding: Funding, processor: str, reported: ProcessorRefund
) -> Refund:
    """Add a refund that was made in the processor's dashboard, and set aside what the lot still has of it."""
    capture = await refund_store.find_capture(conn, processor, reported.capture_id)
    assert capture is not None, "found in this transaction"  # noqa: S101  for mypy
    now, refund_id = funding.world.clock.now(), funding.world.ids.new()
    amount = amount_of(capture, reported.money)
    refund = Refund(
        id=refund_id,
        top_up_id=capture.top_up_id,
        account_id=capture.account_id,
        processor=capture.processor,
        capture_id=capture.capture_id,
        lot_id=capture.lot_id,
        idempotency_key=f"{processor}/{reported.processor_refund_id}",
        origin=RefundOrigin.PROCESSOR,
        actor=capture.processor,
        reason="refunded in the processor's dashboard",
        asked=None,
        amount=amount,
        reduced=ZERO,
        set_aside=await take_credit(conn, funding, capture, amount, refund_id),
        money=reported.money,
        state=RefundProgress.CALLED,
        asked_at=now,
        processor_refund_id=reported.processor_refund_id,
        next_look_at=now,
    )
    await credit_returns(conn, funding, refund, capture).set_aside(refund.set_aside)
    await auto_store.stop(
        conn, refund.account_id, AutoTopUpStop.REFUND, f"{refund.shown_id}: a top-up was refunded", now
    )
    return await refund_store.add_refund(conn, refund)


def _report(funding: Funding, refund: Refund, reported: ProcessorRefund) -> None:
    lost = refund.state is RefundProgress.DONE and refund.closed < refund.amount
    if lost or reported.money != refund.money:
        funding.report(FundingAlarm.PAYMENT_MISMATCH, refund.shown_id, refund.processor)
