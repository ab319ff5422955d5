"""Names: the three forms of LNK-5, aliases, and the nearest known names."""

from collections.abc import Callable
from typing import Any

import pytest

from tokenharbor.catalog.find import NameIndex
from tokenharbor.catalog.types import Catalog

Load = Callable[[dict[str, Any]], Catalog]
Tables = dict[str, Any]


@pytest.mark.parametrize(
    ("name", "model", "provider"),
    [
        ("acme-v3.2", "acme-v3.2", None),
        ("acme-v3.2-20260101", "acme-v3.2", None),
        ("acme/acme-v3.2", "acme-v3.2", "acme"),
        ("acme/acme-v3.2-20260101", "acme-v3.2", "acme"),
        ("claude-sonnet-4-5", "claude-sonnet-4-5", None),
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5", None),
        ("claude-sonnet-4.5", "claude-sonnet-4-5", None),
        ("alibaba/deepseek-v4-pro", "deepseek-v4-pro", "alibaba"),
    ],
)
def test_lnk_5_forms_of_a_models_name(
    load: Load, operator: Tables, name: str, model: str, provider: str | None
) -> None:
    found = NameIndex(load(operator)).find(name)
    assert found is not None
    assert (found.model.name, found.provider) == (model, provider)


def test_a_vendors_prefix_that_is_no_provider_of_the_model_pins_nothing(load: Load) -> None:
    found = NameIndex(load({})).find("deepseek/deepseek-v4-flash")
    assert found is not None
    assert (found.model.name, found.provider) == ("deepseek-v4-flash", None)


def test_a_vendor_that_sells_the_model_itself_is_pinned(load: Load, operator: Tables) -> None:
    found = NameIndex(load(operator)).find("other/acme-v3.2")
    assert found is not None
    assert found.provider == "other"


@pytest.mark.parametrize(
    "name",
    ["", "acme-v3.3", "ACME-V3.2", "openai/acme-v3.2", "acme/", "/acme-v3.2", "acme/acme/acme-v3.2", " acme-v3.2"],
)
def test_what_is_not_a_name_finds_nothing(load: Load, operator: Tables, name: str) -> None:
    assert NameIndex(load(operator)).find(name) is None


def test_a_models_own_name_wins_over_anothers_pin(load: Load, operator: Tables) -> None:
    own = {**operator["models"]["acme-v3.2"], "aliases": []}
    operator["models"]["acme/acme-v3.2"] = own
    found = NameIndex(load(operator)).find("acme/acme-v3.2")
    assert found is not None
    assert (found.model.name, found.provider) == ("acme/acme-v3.2", None)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("claude-sonet-4-5", "claude-sonnet-4-5"),
        ("anthropic/claude-opus-5-6", "claude-opus-5-5"),
        ("GPT-4o-Mini", "gpt-4o-mini"),
        ("gemini-2.5-flash-latest", "gemini-2.5-flash"),
        ("glm5.3", "glm-5.3"),
        ("tts-1h", "tts-1"),
    ],
)
def test_an_unknown_name_has_near_ones(load: Load, name: str, nearest: str) -> None:
    index = NameIndex(load({}))
    assert index.find(name) is None
    found = index.nearest(name)
    assert found[0] == nearest
    assert len(found) <= 3
    assert all(each in load({}).models for each in found)


@pytest.mark.parametrize("name", ["", "zzzzzz", "x" * 100_000, "/" * 50, "\x00"])
def test_a_name_like_no_other_has_none(load: Load, name: str) -> None:
    assert NameIndex(load({})).nearest(name) == ()
