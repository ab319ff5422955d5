"""Losses of ours that are none any more.

A refund and a dispute, or two disputes, may take more of a capture than was paid. What exceeds it is our loss only as
long as the others have the rest: when something of the capture comes back, it goes first to those who were short of it.
"""

import asyncpg

from tokenharbor.funding import dispute_store, refund_store
from tokenharbor.funding.context import Funding
from tokenharbor.funding.dispute_steps import DisputeStep
from tokenharbor.funding.refund_steps import close_more
from tokenharbor.funding.refund_types import CaptureBalance


async def recover_losses(conn: asyncpg.Connection, funding: Funding, processor: str, capture_id: str) -> None:
    """Something of the capture has come back: those that left a part to our loss take it, oldest first. In the
    caller's transaction, with the wallet locked.
    """
    for refund in await refund_store.list_short(conn, processor, capture_id):
        if (await _capture(conn, processor, capture_id)).left:
            await close_more(conn, funding, refund)
    for dispute in await dispute_store.list_short(conn, processor, capture_id):
        capture = await _capture(conn, processor, capture_id)
        if capture.left:
            await DisputeStep(conn, funding, capture).take_more(dispute)


async def _capture(conn: asyncpg.Connection, processor: str, capture_id: str) -> CaptureBalance:
    capture = await refund_store.find_capture(conn, processor, capture_id)
    assert capture is not None, "something of it has come back"  # noqa: S101  for mypy
    return capture
