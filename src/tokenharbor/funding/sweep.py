"""The sweep: reads payments, refunds, disputes and withdrawals again at their processors, first soon, then hourly."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import asyncpg

from tokenharbor.db.each_row import concerns_all, log_row_fault
from tokenharbor.funding import dispute_store, refund_store, store, withdrawal_store
from tokenharbor.funding.context import Funding
from tokenharbor.funding.disputes import follow_dispute
from tokenharbor.funding.fulfil import fulfil
from tokenharbor.funding.payouts import follow_withdrawal
from tokenharbor.funding.refund_calls import follow_refund
from tokenharbor.kernel.errors import ProcessorError, reason_of
from tokenharbor.kernel.ids import UUID

_AT_ONCE = 10


async def sweep_top_ups(funding: Funding) -> int:
    """Claim at most ten top-ups that are due and read each again: after 5 s, 15 s, 1 min, 5 min, then hourly.

    Return how many were due. A processor's failure is stored in the row, and the next sweep tries again. Raises
    DatabaseUnavailable.
    """
    async with funding.acquire() as conn:
        due = await store.claim_due(conn, funding.world.clock.now(), _AT_ONCE)
    await _sweep_each(funding, due, fulfil, store.note_fault)
    return len(due)


async def sweep_refunds(funding: Funding) -> int:
    """Claim at most ten refunds that are due and follow each. Return how many were due. Raises DatabaseUnavailable."""
    async with funding.acquire() as conn:
        due = await refund_store.claim_due(conn, funding.world.clock.now(), _AT_ONCE)
    await _sweep_each(funding, due, follow_refund, refund_store.note_fault)
    return len(due)


async def sweep_disputes(funding: Funding) -> int:
    """Claim at most ten disputes that are due, hourly while open, and read each. Return how many were due.

    Raises DatabaseUnavailable.
    """
    async with funding.acquire() as conn:
        due = await dispute_store.claim_due(conn, funding.world.clock.now(), _AT_ONCE)
    await _sweep_each(funding, due, follow_dispute, dispute_store.note_fault)
    return len(due)


async def sweep_withdrawals(funding: Funding) -> int:
    """Claim at most ten withdrawals that are due and follow each. Return how many were due.

    Raises DatabaseUnavailable.
    """
    async with funding.acquire() as conn:
        due = await withdrawal_store.claim_due(conn, funding.world.clock.now(), _AT_ONCE)
    await _sweep_each(funding, due, follow_withdrawal, withdrawal_store.note_fault)
    return len(due)


Follow = Callable[[Funding, UUID], Awaitable[object]]
NoteFault = Callable[[asyncpg.Connection, UUID, str], Awaitable[object]]


async def _sweep_each(funding: Funding, due: Iterable[UUID], follow: Follow, note: NoteFault) -> None:
    """Call `follow` for each id. A failure is stored in its row, and logged unless the processor caused it; others go
    on.
    """

    async def follow_one(row_id: UUID) -> None:
        try:
            await follow(funding, row_id)
        except Exception as error:
            if concerns_all(error):
                raise
            if not isinstance(error, ProcessorError):
                log_row_fault("payments", row_id, error)
            async with funding.acquire() as conn:
                await note(conn, row_id, reason_of(error))

    await asyncio.gather(*(follow_one(row_id) for row_id in due))
