"""References of bank transfers, as operators enter them."""

import asyncpg

from tokenharbor.funding import refund_store, withdrawal_store
from tokenharbor.funding.types import MANUAL
from tokenharbor.kernel.errors import Rejected
from tokenharbor.payments.manual import transfer_reference


def read_reference(text: str) -> str:
    """In the form that is compared. Raises Rejected."""
    try:
        return transfer_reference(text)
    except ValueError as error:
        raise Rejected(str(error), param="reference") from None


async def find_paid_by(conn: asyncpg.Connection, reference: str) -> str | None:
    """The withdrawal or the refund that was paid by this transfer."""
    payout = await withdrawal_store.find_by_object(conn, MANUAL, reference)
    refund = await refund_store.find_by_object(conn, MANUAL, reference)
    return next((each.shown_id for each in (payout, refund) if each is not None), None)
