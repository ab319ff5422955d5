"""Disputes: credit is frozen at first, leaves when the processor takes the money, and returns if the dispute is won.

An event is only a hint: the dispute is read again at its processor. Invariant: what follows is decided only by the
money that the processor's object shows as taken, never by the order of events, and done in one transaction under the
wallet's lock.

- Opened: withdrawals of which no processor knows yet fail. Then the credit of the disputed lot that is neither spent
  nor held is set aside, again at each sweep, since holds end. The account cannot withdraw, and a customer's refund
  waits for an operator.
- Money taken: the credit leaves the lot, and the top-up's rewards are taken back (its match, locked or not, and its
  cashback). What was already spent of these becomes debt, which other top-ups pay at once. What exceeds the capture is
  our loss, and so are fees.
- Money given back: each lot gets back what it gave. Debt that the account paid by other means meanwhile comes back as a
  new lot. A lot that has expired meanwhile is granted anew, with its whole lifetime.
- Another sum taken: what was taken before is given back, then the new sum is taken.
- Ended: credit that is still frozen is released.
"""

import asyncpg

from tokenharbor.funding import auto_store, dispute_store, refund_store
from tokenharbor.funding.context import Funding, FundingAlarm
from tokenharbor.funding.dispute_steps import DisputeStep
from tokenharbor.funding.dispute_store import Dispute
from tokenharbor.funding.losses import recover_losses
from tokenharbor.funding.refund_types import CaptureBalance
from tokenharbor.funding.types import AutoTopUpStop
from tokenharbor.funding.withdrawals import end_uncalled
from tokenharbor.kernel.errors import ProcessorRefused, ProcessorUnavailable
from tokenharbor.kernel.ids import UUID
from tokenharbor.ledger.wallets import Wallets
from tokenharbor.payments.types import DisputeState, ProcessorDispute, ProcessorEvent

_OVER = {DisputeState.WON: FundingAlarm.DISPUTE_WON, DisputeState.LOST: FundingAlarm.DISPUTE_LOST}


async def handle_dispute(funding: Funding, processor: str, event: ProcessorEvent) -> str:
    """Handle an event about a dispute."""
    await apply_dispute(funding, processor, await funding.processor(processor).read_dispute(event.object_id))
    return ""


async def follow_dispute(funding: Funding, dispute_id: UUID) -> None:
    """Read a dispute again and apply it. Raises Missing, ProcessorError or DatabaseUnavailable."""
    async with funding.acquire() as conn:
        dispute = await dispute_store.get_dispute(conn, dispute_id)
    reported = await funding.processor(dispute.processor).read_dispute(dispute.dispute_id)
    await apply_dispute(funding, dispute.processor, reported)


async def apply_dispute(funding: Funding, processor: str, reported: ProcessorDispute) -> Dispute:
    """Apply a dispute as read, in one transaction. Return ours.

    Raises ProcessorUnavailable while no top-up of ours is known to have its capture, ProcessorRefused if the currencies
    differ.
    """
    async with funding.change() as conn:
        capture = await _lock_capture(conn, funding, processor, reported)
        known = await dispute_store.find_by_object(conn, processor, reported.dispute_id)
        await funding.hooks.run_due(conn, capture.account_id)
        before = known or await _add(conn, funding, capture, reported)
        after = await DisputeStep(conn, funding, capture).follow(before, reported)
        if after.taken < before.taken:
            await recover_losses(conn, funding, processor, capture.capture_id)
            after = await dispute_store.get_dispute(conn, after.id)
        await funding.hooks.run_due(conn, capture.account_id)
    if known is None:
        funding.report(FundingAlarm.DISPUTE_OPENED, after.shown_id, processor)
    if after.state in _OVER and after.state is not before.state:
        funding.report(_OVER[after.state], after.shown_id, processor)
    if after.lost > before.lost:
        funding.report(FundingAlarm.PAYMENT_MISMATCH, after.shown_id, processor)
    return after


async def _lock_capture(
    conn: asyncpg.Connection, funding: Funding, processor: str, reported: ProcessorDispute
) -> CaptureBalance:
    """Lock a dispute's wallet and return the disputed capture. Raises ProcessorUnavailable or ProcessorRefused."""
    found = await refund_store.find_capture(conn, processor, reported.capture_id)
    if found is not None:
        await Wallets(conn).lock_wallet(found.account_id, funding.world.clock.now())
        found = await refund_store.find_capture(conn, processor, reported.capture_id)
    if found is None:
        raise ProcessorUnavailable(f"no top-up of ours has the capture {reported.capture_id[:80]} yet")
    if {reported.money.currency, reported.withdrawn.currency} != {found.money.currency}:
        raise ProcessorRefused(f"the dispute is in {reported.money.currency}, the payment in {found.money.currency}")
    return found


async def _add(
    conn: asyncpg.Connection, funding: Funding, capture: CaptureBalance, reported: ProcessorDispute
) -> Dispute:
    now = funding.world.clock.now()
    dispute = Dispute(
        id=funding.world.ids.new(),
        processor=capture.processor,
        dispute_id=reported.dispute_id,
        capture_id=capture.capture_id,
        top_up_id=capture.top_up_id,
        account_id=capture.account_id,
        lot_id=capture.lot_id,
        money=reported.money,
        state=DisputeState.OPENED,
        opened_at=now,
        respond_until=reported.respond_until,
    )
    why = f"{dispute.shown_id}: a top-up is disputed"
    await end_uncalled(conn, funding, dispute.account_id, why)
    await auto_store.stop(conn, dispute.account_id, AutoTopUpStop.DISPUTE, why, now)
    return await dispute_store.add_dispute(conn, dispute)
