"""What of a route fits a surface's request: models that can be asked for it, prices of its size and quality."""

from collections.abc import Sequence

import msgspec

from tokenharbor.catalog.surfaces import CHAT
from tokenharbor.catalog.types import Model
from tokenharbor.gateway.snapshot import ReadyEndpoint, Snapshot, Way
from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.routing.plan import DroppedEndpoint, Route
from tokenharbor.wire.neutral.request import MediaDemand, Request

_MOST_NAMED = 8


def need_surface(request: Request, model: Model, snapshot: Snapshot) -> None:
    """Raises InvalidRequest that names models which can, for one that cannot."""
    surface = request.demand.surface if request.demand is not None else CHAT
    if surface in model.surfaces:
        return
    able = [name for name in snapshot.on_sale() if surface in snapshot.offers[name].model.surfaces]
    hint = f" Models that do: {', '.join(sorted(able)[:_MOST_NAMED])}." if able else " No available model does."
    raise InvalidRequest(
        f"{model.name} does not support {surface}. It supports: {', '.join(model.surfaces)}.{hint}", param="model"
    )


def fit(way: Way, demand: MediaDemand) -> Way:
    """The way with each sale at the price of what is asked for. Raises InvalidRequest if none prices it."""
    fitted = [(sale, _fit(sale, demand)) for sale in way.ready]
    kept = [sale for _, sale in fitted if sale is not None]
    if way.ready and not kept:
        raise _unpriced(way.ready, demand)
    dropped = [
        DroppedEndpoint(sale.offer.endpoint, "no price for this size and quality")
        for sale, found in fitted
        if not found
    ]
    route = Route(tuple(sale.offer.endpoint for sale in kept), (*way.route.dropped, *dropped))
    return msgspec.structs.replace(way, route=route, ready=tuple(kept), offers=tuple(sale.offer for sale in kept))


def _fit(sale: ReadyEndpoint, demand: MediaDemand) -> ReadyEndpoint | None:
    """The first variant that matches the given values sets those that are not given."""
    for variant, offer in sale.fits:
        if _agrees(demand.size, variant.size) and _agrees(demand.quality, variant.quality):
            open_ = (("size", variant.size, demand.size), ("quality", variant.quality, demand.quality))
            chosen = tuple((name, value) for name, value, said in open_ if value is not None and said is None)
            return msgspec.structs.replace(sale, offer=offer, variant=chosen)
    return None


def _agrees(said: str | None, priced: str | None) -> bool:
    return said is None or priced is None or said == priced


def _unpriced(sales: Sequence[ReadyEndpoint], demand: MediaDemand) -> InvalidRequest:
    priced = sorted({_shown(each.size, each.quality) for sale in sales for each, _ in sale.fits})
    asked = _shown(demand.size, demand.quality)
    param = "size" if demand.size is not None else "quality"
    return InvalidRequest(
        f"No price for {asked[:100]}. Use one of: {'; '.join(priced)}.",
        param=param,
    )


def _shown(size: str | None, quality: str | None) -> str:
    return " ".join(part for part in (size, quality) if part) or "any size"
