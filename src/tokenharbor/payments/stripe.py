"""Stripe: Checkout Sessions, charges of saved cards, refunds, disputes and events, over its official SDK.

The SDK takes a third of a second to import, so it is imported where it is first used. Its exceptions never leave this
file, since they carry Stripe's whole answer.
"""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from tokenharbor.kernel.clock import Clock
from tokenharbor.kernel.errors import ForgedEvent, ProcessorRefused, ProcessorUnavailable
from tokenharbor.payments import stripe_objects as objects
from tokenharbor.payments.reading import HashInstrument, read_answer, sanitize_message
from tokenharbor.payments.stripe_objects import NAME, REFUND, SUBSCRIBED_EVENTS, TOP_UP
from tokenharbor.payments.stripe_signature import check_signature
from tokenharbor.payments.types import (
    CheckoutOrder,
    EventSubject,
    Methods,
    OpenCheckout,
    Payment,
    PaymentState,
    PayoutOrder,
    ProcessorAbility,
    ProcessorDispute,
    ProcessorEvent,
    ProcessorPayout,
    ProcessorRefund,
    RefundOrder,
    SavedCharge,
)

if TYPE_CHECKING:  # so that mypy finds a parameter that a new version of the SDK has dropped
    from stripe.params import PaymentIntentCreateParams
    from stripe.params.checkout import (
        SessionCreateParams,
        SessionCreateParamsLineItemPriceData,
        SessionCreateParamsPaymentIntentData,
    )

T = TypeVar("T")

_CHARGE: Final = "latest_charge.balance_transaction"
_EXPANDED: Final = [f"payment_intent.{_CHARGE}"]
_PAGE: Final = 100
_MOST_PAGES: Final = 100
_ABILITIES: Final = frozenset({ProcessorAbility.CHECKOUT, ProcessorAbility.CHARGE_SAVED, ProcessorAbility.REFUND})
_SAVABLE: Final = "card"
_SETTLED_LAST: Final = (PaymentState.EXPIRED, PaymentState.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeConfig:
    """The settings of a Stripe account. With an empty `webhook_secret`, every webhook is refused. `name`: in the
    books.
    """

    name: str = "stripe"
    secret: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    base_url: str
    methods: Methods
    timeout_seconds: int
    automatic_tax: bool = False  # Stripe adds tax to a checkout's price


class StripeProcessor:
    """Stripe behind the `Processor` protocol."""

    payee_kinds: Final = frozenset[str]()
    savable: Final = frozenset({_SAVABLE})

    def __init__(self, config: StripeConfig, clock: Clock, hash_instrument: HashInstrument) -> None:
        self._config = config
        self._clock = clock
        self._hash = hash_instrument

    @property
    def name(self) -> str:
        return self._config.name

    @property
    def methods(self) -> Methods:
        return self._config.methods

    @property
    def abilities(self) -> frozenset[ProcessorAbility]:
        """All but payouts. With automatic tax no saved charges either, since Stripe adds tax only to checkouts."""
        return _ABILITIES - {ProcessorAbility.CHARGE_SAVED} if self._config.automatic_tax else _ABILITIES

    @cached_property
    def _http(self) -> Any:
        from stripe import HTTPXClient  # noqa: PLC0415  see the file's first lines

        return HTTPXClient(timeout=self._config.timeout_seconds)

    @cached_property
    def _client(self) -> Any:
        from stripe import StripeClient  # noqa: PLC0415  see the file's first lines

        base: Any = {"api": self._config.base_url}
        return StripeClient(self._config.secret, base_addresses=base, http_client=self._http, max_network_retries=0)

    async def open_checkout(self, order: CheckoutOrder) -> OpenCheckout:
        params = _checkout_params(order, automatic_tax=self._config.automatic_tax)
        call = self._client.v1.checkout.sessions.create_async(params, _once(order.idempotency_key))
        session = await self._ask(objects.StripeSession, call)
        if session.url is None:
            raise ProcessorUnavailable(f"{NAME} opened a checkout without a URL; try again")
        expires = None if session.expires_at is None else datetime.fromtimestamp(session.expires_at, UTC)
        return OpenCheckout(processor_id=session.id, url=session.url, expires_at=expires)

    async def read_payment(self, processor_id: str, top_up_id: str) -> Payment:
        payment = await self._read(processor_id)
        if payment.top_up_id != top_up_id:
            raise ProcessorRefused(f"{NAME}'s {processor_id} does not belong to top-up {top_up_id}")
        return payment

    async def _read(self, processor_id: str) -> Payment:
        if processor_id.startswith("pi_"):
            call = self._client.v1.payment_intents.retrieve_async(processor_id, {"expand": [_CHARGE]})
            return objects.intent_payment(await self._ask(objects.StripeIntent, call), self._hash)
        call = self._client.v1.checkout.sessions.retrieve_async(processor_id, {"expand": _EXPANDED})
        return objects.session_payment(await self._ask(objects.StripeSession, call), self._hash)

    async def find_payment(self, top_up_id: str, since: datetime) -> Payment | None:
        """Find a payment in lists of sessions and charges without the payer: Stripe's search lags a minute or more."""
        made = {"created": {"gte": int(since.timestamp())}}
        services = (self._client.v1.checkout.sessions, self._client.v1.payment_intents)
        listed = [each for service in services for each in await self._list(service, made)]
        ours = [each for each in listed if (each.get("metadata") or {}).get(TOP_UP) == top_up_id]
        found = [await self._read(str(each.get("id"))) for each in ours]
        found.sort(key=lambda payment: (payment.state in _SETTLED_LAST, payment.state is not PaymentState.PAID))
        return found[0] if found else None

    async def charge_saved(self, charge: SavedCharge) -> Payment:
        import stripe  # noqa: PLC0415  see the file's first lines

        if self._config.automatic_tax:
            raise ProcessorRefused(f"{NAME} adds tax only to checkouts: saved methods are not charged")
        params = _charge_params(charge)
        try:
            call = self._client.v1.payment_intents.create_async(params, _once(charge.idempotency_key))
            intent = await self._ask(objects.StripeIntent, call, passing=(stripe.CardError,))
        except stripe.CardError as declined:
            answer = declined.json_body if isinstance(declined.json_body, dict) else {}
            intent = read_answer(objects.StripeIntent, (answer.get("error") or {}).get("payment_intent"), NAME)
        return objects.intent_payment(intent, self._hash)

    async def refund(self, order: RefundOrder) -> ProcessorRefund:
        params = {"charge": order.capture_id, "amount": order.money.minor, "metadata": {REFUND: order.refund_id}}
        call = self._client.v1.refunds.create_async(params, _once(order.idempotency_key))
        return objects.refund_of(await self._ask(objects.StripeRefund, call))

    async def read_refund(self, processor_refund_id: str) -> ProcessorRefund:
        call = self._client.v1.refunds.retrieve_async(processor_refund_id)
        return objects.refund_of(await self._ask(objects.StripeRefund, call))

    async def list_refunds(self, capture_id: str) -> Sequence[ProcessorRefund]:
        listed = await self._list(self._client.v1.refunds, {"charge": capture_id})
        return tuple(objects.refund_of(read_answer(objects.StripeRefund, each, NAME)) for each in listed)

    async def pay_out(self, order: PayoutOrder) -> ProcessorPayout:
        raise ProcessorRefused(
            f"{NAME} pays out only to its own account: {order.withdrawal_id} needs another processor"
        )

    async def read_payout(self, processor_payout_id: str) -> ProcessorPayout:
        raise ProcessorRefused(f"{NAME} has no payout {processor_payout_id}")

    async def read_dispute(self, dispute_id: str) -> ProcessorDispute:
        call = self._client.v1.disputes.retrieve_async(dispute_id)
        return objects.dispute_of(await self._ask(objects.StripeDispute, call))

    async def list_events(self, since: datetime) -> Sequence[ProcessorEvent]:
        params = {"created": {"gte": int(since.timestamp())}, "types": list(SUBSCRIBED_EVENTS)}
        listed = await self._list(self._client.v1.events, params)  # the newest first
        events = (objects.event_of(read_answer(objects.StripeEvent, each, NAME)) for each in reversed(listed))
        return tuple(event for event in events if event.subject is not EventSubject.OTHER)

    async def read_event(self, headers: Mapping[str, str], body: bytes) -> ProcessorEvent:
        signature = headers.get("stripe-signature", "")
        check_signature(self._config.webhook_secret, signature, body, self._clock.now())
        try:
            event = msgspec.json.decode(body, type=objects.StripeEvent)
        except (ValueError, RecursionError):
            raise ForgedEvent("webhook refused: its body is not an event") from None
        return objects.event_of(event)

    async def close(self) -> None:
        if "_http" in self.__dict__:
            await self._http.close_async()

    async def _list(self, service: Any, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return all pages. Raises ProcessorUnavailable if there are too many: an object that matters may be unread."""
        found: list[dict[str, Any]] = []
        after: dict[str, Any] = {}
        for _ in range(_MOST_PAGES):
            page = await self._ask(dict[str, Any], service.list_async({**params, **after, "limit": _PAGE}))
            data = read_answer(list[dict[str, Any]], page.get("data"), NAME)
            found += data
            if not page.get("has_more") or not data:
                return found
            after = {"starting_after": str(data[-1].get("id"))}
        raise ProcessorUnavailable(f"{NAME} lists more objects than can be read; ask from a later time")

    async def _ask(self, kind: type[T], call: Awaitable[Any], passing: tuple[type[Exception], ...] = ()) -> T:
        """Make a call and return its answer as a `kind`. Translate its errors to ours, except those in `passing`."""
        import stripe  # noqa: PLC0415  see the file's first lines

        try:
            async with asyncio.timeout(self._config.timeout_seconds + 5):
                answer = await call
        except passing:
            raise
        except (stripe.CardError, stripe.InvalidRequestError, stripe.IdempotencyError) as refused:
            if refused.http_status in (409, 429):
                raise ProcessorUnavailable(f"{NAME} is already processing this request; try again") from None
            raise ProcessorRefused(sanitize_message(refused.user_message, f"{NAME} refused")) from None
        except (stripe.AuthenticationError, stripe.PermissionError):
            raise ProcessorUnavailable(f"{NAME} rejected our credentials: check [processors.stripe]") from None
        except (stripe.StripeError, TimeoutError) as failed:
            raise ProcessorUnavailable(f"{NAME} did not answer ({type(failed).__name__}); try again") from None
        return read_answer(kind, answer.to_dict() if isinstance(answer, stripe.StripeObject) else answer, NAME)


def _once(idempotency_key: str) -> dict[str, Any]:
    return {"idempotency_key": idempotency_key}


def _checkout_params(order: CheckoutOrder, *, automatic_tax: bool) -> "SessionCreateParams":
    """Return a session's parameters. They depend only on the order, since Stripe refuses a key with other
    parameters.
    """
    price: SessionCreateParamsLineItemPriceData = {
        "currency": order.money.currency.lower(),
        "unit_amount": order.money.minor,
        "product_data": {"name": order.description},
    }
    ours = {TOP_UP: order.top_up_id}
    intent: SessionCreateParamsPaymentIntentData = {"metadata": ours, "description": order.description}
    params: SessionCreateParams = {
        "mode": "payment",
        "allowed_payment_method_types": [order.method],
        "line_items": [{"quantity": 1, "price_data": price}],
        "adaptive_pricing": {"enabled": False},  # otherwise Stripe may charge the payer in another currency
        "client_reference_id": order.top_up_id,
        "metadata": ours,
        "payment_intent_data": intent,
        "success_url": order.return_url,
        "cancel_url": order.cancel_url,
    }
    if automatic_tax:
        price["tax_behavior"] = "exclusive"  # on top of the price
        params["automatic_tax"] = {"enabled": True}
    if order.method == "wechat_pay":
        params["payment_method_options"] = {"wechat_pay": {"client": "web"}}
    if order.save_method:
        params["customer_creation"] = "always"
        intent["setup_future_usage"] = "off_session"
    return params


def _charge_params(charge: SavedCharge) -> "PaymentIntentCreateParams":
    return {
        "amount": charge.money.minor,
        "currency": charge.money.currency.lower(),
        "customer": charge.saved_method.customer_id,
        "payment_method": charge.saved_method.method_id,
        "allowed_payment_method_types": [_SAVABLE],
        "off_session": True,
        "confirm": True,
        "description": charge.description,
        "metadata": {TOP_UP: charge.top_up_id},
        "expand": [_CHARGE],
    }
