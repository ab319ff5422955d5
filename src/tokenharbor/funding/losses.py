"""Recovers losses of ours when a part of a capture comes back.

A refund and a dispute, or two disputes, may together take more than a capture's amount. The excess is our loss, but
only while the others hold the rest: whatever comes back of the capture goes first to those that left a loss.
"""

import asyncpg

from tokenharbor.funding import dispute_store, refund_store
from tokenharbor.funding.context import Funding
from tokenharbor.funding.dispute_steps import DisputeStep
from tokenharbor.funding.refund_steps import close_more
from tokenharbor.funding.refund_types import CaptureBalance


async def recover_losses(conn: asyncpg.Connection, funding: Funding, processor: str, capture_id: str) -> None:
    """Use what came back of a capture to cover the refunds, then the disputes that left us a loss, oldest first.

    Runs in the caller's transaction, with the wallet locked.
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
