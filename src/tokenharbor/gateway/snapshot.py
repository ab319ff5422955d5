"""The snapshot that requests are served from: what is on sale, priced and ready to be called; swapped whole."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import msgspec

from tokenharbor.billing.quote import Offer, make_offer
from tokenharbor.catalog.describe import ModelDocuments
from tokenharbor.catalog.find import NameIndex
from tokenharbor.catalog.price import write_price
from tokenharbor.catalog.pricing import Rates, Terms
from tokenharbor.catalog.surfaces import CHAT
from tokenharbor.catalog.terms import STANDARD_PLAN, AccountPlan, account_terms
from tokenharbor.catalog.types import Catalog, Endpoint, Model, Provider
from tokenharbor.editions.policy import Policy
from tokenharbor.gateway.lane import Lane, LaneKey
from tokenharbor.gateway.offers import ModelOffers, ReadyEndpoint
from tokenharbor.kernel.clock import Clock
from tokenharbor.routing.plan import NO_BOUNDARIES, NO_ROUTING_RULES, RouteCandidate, RouteRequest
from tokenharbor.upstream.surfaces import SurfaceReader, surface_target
from tokenharbor.upstream.target import make_target
from tokenharbor.wire import DIALECTS, PROVIDER_DIALECTS
from tokenharbor.wire.surfaces import FORMS, SURFACES


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything a request needs that does not change while it runs."""

    catalog: Catalog
    index: NameIndex
    policy: Policy
    offers: Mapping[str, ModelOffers]
    documents: ModelDocuments
    lanes: dict[LaneKey, Lane] = field(default_factory=dict)  # made when they are first asked for

    def on_sale(self) -> Iterator[str]:
        """The names of the models that some endpoint can serve."""
        return (name for name, offers in self.offers.items() if offers.ready)

    def prices(self) -> Mapping[bytes, str]:
        """Every price on sale in its canonical form, by version."""
        ready = [each for offers in self.offers.values() for each in offers.ready.values()]
        prices = [each.rates.price for each in ready] + [one.price for each in ready for one, _ in each.variants]
        return {price.version: write_price(price).decode() for price in prices}


class CurrentSnapshot:
    """Holds the snapshot in force, which is replaced as a whole; a request takes it once and keeps it."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.current = snapshot

    def swap(self, snapshot: Snapshot) -> None:
        self.current = snapshot


SecretOf = Callable[[Provider], str | None]
"""The provider's credential, or None where it has none here."""


def build_snapshot(
    catalog: Catalog, policy: Policy, secret_of: SecretOf, clock: Clock, plan: AccountPlan = STANDARD_PLAN
) -> Snapshot:
    """What accounts of one plan are sold. Endpoints are ordered by the prices of now; requests that are signed one by
    one look at the clock again.
    """
    offers = {}
    for model in catalog.models.values():
        terms = account_terms(policy.price, plan, model.name)
        offers[model.name] = _model_offers(model, terms, policy, secret_of, clock)
    shown = replace(catalog, models={name: _shown(each) for name, each in offers.items()})
    return Snapshot(catalog, NameIndex(catalog), policy, offers, ModelDocuments(shown, policy.price, plan))


def _shown(offers: ModelOffers) -> Model:
    """The model with those endpoints alone that can serve here, so that callers read no price that is never charged."""
    serving = tuple([endpoint for endpoint in offers.model.endpoints if endpoint.name in offers.ready])
    return replace(offers.model, endpoints=serving) if serving else offers.model


def _model_offers(model: Model, terms: Terms, policy: Policy, secret_of: SecretOf, clock: Clock) -> ModelOffers:
    at = clock.now()
    candidates = []
    ready = {}
    for endpoint in model.endpoints:
        unavailable = why_unavailable(endpoint, secret_of)
        if unavailable is not None or endpoint.price is None:
            candidates.append(RouteCandidate(endpoint, unavailable=unavailable))
            continue
        offer = make_offer(model, endpoint, Rates(endpoint.price, terms), policy.name)
        candidates.append(RouteCandidate(endpoint, *_ranked(model, offer.rates, at)))
        ready[endpoint.name] = _make_ready(offer, secret_of(endpoint.provider), clock)
    candidates.sort(key=lambda each: each.input_pico + each.output_pico)
    offers = ModelOffers(model, tuple(candidates), ready)
    plain = {dialect: offers.plan(plain_route_request(dialect, candidates, policy)) for dialect in DIALECTS}
    return msgspec.structs.replace(offers, plain=plain)


def plain_route_request(dialect: str, candidates: Sequence[RouteCandidate], policy: Policy) -> RouteRequest:
    """What a request without any rule wants, while every endpoint is healthy."""
    return RouteRequest(dialect, candidates, NO_ROUTING_RULES, NO_BOUNDARIES, frozenset(), {}, policy.failover.at_most)


def why_unavailable(endpoint: Endpoint, secret_of: SecretOf) -> str | None:
    """Why an endpoint cannot be used, or None."""
    provider = endpoint.provider
    if endpoint.price is None:
        return "no price is configured"
    if provider.wire not in PROVIDER_DIALECTS:
        return f"its wire {provider.wire} is not supported"
    if provider.credential is not None and secret_of(provider) is None:
        return "no credential is configured"
    return None


def _ranked(model: Model, rates: Rates, at: datetime) -> tuple[int, int]:
    """What endpoints are ordered by: input and output; on other surfaces all that is priced there, too."""
    prompt, completion = rates.highest_pico("input", at), rates.highest_pico("output", at)
    if model.surfaces == (CHAT,):
        return prompt, completion
    return prompt, sum(rates.highest_pico(unit, at) for unit in rates.priced - {"input"})


def _make_ready(offer: Offer, secret: str | None, clock: Clock) -> ReadyEndpoint:
    model, endpoint, provider = offer.model, offer.endpoint, offer.endpoint.provider
    surfaces: Mapping[str, SurfaceReader] = {**SURFACES, **FORMS}
    targets = {
        name: surface_target(endpoint, surfaces[name], secret, clock, form=name in FORMS)
        for name in model.surfaces
        if name != CHAT
    }
    vendor = PROVIDER_DIALECTS[provider.wire]
    chats = CHAT in model.surfaces
    lines = f"x-tokenharbor-model: {endpoint.model}\r\nx-tokenharbor-provider: {provider.name}\r\n"
    return ReadyEndpoint(
        **msgspec.structs.asdict(offer),
        name=endpoint.name,
        target=make_target(endpoint, vendor.path, secret, clock) if chats else next(iter(targets.values())),
        lines=lines.encode("ascii"),
        vendor=vendor,
        targets=targets,
        variants=tuple(
            (each, make_offer(model, endpoint, Rates(each.price, offer.rates.terms), offer.product.edition))
            for each in endpoint.variants
        ),
    )
