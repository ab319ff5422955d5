"""Addresses: between which postings move amounts."""

from tokenharbor.kernel.ids import UUID
from tokenharbor.ledger.types import Pool

USAGE = "revenue/usage"
SERVICE_FEE = "revenue/service_fee"
BREAKAGE = "revenue/breakage"
PROMOTION = "expense/promotion"
CASHBACK = "expense/cashback"
UNBILLED = "loss/unbilled"
OVERRUN = "loss/overrun"


def account(account_id: UUID, pool: Pool) -> str:
    return f"account/{account_id}/{pool}"


def debt(account_id: UUID) -> str:
    return f"account/{account_id}/debt"


def clearing(processor: str, currency: str) -> str:
    return f"clearing/{processor}/{currency}"


def expense(provider: str) -> str:
    return f"expense/provider/{provider}"


def payable(provider: str) -> str:
    return f"payable/provider/{provider}"
