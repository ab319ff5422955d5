"""Drop codes: why a candidate is not asked, as a stable code for clients and pages, and in words."""

from collections.abc import Mapping
from enum import StrEnum


class DropCode(StrEnum):
    """The reason why a candidate was not asked. With `COOLING` and `BEHIND` it was on the route, after the endpoints
    that were asked; with all others, the plan dropped it.
    """

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
    DropCode.UNAVAILABLE: "it is not configured here",
    DropCode.PLAN: "the plan of this account does not allow it",
    DropCode.KEY: "the provider rules of the API key do not allow it",
    DropCode.PINNED: "not in provider.only",
    DropCode.IGNORED: "in provider.ignore",
    DropCode.REGION: "not in provider.region",
    DropCode.RETENTION: "its data retention is longer than provider.retention",
    DropCode.MAX_PRICE: "its price is above provider.max_price",
    DropCode.UNSUPPORTED: "a part of the request is not supported by it",
    DropCode.AT_MOST: "over the limit of providers for one request",
    DropCode.UNPRICED: "no price for this size and quality",
    DropCode.KEY_MODEL: "the API key does not allow this model",
    DropCode.FREE: "a free model can be used by its own name only",
    DropCode.CAPABILITY: "the model lacks a capability that the request needs",
    DropCode.CONTEXT: "the request and its answer exceed the model's context",
    DropCode.BALANCE: "the balance, or what is left of a budget, does not cover it",
    DropCode.COOLING: "it had just failed, so it came after those that were asked",
    DropCode.BEHIND: "it came after those that were asked",
}
"""The reason of each code in words, as receipts show it. Receipts store only the code."""
