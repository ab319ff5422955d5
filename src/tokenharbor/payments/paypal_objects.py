"""PayPal's objects, with the fields that we read; an answer that lacks a required field is rejected."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from tokenharbor.kernel.errors import ProcessorUnavailable

NAME: Final = "PayPal"


class PayPalAmount(msgspec.Struct, frozen=True):
    """An amount in the newer APIs."""

    currency_code: str
    value: str


class PayPalParts(msgspec.Struct, frozen=True):
    """The parts of an order's amount."""

    tax_total: PayPalAmount | None = None


class PayPalTotal(PayPalAmount, frozen=True):
    """An order's amount."""

    breakdown: PayPalParts | None = None


class PayPalPayoutAmount(msgspec.Struct, frozen=True):
    """An amount in the payouts API."""

    currency: str
    value: str


class PayPalLink(msgspec.Struct, frozen=True):
    """A link to a related object."""

    rel: str
    href: str


class PayPalDetails(msgspec.Struct, frozen=True):
    """Why something is pending or failed."""

    reason: str | None = None


class PayPalBreakdown(msgspec.Struct, frozen=True):
    """How much of a capture we receive."""

    paypal_fee: PayPalAmount | None = None


class PayPalRelatedIds(msgspec.Struct, frozen=True):
    """The ids of objects related to a capture."""

    order_id: str | None = None


class PayPalSupplement(msgspec.Struct, frozen=True):
    """Additional data of a capture."""

    related_ids: PayPalRelatedIds | None = None


class PayPalCapture(msgspec.Struct, frozen=True):
    """An attempt to take money; its status says whether it succeeded."""

    id: str
    status: str
    amount: PayPalAmount
    create_time: datetime
    update_time: datetime | None = None
    status_details: PayPalDetails | None = None
    seller_receivable_breakdown: PayPalBreakdown | None = None
    supplementary_data: PayPalSupplement | None = None


class PayPalRefund(msgspec.Struct, frozen=True):
    """Money that goes back. Its capture is named by a link."""

    id: str
    status: str
    amount: PayPalAmount
    custom_id: str | None = None
    create_time: datetime | None = None
    status_details: PayPalDetails | None = None
    links: list[PayPalLink] = []

    @property
    def capture_id(self) -> str | None:
        return next((link.href.rpartition("/")[2] for link in self.links if link.rel == "up"), None)


class PayPalPayments(msgspec.Struct, frozen=True):
    """The captures and refunds of a purchase unit."""

    captures: list[PayPalCapture] | None = None
    refunds: list[PayPalRefund] | None = None


class PayPalUnit(msgspec.Struct, frozen=True):
    """A purchase unit; each of our orders has one."""

    amount: PayPalTotal
    custom_id: str | None = None
    payments: PayPalPayments | None = None


class PayPalPayer(msgspec.Struct, frozen=True):
    """The payer."""

    payer_id: str | None = None
    email_address: str | None = None


class PayPalWallet(msgspec.Struct, frozen=True):
    """The PayPal account that pays. A guest has none that lasts."""

    account_id: str | None = None
    account_status: str | None = None


class PayPalSource(msgspec.Struct, frozen=True):
    """The payment source. If it is not a PayPal account, such as a card, `paypal` is None."""

    paypal: PayPalWallet | None = None


class PayPalOrder(msgspec.Struct, frozen=True):
    """An order."""

    id: str
    status: str
    purchase_units: list[PayPalUnit] = []
    payer: PayPalPayer | None = None
    payment_source: PayPalSource | None = None
    links: list[PayPalLink] = []

    @property
    def lasting_account(self) -> str | None:
        """The payer's account id, if it is lasting. A guest's id is new for each payment, and not verified."""
        wallet = self.payment_source.paypal if self.payment_source else None
        return wallet.account_id if wallet and wallet.account_status == "VERIFIED" else None

    @property
    def unit(self) -> PayPalUnit:
        if len(self.purchase_units) != 1:
            raise ProcessorUnavailable(f"{NAME} sent an order without its amount; try again")
        return self.purchase_units[0]

    @property
    def pay_url(self) -> str | None:
        return next((link.href for link in self.links if link.rel in ("payer-action", "approve")), None)

    @property
    def captures(self) -> Sequence[PayPalCapture]:
        return (self.unit.payments.captures if self.unit.payments else None) or ()

    @property
    def refunds(self) -> Sequence[PayPalRefund]:
        return (self.unit.payments.refunds if self.unit.payments else None) or ()


class PayPalMovement(msgspec.Struct, frozen=True):
    """A movement of money by a dispute."""

    affected_party: str
    type: str
    amount: PayPalAmount


class PayPalDisputed(msgspec.Struct, frozen=True):
    """The transaction that is disputed: for us, a capture."""

    seller_transaction_id: str


class PayPalOutcome(msgspec.Struct, frozen=True):
    """How a dispute was decided."""

    outcome_code: str | None = None
    amount_refunded: PayPalAmount | None = None


class PayPalDispute(msgspec.Struct, frozen=True):
    """A dispute."""

    dispute_id: str
    status: str
    dispute_amount: PayPalAmount
    disputed_transactions: list[PayPalDisputed]
    dispute_outcome: PayPalOutcome | None = None
    money_movements: list[PayPalMovement] | None = None
    seller_response_due_date: datetime | None = None


class PayPalPayoutHeader(msgspec.Struct, frozen=True):
    """The header of a batch of payouts; ours have one payout each."""

    payout_batch_id: str
    batch_status: str


class PayPalPayoutTarget(msgspec.Struct, frozen=True):
    """A payout as it was ordered."""

    amount: PayPalPayoutAmount
    sender_item_id: str


class PayPalPayoutItem(msgspec.Struct, frozen=True):
    """A payout in a batch."""

    transaction_status: str
    payout_item: PayPalPayoutTarget
    payout_item_fee: PayPalPayoutAmount | None = None
    errors: dict[str, Any] | None = None


class PayPalPayoutBatch(msgspec.Struct, frozen=True):
    """A batch of payouts; it has items once PayPal has processed it."""

    batch_header: PayPalPayoutHeader
    items: list[PayPalPayoutItem] | None = None


class PayPalIssue(msgspec.Struct, frozen=True):
    """One reason of a refusal."""

    field: str | None = None
    issue: str | None = None
    description: str | None = None


class PayPalRefusal(msgspec.Struct, frozen=True):
    """A refusal, with its reasons."""

    name: str | None = None
    message: str | None = None
    details: list[PayPalIssue] | None = None
    links: list[PayPalLink] | None = None


class PayPalEvent(msgspec.Struct, frozen=True):
    """An event, from a webhook or from the list of events."""

    id: str
    event_type: str
    create_time: datetime
    resource: dict[str, Any]
