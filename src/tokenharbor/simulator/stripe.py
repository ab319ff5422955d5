"""A simulated Stripe: stateful, limited to the calls that our code makes, with signed webhooks and
faults on request.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from tokenharbor.kernel.money import Money
from tokenharbor.kernel.world import World
from tokenharbor.payments.stripe_signature import sign
from tokenharbor.simulator import stripe_objects as objects
from tokenharbor.simulator.pay_page import pay_page, read_decision
from tokenharbor.simulator.processor_server import (
    ProcessorRequest,
    ProcessorServer,
    SimulatedAnswer,
    SimulatedDelivery,
)
from tokenharbor.simulator.stripe_objects import error_body

WEBHOOK_SECRET = "whsec_simulated"  # noqa: S105  the simulator's own
_EXPANDED = re.compile(r"expand\[\d*\]")
_DECLINED = "Your card was declined."
_AUTHENTICATE = "Your card was declined. This transaction requires authentication."


class _Refused(Exception):
    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__()
        self.answer = SimulatedAnswer(status, body)


class SimulatedStripe(ProcessorServer):
    """A Stripe. `secret` is the only accepted key; if it is empty, any key is."""

    name = "stripe"

    def __init__(self, world: World, *, secret: str = "", webhook_secret: str = WEBHOOK_SECRET) -> None:
        super().__init__(world)
        self.secret = secret
        self.webhook_secret = webhook_secret
        self.objects: dict[str, dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        self.saved_outcome = "paid"  # the result of charges without the payer: paid, declined, needs_payer

    @property
    def now(self) -> int:
        return self.world.clock.unix_ms() // 1000

    def controls(self) -> Mapping[str, Callable[..., Any]]:
        return {
            "pay": self.pay,
            "settle": self.settle,
            "expire": self.expire,
            "refund": self.refund,
            "fail_refund": self.fail_refund,
            "dispute": self.dispute,
            "withdraw_funds": self.withdraw_funds,
            "close_dispute": self.close_dispute,
            "forge": self.forge,
        }

    # ---- the interface

    def answer(self, request: ProcessorRequest) -> SimulatedAnswer:
        if request.path.startswith("/pay/"):
            return self._page(request)
        if self.secret and request.headers.get("authorization") != f"Bearer {self.secret}":
            message = "Invalid API Key provided: sk_****"
            return SimulatedAnswer(401, error_body(message))
        key = request.headers.get("idempotency-key") if request.method == "POST" else None
        known = self.remembered.get(key) if key else None
        if known is not None:
            message = (
                "Keys for idempotent requests can only be used with the same parameters they were first used with."
            )
            same = known[0] == request.path.encode() + request.body
            return known[1] if same else SimulatedAnswer(400, error_body(message, kind="idempotency_error"))
        try:
            answer = SimulatedAnswer(200, self._do(request))
        except _Refused as refused:
            answer = refused.answer
        if key:
            self.remembered[key] = (request.path.encode() + request.body, answer)
        return answer

    def _do(self, request: ProcessorRequest) -> Any:
        params = objects.read_form(request.body.decode() if request.method == "POST" else "")
        expand = [value for name, value in request.query.items() if _EXPANDED.fullmatch(name)]
        expand += list(params.get("expand", {}).values())
        if "payment_method_types" in params:  # removed in version 2026-09-30.endive
            message = "The `payment_method_types` parameter is no longer supported."
            raise _Refused(400, error_body(message, code="payment_method_types_no_longer_supported"))
        match request.method, request.path.removeprefix("/v1/").split("/"):
            case "POST", ["checkout", "sessions"]:
                return self._open(params)
            case "POST", ["payment_intents"]:
                return self._expanded(self._charge_saved(params), expand)
            case "POST", ["refunds"]:
                return self._refund(params["charge"], int(params["amount"]), params.get("metadata", {}))
            case "GET", ["checkout", "sessions"]:
                return self._page_of(self._kind("checkout.session"), request.query)
            case "GET", ["payment_intents"]:
                return self._page_of(self._kind("payment_intent"), request.query)
            case "GET", ["refunds"]:
                ours = [each for each in self._kind("refund") if each["charge"] == request.query["charge"]]
                return self._page_of(ours, request.query)
            case "GET", ["events"]:
                wanted = {value for name, value in request.query.items() if name.startswith("types[")}
                return self._page_of([each for each in self.events if each["type"] in wanted], request.query)
            case "GET", [*_, "sessions" | "payment_intents" | "refunds" | "disputes" | "charges", identifier]:
                return self._expanded(self._find(identifier), expand)
        raise _Refused(404, error_body(f"Unrecognized request URL ({request.method}: {request.path})."))

    def _kind(self, name: str) -> list[dict[str, Any]]:
        return [each for each in self.objects.values() if each["object"] == name]

    def _find(self, identifier: str) -> dict[str, Any]:
        if identifier not in self.objects:
            raise _Refused(404, error_body(f"No such object: '{identifier}'", code="resource_missing"))
        return self.objects[identifier]

    def _page_of(self, listed: list[dict[str, Any]], query: Mapping[str, str]) -> dict[str, Any]:
        """Return a page of a list, the newest first."""
        found = [each for each in reversed(listed) if each["created"] >= int(query.get("created[gte]", 0))]
        after = query.get("starting_after")
        if after is not None:
            found = found[[each["id"] for each in found].index(after) + 1 :]
        limit = int(query.get("limit", 10))
        return {"object": "list", "data": found[:limit], "has_more": len(found) > limit, "url": "/v1"}

    def _expanded(self, found: dict[str, Any], expand: list[str]) -> dict[str, Any]:
        shown = dict(found)
        for path in expand:
            first, _, rest = path.partition(".")
            held = shown.get(first)
            if isinstance(held, str):
                held = self.objects[held]
            if isinstance(held, dict):
                shown[first] = self._expanded(held, [rest] if rest else [])
        return shown

    def _add(self, made: dict[str, Any]) -> dict[str, Any]:
        self.objects[made["id"]] = made
        return made

    def _open(self, params: dict[str, Any]) -> dict[str, Any]:
        session_id = self.new_id("cs_test_")
        session = self._add(objects.make_session(session_id, params, f"{self.url}/pay/{session_id}", self.now))
        self.objects[f"params:{session_id}"] = {"object": "params", **params.get("payment_intent_data", {})}
        return session

    def _charge_saved(self, params: dict[str, Any]) -> dict[str, Any]:
        intent = self._add(objects.make_intent(self.new_id("pi_"), params, self.now))
        if self.saved_outcome == "paid":
            self._take(intent, "card", params["payment_method"])
            self.announce("payment_intent.succeeded", intent)
            return intent
        code = "card_declined" if self.saved_outcome == "declined" else "authentication_required"
        message = _DECLINED if self.saved_outcome == "declined" else _AUTHENTICATE
        intent["last_payment_error"] = {"type": "card_error", "code": code, "message": message}
        self.announce("payment_intent.payment_failed", intent)
        raise _Refused(402, error_body(message, kind="card_error", code=code, payment_intent=intent))

    def _take(self, intent: dict[str, Any], method: str, payer: str) -> None:
        charge = self._add(objects.make_charge(self.new_id("ch_"), intent, method, payer, self.now))
        fee = charge["amount"] * objects.FEE_BP // 10_000 + objects.FEE_FIXED
        moved = objects.make_balance_transaction(self.new_id("txn_"), charge, charge["amount"], fee, "charge")
        charge["balance_transaction"] = self._add(moved)["id"]
        intent.update(status="succeeded", amount_received=intent["amount"], latest_charge=charge["id"])
        intent["last_payment_error"] = None

    def _refund(self, charge_id: str, amount: int, metadata: Any) -> dict[str, Any]:
        charge = self._find(charge_id)
        if charge["refunded"]:
            message = f"Charge {charge_id} has already been refunded."
            raise _Refused(400, error_body(message, code="charge_already_refunded"))
        left = charge["amount_captured"] - charge["amount_refunded"]
        if not 0 < amount <= left:
            raise _Refused(400, error_body(f"Refund amount is greater than unrefunded amount on charge ({left})."))
        refund = self._add(objects.make_refund(self.new_id("re_"), charge, amount, metadata, self.now))
        charge["amount_refunded"] += amount
        charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]
        self.announce("charge.refunded", charge)
        self.announce("refund.created", refund)
        return refund

    # ---- actions of payers, Stripe and banks

    def pay(self, session_id: str, outcome: str = "paid", payer: str = "payer1") -> dict[str, Any]:
        """Decide as the payer: paid, pending (the money comes later: `settle`) or declined (another attempt is
        possible).
        """
        session = self.objects[session_id]
        if session["status"] != "open":
            raise ValueError(f"{session_id} is {session['status']}")
        if outcome == "declined":
            return session
        method = session["payment_method_types"][0]
        objects.add_tax(session)
        data = self.objects[f"params:{session_id}"]
        params = {**data, "amount": session["amount_total"], "currency": session["currency"]}
        params |= {"customer": f"cus_{payer}", "payment_method": f"pm_{payer}"}
        intent = self._add(objects.make_intent(self.new_id("pi_"), params, self.now))
        session.update(status="complete", url=None, payment_intent=intent["id"], customer=f"cus_{payer}")
        session["customer_details"] = {"email": f"{payer}@example.com"}
        if outcome == "paid":
            self._take(intent, method, payer)
            session["payment_status"] = "paid"
        else:
            intent["status"] = "processing"
        self.announce("checkout.session.completed", session)
        return session

    def settle(self, session_id: str, outcome: str = "paid", payer: str = "payer1") -> dict[str, Any]:
        """Complete or fail a pending payment."""
        session = self.objects[session_id]
        intent = self.objects[session["payment_intent"]]
        if outcome == "paid":
            self._take(intent, session["payment_method_types"][0], payer)
            session["payment_status"] = "paid"
            self.announce("checkout.session.async_payment_succeeded", session)
        else:
            error = {"type": "card_error", "code": "payment_intent_payment_attempt_failed", "message": _DECLINED}
            intent.update(status="requires_payment_method", last_payment_error=error)
            self.announce("checkout.session.async_payment_failed", session)
        return session

    def expire(self, session_id: str) -> dict[str, Any]:
        session = self.objects[session_id]
        session.update(status="expired", url=None)
        self.announce("checkout.session.expired", session)
        return session

    def capture_of(self, session_id: str) -> str:
        return str(self.objects[self.objects[session_id]["payment_intent"]]["latest_charge"])

    def refund(self, charge_id: str, amount: int) -> dict[str, Any]:
        """Refund in Stripe's dashboard, without any id of ours."""
        return self._refund(charge_id, amount, {})

    def fail_refund(self, refund_id: str) -> dict[str, Any]:
        """Fail a refund: the payer's bank returns the money."""
        refund = self.objects[refund_id]
        charge = self.objects[refund["charge"]]
        refund.update(status="failed", failure_reason="lost_or_stolen_card")
        charge["amount_refunded"] -= refund["amount"]
        charge["refunded"] = False
        self.announce("refund.failed", refund)
        return refund

    def dispute(self, charge_id: str, amount: int) -> dict[str, Any]:
        charge = self.objects[charge_id]
        charge["disputed"] = True
        dispute = self._add(objects.make_dispute(self.new_id("du_"), charge, amount, self.now))
        self.announce("charge.dispute.created", dispute)
        return dispute

    def withdraw_funds(self, dispute_id: str) -> dict[str, Any]:
        return self._move(dispute_id, -self.objects[dispute_id]["amount"], 1500, "charge.dispute.funds_withdrawn")

    def close_dispute(self, dispute_id: str, status: str) -> dict[str, Any]:
        """Close a dispute: won (withdrawn money comes back) or lost."""
        dispute = self.objects[dispute_id]
        dispute["status"] = status
        self.announce("charge.dispute.closed", dispute)
        if status == "won" and dispute["balance_transactions"]:
            return self._move(dispute_id, dispute["amount"], 0, "charge.dispute.funds_reinstated")
        return dispute

    def _move(self, dispute_id: str, amount: int, fee: int, announced: str) -> dict[str, Any]:
        dispute = self.objects[dispute_id]
        moved = objects.make_balance_transaction(self.new_id("txn_"), dispute, amount, fee, "adjustment")
        dispute["balance_transactions"].append(moved)
        self.announce(announced, dispute)
        return dispute

    # ---- events

    def announce(self, kind: str, about: Mapping[str, Any]) -> dict[str, Any]:
        """Add an event to the list and post it to the webhook."""
        event = self._event(kind, about)
        self.events.append(event)
        self.webhooks.add(self.signed(event))
        return event

    def _event(self, kind: str, about: Mapping[str, Any]) -> dict[str, Any]:
        data = {"object": msgspec.json.decode(msgspec.json.encode(about))}
        created = {"id": self.new_id("evt_"), "object": "event", "created": self.now, "livemode": False}
        return {**created, "type": kind, "data": data, "pending_webhooks": 1, "api_version": None}

    def signed(self, event: Mapping[str, Any], *, secret: str | None = None, age: int = 0) -> SimulatedDelivery:
        body, at = msgspec.json.encode(event), self.now - age
        signature = sign(self.webhook_secret if secret is None else secret, at, body)
        headers = {"content-type": "application/json", "stripe-signature": f"t={at},v1={signature}"}
        return SimulatedDelivery(headers, body)

    async def forge(self, kind: str, about: dict[str, Any], secret: str | None, age: int = 0) -> int:
        """Post an event that did not happen; return the receiver's status. The signature is valid
        if `secret` is None.
        """
        await self.webhooks.post([self.signed(self._event(kind, about), secret=secret, age=age)])
        return self.webhooks.statuses[-1]

    # ---- the page

    def _page(self, request: ProcessorRequest) -> SimulatedAnswer:
        session = self.objects.get(request.path.removeprefix("/pay/"))
        if session is None or session["object"] != "checkout.session" or session["status"] != "open":
            return SimulatedAnswer(404, page="<!doctype html><title>Nothing to pay</title><p>Nothing to pay here.")
        if request.method != "POST":
            amount = str(Money(session["currency"].upper(), session["amount_total"]))
            method = session["payment_method_types"][0]
            return SimulatedAnswer(200, page=pay_page(f"Stripe ({method})", "Credit", amount, request.path))
        outcome, payer = read_decision(request.body)
        if outcome == "paid":
            self.pay(session["id"], payer=payer)
            return SimulatedAnswer(303, location=session["success_url"])
        return SimulatedAnswer(303, location=session["cancel_url"] if outcome == "cancel" else request.path)

    def payable(self) -> Iterator[str]:
        """Return the ids of the sessions that wait for their payers."""
        return (each["id"] for each in self._kind("checkout.session") if each["status"] == "open")
