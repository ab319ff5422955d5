"""The sweep: top-ups and refunds that nobody has told us of are looked at soon, then hourly."""

import asyncio

from tokenharbor.funding import dispute_store, refund_store, store
from tokenharbor.funding.context import Funding
from tokenharbor.funding.disputes import look_at_dispute
from tokenharbor.funding.fulfil import fulfil
from tokenharbor.funding.refund_calls import look_at_refund
from tokenharbor.kernel.errors import ProcessorError
from tokenharbor.kernel.ids import UUID

_AT_ONCE = 10


async def look_at_due_top_ups(funding: Funding) -> int:
    """How many were due, ten at most; each is read again: at 5 s, 15 s, a minute, 5 minutes, then hourly. What a
    processor does not answer stands in the row, and is asked at the next look. Raises DatabaseUnavailable.
    """
    async with funding.acquire() as conn:
        due = await store.claim_looks(conn, funding.world.clock.now(), _AT_ONCE)
    await asyncio.gather(*(_look(funding, top_up_id) for top_up_id in due))
    return len(due)


async def look_at_due_refunds(funding: Funding) -> int:
    """How many were due, ten at most; each goes on from where it stands. Raises DatabaseUnavailable."""
    async with funding.acquire() as conn:
        due = await refund_store.claim_looks(conn, funding.world.clock.now(), _AT_ONCE)
    await asyncio.gather(*(look_at_refund(funding, refund_id) for refund_id in due))
    return len(due)


async def look_at_due_disputes(funding: Funding) -> int:
    """How many were due, ten at most; an open one is read every hour. Raises DatabaseUnavailable."""
    async with funding.acquire() as conn:
        due = await dispute_store.claim_looks(conn, funding.world.clock.now(), _AT_ONCE)
    await asyncio.gather(*(look_at_dispute(funding, dispute_id) for dispute_id in due))
    return len(due)


async def _look(funding: Funding, top_up_id: UUID) -> None:
    try:
        await fulfil(funding, top_up_id)
    except ProcessorError as error:
        async with funding.acquire() as conn:
            await store.note_fault(conn, top_up_id, str(error))
