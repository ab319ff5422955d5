"""Taking back what is left of pretended payments, once credit buys what somebody is charged for."""

from collections.abc import Sequence
from dataclasses import dataclass

from tokenharbor.funding import refund_store, store
from tokenharbor.funding.context import Funding
from tokenharbor.funding.refund_calls import look_at_refund
from tokenharbor.funding.refund_types import Refund, RefundOrigin, RefundProgress
from tokenharbor.funding.refunds import RefundRequest, ask_refund
from tokenharbor.kernel.errors import Conflict, Rejected
from tokenharbor.kernel.ids import UUID


@dataclass(frozen=True, slots=True)
class KeptCredit:
    """A pretended top-up of which something stays, and why."""

    top_up_id: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class ForgottenCredit:
    """What was taken back, and what could not be."""

    refunds: Sequence[Refund]
    kept: Sequence[KeptCredit]


async def forget_pretended(funding: Funding, actor: str) -> ForgottenCredit:
    """Refund all that is unspent of every pretended top-up, as an operator would, and finish what an earlier try has
    begun. What is spent stays spent, and nobody owes it. `funding` has the pretended processor.
    """
    async with funding.acquire() as conn:
        begun = await refund_store.list_refunds(conn, None, RefundProgress.ASKED)
        found = await store.list_pretended(conn)
    refunds = [await look_at_refund(funding, each.id) for each in begun if each.processor in funding.pretended]
    kept = []
    for each in found:
        request = RefundRequest(
            top_up_id=each.top_up_id,
            idempotency_key=f"forget-pretended-{funding.world.entropy.bytes(16).hex()}",
            origin=RefundOrigin.OPERATOR,
            actor=actor,
            reason="the payment was pretended",
        )
        try:
            refunds.append(await ask_refund(funding, request))
        except (Conflict, Rejected) as error:
            kept.append(KeptCredit(each.top_up_id, str(error)))
    return ForgottenCredit(refunds, kept)
