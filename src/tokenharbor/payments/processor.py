"""The protocol of a payment processor: whoever fulfils it is used like every other, and known by its name alone.

Every call may be repeated with the same ids and keys and then does nothing twice, as long as the processor remembers
its idempotency keys. A caller whose order is older than that, or that got ProcessorUnavailable and does not know what
happened, first looks for what is there: `find_payment`, `list_refunds`. All raise ProcessorUnavailable (try again: it
may or may not have happened) and ProcessorRefused (final; its message is for people).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from tokenharbor.payments.types import (
    CheckoutOrder,
    Methods,
    OpenCheckout,
    Payment,
    PayoutOrder,
    ProcessorAbility,
    ProcessorDispute,
    ProcessorEvent,
    ProcessorPayout,
    ProcessorRefund,
    RefundOrder,
    SavedCharge,
)


class Processor(Protocol):
    """One configured processor. It keeps connections and tokens, and nothing about payments."""

    @property
    def name(self) -> str:
        """As in the configuration, in the books and in the path of its webhooks."""
        ...

    @property
    def methods(self) -> Methods: ...

    @property
    def savable(self) -> frozenset[str]:
        """The methods that can be charged later without the payer."""
        ...

    @property
    def abilities(self) -> frozenset[ProcessorAbility]:
        """What is not among them is refused."""
        ...

    @property
    def payee_kinds(self) -> frozenset[str]:
        """The kinds of address that it pays out to."""
        ...

    async def open_checkout(self, order: CheckoutOrder) -> OpenCheckout: ...

    async def read_payment(self, processor_id: str, top_up_id: str) -> Payment:
        """What has become of it. Takes what can be taken: an order that the payer approved is captured here.

        Raises ProcessorRefused if the object carries another top-up's id.
        """
        ...

    async def find_payment(self, top_up_id: str, since: datetime) -> Payment | None:
        """By our id in its object, among those made from `since` on. None: there is none that could still be paid."""
        ...

    async def charge_saved(self, charge: SavedCharge) -> Payment:
        """Charge without the payer. A refusal by the bank is a Payment that is FAILED or NEEDS_PAYER, no error."""
        ...

    async def refund(self, order: RefundOrder) -> ProcessorRefund: ...

    async def read_refund(self, processor_refund_id: str) -> ProcessorRefund: ...

    async def list_refunds(self, capture_id: str) -> Sequence[ProcessorRefund]:
        """All of them, those made in the processor's own dashboard included."""
        ...

    async def pay_out(self, order: PayoutOrder) -> ProcessorPayout: ...

    async def read_payout(self, processor_payout_id: str) -> ProcessorPayout: ...

    async def read_dispute(self, dispute_id: str) -> ProcessorDispute: ...

    async def list_events(self, since: datetime) -> Sequence[ProcessorEvent]:
        """The oldest first; those of subject OTHER are left out. For what no webhook brought."""
        ...

    async def read_event(self, headers: Mapping[str, str], body: bytes) -> ProcessorEvent:
        """A webhook's, with the names of its headers in lower case. Raises ForgedEvent if it is not the processor's."""
        ...

    async def close(self) -> None: ...
