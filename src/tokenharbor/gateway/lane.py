"""Lanes: what all requests of one key for one model have in common, made once and kept as long as the snapshot.

A request is admitted, planned and billed by what its key, its model and its kind say, and by what it says itself. The
first three change when a key or the snapshot changes, which is seldom: a thousand requests later they are still the
same. A lane is what follows from them. A request brings only what is its own.

Invariant: nothing in a lane depends on a request, on a clock or on the health of an endpoint. A key that changes is
another `Caller` object, and a snapshot that changes has other lanes, so that no lane is ever out of date. What a
request may still change (its rules, an endpoint that cools, what it says that another dialect cannot) makes a plan of
its own from the lane's `wanted`.
"""

from tokenharbor.billing.lane import BillingLane
from tokenharbor.catalog.types import ResolvedName
from tokenharbor.gateway.cache_lane import CacheLane
from tokenharbor.gateway.offers import ModelOffers, Plan
from tokenharbor.gateway.payer_rates import PayerRates
from tokenharbor.gateway.pools import PoolAccess
from tokenharbor.identity.caller import Caller
from tokenharbor.routing.plan import RouteRequest

LaneKey = tuple[Caller, str, str]
"""The caller, the kind of request, and the model as it was asked for."""

MOST_LANES = 10_000
"""Kept by a snapshot: some ten megabytes. Then it begins anew."""


class Lane(BillingLane, frozen=True, kw_only=True):
    """`caching` is None where no answer is kept. `wanted` and `plan` are of a request without any rule of its own,
    while every endpoint is healthy. Where the name stands for many models, they are in `access`, and `plan` is empty.
    """

    rates: PayerRates | None = None
    caching: CacheLane | None = None
    found: ResolvedName
    offers: ModelOffers
    wanted: RouteRequest
    plan: Plan
    access: PoolAccess | None = None
