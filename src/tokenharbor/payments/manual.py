"""Bank transfers, recorded by an operator: no processor is called, and the bank's reference is the proof."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from tokenharbor.kernel.errors import ForgedEvent, ProcessorRefused
from tokenharbor.kernel.money import CURRENCIES, Money
from tokenharbor.kernel.reasons import ErrorReason
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
)

_REFERENCE = re.compile(r"[A-Z0-9][A-Z0-9./_-]{3,79}", re.ASCII)


def transfer_reference(text: str) -> str:
    """Return a bank's reference in normalized form: capitals, no blanks. Raises ValueError if it is not valid."""
    reference = "".join(text.upper().split())
    if not _REFERENCE.fullmatch(reference):
        raise ValueError("a reference must have 4 to 80 letters, digits or ./_- and begin with a letter or digit")
    return reference


def received_transfer(top_up_id: str, money: Money, reference: str, at: datetime) -> Payment:
    """Return the payment that an operator has seen on the bank's statement. Raises ValueError for a bad reference."""
    known = transfer_reference(reference)
    return Payment(
        processor_id=known, top_up_id=top_up_id, state=PaymentState.PAID, money=money, capture_id=known, paid_at=at
    )


class ManualProcessor:
    """Bank transfers. Refunds and payouts stay pending until an operator records that they were paid."""

    name: Final = "manual"
    abilities: Final = frozenset({ProcessorAbility.REFUND, ProcessorAbility.PAY_OUT})
    payee_kinds: Final = frozenset({"bank_account"})
    savable: Final = frozenset[str]()

    @property
    def methods(self) -> Methods:
        return {"bank_transfer": frozenset(CURRENCIES)}

    async def open_checkout(self, order: CheckoutOrder) -> OpenCheckout:
        raise ProcessorRefused(
            f"a bank transfer has no payment page; an operator records it as {order.top_up_id}"
        ).because(ErrorReason.BANK_TRANSFER)

    async def read_payment(self, processor_id: str, top_up_id: str) -> Payment:
        raise ProcessorRefused(f"transfer {processor_id} of {top_up_id} cannot be read: an operator records transfers")

    async def find_payment(self, top_up_id: str, since: datetime) -> Payment | None:
        del top_up_id, since
        return None

    async def charge_saved(self, charge: SavedCharge) -> Payment:
        raise ProcessorRefused(f"a bank account cannot be charged: {charge.top_up_id} needs another method")

    async def refund(self, order: RefundOrder) -> ProcessorRefund:
        """Return a refund that is PENDING until an operator records that it was paid."""
        return ProcessorRefund(
            processor_refund_id=f"manual-{order.refund_id}",
            capture_id=order.capture_id,
            money=order.money,
            state=RefundState.PENDING,
            refund_id=order.refund_id,
        )

    async def read_refund(self, processor_refund_id: str) -> ProcessorRefund:
        raise ProcessorRefused(f"an operator records the outcome of refund {processor_refund_id}")

    async def list_refunds(self, capture_id: str) -> Sequence[ProcessorRefund]:
        del capture_id
        return ()

    async def pay_out(self, order: PayoutOrder) -> ProcessorPayout:
        """Return a payout that is PENDING until an operator records that it was paid."""
        return ProcessorPayout(
            processor_payout_id=f"manual-{order.withdrawal_id}",
            withdrawal_id=order.withdrawal_id,
            money=order.money,
            state=PayoutState.PENDING,
        )

    async def read_payout(self, processor_payout_id: str) -> ProcessorPayout:
        raise ProcessorRefused(f"an operator records the outcome of payout {processor_payout_id}")

    async def read_dispute(self, dispute_id: str) -> ProcessorDispute:
        raise ProcessorRefused(f"bank transfers have no disputes: {dispute_id}")

    async def list_events(self, since: datetime) -> Sequence[ProcessorEvent]:
        del since
        return ()

    async def read_event(self, headers: Mapping[str, str], body: bytes) -> ProcessorEvent:
        del headers, body
        raise ForgedEvent("webhook refused: bank transfers send no events")

    async def close(self) -> None:
        """Do nothing: there is no connection."""
