"""Bank transfers, which people make and an operator enters: nothing is called, a reference is the proof."""

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
    """A bank's reference in the one form that is compared: capitals, no blanks. ValueError for what is none."""
    reference = "".join(text.upper().split())
    if not _REFERENCE.fullmatch(reference):
        raise ValueError("a reference has 4 to 80 letters, digits or ./_- and begins with a letter or digit")
    return reference


def received_transfer(top_up_id: str, money: Money, reference: str, at: datetime) -> Payment:
    """The payment that an operator has seen on the bank's statement. ValueError likewise."""
    known = transfer_reference(reference)
    return Payment(
        processor_id=known, top_up_id=top_up_id, state=PaymentState.PAID, money=money, capture_id=known, paid_at=at
    )


class ManualProcessor:
    """No processor at all: what goes out waits until an operator says that it has left."""

    name: Final = "manual"
    abilities: Final = frozenset({ProcessorAbility.REFUND, ProcessorAbility.PAY_OUT})
    payee_kinds: Final = frozenset({"bank_account"})
    savable: Final = frozenset[str]()

    @property
    def methods(self) -> Methods:
        return {"bank_transfer": frozenset(CURRENCIES)}

    async def open_checkout(self, order: CheckoutOrder) -> OpenCheckout:
        raise ProcessorRefused(
            f"a bank transfer has no page to pay on; an operator enters it as {order.top_up_id}"
        ).because(ErrorReason.BANK_TRANSFER)

    async def read_payment(self, processor_id: str, top_up_id: str) -> Payment:
        raise ProcessorRefused(f"nobody can be asked for transfer {processor_id} of {top_up_id}")

    async def find_payment(self, top_up_id: str, since: datetime) -> Payment | None:
        del top_up_id, since
        return None

    async def charge_saved(self, charge: SavedCharge) -> Payment:
        raise ProcessorRefused(f"a bank account is not charged: {charge.top_up_id} needs another method")

    async def refund(self, order: RefundOrder) -> ProcessorRefund:
        """PENDING until an operator has paid it and says so."""
        return ProcessorRefund(
            processor_refund_id=f"manual-{order.refund_id}",
            capture_id=order.capture_id,
            money=order.money,
            state=RefundState.PENDING,
            refund_id=order.refund_id,
        )

    async def read_refund(self, processor_refund_id: str) -> ProcessorRefund:
        raise ProcessorRefused(f"an operator says what has become of refund {processor_refund_id}")

    async def list_refunds(self, capture_id: str) -> Sequence[ProcessorRefund]:
        del capture_id
        return ()

    async def pay_out(self, order: PayoutOrder) -> ProcessorPayout:
        """PENDING until an operator has paid it and says so."""
        return ProcessorPayout(
            processor_payout_id=f"manual-{order.withdrawal_id}",
            withdrawal_id=order.withdrawal_id,
            money=order.money,
            state=PayoutState.PENDING,
        )

    async def read_payout(self, processor_payout_id: str) -> ProcessorPayout:
        raise ProcessorRefused(f"an operator says what has become of payout {processor_payout_id}")

    async def read_dispute(self, dispute_id: str) -> ProcessorDispute:
        raise ProcessorRefused(f"a bank transfer has no dispute {dispute_id}")

    async def list_events(self, since: datetime) -> Sequence[ProcessorEvent]:
        del since
        return ()

    async def read_event(self, headers: Mapping[str, str], body: bytes) -> ProcessorEvent:
        del headers, body
        raise ForgedEvent("webhook refused: nobody sends events of bank transfers")

    async def close(self) -> None:
        """There is nothing to close."""
