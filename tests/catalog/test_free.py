"""Free models: free only by an explicit flag, at every provider or at none."""

from typing import Any

import pytest
from tests.catalog.conftest import Load

from tokenharbor.catalog.check import check_catalog
from tokenharbor.catalog.describe import ModelDocuments
from tokenharbor.catalog.pricing import Rates, Terms
from tokenharbor.catalog.surfaces import CHAT
from tokenharbor.editions.load import load_edition
from tokenharbor.kernel.clock import SystemClock
from tokenharbor.kernel.errors import Misconfigured

AT = SystemClock().now()
Tables = dict[str, Any]
FREE = {"provider": "acme", "free": True}


def _sold_as(operator: Tables, *endpoints: Tables, surface: str = CHAT) -> Tables:
    model = {"context": 1000, "max_output": 100, "surfaces": [surface], "endpoints": list(endpoints)}
    operator["models"]["given"] = model
    return operator


def test_TH_F1_a_model_is_free_by_the_flag_of_its_endpoint(load: Load, operator: Tables) -> None:
    catalog = load(_sold_as(operator, FREE))
    model = catalog.models["given"]
    assert (model.free, catalog.models["acme-v3.2"].free) == (True, False)
    price = model.endpoints[0].price
    assert price is not None
    assert {unit: Rates(price, Terms(markup_bp=500)).highest_pico(unit, AT) for unit in ("input", "output")} == {
        "input": 0,
        "output": 0,
    }
    assert not [finding for finding in check_catalog(catalog, AT) if "given" in finding.where]


@pytest.mark.parametrize("surface", ["embeddings", "images", "speech", "videos", "rerank"])
def test_TH_F1_each_surface_can_be_free(load: Load, operator: Tables, surface: str) -> None:
    endpoint = load(_sold_as(operator, FREE, surface=surface)).models["given"].endpoints[0]
    assert endpoint.price is not None
    assert {line.pico for line in endpoint.price.components} == {0}


def test_TH_A7_a_free_model_says_so_in_the_list(load: Load, operator: Tables) -> None:
    documents = ModelDocuments(load(_sold_as(operator, FREE)), load_edition("tokenhub").price)
    given, paid = documents.model("given", AT), documents.model("acme-v3.2", AT)
    assert (given["free"], given["pricing"]["input"], given["pricing"]["output"]) == (True, "0", "0")
    assert paid["free"] is False


def test_the_later_file_says_whether_it_is_free(load: Load) -> None:
    def shipped(**endpoint: object) -> Tables:
        return {"models": {"demo-chat": {"endpoints": [{"provider": "demo", **endpoint}]}}}

    assert load(shipped(free=True)).models["demo-chat"].free
    assert not load(shipped(free=False)).models["demo-chat"].free
    assert not load(shipped(price={"input": "1", "output": "2"})).models["demo-chat"].free


@pytest.mark.parametrize(
    ("endpoints", "says"),
    [
        (({**FREE, "price": {"input": "1", "output": "1"}},), "free = true replaces a price"),
        (({"provider": "acme", "price": {"input": "0", "output": "0"}},), "set free = true"),
        ((FREE, {"provider": "other", "price": {"input": "1", "output": "1"}}), "such as 'given:free'"),
    ],
)
def test_TH_F1_nothing_is_given_away_by_a_slip(
    load: Load, operator: Tables, endpoints: tuple[Tables, ...], says: str
) -> None:
    with pytest.raises(Misconfigured) as caught:
        load(_sold_as(operator, *endpoints))
    assert len(caught.value.faults) == 1
    assert says in caught.value.faults[0]
