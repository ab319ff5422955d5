"""From a request to its route: the model by name, the caller's and the request's boundaries, the sales along it."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from tokenharbor.billing.quote import Offer, Quote, quote
from tokenharbor.catalog.types import Model
from tokenharbor.gateway.admit import allow_model, boundaries, key_rules
from tokenharbor.gateway.call import Call
from tokenharbor.gateway.snapshot import Sale, Shelf, Snapshot
from tokenharbor.identity.caller import Caller
from tokenharbor.kernel.errors import ModelNotFound
from tokenharbor.routing.health import Health
from tokenharbor.routing.plan import Route, Wanted, plan_route
from tokenharbor.wire.request import Request


class Planned(msgspec.Struct, frozen=True):
    """A request with its model, its route and the sales along it."""

    request: Request
    shelf: Shelf
    route: Route
    sales: Sequence[Sale]
    offers: Sequence[Offer]

    @property
    def model(self) -> Model:
        return self.shelf.model

    def quote(self, at: datetime) -> Quote:
        return quote(self.request, self.shelf.model, self.offers, at)


def plan(call: Call, caller: Caller, request: Request, snapshot: Snapshot, health: Health) -> Planned:
    """Raises ModelNotFound, PermissionDenied, InvalidRequest; may leave nobody."""
    found = snapshot.index.find(request.model)
    if found is None:
        raise _no_model(request.model, snapshot.index.nearest(request.model))
    model = found.model
    allow_model(caller, model.name)
    shelf = snapshot.shelves[model.name]
    policy = snapshot.policy
    route = plan_route(
        Wanted(
            dialect=call.dialect.name,
            candidates=shelf.candidates,
            key=key_rules(caller),
            boundaries=boundaries(request.rules, call.header_rules(), found),
            cooling=health.cooling(),
            latency_ms=health.latency_ms,
            at_most=policy.max_providers if policy.failover else 1,
        )
    )
    call.meter.describe(request, model.name)
    sales = [shelf.sales[endpoint.name] for endpoint in route.endpoints]
    return Planned(request, shelf, route, sales, [sale.offer for sale in sales])


def _no_model(name: str, nearest: Sequence[str]) -> ModelNotFound:
    hint = f" The nearest: {', '.join(nearest)}." if nearest else ""
    return ModelNotFound(f"There is no model {name[:100]!r}.{hint} GET /v1/models lists them all.", param="model")
