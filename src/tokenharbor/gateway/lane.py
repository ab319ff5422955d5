"""Lanes: everything that all requests of one key for one model share, computed once per snapshot.

How a request is admitted, planned and billed follows from its key, its model and its kind, and from its own content.
The first three change only when a key or the snapshot changes, which is rare, so what follows from them is computed
once and kept in a lane.

Invariant: nothing in a lane depends on a request, on a clock or on the health of an endpoint. A changed key is another
`Caller` object, and a changed snapshot has other lanes, so no lane is ever out of date. A request with rules of its
own, with a cooling endpoint, or with content that another dialect cannot express gets its own plan, made from the
lane's `route_request`.
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
"""The caller, the kind of request, and the model as the request names it."""

MOST_LANES = 10_000
"""The most lanes that a snapshot keeps, about 10 MB. When it is reached, all are dropped."""


class Lane(BillingLane, frozen=True, kw_only=True):
    """The shared part of requests. `caching` is None if they are never cached. `route_request` and `plan` are those of
    a request without provider rules while every endpoint is healthy. For a name of a model pool, `access` has the
    models, and `plan` has no endpoints.
    """

    rates: PayerRates | None = None
    caching: CacheLane | None = None
    resolved: ResolvedName
    offers: ModelOffers
    route_request: RouteRequest
    plan: Plan
    access: PoolAccess | None = None
