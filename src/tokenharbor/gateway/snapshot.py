"""Snapshots that requests are served from: all offers, priced and ready to be called, by plan; replaced as a whole."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import msgspec
import structlog

from tokenharbor.billing.quote import Offer, make_offer
from tokenharbor.catalog.describe import ModelDocuments
from tokenharbor.catalog.find import NameIndex
from tokenharbor.catalog.price import write_price
from tokenharbor.catalog.pricing import Rates, Terms
from tokenharbor.catalog.quota import total_quota
from tokenharbor.catalog.retention import keeps_no_longer
from tokenharbor.catalog.surfaces import CHAT
from tokenharbor.catalog.terms import STANDARD_PLAN, AccountPlan, account_terms
from tokenharbor.catalog.types import Catalog, Endpoint, Model, Provider
from tokenharbor.editions.policy import PlanPolicy, Policy
from tokenharbor.gateway.lane import MOST_LANES, Lane, LaneKey
from tokenharbor.gateway.offers import ModelOffers, ReadyEndpoint
from tokenharbor.gateway.payer_rates import PayerRates, RefusedCallers
from tokenharbor.gateway.pools import Pools, find_pools
from tokenharbor.identity.caller import Caller
from tokenharbor.identity.limits import PlanLimits, limited_payer, plan_limits
from tokenharbor.kernel import ids
from tokenharbor.kernel.clock import Clock
from tokenharbor.routing.plan import NO_BOUNDARIES, NO_ROUTING_RULES, RouteCandidate, RouteRequest
from tokenharbor.upstream.surfaces import SurfaceReader, surface_target
from tokenharbor.upstream.target import make_target
from tokenharbor.wire import DIALECTS, PROVIDER_DIALECTS
from tokenharbor.wire.surfaces import FORMS, SURFACES

_log = structlog.get_logger("snapshots")


SaleKey = tuple[str, int]
"""A plan ("" for none), and the discount of a volume tier in basis points (0 for none)."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The unchanging data that requests need, for the accounts of one plan and volume tier."""

    catalog: Catalog
    index: NameIndex
    policy: Policy
    offers: Mapping[str, ModelOffers]
    documents: ModelDocuments
    limits: PlanLimits
    clock: Clock
    refused: RefusedCallers = field(default_factory=RefusedCallers)  # shared by all plans
    lanes: dict[LaneKey, Lane] = field(default_factory=dict)  # made on first use
    rates: dict[Caller, PayerRates | None] = field(
        default_factory=dict
    )  # made on first use; None: this caller has no limits
    pools: Pools | None = None  # the edition's name for many models

    def on_sale(self) -> Iterator[str]:
        """Return the names of the models that some endpoint can serve."""
        return (name for name, offers in self.offers.items() if offers.ready)

    def prices(self) -> Mapping[bytes, str]:
        """Return every price on sale in canonical form, by version."""
        ready = [each for offers in self.offers.values() for each in offers.ready.values()]
        prices = [each.rates.price for each in ready] + [one.price for each in ready for one, _ in each.variants]
        return {price.version: write_price(price).decode() for price in prices}

    def offered(self) -> Mapping[str, bytes]:
        """Return the price version of each endpoint on sale; of each size and quality if there are several."""
        ready = [each.endpoint for offers in self.offers.values() for each in offers.ready.values()]
        return {name: price.version for each in ready for name, price in each.prices()}

    def rates_of(self, caller: Caller) -> PayerRates | None:
        """Return the rates of a caller, or None if it has no limits."""
        try:
            return self.rates[caller]
        except KeyError:
            payer = limited_payer(caller, self.limits)
            rates = PayerRates(caller, payer, self.refused, self.clock) if payer.is_limited else None
            self.make_room()
            self.rates[caller] = rates
            return rates

    def make_room(self) -> None:
        """Make room for one more lane or rates. Both are cleared together, because lanes refer to their
        callers' rates.
        """
        if max(len(self.lanes), len(self.rates)) >= MOST_LANES:
            self.lanes.clear()
            self.rates.clear()


class CurrentSnapshot:
    """The snapshots in force, by the plan in an account's row ("" for none) and by the discount of its volume tier.
    They are replaced together. A request takes one snapshot, and keeps it to its end.
    """

    current: Snapshot
    """The snapshot for accounts without a plan, and for callers without a key."""

    def __init__(self, sales: Mapping[SaleKey, Snapshot]) -> None:
        self.swap(sales)

    def swap(self, sales: Mapping[SaleKey, Snapshot]) -> None:
        self.sales = sales
        self.plans = {plan: snapshot for (plan, discount_bp), snapshot in sales.items() if not discount_bp}
        self.current = self.plans[""]
        self.refused = self.current.refused

    def of(self, caller: Caller) -> Snapshot:
        """Return the snapshot of the caller's plan and volume tier. Unknown plans have the edition's own terms."""
        if caller.account.volume:
            return self._of_volume(caller)
        return self.plans.get(caller.account.plan) or self._of_unknown_plan(caller)

    def _of_volume(self, caller: Caller) -> Snapshot:
        account = caller.account
        discount_bp = self.current.policy.price.volume_discount_of(account.volume)
        known = self.sales.get((account.plan, discount_bp))
        return known or self.sales.get(("", discount_bp)) or self._of_unknown_plan(caller)

    def ready_endpoints(self) -> Iterator[ReadyEndpoint]:
        """Yield the ready endpoints of all plans."""
        for snapshot in self.plans.values():
            for offers in snapshot.offers.values():
                yield from offers.ready.values()

    def find_ready(self, model: str, endpoint: str) -> ReadyEndpoint | None:
        """Return the ready endpoint of a name in any plan, or None."""
        offers = [each.offers[model] for each in self.plans.values() if model in each.offers]
        return next((each.ready[endpoint] for each in offers if endpoint in each.ready), None)

    def _of_unknown_plan(self, caller: Caller) -> Snapshot:
        plan, policy = caller.account.plan, self.current.policy
        _log.warning("unknown_plan", plan=plan, edition=policy.name, account=ids.show("acct", caller.account_id))
        self.plans[plan] = self.current  # so that it is logged once
        return self.current


SecretOf = Callable[[Provider], str | None]
"""Returns a provider's credential, or None if none is configured."""


def _plan_names(policy: Policy) -> Sequence[str]:
    """Return the plans whose snapshots differ; the first is that of accounts without a plan."""
    return [*dict.fromkeys([policy.plan_name(""), *policy.plans])]


def build_snapshots(catalog: Catalog, policy: Policy, secret_of: SecretOf, clock: Clock) -> Mapping[SaleKey, Snapshot]:
    """Build a snapshot for each plan and volume tier. A plan's discount counts unless a tier's is greater."""
    names, refused = _plan_names(policy), RefusedCallers()
    sales: dict[SaleKey, Snapshot] = {}
    for name in names:
        built: dict[int, Snapshot] = {}
        for tier_bp in (0, *(tier.discount_bp for tier in policy.price.volume_tiers)):
            discount_bp = account_terms(policy.price, _account_plan(policy, (name, tier_bp)), "").discount_bp
            if discount_bp not in built:
                snapshot = build_snapshot(catalog, policy, secret_of, clock, (name, tier_bp))
                built[discount_bp] = replace(snapshot, refused=refused)
            sales[name, tier_bp] = built[discount_bp]
    return sales | {("", tier_bp): snapshot for (name, tier_bp), snapshot in sales.items() if name == names[0]}


def build_snapshot(
    catalog: Catalog, policy: Policy, secret_of: SecretOf, clock: Clock, sale: SaleKey = ("", 0)
) -> Snapshot:
    """Build the snapshot of one plan and volume tier. Endpoints are ordered by their prices now. `clock` also dates the
    signatures of requests that are signed one by one.
    """
    plan, terms = sale[0], _account_plan(policy, sale)
    offers = {
        model.name: _model_offers(
            model, _PlanSale(policy, plan, account_terms(policy.price, terms, model.name)), secret_of, clock
        )
        for model in catalog.models.values()
    }
    shown = replace(catalog, models={name: _shown(each) for name, each in offers.items()})
    serving = {
        each.endpoint.provider.name: each.endpoint.provider
        for model in offers.values()
        for each in model.ready.values()
    }
    limits = plan_limits(policy, plan, total_quota(serving.values()))
    documents = ModelDocuments(shown, policy.price, terms)
    pools = find_pools(policy.orchestra, offers)
    return Snapshot(catalog, NameIndex(catalog), policy, offers, documents, limits, clock, pools=pools)


@dataclass(frozen=True, slots=True)
class _PlanSale:
    """The conditions of sale of a model: the policy, the account's plan, and the resulting terms."""

    policy: Policy
    plan: str
    terms: Terms

    def why_not(self, endpoint: Endpoint) -> str | None:
        """Return why the plan does not allow an endpoint, or None."""
        plan = self.policy.plan(self.plan)
        return None if plan is None else outside_plan(endpoint, plan)


def _account_plan(policy: Policy, sale: SaleKey) -> AccountPlan:
    name, volume_discount_bp = sale
    plan = policy.plan(name)
    if plan is None:
        return msgspec.structs.replace(STANDARD_PLAN, volume_discount_bp=volume_discount_bp)
    return AccountPlan(policy.plan_name(name), plan.discount_bp, plan.service_fee_bp, volume_discount_bp)


def _shown(offers: ModelOffers) -> Model:
    """Return the model with only the endpoints that can serve here, so that lists show no price that is never
    charged.
    """
    serving = tuple([endpoint for endpoint in offers.model.endpoints if endpoint.name in offers.ready])
    return replace(offers.model, endpoints=serving) if serving else offers.model


def _model_offers(model: Model, sale: _PlanSale, secret_of: SecretOf, clock: Clock) -> ModelOffers:
    at = clock.now()
    candidates = []
    ready = {}
    for endpoint in model.endpoints:
        unavailable = why_unavailable(endpoint, secret_of)
        if unavailable is not None or endpoint.price is None:
            candidates.append(RouteCandidate(endpoint, unavailable=unavailable))
            continue
        outside = sale.why_not(endpoint)
        if outside is not None:
            candidates.append(RouteCandidate(endpoint, unavailable=outside, by_plan=True))
            continue
        offer = make_offer(model, endpoint, Rates(endpoint.price, sale.terms), sale.policy)
        candidates.append(RouteCandidate(endpoint, *_ranked(model, offer.rates, at)))
        ready[endpoint.name] = _make_ready(offer, sale.policy, secret_of(endpoint.provider), clock)
    candidates.sort(key=lambda each: each.input_pico + each.output_pico)
    offers = ModelOffers(model, tuple(candidates), ready)
    default_plans = {
        dialect: offers.plan(default_route_request(dialect, candidates, sale.policy)) for dialect in DIALECTS
    }
    return msgspec.structs.replace(offers, default_plans=default_plans)


def outside_plan(endpoint: Endpoint, plan: PlanPolicy) -> str | None:
    """Return why a plan's boundaries exclude an endpoint, or None."""
    provider = endpoint.provider
    region = endpoint.region or provider.region
    if plan.regions and region not in plan.regions:
        return f"not in the regions of plan {plan.label}: {', '.join(plan.regions)}"
    if plan.providers and provider.name not in plan.providers:
        return f"not in the providers of plan {plan.label}"
    if plan.retention and not keeps_no_longer(provider.retention, plan.retention):
        return f"its data retention is longer than plan {plan.label} allows: {plan.retention}"
    return None


def default_route_request(dialect: str, candidates: Sequence[RouteCandidate], policy: Policy) -> RouteRequest:
    """Return the route request of a request without rules while every endpoint is healthy."""
    return RouteRequest(dialect, candidates, NO_ROUTING_RULES, NO_BOUNDARIES, frozenset(), {}, policy.failover.at_most)


def why_unavailable(endpoint: Endpoint, secret_of: SecretOf) -> str | None:
    """Return why an endpoint cannot be used, or None."""
    provider = endpoint.provider
    if endpoint.price is None:
        return "no price is configured"
    if provider.wire not in PROVIDER_DIALECTS:
        return f"its wire {provider.wire} is not supported"
    if provider.credential is not None and secret_of(provider) is None:
        return "no credential is configured"
    return None


def _ranked(model: Model, rates: Rates, at: datetime) -> tuple[int, int]:
    """Return the prices by which endpoints are ordered: input and output tokens; beyond chat, all priced units."""
    prompt, completion = rates.highest_pico("input", at), rates.highest_pico("output", at)
    if model.surfaces == (CHAT,):
        return prompt, completion
    return prompt, sum(rates.highest_pico(unit, at) for unit in rates.priced - {"input"})


def _make_ready(offer: Offer, policy: Policy, secret: str | None, clock: Clock) -> ReadyEndpoint:
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
            (each, make_offer(model, endpoint, Rates(each.price, offer.rates.terms), policy))
            for each in endpoint.variants
        ),
    )
