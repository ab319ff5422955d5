"""The lane of a model pool: the models that a key may use, by stage."""

from tokenharbor.catalog.surfaces import CHAT
from tokenharbor.catalog.types import ResolvedName
from tokenharbor.gateway.admit import boundaries, key_rules
from tokenharbor.gateway.cache_lane import cache_lane
from tokenharbor.gateway.lane import Lane
from tokenharbor.gateway.offers import ModelOffers, Plan
from tokenharbor.gateway.pools import PoolAccess, PoolMember, Pools
from tokenharbor.gateway.snapshot import Snapshot
from tokenharbor.identity.caller import Caller
from tokenharbor.kernel.errors import InvalidRequest, NoProviderAvailable, PermissionDenied
from tokenharbor.routing.drops import DropCode
from tokenharbor.routing.plan import DroppedEndpoint, RouteRequest
from tokenharbor.wire.neutral.request import Request


def pool_lane(snapshot: Snapshot, pools: Pools, caller: Caller, request: Request) -> Lane:
    """Return the lane of a pool's name. Raises InvalidRequest, PermissionDenied, NoProviderAvailable."""
    if request.demand is not None:
        raise InvalidRequest(f"{request.model} supports {CHAT} only: use another model.", param="model")
    access = pool_access(snapshot, pools, caller, request)
    first, rates = access.all_members[0], snapshot.rates_of(caller)
    resolved = ResolvedName(first.offers.model)
    return Lane(
        payer=caller.payer if rates is None else rates.payer,
        rates=rates,
        policy=snapshot.policy,
        dialect=request.dialect,
        requested_name=request.model,
        model_name=pools.policy.name,
        resolved=resolved,
        offers=first.offers,
        route_request=first.route_request,
        caching=cache_lane(snapshot.policy, caller, resolved, [each.offers for each in access.all_members]),
        plan=Plan(first.offers.model, ()),
        access=access,
    )


def pool_access(snapshot: Snapshot, pools: Pools, caller: Caller, request: Request) -> PoolAccess:
    """Return the pools as a key may use them. Raises PermissionDenied, NoProviderAvailable."""
    members = {
        stage: tuple(_member(offers, caller, request, snapshot, pools) for offers in pool if offers.candidates)
        for stage, pool in pools.models.items()
    }
    access = PoolAccess(pools, pools.names[request.model], members)
    if not access.all_members:
        raise NoProviderAvailable(f"{pools.policy.name} has no models here. GET /v1/models lists the available models.")
    if all(each.barred is not None for each in access.all_members):
        raise PermissionDenied(
            f"This API key does not allow model {request.model}, nor any model that it stands for. "
            f"It allows: {', '.join(sorted(caller.models))}."
        )
    return access


def _member(offers: ModelOffers, caller: Caller, request: Request, snapshot: Snapshot, pools: Pools) -> PoolMember:
    route_request = RouteRequest(
        dialect=request.dialect,
        candidates=offers.candidates,
        key=key_rules(caller),
        boundaries=boundaries(None, None, ResolvedName(offers.model)),
        cooling=frozenset(),
        latency_ms={},
        max_providers=snapshot.policy.failover.at_most,
    )
    return PoolMember(offers, route_request, _barred(offers, caller, request.model, pools))


def _barred(offers: ModelOffers, caller: Caller, requested_name: str, pools: Pools) -> DroppedEndpoint | None:
    """Return why a key may not use a model of a pool, or None. A key that lists the pools' name may use all models; one
    that lists the name of a stage, the models of that stage's pool; any other key, only the models that it lists.
    """
    endpoint, name = offers.candidates[0].endpoint, offers.model.name
    if offers.model.free:
        return DroppedEndpoint(endpoint, DropCode.FREE, "a free model can be used by its own name only")
    listed = caller.models
    if not listed or {pools.policy.name, name} & listed:
        return None
    stage = pools.names[requested_name]
    if requested_name in listed and stage is not None and offers in pools.models[stage]:
        return None
    reason = f"the API key does not allow model {name}"
    return DroppedEndpoint(endpoint, DropCode.KEY_MODEL, reason, by_key=True)
