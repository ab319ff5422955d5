"""Billing lanes: how all requests of one key for one model are billed, and the shared beginning of their details."""

from typing import Protocol

import msgspec

from tokenharbor.billing.detail import ServedBy, SharedDetail, write_head
from tokenharbor.billing.quote import Offer
from tokenharbor.editions.policy import Policy
from tokenharbor.kernel.payer import Payer
from tokenharbor.ledger.types import PlacedHold, RefusedHold


class RateObserver(Protocol):
    """Observes the rates of a payer."""

    def note(self, outcome: PlacedHold | RefusedHold, asked_at_seconds: float) -> None:
        """Note the answer to a hold of a request that began at `asked_at_seconds` (monotonic)."""


class BillingLane(msgspec.Struct, frozen=True):
    """The payer, policy and model of requests. `requested_name` is the model's name in requests, `model_name` its
    canonical name. `heads` caches the beginning of a detail for each offer that has served, by `id()` of its
    `ServedBy`. `rates` is None if the payer has no limits. `free_limit` is, for a free model, the account's limit of
    requests per window.
    """

    payer: Payer
    policy: Policy
    dialect: str
    requested_name: str
    model_name: str
    heads: dict[int, tuple[ServedBy, bytes]] = {}
    rates: RateObserver | None = None
    free_limit: int = 0

    def detail_head(self, offer: Offer | None) -> bytes:
        """Return the beginning of the detail of a request that an offer served; None: no offer did."""
        if offer is None:
            return write_head(self._shared(None, self.model_name))
        served = offer.served
        known = self.heads.get(id(served))  # unique as long as the object is kept here
        if known is None:
            known = self.heads[id(served)] = served, write_head(self._shared(served, offer.model.name))
        return known[1]

    def _shared(self, served: ServedBy | None, model: str) -> SharedDetail:
        return SharedDetail(self.requested_name, model, self.dialect, served, self.payer.key_id, self.policy.name)
