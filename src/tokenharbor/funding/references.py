"""Bank transfer references, as operators enter them."""

import asyncpg

from tokenharbor.funding import refund_store, withdrawal_store
from tokenharbor.funding.types import MANUAL
from tokenharbor.kernel.errors import Conflict, Rejected
from tokenharbor.payments.manual import transfer_reference


def read_reference(text: str) -> str:
    """Return a reference in its normalized form. Raises Rejected."""
    try:
        return transfer_reference(text)
    except ValueError as error:
        raise Rejected(str(error), param="reference") from None


async def check_unused(conn: asyncpg.Connection, reference: str) -> None:
    """Lock a reference until the caller's transaction ends. Raises Conflict if it has paid a refund or a withdrawal.

    The lock is needed since refunds and withdrawals are two tables, which no unique index can cover.
    """
    await conn.execute(refund_store.SQL.lock_reference, reference)
    payout = await withdrawal_store.find_by_object(conn, MANUAL, reference)
    refund = await refund_store.find_by_object(conn, MANUAL, reference)
    used = next((each.shown_id for each in (payout, refund) if each is not None), None)
    if used is not None:
        raise Conflict(f"the reference {reference} was already used by {used}")
