"""The simulated Stripe's objects, in the shapes of its published OpenAPI description, with the members that clients
read.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

_STEP = re.compile(r"[^\[\]]+")
FEE_BP = 290
FEE_FIXED = 30
TAX_BP = 825


def read_form(body: str) -> dict[str, Any]:
    """Read `a[b][0]=c` as `{"a": {"b": {"0": "c"}}}`."""
    read: dict[str, Any] = {}
    for name, value in parse_qsl(body, keep_blank_values=True):
        *steps, last = _STEP.findall(name)
        table = read
        for step in steps:
            table = table.setdefault(step, {})
        table[last] = value
    return read


def make_session(session_id: str, params: Mapping[str, Any], url: str, now: int) -> dict[str, Any]:
    item = params["line_items"]["0"]
    price = item["price_data"]
    return {
        "id": session_id,
        "object": "checkout.session",
        "amount_subtotal": int(price["unit_amount"]),
        "amount_total": int(price["unit_amount"]) * int(item.get("quantity", 1)),
        "automatic_tax": {"enabled": params.get("automatic_tax", {}).get("enabled") == "true", "status": None},
        "cancel_url": params.get("cancel_url"),
        "client_reference_id": params.get("client_reference_id"),
        "created": now,
        "currency": price["currency"],
        "customer": None,
        "customer_details": None,
        "expires_at": now + 86_400,
        "livemode": False,
        "metadata": dict(params.get("metadata", {})),
        "mode": params["mode"],
        "payment_intent": None,
        "payment_method_types": list(params.get("allowed_payment_method_types", {"0": "card"}).values()),
        "payment_status": "unpaid",
        "status": "open",
        "success_url": params.get("success_url"),
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "url": url,
    }


def add_tax(session: dict[str, Any]) -> None:
    """Add the tax, once the payer's location is known."""
    if session["automatic_tax"]["enabled"]:
        tax = session["amount_subtotal"] * TAX_BP // 10_000
        session["automatic_tax"]["status"] = "complete"
        session["total_details"]["amount_tax"] = tax
        session["amount_total"] = session["amount_subtotal"] + tax


def make_intent(intent_id: str, params: Mapping[str, Any], now: int) -> dict[str, Any]:
    return {
        "id": intent_id,
        "object": "payment_intent",
        "amount": int(params["amount"]),
        "amount_received": 0,
        "created": now,
        "currency": params["currency"],
        "customer": params.get("customer"),
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": dict(params.get("metadata", {})),
        "payment_method": params.get("payment_method"),
        "setup_future_usage": params.get("setup_future_usage"),
        "status": "requires_payment_method",
    }


def make_charge(charge_id: str, intent: Mapping[str, Any], method: str, payer: str, now: int) -> dict[str, Any]:
    details: dict[str, Any] = {"fingerprint": f"fp_{payer}"}
    if method == "card":
        details |= {"brand": "visa", "last4": "4242", "funding": "credit"}
    return {
        "id": charge_id,
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": intent["amount"],
        "amount_refunded": 0,
        "balance_transaction": None,
        "captured": True,
        "created": now,
        "currency": intent["currency"],
        "disputed": False,
        "livemode": False,
        "metadata": dict(intent["metadata"]),
        "paid": True,
        "payment_intent": intent["id"],
        "payment_method_details": {"type": method, method: details},
        "refunded": False,
        "status": "succeeded",
    }


def make_balance_transaction(
    transaction_id: str, source: Mapping[str, Any], amount: int, fee: int, kind: str
) -> dict[str, Any]:
    return {
        "id": transaction_id,
        "object": "balance_transaction",
        "amount": amount,
        "currency": source["currency"],
        "fee": fee,
        "net": amount - fee,
        "source": source["id"],
        "status": "pending",
        "type": kind,
    }


def make_refund(refund_id: str, charge: Mapping[str, Any], amount: int, metadata: Any, now: int) -> dict[str, Any]:
    return {
        "id": refund_id,
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": now,
        "currency": charge["currency"],
        "failure_reason": None,
        "metadata": dict(metadata),
        "payment_intent": charge["payment_intent"],
        "status": "succeeded",
    }


def make_dispute(dispute_id: str, charge: Mapping[str, Any], amount: int, now: int) -> dict[str, Any]:
    return {
        "id": dispute_id,
        "object": "dispute",
        "amount": amount,
        "balance_transactions": [],
        "charge": charge["id"],
        "created": now,
        "currency": charge["currency"],
        "evidence_details": {"due_by": now + 7 * 86_400, "has_evidence": False},
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "reason": "fraudulent",
        "status": "needs_response",
    }


def error_body(message: str, *, kind: str = "invalid_request_error", **fields: Any) -> dict[str, Any]:
    return {"error": {"type": kind, "message": message, **fields}}
