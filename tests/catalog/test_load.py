"""Loading: the operator's tables over the shipped ones, and every mistake in one line."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.catalog.conftest import DIALECTS

from tokenharbor.catalog.load import load_catalog, relocate
from tokenharbor.catalog.types import Catalog, OutputLimit, Timeouts
from tokenharbor.kernel.errors import Misconfigured

Load = Callable[[dict[str, Any]], Catalog]
Tables = dict[str, Any]


def test_the_contracts_example_is_read_as_it_stands(load: Load, operator: Tables) -> None:
    catalog = load(operator)
    acme = catalog.providers["acme"]
    assert (acme.wire, acme.base_url, acme.credential) == ("openai_chat", "http://127.0.0.1:9101/v1", "env:ACME_KEY")
    assert (acme.auth, acme.region, acme.retention) == ("bearer", "cn", "none")
    assert acme.timeouts == Timeouts(5, 300, 120, 900)
    model = catalog.models["acme-v3.2"]
    assert (model.context, model.max_output, model.vendor) == (131072, 8192, "other")
    first, second = model.endpoints
    assert (first.provider, first.upstream_model) == (acme, "acme-up")
    assert (second.provider.name, second.upstream_model) == ("other", "acme-v3.2")
    assert first.price is not None
    assert {line.unit: line.pico for line in first.price.components} == {
        "input": 280_000,
        "output": 420_000,
        "cache_read": 28_000,
        "cache_write_5m": 350_000,
    }


def test_an_operator_overrides_one_field_and_keeps_the_rest(load: Load) -> None:
    plain = load({})
    changed = load({"providers": {"openai": {"base_url": "http://127.0.0.1:9/v1/", "timeouts": {"connect": 1.5}}}})
    before, after = plain.providers["openai"], changed.providers["openai"]
    assert after.base_url == "http://127.0.0.1:9/v1"
    assert after.timeouts == Timeouts(connect=1.5)
    assert (after.credential, after.limit, after.label) == (before.credential, before.limit, before.label)
    assert all(
        endpoint.provider is after
        for model in changed.models.values()
        for endpoint in model.endpoints
        if endpoint.provider.name == "openai"
    )


def test_a_company_that_is_moved_is_nowhere_else_any_more(load: Load) -> None:
    spoken = {
        provider.wire for provider in (load({}).providers["google"], *load({}).other_wires) if provider.name == "google"
    }
    assert len(spoken) == 2
    moved = load({"providers": {"google": {"base_url": "http://127.0.0.1:9/v1"}}})
    assert [provider for provider in moved.other_wires if provider.name == "google"] == []
    wires = {"gemini": {"base_url": "http://127.0.0.1:9/v1beta"}}
    again = load({"providers": {"google": {"base_url": "http://127.0.0.1:9/v1", "wires": wires}}})
    assert [provider.base_url for provider in again.other_wires if provider.name == "google"] == [
        "http://127.0.0.1:9/v1beta"
    ]


def test_an_operator_overrides_an_endpoint_by_its_provider_and_a_price_as_a_whole(load: Load) -> None:
    name = "deepseek-v4-pro"
    operator = {"models": {name: {"endpoints": [{"provider": "deepseek", "price": {"input": "1", "output": "2"}}]}}}
    before, after = load({}).models[name], load(operator).models[name]
    assert [each.name for each in after.endpoints] == [each.name for each in before.endpoints]
    prices = {each.provider.name: each.price for each in after.endpoints}
    assert prices["deepseek"] is not None
    assert {line.unit for line in prices["deepseek"].components} == {"input", "output"}
    assert prices["alibaba"] == next(each.price for each in before.endpoints if each.provider.name == "alibaba")
    assert (after.context, after.label) == (before.context, before.label)


def test_an_operator_adds_a_provider_to_a_model_that_is_there(load: Load, operator: Tables) -> None:
    endpoint = {"provider": "acme", "price": {"input": "1", "output": "2"}}
    operator["models"]["gpt-4.1"] = {"endpoints": [endpoint]}
    assert [each.provider.name for each in load(operator).models["gpt-4.1"].endpoints] == [
        "openai",
        "openai",
        "acme",
    ]


def test_a_model_without_a_price_is_there_and_cannot_be_sold(load: Load, operator: Tables) -> None:
    del operator["models"]["acme-v3.2"]["endpoints"][1]["price"]
    assert [each.price is None for each in load(operator).models["acme-v3.2"].endpoints] == [False, True]


def test_a_wires_usual_way_fills_what_a_provider_does_not_say(load: Load) -> None:
    mine = {"wire": "anthropic_messages", "base_url": "https://example.com/v1", "credential": "env:KEY"}
    provider = load({"providers": {"mine": mine}}).providers["mine"]
    assert provider.auth == "x-api-key"
    assert provider.headers == (("anthropic-version", "2023-06-01"),)
    own = load({"providers": {"mine": {**mine, "auth": "bearer", "headers": {"X-Own": "1"}}}}).providers["mine"]
    assert (own.auth, own.headers) == ("bearer", (("x-own", "1"),))


def test_a_company_that_speaks_two_wires_sells_a_model_in_each(load: Load, operator: Tables) -> None:
    operator["providers"]["acme"]["wires"] = {"anthropic_messages": {"base_url": "http://127.0.0.1:9101/a/v1"}}
    catalog = load(operator)
    endpoints = [each for each in catalog.models["acme-v3.2"].endpoints if each.provider.name == "acme"]
    assert [each.provider.wire for each in endpoints] == ["openai_chat", "anthropic_messages"]
    assert len({each.name for each in endpoints}) == 2
    assert endpoints[0].price == endpoints[1].price
    assert {each.provider.credential for each in endpoints} == {"env:ACME_KEY"}
    assert endpoints[1].provider in catalog.other_wires
    operator["models"]["acme-v3.2"]["endpoints"][0]["wires"] = ["anthropic_messages"]
    only = [each for each in load(operator).models["acme-v3.2"].endpoints if each.provider.name == "acme"]
    assert [each.provider.wire for each in only] == ["anthropic_messages"]


def test_a_provider_that_takes_no_credential_has_none(load: Load) -> None:
    own = {"base_url": "http://127.0.0.1:8000/v1", "auth": "none"}
    assert load({"providers": {"openai": own}}).providers["openai"].credential is None


def test_the_built_in_provider_is_moved_to_where_it_listens(load: Load) -> None:
    moved = relocate(load({}), "http://127.0.0.1:4321/v1")
    demo = [
        each.provider for model in moved.models.values() for each in model.endpoints if each.provider.name == "demo"
    ]
    assert {each.wire for each in demo} == {"openai_chat", "openai_responses", "anthropic_messages"}
    assert {each.base_url for each in demo} == {"http://127.0.0.1:4321/v1"}
    assert moved.providers["demo"].base_url == "http://127.0.0.1:4321/v1"
    assert {each.base_url for each in moved.other_wires if each.name == "demo"} == {"http://127.0.0.1:4321/v1"}
    assert moved.providers["openai"] == load({}).providers["openai"]


def test_a_catalogue_cannot_be_changed(load: Load) -> None:
    catalog = load({})
    with pytest.raises(TypeError):
        catalog.models["x"] = catalog.models["gpt-4.1"]  # type: ignore[index]


def _set(tables: Any, path: str, value: Any) -> None:
    *way, last = path.split("/")
    for step in way:
        tables = tables[int(step)] if isinstance(tables, list) else tables[step]
    tables[last] = value


PROVIDER = "providers/acme/"
MODEL = "models/acme-v3.2/"
ENDPOINT = "models/acme-v3.2/endpoints/0/"


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("providers", [1], "providers must be tables, each [providers.NAME]"),
        ("models", "x", "models must be tables"),
        ("providers/acme", 1, "expected a table, not an integer"),
        ("providers/Acme Inc", {}, 'providers."Acme Inc"'),
        (PROVIDER + "wrie", "openai_chat", "unknown field 'wrie'; did you mean 'wire'?"),
        (PROVIDER + "wire", "openai_chats", "unknown wire 'openai_chats'; did you mean 'openai_chat'?"),
        (PROVIDER + "wire", 5, "wire: expected a string, got an integer"),
        (PROVIDER + "auth", "basic", "auth: not one of the allowed values"),
        (PROVIDER + "base_url", "ftp://x", "base_url must be http:// or https://"),
        (PROVIDER + "base_url", "http://", "base_url must be http:// or https://"),
        (PROVIDER + "base_url", "http://me:pw@host/v1", "base_url must be http:// or https://"),
        (PROVIDER + "base_url", "http://host/v1?key=1", "base_url must be http:// or https://"),
        (PROVIDER + "base_url", "http://host:99999/v1", "base_url must be http:// or https://"),
        (PROVIDER + "base_url", "http://host/v1\r\nx: y", "base_url must be http:// or https://"),
        (PROVIDER + "headers", {"a b": "1"}, "header 'a b' "),
        (PROVIDER + "headers", {"a": "1\r\nx: y"}, "header 'a' "),
        (PROVIDER + "region", "Far East", "region "),
        (PROVIDER + "retention", "days:-1", "'days:-1'"),
        (PROVIDER + "retention", "30 days", "'30 days'"),
        (PROVIDER + "timeouts", {"conect": 1}, "timeouts: unknown field 'conect'; did you mean 'connect'?"),
        (PROVIDER + "quota", {"rmp": 1}, "quota: unknown field 'rmp'; did you mean 'rpm'?"),
        (PROVIDER + "quota", {"rpm": -1}, "quota: rpm: expected an integer >= 0"),
        (PROVIDER + "timeouts", {"connect": 0}, "timeouts: connect: expected a float > 0"),
        (PROVIDER + "timeouts", {"connect": float("nan")}, "timeouts"),
        (PROVIDER + "wires", {"openai_chat": {"base_url": "http://x/v1"}}, "wire 'openai_chat' "),
        (PROVIDER + "wires", {"anthropic_messages": {}}, "wires.anthropic_messages: missing required field base_url"),
        (PROVIDER + "wires", {"gopher": {"base_url": "http://x"}}, "wires.gopher: unknown wire 'gopher'"),
        (PROVIDER + "wires", {"anthropic_messages": {"url": "x"}}, "wires.anthropic_messages: unknown field 'url'"),
        ("models/a b", {}, 'models."a b"'),
        (MODEL + "contxt", 5, "unknown field 'contxt'; did you mean 'context'?"),
        (MODEL + "context", "128k", "context: expected an integer, got a string"),
        (MODEL + "context", 0, "context: expected an integer >= 1"),
        (MODEL + "context", 100, "max_output 8192 "),
        (MODEL + "capabilities", ["tool"], "unknown capability 'tool'; did you mean 'tools'?"),
        (MODEL + "capabilities", "tools", "capabilities: expected an array, got a string"),
        (MODEL + "aliases", ["gpt-4.1"], "alias 'gpt-4.1' "),
        (MODEL + "aliases", ["claude-sonnet-4.5"], "'claude-sonnet-4-5'"),
        (MODEL + "aliases", ["a b"], "alias 'a b' "),
        (MODEL + "endpoints", {}, "endpoints must be an array"),
        (ENDPOINT + "provider", "acmee", "unknown provider; did you mean 'acme'?"),
        (ENDPOINT + "provider", "other", "provider 'other' "),
        (ENDPOINT + "upstream", "x", "endpoints[0]: unknown field 'upstream'"),
        (ENDPOINT + "upstream_model", "a b", "upstream_model "),
        (ENDPOINT + "wires", ["anthropic_messages"], "'anthropic_messages'"),
        (ENDPOINT + "price", {"input": 0.28, "output": "1"}, 'price: input must be a decimal string such as "0.28"'),
        (ENDPOINT + "price", "0.28", "price: expected a table, got a string"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_and_where(
    load: Load, operator: Tables, path: str, value: Any, says: str
) -> None:
    _set(operator, path, value)
    with pytest.raises(Misconfigured) as caught:
        load(operator)
    message = str(caught.value)
    assert says in message
    assert "\n" not in message
    assert message.startswith("tokenharbor.toml")
    if path not in {"providers", "models"}:
        assert path.split("/")[1] in message


@pytest.mark.parametrize("field", ["wire", "base_url"])
def test_what_a_provider_must_say(load: Load, operator: Tables, field: str) -> None:
    del operator["providers"]["acme"][field]
    with pytest.raises(Misconfigured, match=rf"\"acme\"\]: missing required field {field}"):
        load(operator)


@pytest.mark.parametrize("field", ["context", "max_output"])
def test_what_a_model_must_say(load: Load, operator: Tables, field: str) -> None:
    del operator["models"]["acme-v3.2"][field]
    with pytest.raises(Misconfigured, match=rf"\"acme-v3.2\"\]: missing required field {field}"):
        load(operator)


def test_a_key_written_in_clear_is_refused_and_never_repeated(load: Load, operator: Tables) -> None:
    secret = "sk-live-0123456789abcdef"
    operator["providers"]["acme"]["credential"] = secret
    with pytest.raises(Misconfigured, match=r"credential must be .*env:NAME") as caught:
        load(operator)
    assert secret not in str(caught.value)


def test_a_later_wire_is_unknown_until_it_is_spoken(operator: Tables) -> None:
    operator["providers"]["acme"]["wire"] = "smoke_signals"
    with pytest.raises(Misconfigured, match="unknown wire 'smoke_signals'"):
        load_catalog(operator, DIALECTS)
    catalog = load_catalog(operator, (*DIALECTS, "smoke_signals"), "/etc/harbor.toml")
    assert catalog.providers["acme"].wire == "smoke_signals"


def test_messages_name_the_operators_own_file() -> None:
    with pytest.raises(Misconfigured, match=r"^/etc/harbor\.toml: \[providers"):
        load_catalog({"providers": {"x": {"y": 1}}}, DIALECTS, "/etc/harbor.toml")


def test_F2_an_endpoints_limit_goes_before_its_providers(load: Load, operator: Tables) -> None:
    operator["providers"]["acme"] |= {"wires": {"gemini": {"base_url": "http://127.0.0.1:9101/v1"}}}
    first, second = operator["models"]["acme-v3.2"]["endpoints"]
    first |= {"max_field": "max_new_tokens", "reasoning_apart": True}
    second |= {"max_field": "none"}
    limits = {each.name: each.limit for each in load(operator).models["acme-v3.2"].endpoints}
    assert limits == {
        "acme/acme-v3.2:openai_chat": OutputLimit("max_new_tokens", reasoning_apart=True),
        "acme/acme-v3.2:gemini": OutputLimit(
            "maxOutputTokens", reasoning_apart=True
        ),  # a wire that has one field alone
        "other/acme-v3.2:openai_chat": OutputLimit(""),
    }


def test_F2_a_wire_with_one_field_for_the_maximum_has_no_other(load: Load, operator: Tables) -> None:
    wire = {"base_url": "http://127.0.0.1:9101/v1", "max_field": "max_completion_tokens"}
    operator["providers"]["acme"] |= {"wires": {"anthropic_messages": wire}}
    with pytest.raises(Misconfigured, match=r"max_field .*'max_tokens'"):
        load(operator)
    wire["max_field"] = "none"
    (acme,) = load(operator).other_wires[-1:]
    assert acme.limit == OutputLimit("")
