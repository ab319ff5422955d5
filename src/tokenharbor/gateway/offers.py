"""What can be sold: an endpoint that is ready to be asked, the plan of one request, and all offers of one model."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from tokenharbor.billing.quote import Offer
from tokenharbor.catalog.types import Model, PriceVariant
from tokenharbor.routing.plan import DroppedEndpoint, RouteCandidate, RouteRequest, plan_route
from tokenharbor.upstream.target import Target
from tokenharbor.wire.neutral.dialect import ProviderDialect


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
    `foreign`: some of them speak another dialect than the caller.
    """

    model: Model
    endpoints: tuple[ReadyEndpoint, ...]
    dropped: Sequence[DroppedEndpoint] = ()
    foreign: bool = False

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
        return Plan(self.model, tuple(kept), dropped, self.foreign)


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
        return Plan(self.model, endpoints, route.dropped, foreign)
