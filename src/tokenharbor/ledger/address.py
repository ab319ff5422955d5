"""Addresses: between which postings move amounts."""

from tokenharbor.kernel.ids import UUID
from tokenharbor.ledger.types import Pool

BREAKAGE = "revenue/breakage"
PROMOTION = "expense/promotion"
CASHBACK = "expense/cashback"


def account(account_id: UUID, pool: Pool) -> str:
    return f"account/{account_id}/{pool}"


def debt(account_id: UUID) -> str:
    return f"account/{account_id}/debt"


def clearing(processor: str, currency: str) -> str:
    return f"clearing/{processor}/{currency}"
