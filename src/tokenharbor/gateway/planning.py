"""Finds the lane of a request, and makes its plan from the lane and the request's own boundaries."""

from collections.abc import Sequence

import msgspec

from tokenharbor.catalog.types import Model, ResolvedName
from tokenharbor.editions.policy import Policy
from tokenharbor.gateway.admit import boundaries, check_model, key_rules
from tokenharbor.gateway.cache_lane import cache_lane, check_cache_rules
from tokenharbor.gateway.call import MeteredCall
from tokenharbor.gateway.lane import Lane, LaneKey
from tokenharbor.gateway.offers import ModelOffers, Plan
from tokenharbor.gateway.pool_lane import pool_lane
from tokenharbor.gateway.snapshot import Snapshot
from tokenharbor.gateway.translation import losses_of
from tokenharbor.gateway.variants import check_surface, choose_variant
from tokenharbor.identity.caller import Caller
from tokenharbor.identity.limits import free_requests
from tokenharbor.kernel.errors import FreeModelsDisabled, ModelNotFound
from tokenharbor.routing.health import Health
from tokenharbor.routing.plan import RouteRequest
from tokenharbor.wire.neutral.request import ProviderRules, Request


def lane_of(snapshot: Snapshot, caller: Caller, kind: str, request: Request) -> Lane:
    """Return the lane of a request. Raises ModelNotFound, PermissionDenied, FreeModelsDisabled, InvalidRequest."""
    key = caller, kind, request.model
    lane = snapshot.lanes.get(key) or _open_lane(snapshot, key, request)
    if request.cache is not None:
        check_cache_rules(lane.caching, request.cache)
    return lane


def _open_lane(snapshot: Snapshot, key: LaneKey, request: Request) -> Lane:
    """Make and keep the lane of a key. Raises as `lane_of`."""
    caller, kind, name = key
    pools = snapshot.pools
    if pools is not None and name in pools.names:
        return _keep(snapshot, key, pool_lane(snapshot, pools, caller, request))
    resolved = find_model(snapshot, name)
    model, policy = resolved.model, snapshot.policy
    check_model(caller, model.name)
    check_surface(request, model, snapshot)
    offers = snapshot.offers[model.name]
    route_request = RouteRequest(
        dialect=request.dialect,
        candidates=offers.candidates,
        key=key_rules(caller),
        boundaries=boundaries(None, None, resolved),
        cooling=frozenset(),
        latency_ms={},
        max_providers=policy.failover.at_most,
    )
    rates = snapshot.rates_of(caller)
    lane = Lane(
        payer=caller.payer if rates is None else rates.payer,
        rates=rates,
        caching=cache_lane(policy, caller, resolved, [offers]) if request.dialect == kind else None,
        free_limit=_free_limit(policy, caller, model),
        policy=policy,
        dialect=request.dialect,
        requested_name=name,
        model_name=model.name,
        resolved=resolved,
        offers=offers,
        route_request=route_request,
        plan=offers.plan(route_request),
    )
    return _keep(snapshot, key, lane)


def _keep(snapshot: Snapshot, key: LaneKey, lane: Lane) -> Lane:
    snapshot.make_room()
    snapshot.lanes[key] = lane
    return lane


def _free_limit(policy: Policy, caller: Caller, model: Model) -> int:
    """Return how many requests to free models the account may make per window, or 0 if this model is not free. Raises
    FreeModelsDisabled.
    """
    if not model.free:
        return 0
    if not caller.account.free_models:
        raise FreeModelsDisabled(
            f"{model.name} is a free model: its provider may keep and use what it is sent. "
            "Turn free models on for this account first, or use another model.",
            param="model",
        )
    return free_requests(policy, caller)


def make_plan(call: MeteredCall, lane: Lane, request: Request, health: Health) -> Plan:
    """Return the lane's plan, or the request's own if it needs one. It may have no endpoint. Raises InvalidRequest."""
    plan, cooling = lane.plan, health.cooling()
    header = None if call.rules_header is None else call.header_rules()
    if (
        request.rules is not None
        or header is not None
        or cooling
        or (plan.foreign and losses_of(call, request, lane.offers, strict=False))
    ):
        route_request = msgspec.structs.replace(
            lane.route_request,
            boundaries=boundaries(request.rules, header, lane.resolved),
            cooling=cooling,
            latency_ms=health.latency_ms,
        )
        plan = plan_by_rules(call, request, lane.offers, route_request, strict=is_strict(request.rules, header))
    return plan if request.demand is None else choose_variant(plan, request.demand)


def is_strict(*stated: ProviderRules | None) -> bool:
    """Return whether fields that a provider would ignore are an error (`require_parameters`)."""
    return any(rules is not None and rules.require_parameters for rules in stated)


def plan_by_rules(
    call: MeteredCall, request: Request, offers: ModelOffers, route_request: RouteRequest, *, strict: bool
) -> Plan:
    """Return the plan for one model of a request with its own rules."""
    plan = offers.plan(route_request)
    if plan.foreign and (lost := losses_of(call, request, offers, strict=strict)):
        plan = offers.plan(
            msgspec.structs.replace(
                route_request, untranslatable=lost.untranslatable, dropped_advice=lost.dropped_advice
            )
        )
    return plan


def find_model(snapshot: Snapshot, name: str) -> ResolvedName:
    """Return the model of a name. Raises ModelNotFound, which suggests the nearest names."""
    resolved = snapshot.index.find(name)
    if resolved is None:
        pools = snapshot.pools
        raise model_not_found(name, (pools.nearest(name) if pools else ()) or snapshot.index.nearest(name))
    return resolved


def model_not_found(name: str, nearest: Sequence[str] = ()) -> ModelNotFound:
    hint = f" Did you mean: {', '.join(nearest)}." if nearest else ""
    return ModelNotFound(
        f"Unknown model {name[:100]!r}.{hint} GET /v1/models lists the available models.", param="model"
    )
