"""Every fault of a configuration is reported at once, each in one line with its place."""

from collections.abc import Callable
from typing import Any

import pytest

from tokenharbor.catalog.price import read_price
from tokenharbor.catalog.types import Catalog
from tokenharbor.kernel.errors import Misconfigured

Load = Callable[[dict[str, Any]], Catalog]
Tables = dict[str, Any]


def faults(load: Load, operator: Tables) -> tuple[str, ...]:
    with pytest.raises(Misconfigured) as caught:
        load(operator)
    assert "\n" not in str(caught.value)
    assert all(fault in str(caught.value) for fault in caught.value.faults)
    return caught.value.faults


def named(found: tuple[str, ...], *wanted: tuple[str, str]) -> None:
    """Check that exactly these faults are reported, each with its place and field."""
    for place, field in wanted:
        assert [fault for fault in found if place in fault and field in fault], (place, field, found)
    assert len(found) == len(wanted), found


def test_C11_a_model_with_several_faults_names_each(load: Load, operator: Tables) -> None:
    model = operator["models"]["acme-v3.2"]
    model |= {"contxt": 5, "max_output": "8192", "capabilities": ["tools", "vison"], "vendor": "No Vendor"}
    model["aliases"] = ["a b", "gpt-4.1"]
    where = '[models."acme-v3.2"]'
    named(
        faults(load, operator),
        *((where, each) for each in ("'contxt'", "max_output: ", "'vison'", "vendor", "alias 'a b'", "'gpt-4.1'")),
    )


def test_C11_what_cannot_be_read_is_not_said_to_be_missing_too(load: Load, operator: Tables) -> None:
    operator["models"]["acme-v3.2"]["context"] = "many"
    operator["providers"]["acme"]["base_url"] = 5
    named(faults(load, operator), ('"acme-v3.2"', "context: "), ('"acme"', "base_url: "))


def test_C11_a_provider_with_several_faults_names_each(load: Load, operator: Tables) -> None:
    operator["providers"]["acme"] |= {
        "wire": "openai_caht",
        "base_url": "ftp://x",
        "credential": "sk-in-clear",
        "region": "Far East",
        "retention": "long",
        "headers": {"a b": "c"},
        "timeouts": {"connect": -1, "totl": 5},
        "wires": {"gemini": {"url": "x"}},
    }
    found = faults(load, operator)
    fields = ("openai_caht", "base_url must", "credential", "region", "retention", "'a b'", "connect", "'totl'")
    named(
        found,
        *(('[providers."acme"]', field) for field in fields),
        ("wires.gemini", "'url'"),
        ("wires.gemini", "base_url"),
    )
    assert "sk-in-clear" not in " ".join(found)


def test_C11_an_endpoint_and_its_price_name_each_fault(load: Load, operator: Tables) -> None:
    first, second = operator["models"]["acme-v3.2"]["endpoints"]
    first |= {"upstream": "x", "upstream_model": "a b", "region": "Far East", "wires": ["gemini"]}
    first["price"] = {"input": 0.28, "output": "-1", "cache_raed": "1", "steps": [{"above_input": 0}, {"input": "x"}]}
    second |= {"provider": "nobody", "price": {"output": "1"}}
    named(
        faults(load, operator),
        ("endpoints[0]", "'upstream'"),
        ("'acme'", "upstream_model"),
        ("'acme'", "region"),
        ("'acme'", "gemini"),
        ("price", "input must be a decimal string"),
        ("price output", "not a decimal string"),
        ("price", "'cache_raed'"),
        ("steps[0]", "above_input"),
        ("steps[1]", "above_input"),
        ("'nobody'", "unknown provider"),
        ("'nobody' price", "input and output"),
    )


def test_C11_several_entries_with_faults_name_each(load: Load, operator: Tables) -> None:
    operator["providers"] |= {"acme": 5, "third": {"wire": "openai_chat"}}
    operator["models"] |= {"small": {"context": 1, "max_output": 2}, "odd": [], "none": {"max_output": 2}}
    named(
        faults(load, operator),
        ('"acme"', "expected a table"),
        ('"third"', "base_url"),
        ('"small"', "max_output 2"),
        ('"odd"', "expected a table"),
        ('"none"', "context"),
    )


def test_C11_every_row_of_a_price_is_read_to_its_end() -> None:
    later = [{"from": "soon", "input": "1"}, {"from": 5, "output": 2}]
    hours = [{"from": "25:00", "to": "9", "input": "1"}]
    with pytest.raises(Misconfigured) as caught:
        read_price({"input": "1", "output": "2", "later": later, "hours": hours}, "here")
    named(
        caught.value.faults,
        ("later[0]", "from must be a date"),
        ("later[1]", "from must be a date"),
        ("later[1]", "output must be"),
        ("hours[0] from", "25:00"),
        ("hours[0] to", "'9'"),
    )
