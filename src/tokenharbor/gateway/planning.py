"""From a request to its plan: the model by name, then the boundaries of the caller and of the request."""

from collections.abc import Sequence

import msgspec

from tokenharbor.catalog.types import ResolvedName
from tokenharbor.gateway.admit import allow_model, boundaries, key_rules
from tokenharbor.gateway.call import MeteredCall
from tokenharbor.gateway.offers import ModelOffers, Plan
from tokenharbor.gateway.snapshot import Snapshot
from tokenharbor.gateway.translation import losses_of
from tokenharbor.gateway.variants import choose_variant, need_surface
from tokenharbor.identity.caller import Caller
from tokenharbor.kernel.errors import ModelNotFound
from tokenharbor.routing.health import Health
from tokenharbor.routing.plan import NO_BOUNDARIES, NO_ROUTING_RULES, RouteRequest
from tokenharbor.wire.neutral.request import Request


def make_plan(call: MeteredCall, caller: Caller, request: Request, snapshot: Snapshot, health: Health) -> Plan:
    """Raises ModelNotFound, PermissionDenied, InvalidRequest; the plan may have no endpoint."""
    found = find_model(snapshot, request.model)
    model = found.model
    allow_model(caller, model.name)
    call.meter.describe(request, model.name)
    need_surface(request, model, snapshot)
    offers, header = snapshot.offers[model.name], call.header_rules()
    key, bounds, cooling = key_rules(caller), boundaries(request.rules, header, found), health.cooling()
    plan = offers.plain[call.dialect.name]
    if (
        key is not NO_ROUTING_RULES
        or bounds is not NO_BOUNDARIES
        or cooling
        or (plan.foreign and losses_of(call, request, offers, strict=False))
    ):
        wanted = RouteRequest(
            dialect=call.dialect.name,
            candidates=offers.candidates,
            key=key,
            boundaries=bounds,
            cooling=cooling,
            latency_ms=health.latency_ms,
            max_providers=snapshot.policy.failover.at_most,
        )
        strict = any(rules is not None and rules.require_parameters for rules in (request.rules, header))
        plan = _plan_by_rules(call, request, offers, wanted, strict=strict)
    return plan if request.demand is None else choose_variant(plan, request.demand)


def _plan_by_rules(
    call: MeteredCall, request: Request, offers: ModelOffers, wanted: RouteRequest, *, strict: bool
) -> Plan:
    plan = offers.plan(wanted)
    if plan.foreign and (lost := losses_of(call, request, offers, strict=strict)):
        plan = offers.plan(
            msgspec.structs.replace(wanted, untranslatable=lost.untranslatable, dropped_advice=lost.dropped_advice)
        )
    return plan


def find_model(snapshot: Snapshot, name: str) -> ResolvedName:
    """Raises ModelNotFound, which names the nearest."""
    found = snapshot.index.find(name)
    if found is None:
        raise model_not_found(name, snapshot.index.nearest(name))
    return found


def model_not_found(name: str, nearest: Sequence[str] = ()) -> ModelNotFound:
    hint = f" Did you mean: {', '.join(nearest)}." if nearest else ""
    return ModelNotFound(f"Unknown model {name[:100]!r}.{hint} GET /v1/models lists all models.", param="model")
