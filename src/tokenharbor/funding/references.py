"""References of bank transfers, as operators enter them."""

import asyncpg

from tokenharbor.funding import refund_store, withdrawal_store
from tokenharbor.funding.types import MANUAL
from tokenharbor.kernel.errors import Conflict, Rejected
from tokenharbor.payments.manual import transfer_reference


def read_reference(text: str) -> str:
    """In the form that is compared. Raises Rejected."""
    try:
        return transfer_reference(text)
    except ValueError as error:
        raise Rejected(str(error), param="reference") from None


async def check_unused(conn: asyncpg.Connection, reference: str) -> None:
    """Nobody else can use it until the caller's transaction ends: refunds and withdrawals are two tables, so no index
    says that a transfer pays once. Raises Conflict for one that has paid.
    """
    await conn.execute(refund_store.SQL.lock_reference, reference)
    payout = await withdrawal_store.find_by_object(conn, MANUAL, reference)
    refund = await refund_store.find_by_object(conn, MANUAL, reference)
    used = next((each.shown_id for each in (payout, refund) if each is not None), None)
    if used is not None:
        raise Conflict(f"the reference {reference} was used before: {used}")
