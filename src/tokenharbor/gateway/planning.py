"""From a request to its route: the model by name, the caller's and the request's boundaries, the sales along it."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from tokenharbor.billing.quote import Quote, quote
from tokenharbor.catalog.types import ResolvedName
from tokenharbor.gateway.admit import allow_model, boundaries, key_rules
from tokenharbor.gateway.call import Call
from tokenharbor.gateway.fitting import need_surface
from tokenharbor.gateway.snapshot import ModelOffers, Snapshot, Way
from tokenharbor.gateway.translation import losses_of
from tokenharbor.identity.caller import Caller
from tokenharbor.kernel.errors import ModelNotFound
from tokenharbor.routing.health import Health
from tokenharbor.routing.plan import NO_BOUNDARIES, NO_ROUTING_RULES, RouteRequest, plan_route
from tokenharbor.wire.neutral.request import Request


class Planned(msgspec.Struct, frozen=True):
    """A request with its model and its way."""

    request: Request
    offers: ModelOffers
    way: Way

    def quote(self, at: datetime) -> Quote:
        # Some vendors write their cache unasked, at a price.
        return quote(self.request, self.offers.model, self.way.offers, at, writes=self.way.foreign)


def plan(call: Call, caller: Caller, request: Request, snapshot: Snapshot, health: Health) -> Planned:
    """Raises ModelNotFound, PermissionDenied, InvalidRequest; the route may be empty."""
    found = find_model(snapshot, request.model)
    model = found.model
    allow_model(caller, model.name)
    call.meter.describe(request, model.name)
    need_surface(request, model, snapshot)
    offers = snapshot.offers[model.name]
    header = call.header_rules()
    key, bounds, cooling = key_rules(caller), boundaries(request.rules, header, found), health.cooling()
    dialect = call.dialect.name
    if key is NO_ROUTING_RULES and bounds is NO_BOUNDARIES and not cooling:
        way = offers.plain[dialect]
        if not way.foreign or not losses_of(call, request, offers, strict=False):
            return Planned(request, offers, way)
    wanted = RouteRequest(
        dialect=dialect,
        candidates=offers.candidates,
        key=key,
        boundaries=bounds,
        cooling=cooling,
        latency_ms=health.latency_ms,
        at_most=snapshot.policy.failover.at_most,
    )
    way = offers.way(plan_route(wanted), dialect)
    strict = any(rules is not None and rules.require_parameters for rules in (request.rules, header))
    if way.foreign and (lost := losses_of(call, request, offers, strict=strict)):
        wanted = msgspec.structs.replace(wanted, unsaid=lost.unsaid, ignored=lost.ignored)
        way = offers.way(plan_route(wanted), dialect)
    return Planned(request, offers, way)


def find_model(snapshot: Snapshot, name: str) -> ResolvedName:
    """Raises ModelNotFound, which names the nearest."""
    found = snapshot.index.find(name)
    if found is None:
        raise no_model(name, snapshot.index.nearest(name))
    return found


def no_model(name: str, nearest: Sequence[str] = ()) -> ModelNotFound:
    hint = f" Did you mean: {', '.join(nearest)}." if nearest else ""
    return ModelNotFound(f"Unknown model {name[:100]!r}.{hint} GET /v1/models lists all models.", param="model")
