"""Route planning: from request, boundaries and health to endpoints in order, and why each other one is dropped."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from tokenharbor.catalog.retention import keeps_no_longer
from tokenharbor.catalog.types import Endpoint
from tokenharbor.kernel.errors import (
    BoundariesLeaveNobody,
    InvalidRequest,
    NoProviderAvailable,
    PermissionDenied,
    Refusal,
)
from tokenharbor.routing.drops import DropCode


class RouteCandidate(msgspec.Struct, frozen=True):
    """An endpoint that could serve. `unavailable` says why it can serve no request at all; `by_plan`: the account's
    plan does not allow it. Prices are in pico-USD per token, at their highest step.
    """

    endpoint: Endpoint
    input_pico: int = 0
    output_pico: int = 0
    unavailable: str | None = None
    by_plan: bool = False


class RoutingRules(msgspec.Struct, frozen=True):
    """The provider rules of an API key. Empty means no rule."""

    providers: frozenset[str] = frozenset()
    denied: frozenset[str] = frozenset()


class Boundaries(msgspec.Struct, frozen=True):
    """The boundaries of a request, which routing always keeps. Empty and None mean no rule. Prices are in pico-USD."""

    only: frozenset[str] = frozenset()
    ignore: frozenset[str] = frozenset()
    region: str | None = None
    retention: str | None = None
    max_input_pico: int | None = None
    max_output_pico: int | None = None
    order: tuple[str, ...] = ()
    by_latency: bool = False


class RouteRequest(msgspec.Struct, frozen=True):
    """The input of planning. `candidates` are sorted by price, cheapest first. `untranslatable` has the wires that
    cannot express the request, each with the refusal. `dropped_advice` has, by wire, the number of pieces of advice
    that are left out.
    """

    dialect: str
    candidates: Sequence[RouteCandidate]
    key: RoutingRules
    boundaries: Boundaries
    cooling: frozenset[str]
    latency_ms: Mapping[str, float]
    max_providers: int
    untranslatable: Mapping[str, InvalidRequest] = {}
    dropped_advice: Mapping[str, int] = {}


class DroppedEndpoint(msgspec.Struct, frozen=True):
    """A candidate that will not be tried, and why. `by_key`, `by_request` and `by_plan` say whose boundary excludes it.
    `refusal` is set if its wire cannot express the request.
    """

    endpoint: Endpoint
    code: DropCode
    reason: str
    by_key: bool = False
    by_request: bool = False
    by_plan: bool = False
    refusal: InvalidRequest | None = None


class Route(msgspec.Struct, frozen=True):
    """Endpoints in the order in which they are tried."""

    endpoints: Sequence[Endpoint]
    dropped: Sequence[DroppedEndpoint]


NO_ROUTING_RULES = RoutingRules()
NO_BOUNDARIES = Boundaries()


def plan_route(request: RouteRequest) -> Route:
    """Return the endpoints within all boundaries, ordered by the caller's order, then health, then the advice that they
    support, then price. There may be none: see `no_route_refusal`.
    """
    kept: list[Endpoint] = []
    asked: set[str] = set()
    dropped: list[DroppedEndpoint] = []
    for candidate in _in_dialect(_by_advice(request), request.dialect):
        if candidate.endpoint.provider.name in asked:
            continue  # one endpoint per provider: its other wire would fail alike
        drop = _check_candidate(candidate, request)
        if drop is None:
            kept.append(candidate.endpoint)
            asked.add(candidate.endpoint.provider.name)
        else:
            dropped.append(drop)
    if len(kept) > 1 and _needs_sorting(request):
        kept.sort(key=_preference(request))
    if len(kept) > request.max_providers:
        reason = f"over the limit of {request.max_providers} providers for one request"
        dropped.extend(
            DroppedEndpoint(endpoint, DropCode.AT_MOST, reason) for endpoint in kept[request.max_providers :]
        )
    return Route(kept[: request.max_providers], dropped)


def no_route_refusal(model: str, dropped: Sequence[DroppedEndpoint]) -> Refusal:
    """Return the refusal of a plan without endpoints. It names the field that is not supported, else whose boundary
    excludes the endpoints, with the reason for each.
    """
    untranslatable = next((drop.refusal for drop in dropped if drop.refusal is not None), None)
    if untranslatable is not None:
        return untranslatable
    reasons = "; ".join(sorted({f"{drop.endpoint.provider.name}: {drop.reason}" for drop in dropped}))
    if any(drop.by_key for drop in dropped):  # without the key's rules, some provider was left
        return PermissionDenied(f"The provider rules of this API key exclude every provider of {model}: {reasons}.")
    if any(drop.by_request for drop in dropped):
        return BoundariesLeaveNobody(
            f"The provider rules of this request exclude every provider of {model}: {reasons}."
        )
    if any(drop.by_plan for drop in dropped):
        return BoundariesLeaveNobody(f"The plan of this account excludes every provider of {model}: {reasons}.")
    reasons = reasons or "no provider is configured"
    hint = "GET /v1/models lists the available models."
    return NoProviderAvailable(f"No provider of {model} can serve this request: {reasons}. {hint}")


def _by_advice(request: RouteRequest) -> Sequence[RouteCandidate]:
    """Sort candidates by the advice that they leave out, least first; equal ones stay in order."""
    if not request.dropped_advice:
        return request.candidates
    return sorted(request.candidates, key=lambda each: _dropped_advice(each.endpoint, request))


def _dropped_advice(endpoint: Endpoint, request: RouteRequest) -> int:
    wire = endpoint.provider.wire
    return 0 if wire == request.dialect else request.dropped_advice.get(wire, 0)


def _in_dialect(candidates: Sequence[RouteCandidate], dialect: str) -> Iterator[RouteCandidate]:
    """Yield the candidates, but of a provider that speaks the dialect only its endpoints in that dialect."""
    speak = {each.endpoint.provider.name for each in candidates if each.endpoint.provider.wire == dialect}
    for each in candidates:
        provider = each.endpoint.provider
        if provider.wire == dialect or provider.name not in speak:
            yield each


def _check_candidate(candidate: RouteCandidate, request: RouteRequest) -> DroppedEndpoint | None:
    endpoint = candidate.endpoint
    if candidate.unavailable is not None:
        code = DropCode.PLAN if candidate.by_plan else DropCode.UNAVAILABLE
        return DroppedEndpoint(endpoint, code, candidate.unavailable, by_plan=candidate.by_plan)
    if request.boundaries is not NO_BOUNDARIES:
        rule = _request_rule_against(candidate, request.boundaries)
        if rule is not None:
            return DroppedEndpoint(endpoint, *rule, by_request=True)
    if request.key is not NO_ROUTING_RULES:
        reason = key_rule_against(endpoint.provider.name, request.key)
        if reason is not None:
            return DroppedEndpoint(endpoint, DropCode.KEY, reason, by_key=True)
    if request.untranslatable and endpoint.provider.wire != request.dialect:
        refusal = request.untranslatable.get(endpoint.provider.wire)
        if refusal is not None:
            return untranslatable_endpoint(endpoint, refusal)
    return None


def untranslatable_endpoint(endpoint: Endpoint, refusal: InvalidRequest) -> DroppedEndpoint:
    """Return the drop of an endpoint whose wire cannot express the request."""
    return DroppedEndpoint(endpoint, DropCode.UNSUPPORTED, refusal.message, refusal=refusal)


def key_rule_against(provider: str, rules: RoutingRules) -> str | None:
    """Return why the key's rules do not allow a provider, or None."""
    if rules.providers and provider not in rules.providers:
        return "not in the providers that the API key allows"
    if provider in rules.denied:
        return "in the providers that the API key denies"
    return None


def _request_rule_against(candidate: RouteCandidate, rules: Boundaries) -> tuple[DropCode, str] | None:
    endpoint = candidate.endpoint
    provider = endpoint.provider
    if rules.only and provider.name not in rules.only:
        return DropCode.PINNED, "not in provider.only"
    if provider.name in rules.ignore:
        return DropCode.IGNORED, "in provider.ignore"
    if rules.region is not None and (endpoint.region or provider.region) != rules.region:
        return DropCode.REGION, f"not in provider.region {rules.region}"
    if rules.retention is not None and not keeps_no_longer(provider.retention, rules.retention):
        return DropCode.RETENTION, f"its data retention is longer than provider.retention {rules.retention}"
    if rules.max_input_pico is not None and candidate.input_pico > rules.max_input_pico:
        return DropCode.MAX_PRICE, "its input price is above provider.max_price.input"
    if rules.max_output_pico is not None and candidate.output_pico > rules.max_output_pico:
        return DropCode.MAX_PRICE, "its output price is above provider.max_price.output"
    return None


def _needs_sorting(request: RouteRequest) -> bool:
    return bool(request.cooling or request.boundaries.order or request.boundaries.by_latency)


def _preference(request: RouteRequest) -> Callable[[Endpoint], tuple[int, bool, int, float]]:
    rank = {name: place for place, name in enumerate(request.boundaries.order)}
    latency = request.latency_ms if request.boundaries.by_latency else {}

    def prefer(endpoint: Endpoint) -> tuple[int, bool, int, float]:
        return (
            rank.get(endpoint.provider.name, len(rank)),
            endpoint.name in request.cooling,
            _dropped_advice(endpoint, request),
            latency.get(endpoint.name, 0.0),
        )

    return prefer
