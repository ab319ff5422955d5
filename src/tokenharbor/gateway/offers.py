"""What can be sold: an endpoint that is ready to be asked, the plan of one request, and all offers of one model."""

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

_MOST_TOLD = 24
"""Candidates that a receipt tells of; a model has fewer."""
_NO_FIELD = re.compile(r"[^\w.\[\]-]", re.ASCII)
_LONGEST_FIELD = 64


class ReadyEndpoint(Offer, frozen=True):
    """An endpoint that can be asked, with its model, its price and its terms. `target` is its address and `vendor`
    speaks its wire; `lines` are the answer's headers that name it. `targets` are its addresses by surface, `variants`
    its prices by size and quality; `variant` is what is set of a request that left them open.
    """

    name: str  # the endpoint's, which is unique
    target: Target
    lines: bytes
    vendor: ProviderDialect
    targets: Mapping[str, Target] = {}
    variants: Sequence[tuple[PriceVariant, Offer]] = ()
    variant: tuple[tuple[str, str], ...] = ()


class Plan(msgspec.Struct, frozen=True):
    """The endpoints that a request for a model is sent to, in order until one answers, and why each other is dropped.
    `foreign`: some of them speak another dialect than the caller. `cooling` has the names of those that have just
    failed. `not_asked` is what the receipts of all its requests say of the route. `pooled`: they are of several models,
    which the receipt names; then `stage` follows.
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
        """The plan with each endpoint as `step` leaves it, or without it."""
        kept: list[ReadyEndpoint] = []
        dropped = list(self.dropped)
        for endpoint in self.endpoints:
            outcome = step(endpoint)
            if isinstance(outcome, DroppedEndpoint):
                dropped.append(outcome)
            else:
                kept.append(outcome)
        return told(msgspec.structs.replace(self, endpoints=tuple(kept), dropped=dropped))


class ModelOffers(msgspec.Struct, frozen=True):
    """One model: its endpoints as candidates, cheapest first, and those that can be asked, by endpoint name. `plain`
    has the plan of a request without any rule while every endpoint is healthy, by dialect.
    """

    model: Model
    candidates: tuple[RouteCandidate, ...]
    ready: Mapping[str, ReadyEndpoint]
    plain: Mapping[str, Plan] = {}

    def plan(self, wanted: RouteRequest) -> Plan:
        route = plan_route(wanted)
        endpoints = tuple([self.ready[endpoint.name] for endpoint in route.endpoints])
        foreign = any(each.endpoint.provider.wire != wanted.dialect for each in endpoints)
        return told(Plan(self.model, endpoints, route.dropped, foreign, wanted.cooling))


def told(plan: Plan) -> Plan:
    """The plan, with what receipts say of those that are not asked. Who comes first is asked."""
    if not plan.dropped and len(plan.endpoints) <= 1 and not plan.pooled:
        return plan
    behind = [
        _candidate(plan, each.endpoint, DropCode.COOLING if each.name in plan.cooling else DropCode.BEHIND)
        for each in plan.endpoints[1:]
    ]
    dropped = [_candidate(plan, each.endpoint, each.code, *_field_of(each)) for each in plan.dropped]
    not_asked = write_not_asked([*behind, *dropped][:_MOST_TOLD])
    return msgspec.structs.replace(plan, not_asked=not_asked + plan.stage)


def _candidate(plan: Plan, endpoint: Endpoint, code: DropCode, field: str = "") -> tuple[str, ...]:
    """As receipts keep it: what is empty at the end is left out."""
    if plan.pooled:
        return endpoint.provider.name, code, field, endpoint.model
    return (endpoint.provider.name, code, field) if field else (endpoint.provider.name, code)


def _field_of(dropped: DroppedEndpoint) -> tuple[str, ...]:
    """The field that has no form there: its name or place, never its value."""
    param = dropped.refusal and dropped.refusal.param
    return (_NO_FIELD.sub("_", param[:_LONGEST_FIELD]),) if param else ()
