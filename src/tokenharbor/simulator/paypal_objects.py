"""The simulated PayPal's objects, in the shapes of its published OpenAPI descriptions, with the members that clients
read.
"""

from collections.abc import Mapping
from typing import Any

FEE_BP = 349
FEE_FIXED = 49


def amount(currency: str, value: str) -> dict[str, str]:
    return {"currency_code": currency, "value": value}


def link(href: str, rel: str, method: str = "GET") -> dict[str, str]:
    return {"href": href, "rel": rel, "method": method}


def make_order(order_id: str, asked: Mapping[str, Any], base: str, now: str) -> dict[str, Any]:
    units = [{"reference_id": "default", **unit} for unit in asked["purchase_units"]]
    links = [
        link(f"{base}/v2/checkout/orders/{order_id}", "self"),
        link(f"{base}/checkoutnow/{order_id}", "payer-action"),
    ]
    return {
        "id": order_id,
        "intent": asked["intent"],
        "status": "PAYER_ACTION_REQUIRED",
        "payment_source": {"paypal": {}},
        "purchase_units": units,
        "create_time": now,
        "links": links,
    }


def make_payer(payer: str) -> dict[str, Any]:
    return {"payer_id": f"PAYER{payer.upper()}", "email_address": f"{payer}@example.com", "name": {"given_name": "A"}}


def make_capture(capture_id: str, order: Mapping[str, Any], fee: str, base: str, now: str) -> dict[str, Any]:
    unit = order["purchase_units"][0]
    held = unit["amount"]
    net = f"{(int(held['value'].replace('.', '')) - int(fee.replace('.', ''))):03d}"
    breakdown = {
        "gross_amount": held,
        "paypal_fee": amount(held["currency_code"], fee),
        "net_amount": amount(held["currency_code"], f"{net[:-2]}.{net[-2:]}"),
    }
    return {
        "id": capture_id,
        "status": "COMPLETED",
        "amount": held,
        "final_capture": True,
        "custom_id": unit.get("custom_id"),
        "invoice_id": unit.get("invoice_id"),
        "seller_receivable_breakdown": breakdown,
        "supplementary_data": {"related_ids": {"order_id": order["id"]}},
        "create_time": now,
        "update_time": now,
        "links": [link(f"{base}/v2/payments/captures/{capture_id}", "self")],
    }


def make_refund(refund_id: str, capture_id: str, asked: Mapping[str, Any], base: str, now: str) -> dict[str, Any]:
    return {
        "id": refund_id,
        "status": "COMPLETED",
        "amount": asked["amount"],
        "custom_id": asked.get("custom_id"),
        "invoice_id": asked.get("invoice_id"),
        "create_time": now,
        "update_time": now,
        "links": [
            link(f"{base}/v2/payments/refunds/{refund_id}", "self"),
            link(f"{base}/v2/payments/captures/{capture_id}", "up"),
        ],
    }


def make_dispute(dispute_id: str, capture: Mapping[str, Any], disputed: Mapping[str, str], now: str) -> dict[str, Any]:
    return {
        "dispute_id": dispute_id,
        "create_time": now,
        "update_time": now,
        "disputed_transactions": [{"seller_transaction_id": capture["id"], "custom": capture["custom_id"]}],
        "reason": "UNAUTHORISED",
        "status": "WAITING_FOR_SELLER_RESPONSE",
        "dispute_amount": disputed,
        "dispute_life_cycle_stage": "CHARGEBACK",
        "money_movements": [],
        "links": [],
    }


def make_payout(batch_id: str, asked: Mapping[str, Any], now: str) -> dict[str, Any]:
    sender, item = asked["sender_batch_header"], asked["items"][0]
    header = {
        "payout_batch_id": batch_id,
        "batch_status": "PENDING",
        "time_created": now,
        "sender_batch_header": sender,
    }
    status = {
        "payout_item_id": f"{batch_id}I",
        "transaction_status": "PENDING",
        "payout_batch_id": batch_id,
        "payout_item": item,
    }
    return {"batch_header": header, "items": [status], "links": []}


def refusal(name: str, issue: str, description: str, **fields: Any) -> dict[str, Any]:
    details = [{"issue": issue, "description": description, **fields}]
    return {"name": name, "message": "The request was refused.", "debug_id": "d0", "details": details, "links": []}
