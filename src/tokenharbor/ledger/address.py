"""Addresses: the sources and destinations of postings."""

from tokenharbor.kernel.ids import UUID
from tokenharbor.ledger.types import Pool, Restriction

BREAKAGE = "revenue/breakage"
PROMOTION = "expense/promotion"
CASHBACK = "expense/cashback"
FX = "expense/fx"
DISPUTE_LOSS = "loss/dispute"
TAX = "payable/tax"


def account_prefix(account_id: UUID) -> str:
    """Return the prefix of all addresses of an account."""
    return f"account/{account_id}/"


def account(account_id: UUID, place: Pool | Restriction) -> str:
    return f"account/{account_id}/{place}"


def debt(account_id: UUID) -> str:
    return f"account/{account_id}/debt"


def clearing(processor: str, currency: str) -> str:
    return f"clearing/{processor}/{currency}"
