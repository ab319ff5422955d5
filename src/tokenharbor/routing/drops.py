"""Why a candidate is not asked: one code for each reason, which clients and pages may rely on, and its words."""

from collections.abc import Mapping
from enum import StrEnum


class DropCode(StrEnum):
    """`COOLING` and `BEHIND`: it was on the route, after those that were asked. All others: the plan has dropped it."""

    UNAVAILABLE = "unavailable"
    PLAN = "plan"
    KEY = "key"
    PINNED = "pinned"
    IGNORED = "ignored"
    REGION = "region"
    RETENTION = "retention"
    MAX_PRICE = "max_price"
    UNSUPPORTED = "unsupported"
    AT_MOST = "at_most"
    UNPRICED = "unpriced"
    KEY_MODEL = "key_model"
    FREE = "free"
    CAPABILITY = "capability"
    CONTEXT = "context"
    BALANCE = "balance"
    COOLING = "cooling"
    BEHIND = "behind"


DROP_WORDS: Mapping[DropCode, str] = {
    DropCode.UNAVAILABLE: "it is not set up here",
    DropCode.PLAN: "the plan of this account does not allow it",
    DropCode.KEY: "the provider rules of the API key do not allow it",
    DropCode.PINNED: "not in provider.only",
    DropCode.IGNORED: "in provider.ignore",
    DropCode.REGION: "not in provider.region",
    DropCode.RETENTION: "its data retention is longer than provider.retention",
    DropCode.MAX_PRICE: "its price is above provider.max_price",
    DropCode.UNSUPPORTED: "it cannot be told what the request says",
    DropCode.AT_MOST: "over the limit of providers for one request",
    DropCode.UNPRICED: "no price for this size and quality",
    DropCode.KEY_MODEL: "the API key does not allow this model",
    DropCode.FREE: "a free model can be used by its own name only",
    DropCode.CAPABILITY: "the model cannot do what the request asks for",
    DropCode.CONTEXT: "the request and its answer are longer than the model takes",
    DropCode.BALANCE: "the balance, or what is left of a budget, does not cover it",
    DropCode.COOLING: "it had just failed, so it came after those that were asked",
    DropCode.BEHIND: "it came after those that were asked",
}
"""As receipts say it, which keep the code only."""
