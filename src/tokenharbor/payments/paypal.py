"""PayPal: orders, captures, refunds, payouts, disputes and events, over its REST APIs (decision 0034)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final
from urllib.parse import quote, urlsplit

import msgspec

from tokenharbor.kernel.clock import Clock
from tokenharbor.kernel.errors import ForgedEvent, ProcessorRefused, ProcessorUnavailable
from tokenharbor.kernel.money import Money
from tokenharbor.payments import paypal_objects as objects
from tokenharbor.payments import paypal_reading as reading
from tokenharbor.payments.paypal_http import PayPalAnswer, PayPalHttp
from tokenharbor.payments.paypal_objects import NAME
from tokenharbor.payments.reading import HashInstrument, read_answer
from tokenharbor.payments.types import (
    CheckoutOrder,
    EventSubject,
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

_PAYEE_KINDS: Final = {"paypal_email": "EMAIL", "paypal_id": "PAYPAL_ID"}
_STILL_OPEN: Final = frozenset({"ORDER_NOT_APPROVED", "PAYER_ACTION_REQUIRED", "INSTRUMENT_DECLINED"})
_EVENT_DAYS: Final = 30
_EVENT_PAGE: Final = 300
_MOST_PAGES: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class PayPalConfig:
    """The settings of an application at PayPal. With an empty `webhook_id`, every webhook is refused."""

    client_id: str
    secret: str = field(repr=False)
    webhook_id: str
    base_url: str
    methods: Methods
    timeout_seconds: int


class PayPalProcessor:
    """PayPal behind the `Processor` protocol."""

    name: Final = "paypal"
    abilities: Final = frozenset({ProcessorAbility.CHECKOUT, ProcessorAbility.REFUND, ProcessorAbility.PAY_OUT})
    payee_kinds: Final = frozenset(_PAYEE_KINDS)
    savable: Final = frozenset[str]()

    def __init__(self, config: PayPalConfig, clock: Clock, hash_instrument: HashInstrument) -> None:
        from tokenharbor.payments.paypal_signature import PayPalSignatures  # noqa: PLC0415  cryptography is slow to load

        self._config = config
        self._clock = clock
        self._hash = hash_instrument
        self._signatures = PayPalSignatures(config.base_url, config.webhook_id, clock)

    @property
    def methods(self) -> Methods:
        return self._config.methods

    @cached_property
    def _http(self) -> PayPalHttp:
        config = self._config
        return PayPalHttp(config.base_url, (config.client_id, config.secret), config.timeout_seconds, self._clock)

    async def open_checkout(self, order: CheckoutOrder) -> OpenCheckout:
        answer = await self._http.post("/v2/checkout/orders", _order_request(order), order.idempotency_key)
        made = answer.read(objects.PayPalOrder)
        if made.pay_url is None:
            raise ProcessorUnavailable(f"{NAME} opened a checkout without a URL; try again")
        return OpenCheckout(processor_id=made.id, url=made.pay_url, expires_at=None)

    async def read_payment(self, processor_id: str, top_up_id: str) -> Payment:
        order = await self._order(processor_id)
        if order.unit.custom_id != top_up_id:
            raise ProcessorRefused(f"{NAME}'s order {processor_id} does not belong to top-up {top_up_id}")
        if order.status == "APPROVED" and not order.captures:
            order = await self._capture(order)
        return reading.order_payment(order, self._hash)

    async def _order(self, order_id: str) -> objects.PayPalOrder:
        return (await self._http.get(f"/v2/checkout/orders/{_part(order_id)}")).read(objects.PayPalOrder)

    async def _capture(self, order: objects.PayPalOrder) -> objects.PayPalOrder:
        """Capture an approved order. PayPal captures an order once, whatever the idempotency key."""
        path = f"/v2/checkout/orders/{_part(order.id)}/capture"
        answer = await self._http.post(path, {}, f"capture-{order.id}", refusals_too=True)
        if answer.issue in _STILL_OPEN:
            return order
        if answer.issue == "ORDER_ALREADY_CAPTURED":
            return await self._order(order.id)
        answer.raise_refusal()
        captured = answer.read(objects.PayPalOrder)
        return captured if captured.purchase_units and captured.captures else await self._order(order.id)

    async def find_payment(self, top_up_id: str, since: datetime) -> Payment | None:
        """Return None: an order whose answer was lost can never be paid, since nobody has seen its URL."""
        del top_up_id, since
        return None

    async def charge_saved(self, charge: SavedCharge) -> Payment:
        raise ProcessorRefused(f"charges without the payer are not offered by {NAME}: {charge.top_up_id}")

    async def refund(self, order: RefundOrder) -> ProcessorRefund:
        request = {"amount": _amount(order.money), "custom_id": order.refund_id, "invoice_id": order.refund_id}
        path = f"/v2/payments/captures/{_part(order.capture_id)}/refund"
        answer = await self._http.post(path, request, order.idempotency_key)
        return reading.refund_of(answer.read(objects.PayPalRefund))

    async def read_refund(self, processor_refund_id: str) -> ProcessorRefund:
        answer = await self._http.get(f"/v2/payments/refunds/{_part(processor_refund_id)}")
        return reading.refund_of(answer.read(objects.PayPalRefund))

    async def list_refunds(self, capture_id: str) -> Sequence[ProcessorRefund]:
        """Return a capture's refunds, read from its order, since only an order lists them."""
        answer = await self._http.get(f"/v2/payments/captures/{_part(capture_id)}")
        beside = answer.read(objects.PayPalCapture).supplementary_data
        order_id = beside.related_ids.order_id if beside and beside.related_ids else None
        if order_id is None:
            raise ProcessorUnavailable(f"{NAME} sent a capture without its order; try again")
        refunds = [reading.refund_of(each) for each in (await self._order(order_id)).refunds]
        return tuple(refund for refund in refunds if refund.capture_id == capture_id)

    async def pay_out(self, order: PayoutOrder) -> ProcessorPayout:
        """Send a batch of one payout. PayPal refuses a `sender_batch_id` of its last 30 days, and names that batch."""
        request = _payout_request(order)
        answer = await self._http.post("/v1/payments/payouts", request, order.withdrawal_id, refusals_too=True)
        if answer.refused and (made := _made_before(answer)) is not None:
            return await self.read_payout(made)
        answer.raise_refusal()
        return reading.payout_of(answer.read(objects.PayPalPayoutBatch), order.money, order.withdrawal_id)

    async def read_payout(self, processor_payout_id: str) -> ProcessorPayout:
        answer = await self._http.get(f"/v1/payments/payouts/{_part(processor_payout_id)}")
        return reading.payout_of(answer.read(objects.PayPalPayoutBatch), None, None)

    async def read_dispute(self, dispute_id: str) -> ProcessorDispute:
        answer = await self._http.get(f"/v1/customer/disputes/{_part(dispute_id)}")
        return reading.dispute_of(answer.read(objects.PayPalDispute))

    async def list_events(self, since: datetime) -> Sequence[ProcessorEvent]:
        now = self._clock.now()
        begin = max(since, now - timedelta(days=_EVENT_DAYS) + timedelta(minutes=1))
        span = f"start_time={_query_time(begin)}&end_time={_query_time(now)}"
        path: str | None = f"/v1/notifications/webhooks-events?{span}&page_size={_EVENT_PAGE}"
        found: list[objects.PayPalEvent] = []
        for _ in range(_MOST_PAGES):
            if path is None:
                break
            page = (await self._http.get(path)).read(_EventPage)
            found += page.events
            path = page.next_path
        events = (reading.event_of(each) for each in sorted(found, key=lambda event: event.create_time))
        return tuple(event for event in events if event.subject is not EventSubject.OTHER)

    async def read_event(self, headers: Mapping[str, str], body: bytes) -> ProcessorEvent:
        if not self._config.webhook_id.strip():
            raise ForgedEvent("webhook refused: no webhook id is configured for this processor")
        try:
            event = msgspec.json.decode(body, type=objects.PayPalEvent)
        except (ValueError, RecursionError):
            raise ForgedEvent("webhook refused: its body is not an event") from None
        await self._signatures.check(headers, body)
        return reading.event_of(event)

    async def close(self) -> None:
        if "_http" in self.__dict__:
            await self._http.close()


class _EventPage(msgspec.Struct, frozen=True):
    events: list[objects.PayPalEvent] = []
    links: list[objects.PayPalLink] = []

    @property
    def next_path(self) -> str | None:
        """The path of the next page. The host is dropped: our credentials go only to the configured host."""
        parts = next((urlsplit(link.href) for link in self.links if link.rel == "next"), None)
        return None if parts is None else f"{parts.path}?{parts.query}"


def _part(identifier: str) -> str:
    return quote(identifier, safe="")


def _query_time(moment: datetime) -> str:
    return quote(moment.strftime("%Y-%m-%dT%H:%M:%S.000Z"))


def _amount(money: Money) -> dict[str, str]:
    return {"currency_code": money.currency, "value": money.decimal}


def _order_request(order: CheckoutOrder) -> dict[str, Any]:
    """Return an order. Our id is also its `invoice_id`: if the account blocks duplicate invoices, it is paid only
    once.
    """
    unit = {
        "custom_id": order.top_up_id,
        "invoice_id": order.top_up_id,
        "description": order.description[:127],
        "amount": _amount(order.money),
    }
    experience = {
        "return_url": order.return_url,
        "cancel_url": order.cancel_url,
        "user_action": "PAY_NOW",
        "shipping_preference": "NO_SHIPPING",
    }
    source = {"paypal": {"experience_context": experience}}
    return {"intent": "CAPTURE", "purchase_units": [unit], "payment_source": source}


def _payout_request(order: PayoutOrder) -> dict[str, Any]:
    kind = _PAYEE_KINDS.get(order.payee.kind)
    if kind is None:
        raise ProcessorRefused(f"{NAME} pays to {' or '.join(_PAYEE_KINDS)}, not to {order.payee.kind!r}")
    item = {
        "recipient_type": kind,
        "receiver": order.payee.address,
        "amount": {"currency": order.money.currency, "value": order.money.decimal},
        "sender_item_id": order.withdrawal_id,
        "note": order.note,
    }
    header = {"sender_batch_id": order.withdrawal_id, "email_subject": order.note}
    return {"sender_batch_header": header, "items": [item]}


def _made_before(answer: PayPalAnswer) -> str | None:
    """Return the batch that already has our id, if the refusal says so; else None."""
    refusal = read_answer(objects.PayPalRefusal, answer.body, NAME)
    if not any((each.field or "").upper().endswith("SENDER_BATCH_ID") for each in refusal.details or ()):
        return None
    made = next((link.href.rpartition("/")[2] for link in refusal.links or () if link.rel == "self"), None)
    if made is None:
        raise ProcessorUnavailable(
            f"{NAME} already has this payout but does not say which: look it up in its dashboard"
        )
    return made
