"""The pretended processor, used where none is configured: no money moves, nothing is called, and nothing is stored.

Everything about a payment is in its id, so all processes and commands agree on it, also after a restart. A payment is
paid as soon as it is read.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from tokenharbor.kernel.clock import Clock
from tokenharbor.kernel.errors import ForgedEvent, ProcessorRefused
from tokenharbor.kernel.money import CURRENCIES, Money
from tokenharbor.payments.types import (
    CheckoutOrder,
    Methods,
    OpenCheckout,
    Payment,
    PaymentState,
    PayoutOrder,
    PayoutState,
    ProcessorAbility,
    ProcessorDispute,
    ProcessorEvent,
    ProcessorPayout,
    ProcessorRefund,
    RefundOrder,
    RefundState,
    SavedCharge,
    SavedMethod,
)

_PAYMENT = re.compile(r"pretended-([A-Z]{3})-(\d{1,18})-(\w+)", re.ASCII)
_RETURNED = re.compile(r"pretended-(refund|payout)-([A-Z]{3})-(\d{1,18})-(\w+)-(.+)", re.ASCII)


class PretendedProcessor:
    """A processor that moves no money, and with which everything succeeds at once."""

    name: Final = "pretended"
    abilities: Final = frozenset(ProcessorAbility)
    payee_kinds: Final = frozenset({"pretended"})
    savable: Final = frozenset({"pretended"})

    def __init__(self, clock: Clock) -> None:
        self.methods: Methods = {"pretended": frozenset(CURRENCIES)}
        self._clock = clock

    async def open_checkout(self, order: CheckoutOrder) -> OpenCheckout:
        """Send the payer back at once: there is no payment page."""
        processor_id = _payment_id(order.top_up_id, order.money)
        return OpenCheckout(processor_id=processor_id, url=order.return_url, expires_at=None)

    async def read_payment(self, processor_id: str, top_up_id: str) -> Payment:
        match = _PAYMENT.fullmatch(processor_id)
        if match is None or match[3] != top_up_id:
            raise ProcessorRefused(f"{processor_id[:80]!r} is not a pretended payment of {top_up_id}")
        return self._paid(top_up_id, Money(match[1], int(match[2])))

    async def find_payment(self, top_up_id: str, since: datetime) -> Payment | None:
        """Return None: nothing is stored."""
        del top_up_id, since
        return None

    async def charge_saved(self, charge: SavedCharge) -> Payment:
        return self._paid(charge.top_up_id, charge.money)

    async def refund(self, order: RefundOrder) -> ProcessorRefund:
        money = order.money
        shown = f"pretended-refund-{money.currency}-{money.minor}-{order.refund_id}-{order.capture_id}"
        return await self.read_refund(shown)

    async def read_refund(self, processor_refund_id: str) -> ProcessorRefund:
        match = _RETURNED.fullmatch(processor_refund_id)
        if match is None or match[1] != "refund":
            raise ProcessorRefused(f"{processor_refund_id[:80]!r} is not a pretended refund")
        return ProcessorRefund(
            processor_refund_id=processor_refund_id,
            capture_id=match[5],
            money=Money(match[2], int(match[3])),
            state=RefundState.DONE,
            refund_id=match[4],
            at=self._clock.now(),
        )

    async def list_refunds(self, capture_id: str) -> Sequence[ProcessorRefund]:
        del capture_id
        return ()

    async def pay_out(self, order: PayoutOrder) -> ProcessorPayout:
        money = order.money
        return await self.read_payout(f"pretended-payout-{money.currency}-{money.minor}-{order.withdrawal_id}-payee")

    async def read_payout(self, processor_payout_id: str) -> ProcessorPayout:
        match = _RETURNED.fullmatch(processor_payout_id)
        if match is None or match[1] != "payout":
            raise ProcessorRefused(f"{processor_payout_id[:80]!r} is not a pretended payout")
        return ProcessorPayout(
            processor_payout_id=processor_payout_id,
            withdrawal_id=match[4],
            money=Money(match[2], int(match[3])),
            state=PayoutState.DONE,
        )

    async def read_dispute(self, dispute_id: str) -> ProcessorDispute:
        raise ProcessorRefused(f"pretended payments have no disputes: {dispute_id[:80]!r}")

    async def list_events(self, since: datetime) -> Sequence[ProcessorEvent]:
        del since
        return ()

    async def read_event(self, headers: Mapping[str, str], body: bytes) -> ProcessorEvent:
        del headers, body
        raise ForgedEvent("webhook refused: pretended payments send no events")

    async def close(self) -> None:
        """Do nothing: there is no connection."""

    def _paid(self, top_up_id: str, money: Money) -> Payment:
        processor_id = _payment_id(top_up_id, money)
        return Payment(
            processor_id=processor_id,
            top_up_id=top_up_id,
            state=PaymentState.PAID,
            money=money,
            capture_id=f"{processor_id}-capture",
            paid_at=self._clock.now(),
            instrument=f"pretended-{top_up_id}",
            saved_method=SavedMethod("pretended", "pretended"),
        )


def _payment_id(top_up_id: str, money: Money) -> str:
    return f"pretended-{money.currency}-{money.minor}-{top_up_id}"
