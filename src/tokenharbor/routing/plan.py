"""The plan of a route: request, boundaries and health in; ordered endpoints out, and why each other was dropped."""

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


class RouteCandidate(msgspec.Struct, frozen=True):
    """An endpoint that could serve. `off` says why it cannot, whatever the request; prices are in pico-USD per
    token at their dearest step.
    """

    endpoint: Endpoint
    input_pico: int = 0
    output_pico: int = 0
    off: str | None = None


class RoutingRules(msgspec.Struct, frozen=True):
    """What the key's owner allows. Empty means no rule."""

    providers: frozenset[str] = frozenset()
    denied: frozenset[str] = frozenset()


class Boundaries(msgspec.Struct, frozen=True):
    """What the request allows; routing never leaves it. Empty and None mean no rule; prices in pico-USD."""

    only: frozenset[str] = frozenset()
    ignore: frozenset[str] = frozenset()
    region: str | None = None
    retention: str | None = None
    max_input_pico: int | None = None
    max_output_pico: int | None = None
    order: tuple[str, ...] = ()
    by_latency: bool = False


class RouteRequest(msgspec.Struct, frozen=True):
    """What is asked of the plan. `candidates` come sorted by price, cheapest first. `unsaid` has the wires in which the
    request cannot be said, and why; `ignored`, those that leave some of its advice out, and how many pieces.
    """

    dialect: str
    candidates: Sequence[RouteCandidate]
    key: RoutingRules
    boundaries: Boundaries
    cooling: frozenset[str]
    latency_ms: Mapping[str, float]
    at_most: int
    unsaid: Mapping[str, InvalidRequest] = {}
    ignored: Mapping[str, int] = {}


class DroppedEndpoint(msgspec.Struct, frozen=True):
    """A candidate that will not be tried, and why; `by_key` and `by_request` say whose boundary it was, `refusal` that
    the request itself cannot be said to it.
    """

    endpoint: Endpoint
    why: str
    by_key: bool = False
    by_request: bool = False
    refusal: InvalidRequest | None = None


class Route(msgspec.Struct, frozen=True):
    """Endpoints in the order in which they are tried."""

    endpoints: Sequence[Endpoint]
    dropped: Sequence[DroppedEndpoint]


NO_ROUTING_RULES = RoutingRules()
NO_BOUNDARIES = Boundaries()


def plan_route(wanted: RouteRequest) -> Route:
    """Boundaries first, then the caller's order, then health, then who takes the request's advice, then price. May
    leave nobody: see `no_route_refusal`.
    """
    kept: list[Endpoint] = []
    asked: set[str] = set()
    dropped: list[DroppedEndpoint] = []
    for candidate in _in_dialect(_advised(wanted), wanted.dialect):
        if candidate.endpoint.provider.name in asked:
            continue  # one endpoint of a company: in its other wire it would fail alike
        drop = _drop(candidate, wanted)
        if drop is None:
            kept.append(candidate.endpoint)
            asked.add(candidate.endpoint.provider.name)
        else:
            dropped.append(drop)
    if len(kept) > 1 and _unsorted(wanted):
        kept.sort(key=_preference(wanted))
    if len(kept) > wanted.at_most:
        why = f"over the limit of {wanted.at_most} providers for one request"
        dropped.extend(DroppedEndpoint(endpoint, why) for endpoint in kept[wanted.at_most :])
    return Route(kept[: wanted.at_most], dropped)


def no_route_refusal(model: str, dropped: Sequence[DroppedEndpoint]) -> Refusal:
    """The refusal when a plan leaves no endpoint: the field that is not supported, else whose boundary it was, and
    each endpoint's reason.
    """
    unsaid = next((drop.refusal for drop in dropped if drop.refusal is not None), None)
    if unsaid is not None:
        return unsaid
    reasons = "; ".join(sorted({f"{drop.endpoint.provider.name}: {drop.why}" for drop in dropped}))
    if any(drop.by_key for drop in dropped):  # the request itself would have had somebody
        return PermissionDenied(f"The provider rules of this API key exclude every provider of {model}: {reasons}.")
    if any(drop.by_request for drop in dropped):
        return BoundariesLeaveNobody(
            f"The provider rules of this request exclude every provider of {model}: {reasons}."
        )
    reasons = reasons or "no provider is configured"
    hint = "GET /v1/models lists the available models."
    return NoProviderAvailable(f"No provider of {model} can serve this request: {reasons}. {hint}")


def _advised(wanted: RouteRequest) -> Sequence[RouteCandidate]:
    """Who takes more of the advice comes first; those alike stay in order."""
    if not wanted.ignored:
        return wanted.candidates
    return sorted(wanted.candidates, key=lambda each: _ignored(each.endpoint, wanted))


def _ignored(endpoint: Endpoint, wanted: RouteRequest) -> int:
    wire = endpoint.provider.wire
    return 0 if wire == wanted.dialect else wanted.ignored.get(wire, 0)


def _in_dialect(candidates: Sequence[RouteCandidate], dialect: str) -> Iterator[RouteCandidate]:
    """A company that speaks the dialect is asked in it: its endpoints in other wires are no candidates."""
    speak = {each.endpoint.provider.name for each in candidates if each.endpoint.provider.wire == dialect}
    for each in candidates:
        provider = each.endpoint.provider
        if provider.wire == dialect or provider.name not in speak:
            yield each


def _drop(candidate: RouteCandidate, wanted: RouteRequest) -> DroppedEndpoint | None:
    endpoint = candidate.endpoint
    if candidate.off is not None:
        return DroppedEndpoint(endpoint, candidate.off)
    if wanted.boundaries is not NO_BOUNDARIES:
        why = _against_request(candidate, wanted.boundaries)
        if why is not None:
            return DroppedEndpoint(endpoint, why, by_request=True)
    if wanted.key is not NO_ROUTING_RULES:
        why = against_key(endpoint.provider.name, wanted.key)
        if why is not None:
            return DroppedEndpoint(endpoint, why, by_key=True)
    if wanted.unsaid and endpoint.provider.wire != wanted.dialect:
        refusal = wanted.unsaid.get(endpoint.provider.wire)
        if refusal is not None:
            return DroppedEndpoint(endpoint, refusal.message, refusal=refusal)
    return None


def against_key(provider: str, rules: RoutingRules) -> str | None:
    """Why the key's owner does not allow a provider, or None."""
    if rules.providers and provider not in rules.providers:
        return "not in the providers that the API key allows"
    if provider in rules.denied:
        return "in the providers that the API key denies"
    return None


def _against_request(candidate: RouteCandidate, rules: Boundaries) -> str | None:
    endpoint = candidate.endpoint
    provider = endpoint.provider
    if rules.only and provider.name not in rules.only:
        return "not in provider.only"
    if provider.name in rules.ignore:
        return "in provider.ignore"
    if rules.region is not None and (endpoint.region or provider.region) != rules.region:
        return f"not in provider.region {rules.region}"
    if rules.retention is not None and not keeps_no_longer(provider.retention, rules.retention):
        return f"its data retention is longer than provider.retention {rules.retention}"
    if rules.max_input_pico is not None and candidate.input_pico > rules.max_input_pico:
        return "its input price is above provider.max_price.input"
    if rules.max_output_pico is not None and candidate.output_pico > rules.max_output_pico:
        return "its output price is above provider.max_price.output"
    return None


def _unsorted(wanted: RouteRequest) -> bool:
    return bool(wanted.cooling or wanted.boundaries.order or wanted.boundaries.by_latency)


def _preference(wanted: RouteRequest) -> Callable[[Endpoint], tuple[int, bool, int, float]]:
    rank = {name: place for place, name in enumerate(wanted.boundaries.order)}
    latency = wanted.latency_ms if wanted.boundaries.by_latency else {}

    def prefer(endpoint: Endpoint) -> tuple[int, bool, int, float]:
        return (
            rank.get(endpoint.provider.name, len(rank)),
            endpoint.name in wanted.cooling,
            _ignored(endpoint, wanted),
            latency.get(endpoint.name, 0.0),
        )

    return prefer
