"""The objects of GET /v1/models, read by the clients they are for."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import anthropic.types
import openai.types
import pytest

from tokenharbor.catalog.describe import ModelDocuments, describe_price
from tokenharbor.catalog.price import read_price
from tokenharbor.catalog.types import Catalog

Load = Callable[[dict[str, Any]], Catalog]
Tables = dict[str, Any]
AT = datetime(2026, 11, 23, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Sold:
    """Terms of sale."""

    markup_bp: int = 0
    service_fee_bp: int = 0
    discount_bp: int = 0

    def markup_of(self, model: str) -> int:
        return self.markup_bp if model == "acme-v3.2" else 0


def test_the_one_object_satisfies_openais_and_anthropics_types(load: Load) -> None:
    shown = ModelDocuments(load({}), Sold()).model("claude-sonnet-4-5", AT)
    for_openai = openai.types.Model.model_validate(shown)
    assert (for_openai.id, for_openai.object, for_openai.owned_by) == ("claude-sonnet-4-5", "model", "anthropic")
    assert for_openai.created == 1759104000
    for_anthropic = anthropic.types.ModelInfo.model_construct(**shown)
    assert (for_anthropic.type, for_anthropic.display_name) == ("model", "Claude Sonnet 4.5")
    assert shown["created_at"] == "2025-09-29T00:00:00Z"
    assert (shown["max_input_tokens"], shown["max_tokens"]) == (200_000, 64_000)


def test_th_a7_a_model_shows_price_context_capabilities_providers_and_retention(load: Load, operator: Tables) -> None:
    shown = ModelDocuments(load(operator), Sold()).model("acme-v3.2", AT)
    assert shown["context_length"] == 131072
    assert shown["capabilities"] == ["audio", "json_schema", "pdf", "reasoning", "tools", "vision"]
    assert shown["pricing"] == {
        "currency": "USD",
        "input": "0.28",
        "output": "0.42",
        "cache_read": "0.028",
        "cache_write": "0.35",
        "prompt": "0.00000028",
        "completion": "0.00000042",
        "service_fee_bp": 0,
    }
    acme, other = shown["providers"]
    assert (acme["name"], acme["region"], acme["retention"], acme["wires"]) == ("acme", "cn", "none", ["openai_chat"])
    assert (other["name"], other["retention"], other["pricing"]["output"]) == ("other", None, "1")
    assert shown["retention"] is None


def test_prices_are_those_a_caller_pays_with_the_fee_beside_them(load: Load, operator: Tables) -> None:
    pricing = ModelDocuments(load(operator), Sold(markup_bp=1_050, service_fee_bp=300)).model("acme-v3.2", AT)[
        "pricing"
    ]
    assert (pricing["input"], pricing["output"], pricing["service_fee_bp"]) == ("0.3094", "0.4641", 300)
    assert pricing["prompt"] == "0.0000003094"


def test_the_cheapest_provider_gives_the_models_price(load: Load, operator: Tables) -> None:
    operator["models"]["acme-v3.2"]["endpoints"].reverse()
    assert ModelDocuments(load(operator), Sold()).model("acme-v3.2", AT)["pricing"]["input"] == "0.28"


def test_a_coming_price_is_shown_with_its_time_and_the_accounts_terms(load: Load, operator: Tables) -> None:
    price = {"input": "0.1", "output": "0.4", "later": [{"from": date(2026, 12, 1), "input": "0.2"}]}
    operator["models"]["acme-v3.2"]["endpoints"][0]["price"] = price
    documents = ModelDocuments(load(operator), Sold(markup_bp=1000))
    pricing = documents.model("acme-v3.2", AT)["pricing"]
    assert pricing["input"] == "0.11"
    assert pricing["coming"] == [{"from": "2026-12-01T00:00:00Z", "input": "0.22", "output": "0.44"}]
    pricing = documents.model("acme-v3.2", datetime(2026, 12, 1, tzinfo=UTC))["pricing"]
    assert (pricing["input"], "coming" in pricing) == ("0.22", False)


def test_a_price_is_described_line_by_line() -> None:
    table = {
        "input": "0.1",
        "output": "0.4",
        "search": "0.01",
        "steps": [{"above_input": 32_000, "input": "0.2"}],
        "hours": [{"from": "22:30", "to": "04:00", "days": ["sat"], "input": "0.05"}],
        "later": [{"from": date(2026, 12, 1), "output": "0.5"}],
    }
    lines = [tuple(line.values()) for line in describe_price(read_price(table, "price"))]
    assert lines == [
        ("input", "0.1", "1M", 0, None, None),
        ("input", "0.2", "1M", 32_000, None, None),
        ("input", "0.05", "1M", 0, "22:30-04:00 sat", None),
        ("output", "0.4", "1M", 0, None, None),
        ("output", "0.5", "1M", 0, None, "2026-12-01T00:00:00Z"),
        ("search", "0.01", "1", 0, None, None),
    ]


def test_steps_and_searches_are_shown(load: Load, operator: Tables) -> None:
    operator["models"]["acme-v3.2"]["endpoints"][0]["price"] = {
        "input": "0.1",
        "output": "0.4",
        "search": "0.01",
        "steps": [{"above_input": 32_000, "input": "0.2"}],
    }
    pricing = ModelDocuments(load(operator), Sold()).model("acme-v3.2", AT)["pricing"]
    assert (pricing["input"], pricing["search"]) == ("0.1", "0.01")
    assert pricing["steps"] == [{"above_input": 32_000, "input": "0.2", "output": "0.4", "search": "0.01"}]


def test_a_price_that_changes_with_time_is_shown_as_it_is_now(load: Load, operator: Tables) -> None:
    operator["models"]["acme-v3.2"]["endpoints"][0]["price"] = {
        "input": "0.1",
        "output": "0.4",
        "hours": [{"from": "12:30", "to": "13:00", "input": "0.2"}],
    }
    showcase = ModelDocuments(load(operator), Sold())
    prices = [
        showcase.model("acme-v3.2", AT + timedelta(minutes=minutes))["pricing"]["input"] for minutes in (29, 30, 60)
    ]
    assert prices == ["0.1", "0.2", "0.1"]


def test_a_model_without_a_price_shows_none(load: Load, operator: Tables) -> None:
    del operator["models"]["acme-v3.2"]["endpoints"][0]["price"]
    del operator["models"]["acme-v3.2"]["endpoints"][1]["price"]
    shown = ModelDocuments(load(operator), Sold()).model("acme-v3.2", AT)
    assert shown["pricing"] is None
    assert [each["pricing"] for each in shown["providers"]] == [None, None]


@pytest.mark.parametrize(
    ("retentions", "shown"),
    [
        (("none", "none"), "none"),
        (("none", "days:30"), "days:30"),
        (("days:7", "days:30"), "days:30"),
        (("training", "days:30"), "training"),
        (("training", None), None),
    ],
)
def test_retention_is_the_worst_that_can_happen(
    load: Load, operator: Tables, retentions: tuple[str | None, str | None], shown: str | None
) -> None:
    for name, retention in zip(("acme", "other"), retentions, strict=True):
        operator["providers"][name].pop("retention", None)
        if retention is not None:
            operator["providers"][name]["retention"] = retention
    assert ModelDocuments(load(operator), Sold()).model("acme-v3.2", AT)["retention"] == shown


def test_a_company_is_one_provider_in_all_its_wires(load: Load) -> None:
    providers = ModelDocuments(load({}), Sold()).model("deepseek-v4-pro", AT)["providers"]
    assert [(each["name"], each["wires"]) for each in providers] == [
        ("deepseek", ["openai_chat", "anthropic_messages"]),
        ("alibaba", ["openai_chat"]),
    ]
