"""Charges of a saved method, without the payer: asked again with the same key as long as the processor knows it."""

from tokenharbor.funding import auto_store, store
from tokenharbor.funding.context import Funding
from tokenharbor.funding.topups import KEYS_LAST
from tokenharbor.funding.types import TopUp, TopUpState
from tokenharbor.kernel.errors import ProcessorRefused
from tokenharbor.payments.processor import Processor
from tokenharbor.payments.types import Payment, PaymentState, SavedCharge


async def charge_again(funding: Funding, top_up: TopUp) -> Payment:
    """The payment of an automatic top-up: charged now, or by an earlier try whose answer was lost. It is charged once:
    all tries have one idempotency key. What is older than keys last, has ended, or is wanted no more is only searched
    for.

    Raises ProcessorUnavailable, ProcessorRefused.
    """
    processor = funding.processor(top_up.processor)
    async with funding.acquire() as conn:
        method = await store.read_saved_method(conn, top_up.account_id, top_up.processor)
        wanted = await auto_store.get(conn, top_up.account_id)
    may_charge = top_up.state is TopUpState.OPEN and wanted is not None and wanted.enabled
    if method is None or not may_charge or funding.world.clock.now() > top_up.created_at + KEYS_LAST:
        return await _search(processor, top_up, "it was interrupted, and nothing was taken")
    charge = SavedCharge(
        top_up_id=top_up.shown_id,
        money=top_up.money,
        description=f"{top_up.credit.brief_down()} USD of credit, topped up automatically",
        saved_method=method,
        idempotency_key=f"{top_up.shown_id}/charge",
    )
    try:
        return await processor.charge_saved(charge)
    except ProcessorRefused as error:  # of this try: an earlier one may have been made, with another method
        return await _search(processor, top_up, str(error))


async def _search(processor: Processor, top_up: TopUp, fault: str) -> Payment:
    """What an earlier try has charged; else one that failed."""
    return await processor.find_payment(top_up.shown_id, top_up.created_at) or Payment(
        processor_id="",
        top_up_id=top_up.shown_id,
        state=PaymentState.FAILED,
        money=top_up.money,
        fault=fault,
    )
