"""The surface and the price variant of media requests: which models support them, and the price of size and quality."""

from collections.abc import Sequence

import msgspec

from tokenharbor.catalog.surfaces import CHAT
from tokenharbor.catalog.types import Model
from tokenharbor.gateway.offers import Plan, ReadyEndpoint
from tokenharbor.gateway.snapshot import Snapshot
from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.routing.drops import DropCode
from tokenharbor.routing.plan import DroppedEndpoint
from tokenharbor.wire.neutral.request import MediaDemand, Request

_MOST_NAMED = 8


def check_surface(request: Request, model: Model, snapshot: Snapshot) -> None:
    """Raise InvalidRequest, which names models that do, if the model does not support the request's surface."""
    surface = request.demand.surface if request.demand is not None else CHAT
    if surface in model.surfaces:
        return
    able = [name for name in snapshot.on_sale() if surface in snapshot.offers[name].model.surfaces]
    hint = f" Models that do: {', '.join(sorted(able)[:_MOST_NAMED])}." if able else " No available model does."
    raise InvalidRequest(
        f"{model.name} does not support {surface}. It supports: {', '.join(model.surfaces)}.{hint}", param="model"
    )


def demand_of(request: Request) -> MediaDemand:
    """Return the demand of a media request."""
    assert request.demand is not None, "every surface but chat asks for something"  # noqa: S101  for mypy
    return request.demand


def choose_variant(plan: Plan, demand: MediaDemand) -> Plan:
    """Return the plan with each endpoint at the price of the size and quality demanded. Raises InvalidRequest if no
    endpoint has a price for them.
    """
    chosen = plan.narrow(lambda ready: _choose(ready, demand))
    if plan.endpoints and not chosen.endpoints:
        raise _unpriced(plan.endpoints, demand)
    return chosen


def _choose(ready: ReadyEndpoint, demand: MediaDemand) -> ReadyEndpoint | DroppedEndpoint:
    """Choose the first variant that matches the stated values; it sets those that are not stated."""
    for variant, offer in ready.variants:
        if _agrees(demand.size, variant.size) and _agrees(demand.quality, variant.quality):
            open_ = (("size", variant.size, demand.size), ("quality", variant.quality, demand.quality))
            chosen = tuple((name, value) for name, value, said in open_ if value is not None and said is None)
            return msgspec.structs.replace(
                ready, rates=offer.rates, served=offer.served, product=offer.product, variant=chosen
            )
    return DroppedEndpoint(ready.endpoint, DropCode.UNPRICED, "no price for this size and quality")


def _agrees(said: str | None, priced: str | None) -> bool:
    return said is None or priced is None or said == priced


def _unpriced(endpoints: Sequence[ReadyEndpoint], demand: MediaDemand) -> InvalidRequest:
    priced = sorted({_shown(each.size, each.quality) for ready in endpoints for each, _ in ready.variants})
    asked = _shown(demand.size, demand.quality)
    param = "size" if demand.size is not None else "quality"
    return InvalidRequest(
        f"No price for {asked[:100]}. Use one of: {'; '.join(priced)}.",
        param=param,
    )


def _shown(size: str | None, quality: str | None) -> str:
    return " ".join(part for part in (size, quality) if part) or "any size"
