"""Plans: boundaries are always kept, preferences only order, and every drop has its reason."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenharbor.catalog.types import Endpoint, Provider
from tokenharbor.kernel.errors import BoundariesLeaveNobody, InvalidRequest, NoProviderAvailable, PermissionDenied
from tokenharbor.routing.drops import DROP_WORDS, DropCode
from tokenharbor.routing.plan import (
    NO_BOUNDARIES,
    NO_ROUTING_RULES,
    Boundaries,
    Route,
    RouteCandidate,
    RouteRequest,
    RoutingRules,
    no_route_refusal,
    plan_route,
)

NAMES = ("alpha", "beta", "gamma", "delta")
REGIONS = ("cn", "eu", "us")


def candidate(
    name: str, *, region: str | None = None, retention: str | None = "none", **more: object
) -> RouteCandidate:
    provider = Provider(name, "openai_chat", "http://127.0.0.1/v1", region=region, retention=retention)
    endpoint = Endpoint("m", provider, "m-upstream", None)
    return RouteCandidate(endpoint, **more)  # type: ignore[arg-type]


def plan(
    *candidates: RouteCandidate, key: RoutingRules = NO_ROUTING_RULES, rules: Boundaries = NO_BOUNDARIES, **more: object
) -> Route:
    defaults: dict[str, object] = {"cooling": frozenset(), "latency_ms": {}, "max_providers": 10} | more
    return plan_route(RouteRequest(dialect="openai_chat", candidates=candidates, key=key, boundaries=rules, **defaults))  # type: ignore[arg-type]


def names(route: Route) -> list[str]:
    return [endpoint.provider.name for endpoint in route.endpoints]


def reasons(route: Route) -> dict[str, str]:
    return {drop.endpoint.provider.name: drop.reason for drop in route.dropped}


def test_without_rules_the_price_order_stands() -> None:
    route = plan(*map(candidate, NAMES))
    assert names(route) == list(NAMES)
    assert not route.dropped


@given(
    only=st.frozensets(st.sampled_from(NAMES)),
    ignore=st.frozensets(st.sampled_from(NAMES)),
    denied=st.frozensets(st.sampled_from(NAMES)),
    region=st.none() | st.sampled_from(REGIONS),
    cooling=st.frozensets(st.sampled_from(NAMES)),
    order=st.lists(st.sampled_from(NAMES), unique=True),
    homes=st.lists(st.none() | st.sampled_from(REGIONS), min_size=4, max_size=4),
)
def test_no_preference_ever_leads_outside_the_boundaries(
    only: frozenset[str],
    ignore: frozenset[str],
    denied: frozenset[str],
    region: str | None,
    cooling: frozenset[str],
    order: list[str],
    homes: list[str | None],
) -> None:
    candidates = [candidate(name, region=home) for name, home in zip(NAMES, homes, strict=True)]
    rules = Boundaries(only=only, ignore=ignore, region=region, order=tuple(order))
    route = plan(
        *candidates,
        key=RoutingRules(denied=denied),
        rules=rules,
        cooling=frozenset(f"{name}/m:openai_chat" for name in cooling),
    )
    for name, home in zip(NAMES, homes, strict=True):
        inside = (not only or name in only) and name not in ignore | denied and (region is None or home == region)
        assert (name in names(route)) == inside
        assert (name in reasons(route)) == (not inside)


def test_the_callers_order_comes_first_then_health_then_price() -> None:
    route = plan(*map(candidate, NAMES), rules=Boundaries(order=("gamma",)), cooling=frozenset({"alpha/m:openai_chat"}))
    assert names(route) == ["gamma", "beta", "delta", "alpha"]


def test_a_lone_endpoint_is_tried_even_while_it_cools() -> None:
    assert names(plan(candidate("alpha"), cooling=frozenset({"alpha/m:openai_chat"}))) == ["alpha"]


def test_sorting_by_latency_prefers_the_quick() -> None:
    latency = {
        "alpha/m:openai_chat": 900.0,
        "beta/m:openai_chat": 100.0,
        "gamma/m:openai_chat": 500.0,
        "delta/m:openai_chat": 50.0,
    }
    route = plan(*map(candidate, NAMES), rules=Boundaries(by_latency=True), latency_ms=latency)
    assert names(route) == ["delta", "beta", "gamma", "alpha"]


def test_no_more_providers_than_the_edition_allows() -> None:
    route = plan(*map(candidate, NAMES), max_providers=3)
    assert names(route) == ["alpha", "beta", "gamma"]
    assert " 3 " in reasons(route)["delta"]


@pytest.mark.parametrize(
    ("has", "bound", "inside"),
    [
        ("none", "none", True),
        ("days:30", "none", False),
        ("days:30", "days:30", True),
        ("days:31", "days:30", False),
        ("training", "days:365", False),
        (None, "days:365", False),
        (None, "training", True),
    ],
)
def test_retention_unknown_counts_as_the_worst(has: str | None, bound: str, inside: bool) -> None:
    route = plan(candidate("alpha", retention=has), rules=Boundaries(retention=bound))
    assert names(route) == (["alpha"] if inside else [])


def test_a_price_above_the_callers_maximum_is_left_out() -> None:
    cheap, dear = (
        candidate("alpha", input_pico=100, output_pico=200),
        candidate("beta", input_pico=100, output_pico=201),
    )
    assert names(plan(cheap, dear, rules=Boundaries(max_output_pico=200))) == ["alpha"]
    assert names(plan(cheap, dear, rules=Boundaries(max_input_pico=99))) == []


def test_a_provider_of_another_dialect_is_left_out_only_if_the_request_cannot_be_said_to_it() -> None:
    wish = RouteRequest("anthropic_messages", [candidate("alpha")], NO_ROUTING_RULES, NO_BOUNDARIES, frozenset(), {}, 3)
    assert names(plan_route(wish)) == ["alpha"]
    refusal = InvalidRequest("`top_k` cannot be told.", param="top_k")
    route = plan_route(msgspec.structs.replace(wish, untranslatable={"openai_chat": refusal}))
    assert not route.endpoints
    assert route.dropped[0].reason == refusal.message
    assert no_route_refusal("m", route.dropped) is refusal


def test_what_cannot_be_said_elsewhere_is_no_fault_in_the_callers_own_dialect() -> None:
    wish = RouteRequest("openai_chat", [candidate("alpha")], NO_ROUTING_RULES, NO_BOUNDARIES, frozenset(), {}, 3)
    refusals = {"openai_chat": InvalidRequest("`n`"), "anthropic_messages": InvalidRequest("`n`")}
    assert names(plan_route(msgspec.structs.replace(wish, untranslatable=refusals))) == ["alpha"]


def test_nobody_says_whose_boundary_it_was() -> None:
    key = plan(
        candidate("alpha"), candidate("off", unavailable="no price"), key=RoutingRules(providers=frozenset({"beta"}))
    )
    assert isinstance(no_route_refusal("m", key.dropped), PermissionDenied)
    both = Boundaries(only=frozenset({"alpha"}))
    pinned = plan(candidate("alpha"), candidate("beta"), rules=both, key=RoutingRules(providers=frozenset({"beta"})))
    assert isinstance(no_route_refusal("m", pinned.dropped), PermissionDenied), (
        "the key forbids whom the request asks for"
    )
    request = plan(candidate("alpha"), rules=Boundaries(ignore=frozenset({"alpha"})))
    refusal = no_route_refusal("m", request.dropped)
    assert isinstance(refusal, BoundariesLeaveNobody)
    assert refusal.should_retry is False
    assert "provider.ignore" in refusal.message
    off = plan(candidate("alpha", unavailable="no credential"))
    refusal = no_route_refusal("m", off.dropped)
    assert type(refusal) is NoProviderAvailable
    assert "alpha: no credential" in refusal.message


def test_every_reason_has_its_words() -> None:
    assert DROP_WORDS.keys() == set(DropCode)
