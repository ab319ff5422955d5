"""Models of surfaces other than chat: their required fields, and prices by size."""

from typing import Any

import pytest

from tokenharbor.catalog.load import load_catalog
from tokenharbor.catalog.pricing import Rates, Terms
from tokenharbor.catalog.surfaces import FORMS as UNSIGNED
from tokenharbor.catalog.surfaces import NEEDS
from tokenharbor.catalog.types import Model
from tokenharbor.kernel.clock import SystemClock
from tokenharbor.kernel.errors import Misconfigured
from tokenharbor.wire import PROVIDER_DIALECTS
from tokenharbor.wire.surfaces import FORMS, SURFACES

ACME: dict[str, Any] = {
    "wire": "openai_chat",
    "base_url": "https://acme.example/v1",
    "auth": "none",
    "wires": {"anthropic_messages": {"base_url": "https://acme.example/v1", "auth": "none"}},
}


def load(surfaces: list[str], price: dict[str, Any], **more: Any) -> Model:
    model = {"surfaces": surfaces, "endpoints": [{"provider": "acme", "price": price}], **more}
    return load_catalog({"providers": {"acme": ACME}, "models": {"m": model}}, PROVIDER_DIALECTS).models["m"]


def test_every_surface_that_is_served_can_be_sold() -> None:
    assert {*SURFACES, *FORMS, "chat"} == set(NEEDS)


def test_the_catalogue_knows_which_of_them_are_forms() -> None:
    assert set(FORMS) == UNSIGNED


@pytest.mark.parametrize("surface", sorted(UNSIGNED))
def test_a_form_is_not_sold_where_every_request_is_signed_whole(surface: str) -> None:
    price = {"second": "0.1"} if surface != "image_edits" else {"image": "0.04"}
    acme = {**ACME, "auth": "sigv4", "service": "acme", "region": "us", "credential": "env:ACME"}

    def load_at(provider: dict[str, Any], surfaces: list[str]) -> Model:
        model = {"surfaces": surfaces, "endpoints": [{"provider": "acme", "price": price}]}
        return load_catalog({"providers": {"acme": provider}, "models": {"m": model}}, PROVIDER_DIALECTS).models["m"]

    with pytest.raises(Misconfigured, match=f"endpoint at 'acme': .*{surface}.*sigv4"):
        load_at(acme, [surface])
    assert load_at(ACME, [surface]).endpoints
    if surface == "image_edits":
        with pytest.raises(Misconfigured, match="image_edits"):
            load_at(acme, ["images", surface])
        assert load_at(acme, ["images"]).endpoints


@pytest.mark.parametrize(
    ("surfaces", "price"),
    [
        (["embeddings"], {"input": "0.1"}),
        (["images"], {"image": "0.04"}),
        (["images", "image_edits"], {"input": "5", "output": "40"}),
        (["speech"], {"character": "15"}),
        (["rerank"], {"search_unit": "0.002"}),
        (["transcriptions"], {"second": "0.0001"}),
        (["videos"], {"variants": [{"size": "9x16", "second": "0.1"}]}),
    ],
)
def test_what_a_surface_is_billed_by_suffices(surfaces: list[str], price: dict[str, Any]) -> None:
    model = load(surfaces, price)
    assert [endpoint.provider.wire for endpoint in model.endpoints] == ["openai_chat"], "the wire of its convention"
    assert model.surfaces == tuple(sorted(surfaces))


@pytest.mark.parametrize(
    ("surfaces", "price", "said"),
    [
        (["embeddings"], {"output": "1"}, "embeddings needs input"),
        (["images"], {"input": "5"}, "images needs image, or input and output"),
        (["speech"], {"input": "5", "output": "40"}, "speech needs character"),
        (["images"], {"variants": [{"size": "a", "image": "1"}, {"size": "a", "image": "2"}]}, "size and quality"),
        (["images"], {"variants": [{"size": "a"}]}, r"variants\[0\]: images needs"),
        (["images"], {"variants": []}, "variants must be an array"),
        (["images"], {"variants": [{"size": "a", "image": 1}]}, "decimal string"),
        (["pictures"], {"image": "1"}, "unknown surface 'pictures'"),
        (["chat", "speech"], {"input": "1", "output": "1", "character": "1"}, "two models"),
    ],
)
def test_what_is_not_stated_is_not_given_away(surfaces: list[str], price: dict[str, Any], said: str) -> None:
    with pytest.raises(Misconfigured, match=said):
        load(surfaces, price, context=10, max_output=10)


def test_a_variant_is_a_price_with_its_own_lines_and_version() -> None:
    rows = [{"size": "a", "quality": "hd", "image": "0.08"}, {"size": "b", "image": "0.12"}]
    (endpoint,) = load(["images"], {"input": "5", "variants": rows}).endpoints
    assert [(each.size, each.quality) for each in endpoint.variants] == [("a", "hd"), ("b", None)]
    assert endpoint.price == endpoint.variants[0].price != endpoint.variants[1].price
    now = SystemClock().now()
    picos = [Rates(each.price, Terms()).highest_pico("images_out", now) for each in endpoint.variants]
    assert picos == [80_000_000_000, 120_000_000_000]


def test_a_provider_of_another_wire_cannot_sell_it() -> None:
    other = {**ACME, "wire": "anthropic_messages", "wires": {}}
    model = {"surfaces": ["speech"], "endpoints": [{"provider": "acme", "price": {"character": "15"}}]}
    with pytest.raises(Misconfigured, match="openai_chat"):
        load_catalog({"providers": {"acme": other}, "models": {"m": model}}, PROVIDER_DIALECTS)
