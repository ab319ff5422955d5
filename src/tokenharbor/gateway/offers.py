"""Ready endpoints, the plan of one request, and all offers of one model."""

import re
from collections.abc import Callable, Mapping, Sequence

import msgspec

from tokenharbor.billing.detail import write_not_asked
from tokenharbor.billing.quote import Offer
from tokenharbor.catalog.types import Endpoint, Model, PriceVariant
from tokenharbor.routing.drops import DropCode
from tokenharbor.routing.plan import DroppedEndpoint, RouteCandidate, RouteRequest, plan_route
from tokenharbor.upstream.target import Target
from tokenharbor.wire.neutral.dialect import ProviderDialect

_MOST_LISTED = 24
"""The most candidates that a receipt lists; one model has fewer."""
_NO_FIELD = re.compile(r"[^\w.\[\]-]", re.ASCII)
_LONGEST_FIELD = 64


class ReadyEndpoint(Offer, frozen=True):
    """An endpoint that can be called, with its model, its price and its terms. `target` is its address, and `vendor`
    the dialect of its wire. `lines` are the answer's header lines that name it. `targets` has its addresses by surface,
    `variants` its prices by size and quality. `variant` has the size and quality to set in a request without them.
    """

    name: str  # the endpoint's, which is unique
    target: Target
    lines: bytes
    vendor: ProviderDialect
    targets: Mapping[str, Target] = {}
    variants: Sequence[tuple[PriceVariant, Offer]] = ()
    variant: tuple[tuple[str, str], ...] = ()


class Plan(msgspec.Struct, frozen=True):
    """The endpoints to ask for a request, in order until one answers, and why each other candidate is dropped.
    `foreign`: some endpoint speaks another dialect than the caller. `cooling` has the names of endpoints that have just
    failed. `not_asked` is the part of a receipt about the rest of the route. `pooled`: the endpoints are of several
    models, which the receipt names; `stage` is then the receipt's part about the stage.
    """

    model: Model
    endpoints: tuple[ReadyEndpoint, ...]
    dropped: Sequence[DroppedEndpoint] = ()
    foreign: bool = False
    cooling: frozenset[str] = frozenset()
    not_asked: bytes = b""
    pooled: bool = False
    stage: bytes = b""

    def narrow(self, step: Callable[[ReadyEndpoint], ReadyEndpoint | DroppedEndpoint]) -> "Plan":
        """Return the plan with each endpoint as `step` returns it; endpoints for which it returns a drop are
        dropped.
        """
        kept: list[ReadyEndpoint] = []
        dropped = list(self.dropped)
        for endpoint in self.endpoints:
            outcome = step(endpoint)
            if isinstance(outcome, DroppedEndpoint):
                dropped.append(outcome)
            else:
                kept.append(outcome)
        return with_not_asked(msgspec.structs.replace(self, endpoints=tuple(kept), dropped=dropped))


class ModelOffers(msgspec.Struct, frozen=True):
    """The offers of one model: its endpoints as candidates, cheapest first, and its ready endpoints by name.
    `default_plans` has, by dialect, the plan of a request without rules while every endpoint is healthy.
    """

    model: Model
    candidates: tuple[RouteCandidate, ...]
    ready: Mapping[str, ReadyEndpoint]
    default_plans: Mapping[str, Plan] = {}

    def plan(self, route_request: RouteRequest) -> Plan:
        """Return the plan of a request, which may have no endpoint."""
        route = plan_route(route_request)
        endpoints = tuple([self.ready[endpoint.name] for endpoint in route.endpoints])
        foreign = any(each.endpoint.provider.wire != route_request.dialect for each in endpoints)
        return with_not_asked(Plan(self.model, endpoints, route.dropped, foreign, route_request.cooling))


def with_not_asked(plan: Plan) -> Plan:
    """Return the plan with `not_asked`: all candidates but the first endpoint, which is always asked."""
    if not plan.dropped and len(plan.endpoints) <= 1 and not plan.pooled:
        return plan
    behind = [
        _candidate(plan, each.endpoint, DropCode.COOLING if each.name in plan.cooling else DropCode.BEHIND)
        for each in plan.endpoints[1:]
    ]
    dropped = [_candidate(plan, each.endpoint, each.code, *_field_of(each)) for each in plan.dropped]
    not_asked = write_not_asked([*behind, *dropped][:_MOST_LISTED])
    return msgspec.structs.replace(plan, not_asked=not_asked + plan.stage)


def _candidate(plan: Plan, endpoint: Endpoint, code: DropCode, field: str = "") -> tuple[str, ...]:
    """Return a candidate as receipts store it, without empty values at the end."""
    if plan.pooled:
        return endpoint.provider.name, code, field, endpoint.model
    return (endpoint.provider.name, code, field) if field else (endpoint.provider.name, code)


def _field_of(dropped: DroppedEndpoint) -> tuple[str, ...]:
    """Return the name or place, never the value, of the field that the endpoint's wire cannot express."""
    param = dropped.refusal and dropped.refusal.param
    return (_NO_FIELD.sub("_", param[:_LONGEST_FIELD]),) if param else ()
