"""Takes back the unspent credit of pretended payments, once credit pays for requests that a provider charges for."""

from collections.abc import Sequence
from dataclasses import dataclass

from tokenharbor.funding import refund_store, store
from tokenharbor.funding.context import Funding
from tokenharbor.funding.refund_calls import try_follow_refund
from tokenharbor.funding.refund_types import Refund, RefundOrigin, RefundProgress
from tokenharbor.funding.refunds import RefundRequest, ask_refund
from tokenharbor.kernel.errors import Conflict, Rejected
from tokenharbor.kernel.ids import UUID


@dataclass(frozen=True, slots=True)
class KeptCredit:
    """A pretended top-up of which some credit stays, and why."""

    top_up_id: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class ForgottenCredit:
    """The refunds that were made, and the top-ups whose credit could not be taken back."""

    refunds: Sequence[Refund]
    kept: Sequence[KeptCredit]


async def forget_pretended(funding: Funding, actor: str) -> ForgottenCredit:
    """Refund the unspent credit of every pretended top-up, as an operator would, after finishing refunds that an
    earlier call began. Credit that is spent stays spent and becomes no debt. `funding` has the pretended processor.
    """
    async with funding.acquire() as conn:
        begun = await refund_store.list_refunds(conn, None, RefundProgress.ASKED)
        found = await store.list_pretended(conn)
    refunds = [await try_follow_refund(funding, each.id) for each in begun if each.processor in funding.pretended]
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
