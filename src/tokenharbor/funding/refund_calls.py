"""From a refund that was asked for to its end: the one path for a command, a webhook, the sweep and a restart.

Idea: as with top-ups, only what was read at the processor counts, and whoever thinks that something has happened calls
`follow_refund` (ours) or `take_reported` (what an event tells of). Credit has left the line before the processor is
asked, so nothing can be spent and refunded. The call has no transaction around it; what follows from its answer is one.

Invariant: the money of one refund object moves credit once. A row stands for one object of the processor
(`processor_refund_id`), the wallet's lock lets one caller at a time look for it, and state, entries and the capture's
sums are committed together. Our own refund comes back as an event, too: its object bears our id, so it finds our row.
An object that bears no id of ours, or one whose row has another object already, was made in the processor's dashboard:
it is a refund like every other, and what was spent of it is debt.

A capture never gives back more than it took: what exceeds it, since a dispute came between, is `loss/dispute`, and the
account keeps what was set aside for it; until some of it comes back (`recover_losses`).
"""

import asyncpg

from tokenharbor.funding import auto_store, refund_store
from tokenharbor.funding.context import Funding, FundingAlarm
from tokenharbor.funding.losses import recover_losses
from tokenharbor.funding.payouts import check_free
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
    """Ask the processor for it, or what has become of it. Raises Missing, ProcessorUnavailable, DatabaseUnavailable."""
    async with funding.acquire() as conn:
        refund = await refund_store.get_refund(conn, refund_id)
    if refund.state not in _IN_FLIGHT:
        return refund
    try:
        told = await _ask(funding, refund)
    except (ProcessorRefused, Rejected, Conflict) as error:
        return await _refused(funding, refund, str(error))
    return await take_refund(funding, refund_id, told)


async def look_at_refund(funding: Funding, refund_id: UUID) -> Refund:
    """Likewise; a processor that does not answer is asked again by the sweep, and the row says so."""
    try:
        return await follow_refund(funding, refund_id)
    except ProcessorError as error:
        async with funding.acquire() as conn:
            return await refund_store.note_fault(conn, refund_id, str(error))


async def take_refund(funding: Funding, refund_id: UUID, told: ProcessorRefund) -> Refund:
    """What follows from a refund as it was read, in one transaction. Raises Missing, DatabaseUnavailable."""
    async with funding.change() as conn:
        refund = await take_refund_on(conn, funding, refund_id, told)
    _report(funding, refund, told)
    return refund


async def take_refund_on(conn: asyncpg.Connection, funding: Funding, refund_id: UUID, told: ProcessorRefund) -> Refund:
    """Likewise, in the caller's transaction. Raises Missing."""
    account_id = (await refund_store.get_refund(conn, refund_id)).account_id
    await Wallets(conn).lock_wallet(account_id, funding.world.clock.now())  # before any row of this room
    refund = await refund_store.get_refund(conn, refund_id)
    if wrong := await _difference(conn, refund, told):
        return await refund_store.note_fault(conn, refund_id, wrong)
    match refund.state, told.state:
        case ((RefundProgress.ASKED | RefundProgress.CALLED), RefundState.PENDING):
            return await refund_store.set_called(conn, refund_id, told.processor_refund_id)
        case ((RefundProgress.ASKED | RefundProgress.CALLED), RefundState.DONE):
            return await close(conn, funding, refund, told.processor_refund_id)
        case RefundProgress.FAILED, RefundState.DONE:
            return await close_again(conn, funding, refund, told.processor_refund_id)
        case ((RefundProgress.ASKED | RefundProgress.CALLED), RefundState.FAILED):
            return await fail(conn, funding, refund, told.processor_refund_id, told.fault)
        case RefundProgress.DONE, RefundState.FAILED:
            failed = await reopen(conn, funding, refund, told.processor_refund_id, told.fault)
            await recover_losses(conn, funding, refund.processor, refund.capture_id)
            await funding.hooks.run_due(conn, account_id)
            return failed
    return refund


async def take_reported(funding: Funding, processor: str, told: ProcessorRefund) -> Refund | None:
    """Likewise, of an object that may be ours or not. None: nothing has become of it.

    Raises ProcessorUnavailable while no top-up of ours is known to have its capture, ProcessorRefused.
    """
    async with funding.change() as conn:
        capture = await refund_store.find_capture(conn, processor, told.capture_id)
        if capture is None:
            raise ProcessorUnavailable(f"no top-up of ours has the capture {told.capture_id[:80]} yet")
        if told.money.currency != capture.money.currency:
            raise ProcessorRefused(f"a refund in {told.money.currency} of a payment in {capture.money.currency}")
        await Wallets(conn).lock_wallet(capture.account_id, funding.world.clock.now())
        known = await _find(conn, capture, told)
        if known is None and told.state is RefundState.FAILED:
            return None
        if known is None:
            known = await _add_reported(conn, funding, capture.processor, told)
        refund = await take_refund_on(conn, funding, known.id, told)
    _report(funding, refund, told)
    return refund


async def handle_refund(funding: Funding, processor: str, event: ProcessorEvent) -> str:
    """An event about a refund."""
    return await _handle(funding, processor, await funding.processor(processor).read_refund(event.object_id))


async def handle_capture(funding: Funding, processor: str, event: ProcessorEvent) -> str:
    """An event about a capture: its refunds may have changed."""
    for told in await funding.processor(processor).list_refunds(event.object_id):
        await _handle(funding, processor, told)
    return ""


async def _handle(funding: Funding, processor: str, told: ProcessorRefund) -> str:
    refund = await take_reported(funding, processor, told)
    return "" if refund is not None else "the refund failed before it was known"


async def _ask(funding: Funding, refund: Refund) -> ProcessorRefund:
    """Asked once: all tries have one idempotency key, and what was tried before is searched for first. Raises Rejected,
    Conflict for a withdrawal of an account that nothing may leave any more.
    """
    processor = funding.processor(refund.processor)
    if refund.processor_refund_id is not None:
        return await processor.read_refund(refund.processor_refund_id)
    if refund.looks:
        for told in await processor.list_refunds(refund.capture_id):
            if told.refund_id == refund.shown_id:
                return told
    if refund.origin is RefundOrigin.WITHDRAWAL:
        async with funding.change() as conn:
            await check_free(conn, funding, await Wallets(conn).lock(refund.account_id, funding.world.clock.now()))
    return await processor.refund(
        RefundOrder(
            refund_id=refund.shown_id,
            capture_id=refund.capture_id,
            money=refund.money,
            idempotency_key=f"{refund.shown_id}/refund",
        )
    )


async def _refused(funding: Funding, refund: Refund, why: str) -> Refund:
    """Refused when it was asked for: it has failed. Refused when it was read: somebody else has to say what became
    of it.
    """
    async with funding.change() as conn:
        await Wallets(conn).lock_wallet(refund.account_id, funding.world.clock.now())
        current = await refund_store.get_refund(conn, refund.id)
        if current.state is RefundProgress.ASKED and current.processor_refund_id is None:
            return await fail(conn, funding, current, None, why)
        if current.state is RefundProgress.CALLED:
            return await refund_store.note_fault(conn, refund.id, why, final=True)
        return current


async def _difference(conn: asyncpg.Connection, refund: Refund, told: ProcessorRefund) -> str:
    """What of a processor's refund is not as it was asked for; "" if all is."""
    if told.capture_id != refund.capture_id or told.money != refund.money:
        return f"{told.money} of {told.capture_id[:80]} was refunded, not {refund.money} of {refund.capture_id}"
    other = await refund_store.find_by_object(conn, refund.processor, told.processor_refund_id)
    if other is not None and other.id != refund.id:
        return f"{told.processor_refund_id[:80]} is {other.shown_id}"
    return ""


async def _find(conn: asyncpg.Connection, capture: CaptureBalance, told: ProcessorRefund) -> Refund | None:
    """By the processor's object; by our id where the object is new to us."""
    known = await refund_store.find_by_object(conn, capture.processor, told.processor_refund_id)
    if known is not None or told.refund_id is None:
        return known
    try:
        named = await refund_store.get_refund(conn, ids.parse("refund", told.refund_id))
    except (ValueError, Missing):  # another system's
        return None
    ours = (named.processor, named.capture_id) == (capture.processor, capture.capture_id)
    return named if ours and named.processor_refund_id is None else None


async def _add_reported(conn: asyncpg.Connection, funding: Funding, processor: str, told: ProcessorRefund) -> Refund:
    """A refund that was made in the processor's dashboard: what it reaches of the lot is set aside until it is done."""
    capture = await refund_store.find_capture(conn, processor, told.capture_id)
    assert capture is not None, "it was found in this transaction"  # noqa: S101  for mypy
    now, refund_id = funding.world.clock.now(), funding.world.ids.new()
    amount = amount_of(capture, told.money)
    refund = Refund(
        id=refund_id,
        top_up_id=capture.top_up_id,
        account_id=capture.account_id,
        processor=capture.processor,
        capture_id=capture.capture_id,
        lot_id=capture.lot_id,
        idempotency_key=f"{processor}/{told.processor_refund_id}",
        origin=RefundOrigin.PROCESSOR,
        actor=capture.processor,
        reason="refunded in the processor's dashboard",
        asked=None,
        amount=amount,
        reduced=ZERO,
        set_aside=await take_credit(conn, funding, capture, amount, refund_id),
        money=told.money,
        state=RefundProgress.CALLED,
        asked_at=now,
        processor_refund_id=told.processor_refund_id,
        next_look_at=now,
    )
    await credit_returns(conn, funding, refund, capture).set_aside(refund.set_aside)
    await auto_store.stop(
        conn, refund.account_id, AutoTopUpStop.REFUND, f"{refund.shown_id}: a top-up was refunded", now
    )
    return await refund_store.add_refund(conn, refund)


def _report(funding: Funding, refund: Refund, told: ProcessorRefund) -> None:
    lost = refund.state is RefundProgress.DONE and refund.closed < refund.amount
    if lost or told.money != refund.money:
        funding.report(FundingAlarm.PAYMENT_MISMATCH, refund.shown_id, refund.processor)
