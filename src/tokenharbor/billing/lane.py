"""What all requests of one key for one model are billed by, and the beginning that their receipts have in common."""

from typing import Protocol

import msgspec

from tokenharbor.billing.detail import ServedBy, SharedDetail, write_head
from tokenharbor.billing.quote import Offer
from tokenharbor.editions.policy import Policy
from tokenharbor.kernel.payer import Payer
from tokenharbor.ledger.types import PlacedHold, RefusedHold


class RateWatch(Protocol):
    """Who follows the rates of a payer."""

    def note(self, outcome: PlacedHold | RefusedHold, asked_at_seconds: float) -> None:
        """What the books have said to a hold of a request that began then, on the monotonic clock."""


class BillingLane(msgspec.Struct, frozen=True):
    """`asked_name` is the model as the callers name it, `model_name` its canonical name. `heads` has the beginning of a
    receipt's detail for each offer that has served, by the identity of what it serves. `rates` is there where the payer
    has limits; `free_limit`, of a free model, is how many requests for such models the account has in their window.
    """

    payer: Payer
    policy: Policy
    dialect: str
    asked_name: str
    model_name: str
    heads: dict[int, tuple[ServedBy, bytes]] = {}
    rates: RateWatch | None = None
    free_limit: int = 0

    def detail_head(self, offer: Offer | None) -> bytes:
        """For a request that this offer has served, or none."""
        if offer is None:
            return write_head(self._shared(None, self.model_name))
        served = offer.served
        known = self.heads.get(id(served))  # which is nobody else's as long as it is kept here
        if known is None:
            known = self.heads[id(served)] = served, write_head(self._shared(served, offer.model.name))
        return known[1]

    def _shared(self, served: ServedBy | None, model: str) -> SharedDetail:
        return SharedDetail(self.asked_name, model, self.dialect, served, self.payer.key_id, self.policy.name)
