"""Charges a saved method without the payer, once: retries use the same idempotency key while the processor keeps it."""

from tokenharbor.funding import auto_store, store
from tokenharbor.funding.context import Funding
from tokenharbor.funding.topups import KEYS_LAST
from tokenharbor.funding.types import TopUp, TopUpState
from tokenharbor.kernel.errors import ProcessorRefused
from tokenharbor.payments.processor import Processor
from tokenharbor.payments.types import Payment, PaymentState, SavedCharge


async def charge_or_find(funding: Funding, top_up: TopUp) -> Payment:
    """Charge an automatic top-up, or find the charge of an earlier try whose answer was lost. Return its payment.

    It is charged once: all tries have one idempotency key. If the top-up is older than processors keep keys, is no
    longer open, or auto top-up is off, nothing is charged: an earlier charge is only searched for.

    Raises ProcessorUnavailable or ProcessorRefused.
    """
    processor = funding.processor(top_up.processor)
    async with funding.acquire() as conn:
        method = await store.read_saved_method(conn, top_up.account_id, top_up.processor)
        wanted = await auto_store.get(conn, top_up.account_id)
    may_charge = top_up.state is TopUpState.OPEN and wanted is not None and wanted.enabled
    if method is None or not may_charge or funding.world.clock.now() > top_up.created_at + KEYS_LAST:
        return await _search(processor, top_up, "the charge was interrupted, and nothing was taken")
    charge = SavedCharge(
        top_up_id=top_up.shown_id,
        money=top_up.money,
        description=f"{top_up.credit.brief_down()} USD of credit (auto top-up)",
        saved_method=method,
        idempotency_key=f"{top_up.shown_id}/charge",
    )
    try:
        return await processor.charge_saved(charge)
    except ProcessorRefused as error:  # only this try: an earlier one may have succeeded, with another method
        return await _search(processor, top_up, str(error))


async def _search(processor: Processor, top_up: TopUp, fault: str) -> Payment:
    """Return the payment that an earlier try made; if there is none, a failed payment with `fault`."""
    return await processor.find_payment(top_up.shown_id, top_up.created_at) or Payment(
        processor_id="",
        top_up_id=top_up.shown_id,
        state=PaymentState.FAILED,
        money=top_up.money,
        fault=fault,
    )
