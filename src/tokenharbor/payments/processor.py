"""The protocol of payment processors: callers treat all alike, and know one only by its name.

Invariant: a call that is repeated with the same ids and keys has its effect once, as long as the processor remembers
its idempotency keys. If the order is older than that, or after ProcessorUnavailable, when the outcome is unknown, the
caller first searches: `find_payment`, `list_refunds`. Every call raises ProcessorUnavailable (try again; it may or may
not have happened) or ProcessorRefused (final; its message is for people).
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
    """A configured processor. It keeps connections and tokens, but no state of payments."""

    @property
    def name(self) -> str:
        """The name in the configuration, in the books and in the path of its webhooks."""
        ...

    @property
    def methods(self) -> Methods: ...

    @property
    def savable(self) -> frozenset[str]:
        """The payment methods that can be charged later without the payer."""
        ...

    @property
    def abilities(self) -> frozenset[ProcessorAbility]:
        """What the processor can do; calls for anything else are refused."""
        ...

    @property
    def payee_kinds(self) -> frozenset[str]:
        """The kinds of addresses that it pays out to."""
        ...

    async def open_checkout(self, order: CheckoutOrder) -> OpenCheckout: ...

    async def read_payment(self, processor_id: str, top_up_id: str) -> Payment:
        """Return the current state of a payment. If the payer has approved an order, it is captured now.

        Raises ProcessorRefused if the object carries another top-up's id.
        """
        ...

    async def find_payment(self, top_up_id: str, since: datetime) -> Payment | None:
        """Find a payment by our id in its object, among those made since `since`; None if none could still be paid."""
        ...

    async def charge_saved(self, charge: SavedCharge) -> Payment:
        """Charge without the payer. If the bank declines, return a Payment that is FAILED or NEEDS_PAYER; no error."""
        ...

    async def refund(self, order: RefundOrder) -> ProcessorRefund: ...

    async def read_refund(self, processor_refund_id: str) -> ProcessorRefund: ...

    async def list_refunds(self, capture_id: str) -> Sequence[ProcessorRefund]:
        """Return all refunds of a capture, including those made in the processor's dashboard."""
        ...

    async def pay_out(self, order: PayoutOrder) -> ProcessorPayout: ...

    async def read_payout(self, processor_payout_id: str) -> ProcessorPayout: ...

    async def read_dispute(self, dispute_id: str) -> ProcessorDispute: ...

    async def list_events(self, since: datetime) -> Sequence[ProcessorEvent]:
        """Return events since a time, oldest first, without those of subject OTHER; finds what no webhook brought."""
        ...

    async def read_event(self, headers: Mapping[str, str], body: bytes) -> ProcessorEvent:
        """Return a webhook's event; names of headers are in lower case. Raises ForgedEvent if it is not genuine."""
        ...

    async def close(self) -> None: ...
