"""The shipped catalogue: complete, priced, and generated from its sources by its script."""

import importlib.util
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tokenharbor.catalog.check import check_catalog
from tokenharbor.catalog.load import shipped_names
from tokenharbor.catalog.pricing import Rates, Terms
from tokenharbor.catalog.types import Catalog, Model

Load = Callable[[dict[str, Any]], Catalog]
ROOT = Path(__file__).resolve().parents[2]
AT = datetime(2026, 11, 21, 12, tzinfo=UTC)  # a Saturday
PROMISED = {"anthropic", "openai", "google", "deepseek", "alibaba", "moonshot", "zhipu"}


@pytest.fixture
def catalog(load: Load) -> Catalog:
    return load({})


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_catalog", ROOT / "scripts" / "make_catalog.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_catalog"] = module
    spec.loader.exec_module(module)
    return module


def _rates(model: Model, provider: str) -> Rates:
    price = next(each.price for each in model.endpoints if each.provider.name == provider)
    assert price is not None
    return Rates(price, Terms())


def test_hub_1_the_vendors_that_are_promised_are_there_with_about_forty_models(catalog: Catalog) -> None:
    real = [model for model in catalog.models.values() if model.vendor in PROMISED and "chat" in model.surfaces]
    assert {model.vendor for model in real} == PROMISED
    assert 35 <= len(real) <= 50


def test_every_shipped_file_is_loaded(catalog: Catalog) -> None:
    assert {provider.name for provider in catalog.providers.values()} == shipped_names("providers")
    assert catalog.models.keys() == shipped_names("models")


def test_every_shipped_model_can_be_sold_and_nothing_is_doubtful(catalog: Catalog) -> None:
    assert check_catalog(catalog, AT) == ()


def test_every_vendors_credential_is_named_and_the_demo_takes_none(catalog: Catalog) -> None:
    references = {provider.name: provider.credential for provider in catalog.providers.values()}
    assert references.pop("demo") is None
    assert references
    assert all(reference is not None and reference.startswith("env:") for reference in references.values())


def test_the_demo_says_what_it_is_and_speaks_each_wire(catalog: Catalog) -> None:
    demo = [model for model in catalog.models.values() if model.vendor == "demo"]
    assert demo
    for model in demo:
        assert model.label.endswith(", no model)")
        spoken = ["openai_chat", "openai_responses", "anthropic_messages"]
        assert [each.provider.wire for each in model.endpoints] == (
            spoken if model.surfaces == ("chat",) else spoken[:1]
        )


@pytest.mark.parametrize("vendor", ["anthropic", "google"])
def test_the_older_models_alone_take_a_budget_of_reasoning(catalog: Catalog, vendor: str) -> None:
    models = [model for model in catalog.models.values() if model.vendor == vendor]
    older = {model.name for model in models if "adaptive_reasoning" not in model.capabilities}
    assert (
        older
        == {
            "anthropic": {"claude-opus-4-5", "claude-sonnet-4-5", "claude-haiku-4-5"},
            "google": {"gemini-2.5-pro", "gemini-2.5-flash"},
        }[vendor]
    )
    assert all("reasoning" in model.capabilities for model in models)


def test_some_models_cannot_be_told_not_to_reason(catalog: Catalog) -> None:
    assert {model.name for model in catalog.models.values() if "always_reasoning" in model.capabilities} == {
        *("claude-fable-5-2", "claude-opus-5-5", "claude-sonnet-5-5"),
        *("gemini-4-argon", "gemini-3.8-flash", "gemini-3.1-pro-preview", "gemini-2.5-pro"),
    }


def test_what_the_newest_models_refuse_is_known(catalog: Catalog) -> None:
    refusing = {
        word: {model.name for model in catalog.models.values() if word in model.capabilities}
        for word in ("no_sampling", "no_prefill", "no_forced_tools")
    }
    forced = {"claude-fable-5-2", "claude-opus-5-5", "claude-sonnet-5-5"}
    newest = forced | {"claude-opus-5", "claude-opus-4-8", "claude-sonnet-5", "claude-haiku-5-5"}
    assert refusing == {"no_sampling": newest, "no_prefill": newest, "no_forced_tools": forced}


@pytest.mark.parametrize(
    ("name", "provider", "picos"),
    [
        (
            "claude-sonnet-4-5",
            "anthropic",
            {
                "input": 3_000_000,
                "output": 15_000_000,
                "cache_read": 300_000,
                "cache_write_5m": 3_750_000,
                "cache_write_1h": 6_000_000,
                "web_searches": 10_000_000_000,
            },
        ),
        ("gpt-4o-mini", "openai", {"input": 150_000, "output": 600_000, "cache_read": 75_000}),
        ("gemini-2.5-flash", "google", {"input": 300_000, "output": 2_500_000, "audio_in": 1_000_000}),
        ("deepseek-v4-pro", "deepseek", {"input": 660_000, "output": 1_980_000, "cache_read": 22_000}),
        ("qwen3.8-flash", "alibaba", {"input": 150_000, "output": 470_000, "cache_read": 16_000}),
        ("kimi-k3", "moonshot", {"input": 3_000_000, "output": 15_000_000, "cache_write_1h": 6_000_000}),
        ("glm-5.3", "zhipu", {"input": 1_400_000, "output": 4_400_000, "cache_read": 260_000}),
    ],
)
def test_published_prices(catalog: Catalog, name: str, provider: str, picos: dict[str, int]) -> None:
    rates = _rates(catalog.models[name], provider)
    assert {unit: rates.pico(unit, AT) for unit in picos} == picos


def test_published_steps_hours_and_announced_prices(catalog: Catalog) -> None:
    stepped = _rates(catalog.models["gpt-5.4"], "openai")
    assert [stepped.pico("input", AT, size) for size in (272_000, 272_001)] == [2_500_000, 5_000_000]
    hourly = _rates(catalog.models["deepseek-v4-pro"], "deepseek")
    monday = datetime(2026, 11, 23, 2, tzinfo=UTC)
    assert [hourly.pico("input", at) for at in (monday, monday.replace(day=22))] == [1_320_000, 660_000]
    announced = _rates(catalog.models["gemini-4-argon"], "google")
    december = datetime(2026, 12, 1, tzinfo=UTC)
    assert [announced.pico("output", at) for at in (AT, december)] == [10_000_000, 20_000_000]


def test_the_files_are_what_the_script_makes_of_its_sources(script: ModuleType) -> None:
    facts = script.read_facts()
    made = script.make_files(facts, list(script.price_all(facts)))
    assert made.keys() == {path for path in script.MODELS.glob("*.toml") if path.stem != "demo"}
    for path, text in made.items():
        assert path.read_text("utf-8") == text, f"{path.name} is not what scripts/make_catalog.py makes"


def test_the_report_is_about_the_prices_of_today(script: ModuleType) -> None:
    """The second source is not part of the repository, so its parts of the report are not checked."""
    facts = script.read_facts()
    sold = list(script.price_all(facts))
    page = script.REPORT.read_text("utf-8")
    remake = f"docs/prices.md is older than the catalogue; remake it: {script.__doc__}"
    assert page.startswith(script.report_text(facts, ([], [], []), len(sold)).partition("## ")[0]), remake
    ours = {
        (each.name, " ".join(place).strip()): script.dollars(cost)
        for each in sold
        for place, cost in script.flat(each.price).items()
    }
    named = {each.name for each in sold}
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("| `")]
    for name, price, *shown in rows:
        assert name.strip("`") in named, remake
        if len(shown) > 1:
            assert shown[0] == ours.get((name.strip("`"), price), ""), f"{name} {price}: {remake}"


def test_the_report_lists_differences_and_wants_a_reason_for_each(script: ModuleType) -> None:
    facts = {"as_of": "2026-11-21", "notes": {"acme/explained": "Because."}}
    price = {"input": "1", "output": "2", "steps": [{"above_input": 200_000, "input": "3"}]}
    sold = [
        script.Sold("same", {"provider": "acme", "second": "same"}, price, "first"),
        script.Sold("explained", {"provider": "acme", "second": "dearer"}, price, "first"),
        script.Sold("undecided", {"provider": "acme", "second": "dearer"}, price, "first"),
        script.Sold("unknown", {"provider": "acme", "second": "absent"}, price, "first"),
    ]
    same = {
        "input_cost_per_token": 1e-6,
        "output_cost_per_token": 2e-6,
        "output_cost_per_reasoning_token": 2e-6,
        "input_cost_per_token_above_200k_tokens": 3e-6,
    }
    decimals = {name: script.Decimal(str(cost)) for name, cost in same.items()}
    second = {"same": decimals, "dearer": {**decimals, "output_cost_per_token": script.Decimal("2.5e-6")}}
    report, undecided = script.make_report(facts, sold, second)
    assert undecided == ["acme/undecided"]
    assert "| `acme/explained` | output | 2 | 2.5 | Because. |" in report
    assert "acme/same" not in report
    assert "| `acme/unknown` | first |" in report


def test_F2_every_shipped_endpoint_states_which_field_limits_its_answers(catalog: Catalog) -> None:
    for model in catalog.models.values():
        for endpoint in model.endpoints:
            assert endpoint.limit.max_field, endpoint.name
            if endpoint.limit.reasoning_apart and "reasoning" in model.capabilities:
                assert model.max_thinking, endpoint.name
    fields = {each.name: each.limit.max_field for each in catalog.providers.values() if each.wire == "openai_chat"}
    assert (
        fields.items()
        >= {
            "alibaba": "max_completion_tokens",
            "deepseek": "max_tokens",
            "demo": "max_tokens",
            "google": "max_tokens",
            "moonshot": "max_completion_tokens",
            "openai": "max_completion_tokens",
            "zhipu": "max_tokens",
        }.items()
    )
