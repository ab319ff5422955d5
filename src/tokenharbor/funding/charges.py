"""Charges of a saved method, without the payer: asked again with the same key as long as the processor knows it."""

from tokenharbor.funding import store
from tokenharbor.funding.context import Funding
from tokenharbor.funding.topups import KEYS_LAST
from tokenharbor.funding.types import TopUp
from tokenharbor.kernel.errors import ProcessorRefused
from tokenharbor.payments.types import Payment, PaymentState, SavedCharge


async def charge_again(funding: Funding, top_up: TopUp) -> Payment:
    """The payment of an automatic top-up: charged now, or by an earlier try whose answer was lost. It is charged once:
    all tries have one idempotency key, and what is older than keys last is only searched for.

    Raises ProcessorUnavailable.
    """
    processor = funding.processor(top_up.processor)
    async with funding.acquire() as conn:
        method = await store.read_saved_method(conn, top_up.account_id, top_up.processor)
    if method is None or funding.world.clock.now() > top_up.created_at + KEYS_LAST:
        found = await processor.find_payment(top_up.shown_id, top_up.created_at)
        return found or _not_charged(top_up, "it was interrupted, and nothing was taken")
    charge = SavedCharge(
        top_up_id=top_up.shown_id,
        money=top_up.money,
        description=f"{top_up.credit.brief_down()} USD of credit, topped up automatically",
        saved_method=method,
        idempotency_key=f"{top_up.shown_id}/charge",
    )
    try:
        return await processor.charge_saved(charge)
    except ProcessorRefused as error:
        return _not_charged(top_up, str(error))


def _not_charged(top_up: TopUp, fault: str) -> Payment:
    return Payment(
        processor_id="",
        top_up_id=top_up.shown_id,
        state=PaymentState.FAILED,
        money=top_up.money,
        fault=fault,
    )
