"""Requests, and offers of one model, for the room's tests."""

from datetime import UTC, datetime

from tokenharbor.billing.quote import Offer, make_offer
from tokenharbor.catalog.price import make_price
from tokenharbor.catalog.pricing import Rates, Terms
from tokenharbor.catalog.types import Endpoint, Model, PriceComponent, Provider
from tokenharbor.editions.load import load_edition
from tokenharbor.wire.neutral.request import InputSize, Request

AT = datetime(2026, 11, 21, tzinfo=UTC)
POLICY = load_edition("token-harbor")
MODEL = Model("m", "v", context=100_000, max_output=8_000, capabilities=frozenset(), endpoints=())


def offer(terms: Terms = Terms(), model: Model = MODEL, **picos: int) -> Offer:  # noqa: B008  frozen
    price = make_price([PriceComponent(unit, pico) for unit, pico in picos.items()])
    endpoint = Endpoint("m", Provider("p", "openai_chat", "http://127.0.0.1/v1"), "up", price)
    return make_offer(model, endpoint, Rates(price, terms), POLICY)


def request(**more: object) -> Request:
    fields: dict[str, object] = {"size": InputSize(3_000, text_tokens=1_001)} | more
    return Request("openai_chat", b"{}", (), "m", **fields)  # type: ignore[arg-type]
