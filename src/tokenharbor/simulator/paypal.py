"""A simulated PayPal: stateful, limited to the calls that our code makes, with signed webhooks and faults on request.

It signs the exact bytes of an event, as PayPal does, with a key whose certificate it serves.
"""

import re
import zlib
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from tokenharbor.kernel.money import Money
from tokenharbor.kernel.world import World
from tokenharbor.simulator import paypal_objects as objects
from tokenharbor.simulator.pay_page import pay_page, read_decision
from tokenharbor.simulator.paypal_certificate import SimulatedSigner
from tokenharbor.simulator.paypal_objects import refusal
from tokenharbor.simulator.processor_server import (
    ProcessorRequest,
    ProcessorServer,
    SimulatedAnswer,
    SimulatedDelivery,
)

CLIENT_ID: Final = "simulated-client"
CLIENT_SECRET: Final = "simulated-secret"  # noqa: S105  the simulator's own
WEBHOOK_ID: Final = "8PT597110X687430LKGECATA"
_CERTIFICATES: Final = "/v1/notifications/certs/"
_CERTIFICATE_PATH: Final = f"{_CERTIFICATES}CERT-360caa42-fca2a594-5a29e601"
_TOKEN_SECONDS: Final = 32_400
_UNPROCESSABLE: Final = "UNPROCESSABLE_ENTITY"


class _Refused(Exception):
    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__()
        self.answer = SimulatedAnswer(status, body)


class SimulatedPayPal(ProcessorServer):
    """A PayPal with one client and one webhook."""

    name = "paypal"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.orders: dict[str, dict[str, Any]] = {}
        self.captures: dict[str, dict[str, Any]] = {}
        self.refunds: dict[str, dict[str, Any]] = {}
        self.payouts: dict[str, dict[str, Any]] = {}
        self.disputes: dict[str, dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        self.tokens: set[str] = set()
        self.return_urls: dict[str, dict[str, Any]] = {}
        self._signer = SimulatedSigner()
        self.capture_status = "COMPLETED"  # the next captures' status: COMPLETED, PENDING, DECLINED

    @property
    def now(self) -> str:
        return self.world.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")

    def controls(self) -> Mapping[str, Callable[..., Any]]:
        return {
            "pay": self.pay,
            "settle": self.settle,
            "void": self.void,
            "refund": self.refund,
            "finish_payout": self.finish_payout,
            "dispute": self.dispute,
            "move_funds": self.move_funds,
            "resolve": self.resolve,
            "forge": self.forge,
        }

    # ---- the interface

    def answer(self, request: ProcessorRequest) -> SimulatedAnswer:
        if request.path.startswith("/checkoutnow/"):
            return self._page(request)
        if request.path == "/v1/oauth2/token":
            return self._token(request)
        if request.path == _CERTIFICATE_PATH:
            return SimulatedAnswer(200, page=self._signer.certificate)
        if request.path.startswith(_CERTIFICATES):
            return SimulatedAnswer(404, page="")
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            return SimulatedAnswer(401, {"error": "invalid_token", "error_description": "Token signature failed"})
        key = request.headers.get("paypal-request-id")
        remembered = self.remembered.get(f"{request.path} {key}") if key else None
        if remembered is not None:
            return msgspec.structs.replace(remembered[1], status=200)
        try:
            answer = self._do(request)
        except _Refused as refused:
            return refused.answer  # PayPal does not remember refusals
        if key:
            self.remembered[f"{request.path} {key}"] = (request.body, answer)
        return answer

    def _token(self, request: ProcessorRequest) -> SimulatedAnswer:
        right = b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {right}" or b"client_credentials" not in request.body:
            return SimulatedAnswer(
                401, {"error": "invalid_client", "error_description": "Client Authentication failed"}
            )
        token = self.new_id("A21AA")
        self.tokens.add(token)
        kind = {"token_type": "Bearer", "app_id": "APP-80W284485P519543T", "scope": ""}
        return SimulatedAnswer(200, {**kind, "access_token": token, "expires_in": _TOKEN_SECONDS})

    def _do(self, request: ProcessorRequest) -> SimulatedAnswer:
        match request.method, request.path.split("/")[2:]:
            case "POST", rest:
                return self._change(rest, msgspec.json.decode(request.body or b"{}"))
            case "GET", ["notifications", "webhooks-events"]:
                return self._list_events(request.query)
            case "GET", ["checkout", "orders", identifier]:
                return SimulatedAnswer(200, self._found(self.orders, identifier))
            case "GET", ["payments", kind, identifier]:
                held = {"captures": self.captures, "refunds": self.refunds, "payouts": self.payouts}[kind]
                return SimulatedAnswer(200, self._found(held, identifier))
            case "GET", ["customer", "disputes", identifier]:
                return SimulatedAnswer(200, self._found(self.disputes, identifier))
        raise _Refused(404, refusal("RESOURCE_NOT_FOUND", "INVALID_RESOURCE_ID", "No such path."))

    def _change(self, path: list[str], asked: dict[str, Any]) -> SimulatedAnswer:
        match path:
            case ["checkout", "orders"]:
                order_id = self.new_id("O")
                self.orders[order_id] = objects.make_order(order_id, asked, self.url, self.now)
                self.return_urls[order_id] = asked["payment_source"]["paypal"]["experience_context"]
                return SimulatedAnswer(200, self.orders[order_id])
            case ["checkout", "orders", order_id, "capture"]:
                return SimulatedAnswer(201, self._capture(self._found(self.orders, order_id)))
            case ["payments", "captures", capture_id, "refund"]:
                return SimulatedAnswer(201, self._refund(self._found(self.captures, capture_id), asked))
            case ["payments", "payouts"]:
                return SimulatedAnswer(201, self._pay_out(asked))
        raise _Refused(404, refusal("RESOURCE_NOT_FOUND", "INVALID_RESOURCE_ID", "No such path."))

    @staticmethod
    def _found(held: dict[str, dict[str, Any]], identifier: str) -> dict[str, Any]:
        if identifier not in held:
            words = "Specified resource ID does not exist. Please check the resource ID and try again."
            raise _Refused(404, refusal("RESOURCE_NOT_FOUND", "INVALID_RESOURCE_ID", words))
        return held[identifier]

    def _capture(self, order: dict[str, Any]) -> dict[str, Any]:
        if order["status"] == "COMPLETED":
            raise _Refused(422, refusal(_UNPROCESSABLE, "ORDER_ALREADY_CAPTURED", "Order already captured."))
        if order["status"] != "APPROVED":
            words = "Payer has not yet approved the Order for payment."
            raise _Refused(422, refusal(_UNPROCESSABLE, "ORDER_NOT_APPROVED", words))
        invoice = order["purchase_units"][0].get("invoice_id")
        if any(each["invoice_id"] == invoice and each["status"] != "DECLINED" for each in self.captures.values()):
            raise _Refused(422, refusal(_UNPROCESSABLE, "DUPLICATE_INVOICE_ID", "Duplicate Invoice ID detected."))
        fee = Money("USD", _minor(order["purchase_units"][0]["amount"]) * objects.FEE_BP // 10_000 + objects.FEE_FIXED)
        capture = objects.make_capture(self.new_id("C"), order, fee.decimal, self.url, self.now)
        self.captures[capture["id"]] = capture
        order["purchase_units"][0]["payments"] = {"captures": [capture], "refunds": []}
        order["status"] = "COMPLETED"
        capture["status"] = self.capture_status
        if self.capture_status != "COMPLETED":
            capture["status_details"] = {"reason": "PENDING_REVIEW"}
            capture["seller_receivable_breakdown"] = None
        self.announce(f"PAYMENT.CAPTURE.{self.capture_status}", capture)
        return order

    def _refund(self, capture: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
        order = self.orders[capture["supplementary_data"]["related_ids"]["order_id"]]
        payments = order["purchase_units"][0]["payments"]
        gone = sum(_minor(each["amount"]) for each in payments["refunds"])
        if gone == _minor(capture["amount"]):
            words = "The capture has already been fully refunded."
            raise _Refused(422, refusal(_UNPROCESSABLE, "CAPTURE_FULLY_REFUNDED", words))
        if gone + _minor(asked["amount"]) > _minor(capture["amount"]):
            words = "The refund amount must be less than or equal to the capture amount that has not yet been refunded."
            raise _Refused(422, refusal(_UNPROCESSABLE, "REFUND_AMOUNT_EXCEEDED", words))
        refund = objects.make_refund(self.new_id("R"), capture["id"], asked, self.url, self.now)
        self.refunds[refund["id"]] = refund
        payments["refunds"].append(refund)
        whole = gone + _minor(asked["amount"]) == _minor(capture["amount"])
        capture["status"] = "REFUNDED" if whole else "PARTIALLY_REFUNDED"
        self.announce("PAYMENT.CAPTURE.REFUNDED", refund)
        return refund

    def _pay_out(self, asked: dict[str, Any]) -> dict[str, Any]:
        batch = asked["sender_batch_header"]["sender_batch_id"]
        for known in self.payouts.values():
            if known["batch_header"]["sender_batch_header"]["sender_batch_id"] == batch:
                words = "Batch with given sender_batch_id already exists"
                body = refusal("USER_BUSINESS_ERROR", words, words, field="SENDER_BATCH_ID")
                place = f"{self.url}/v1/payments/payouts/{known['batch_header']['payout_batch_id']}"
                raise _Refused(400, {**body, "links": [objects.link(place, "self")]})
        payout = objects.make_payout(self.new_id("P"), asked, self.now)
        self.payouts[payout["batch_header"]["payout_batch_id"]] = payout
        return {"batch_header": payout["batch_header"]}

    def _list_events(self, query: Mapping[str, str]) -> SimulatedAnswer:
        """List events, the newest first, in pages that link to the next one."""
        begin, size = datetime.fromisoformat(query["start_time"]), int(query.get("page_size", 10))
        found = [each for each in reversed(self.events) if datetime.fromisoformat(each["create_time"]) >= begin]
        place = int(query.get("from", 0))
        shown = found[place : place + size]
        links = []
        if place + size < len(found):
            rest = f"start_time={query['start_time']}&page_size={size}&from={place + size}"
            links = [objects.link(f"{self.url}/v1/notifications/webhooks-events?{rest}", "next")]
        return SimulatedAnswer(200, {"events": shown, "count": len(shown), "links": links})

    # ---- actions of payers, PayPal and banks

    def pay(
        self, order_id: str, outcome: str = "paid", payer: str = "payer1", account_status: str = "VERIFIED"
    ) -> dict[str, Any]:
        """Approve an order as the payer. The order's capture takes the money, with the result of `capture_status`.
        Guests are UNVERIFIED.
        """
        order = self.orders[order_id]
        if outcome == "paid":
            wallet = {"account_id": objects.make_payer(payer)["payer_id"], "account_status": account_status}
            order.update(status="APPROVED", payer=objects.make_payer(payer), payment_source={"paypal": wallet})
            self.announce("CHECKOUT.ORDER.APPROVED", order)
        return order

    def settle(self, capture_id: str, status: str = "COMPLETED") -> dict[str, Any]:
        """Change a pending capture to COMPLETED or DECLINED."""
        capture = self.captures[capture_id]
        capture.update(status=status, update_time=self.now)
        self.announce(f"PAYMENT.CAPTURE.{status}", capture)
        return capture

    def void(self, order_id: str) -> dict[str, Any]:
        self.orders[order_id]["status"] = "VOIDED"
        return self.orders[order_id]

    def capture_of(self, order_id: str) -> str:
        return str(self.orders[order_id]["purchase_units"][0]["payments"]["captures"][0]["id"])

    def refund(self, capture_id: str, value: str) -> dict[str, Any]:
        """Refund on PayPal's own site, without any id of ours."""
        capture = self.captures[capture_id]
        return self._refund(capture, {"amount": objects.amount(capture["amount"]["currency_code"], value)})

    def finish_payout(self, batch_id: str, status: str = "SUCCESS") -> dict[str, Any]:
        payout = self.payouts[batch_id]
        item = payout["items"][0]
        payout["batch_header"]["batch_status"] = "SUCCESS"
        item.update(transaction_status=status, payout_item_fee={"currency": "USD", "value": "0.25"})
        if status != "SUCCESS":
            item["errors"] = {"name": "RECEIVER_UNREGISTERED", "message": "Receiver is unregistered"}
        kind = {"SUCCESS": "SUCCEEDED"}.get(status, status)
        self.announce(f"PAYMENT.PAYOUTS-ITEM.{kind}", item)
        return payout

    def dispute(self, capture_id: str, value: str) -> dict[str, Any]:
        capture = self.captures[capture_id]
        disputed = objects.amount(capture["amount"]["currency_code"], value)
        dispute = objects.make_dispute(self.new_id("PP-D-"), capture, disputed, self.now)
        self.disputes[dispute["dispute_id"]] = dispute
        self.announce("CUSTOMER.DISPUTE.CREATED", dispute)
        return dispute

    def move_funds(self, dispute_id: str, kind: str = "DEBIT") -> dict[str, Any]:
        """Move a dispute's money from us (DEBIT), or back to us (CREDIT)."""
        dispute = self.disputes[dispute_id]
        moved = {"affected_party": "SELLER", "type": kind, "amount": dispute["dispute_amount"]}
        dispute["money_movements"].append({**moved, "initiated_time": self.now})
        self.announce("CUSTOMER.DISPUTE.UPDATED", dispute)
        return dispute

    def resolve(self, dispute_id: str, outcome: str) -> dict[str, Any]:
        """Resolve a dispute: RESOLVED_BUYER_FAVOUR, RESOLVED_SELLER_FAVOUR and so on; `move_funds` moves the money."""
        dispute = self.disputes[dispute_id]
        dispute.update(status="RESOLVED", dispute_outcome={"outcome_code": outcome})
        self.announce("CUSTOMER.DISPUTE.RESOLVED", dispute)
        return dispute

    # ---- events

    def announce(self, kind: str, about: Mapping[str, Any]) -> dict[str, Any]:
        """Add an event to the list and post it to the webhook."""
        event = self._event(kind, about)
        self.events.append(event)
        self.webhooks.add(self.signed(event))
        return event

    def _event(self, kind: str, about: Mapping[str, Any]) -> dict[str, Any]:
        resource = msgspec.json.decode(msgspec.json.encode(about))
        made = {"id": self.new_id("WH-"), "create_time": self.now, "event_version": "1.0", "event_type": kind}
        return {**made, "resource": resource, "links": []}

    def signed(self, event: Mapping[str, Any], *, right: bool = True) -> SimulatedDelivery:
        """Return a signed delivery, with spaces between members that none of our writers would reproduce."""
        body = re.sub(rb'","', b'" ,  "', msgspec.json.encode(event))
        sent = self.now
        transmission = self.new_id("t-")
        signature = self._signature(transmission, sent, body) if right else b64encode(b"no" * 20).decode()
        headers = {
            "content-type": "application/json",
            "paypal-auth-algo": "SHA256withRSA",
            "paypal-cert-url": f"{self.url}{_CERTIFICATE_PATH}",
            "paypal-transmission-id": transmission,
            "paypal-transmission-sig": signature,
            "paypal-transmission-time": sent,
        }
        return SimulatedDelivery(headers, body)

    def _signature(self, transmission: str, sent: str, body: bytes) -> str:
        return b64encode(self._signer.sign(f"{transmission}|{sent}|{WEBHOOK_ID}|{zlib.crc32(body)}".encode())).decode()

    async def forge(self, kind: str, about: dict[str, Any], *, right: bool = False) -> int:
        """Post an event that did not happen; return the receiver's status. `right`: with a valid signature."""
        await self.webhooks.post([self.signed(self._event(kind, about), right=right)])
        return self.webhooks.statuses[-1]

    # ---- the page

    def _page(self, request: ProcessorRequest) -> SimulatedAnswer:
        order = self.orders.get(request.path.removeprefix("/checkoutnow/"))
        if order is None or order["status"] != "PAYER_ACTION_REQUIRED":
            return SimulatedAnswer(404, page="<!doctype html><title>Nothing to pay</title><p>Nothing to pay here.")
        unit = order["purchase_units"][0]
        if request.method != "POST":
            amount = f"{unit['amount']['value']} {unit['amount']['currency_code']}"
            return SimulatedAnswer(
                200, page=pay_page("PayPal", unit.get("description", "Credit"), amount, request.path)
            )
        return SimulatedAnswer(303, location=self._decided(order["id"], *read_decision(request.body)))

    def _decided(self, order_id: str, outcome: str, payer: str) -> str:
        context = self.return_urls[order_id]
        if outcome == "paid":
            self.pay(order_id, payer=payer)
            return str(context["return_url"])
        return str(context["cancel_url"]) if outcome == "cancel" else f"/checkoutnow/{order_id}"


def _minor(held: Mapping[str, str]) -> int:
    return Money.parse(held["value"], held["currency_code"]).minor
