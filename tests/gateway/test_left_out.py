"""Fields that a provider of another dialect lacks: named in header, receipt and dry run, or a 400 on request."""

import json
from typing import Any

import pytest
from tests.gateway.across import CLIENTS, ask
from tests.gateway.house import CHAT, HELLO, PLAYED, House, provider_of_wire

from tokenharbor.wire import DIALECTS

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAIRS = pytest.mark.parametrize(
    ("client", "wire"), [(client, wire) for client in DIALECTS for wire in PLAYED if client != wire]
)
HEADER = "x-tokenharbor-left-out"
STRICT: dict[str, Any] = {"provider": {"require_parameters": True}}

ADVICE: dict[str, dict[str, Any]] = {
    "seed": {"seed": 7},
    "frequency_penalty": {"frequency_penalty": 0.5},
    "presence_penalty": {"presence_penalty": 0.5},
    "top_k": {"top_k": 40},
    "min_p": {"min_p": 0.1},
    "top_a": {"top_a": 0.1},
    "repetition_penalty": {"repetition_penalty": 1.1},
    "logit_bias": {"logit_bias": {"1": 5}},
    "user": {"user": "u"},
    "metadata": {"metadata": {"a": "b"}},
    "prompt_cache_key": {"prompt_cache_key": "k"},
    "verbosity": {"verbosity": "low"},
    "chat_id": {"chat_id": "c"},
    "think": {"think": False},
    "options": {"options": {"num_ctx": 4096}},
    "keep_alive": {"keep_alive": "5m"},
    "chat_template_kwargs": {"chat_template_kwargs": {"enable_thinking": False}},
    "messages.id": {"messages": [{**HELLO[0], "id": "m1"}]},
    "messages.timestamp": {"messages": [{**HELLO[0], "timestamp": 1}]},
    "messages.content.id": {"messages": [{"role": "user", "content": [{"type": "text", "text": "x", "id": 1}]}]},
    "tools.extra": {"tools": [{"type": "function", "function": {"name": "t"}, "extra": 1}]},
}
"""Chat's fields that some other dialect lacks."""

TAKEN = {
    ("seed", "gemini"),
    ("frequency_penalty", "gemini"),
    ("presence_penalty", "gemini"),
    ("top_k", "gemini"),
    ("top_k", "anthropic_messages"),
    ("top_k", "bedrock_converse"),
    ("verbosity", "openai_responses"),
    ("prompt_cache_key", "openai_responses"),
}


async def dry(house: House, client: str, model: str, **more: Any) -> Any:
    path = CLIENTS[client].path(model, False)
    return (await house.post(f"{path}?dry_run=1", {**CLIENTS[client].body(model, False), **more})).json()


@PAIRS
async def test_C4_an_unknown_field_is_left_out_and_named(house: House, client: str, wire: str) -> None:
    unknown = CLIENTS[client].unknown
    (name,) = unknown
    for stream in (False, True):
        said = await ask(house, client, f"only-{wire}", stream=stream, **unknown)
        assert (said.status, said.headers[HEADER]) == (200, name), said.body
        assert (await house.receipt(said.headers["x-request-id"]))["left_out"] == [name]
    assert all(name not in (record.body or "") for record in await house.seen())
    said = await ask(house, client, f"then-{wire}", stream=False, **unknown)
    assert (said.headers["x-tokenharbor-provider"], HEADER in said.headers) == ("alpha", False)
    assert name in ((await house.seen())[-1].body or ""), "within one dialect it passes"
    rows = (await dry(house, client, f"then-{wire}", **unknown))["route"]
    assert [(row["provider"], row["left_out"]) for row in rows] == [("alpha", []), (provider_of_wire(wire), [name])]


@PAIRS
async def test_C4_whoever_requires_all_parameters_has_a_400_that_names_it(house: House, client: str, wire: str) -> None:
    unknown = CLIENTS[client].unknown
    (name,) = unknown
    said = await ask(house, client, f"only-{wire}", stream=False, **unknown, **STRICT)
    assert (said.status, CLIENTS[client].code(said)) == (400, "invalid_request")
    assert name in said.error["message"]
    assert await house.called() == []
    said = await ask(house, client, f"then-{wire}", stream=False, **unknown, **STRICT)
    assert (said.status, said.headers["x-tokenharbor-provider"]) == (200, "alpha"), "which is told every byte"
    said = await ask(house, client, f"only-{wire}", stream=False, **STRICT)
    assert said.status == 200, "who asks for nothing unusual is served"


@pytest.mark.parametrize("wire", sorted(set(PLAYED) - {"openai_chat"}))
async def test_C4_advice_and_extras_of_chat_clients_are_left_out_by_name(house: House, wire: str) -> None:
    for name, fields in ADVICE.items():
        body = {"model": f"only-{wire}", "messages": HELLO, **fields}
        said = await house.post(CHAT, body)
        assert said.status == 200, (name, said.body)
        assert said.headers.get(HEADER) == (None if (name, wire) in TAKEN else name)
        strict = {"x-tokenharbor-provider": json.dumps(STRICT["provider"])}
        said = await house.post(CHAT, body, strict)
        assert said.status == (200 if (name, wire) in TAKEN else 400), name
        if said.status == 400:
            assert name.rpartition(".")[2] in said.error["param"]


async def test_C4_whoever_takes_the_advice_is_asked_first(house: House) -> None:
    """Of four providers the cheapest is not asked first, if a dearer one takes what is asked of the sampling."""
    route = [row["provider"] for row in (await dry(house, "openai_responses", "mixed"))["route"]]
    assert route == [
        provider_of_wire("anthropic_messages"),
        provider_of_wire("gemini"),
        provider_of_wire("openai_chat"),
    ]
    said = await dry(house, "anthropic_messages", "mixed-foreign", top_k=3)
    assert [row["provider"] for row in said["route"]] == [provider_of_wire("gemini"), provider_of_wire("openai_chat")]
    assert [row["left_out"] for row in said["route"]] == [[], ["top_k"]]
    order = {"provider": {"order": [provider_of_wire("openai_chat")]}}
    said = await dry(house, "anthropic_messages", "mixed-foreign", top_k=3, **order)
    assert [row["provider"] for row in said["route"]] == [
        provider_of_wire("openai_chat"),
        provider_of_wire("gemini"),
    ], "the caller's own order"


async def test_C4_unknown_fields_do_not_change_the_order(house: House) -> None:
    said = await dry(house, "anthropic_messages", "mixed-foreign", chat_id="x")
    assert [row["provider"] for row in said["route"]] == [provider_of_wire("openai_chat"), provider_of_wire("gemini")]


async def test_C4_a_temperature_above_a_vendors_range_is_lowered_and_named(house: House) -> None:
    said = await house.chat("only-anthropic_messages", temperature=1.7)
    assert (said.status, said.headers[HEADER]) == (200, "temperature")
    said = await house.chat("only-anthropic_messages", temperature=1.7, **STRICT)
    assert (said.status, said.error["param"]) == (400, "temperature")
    said = await house.chat("only-gemini", temperature=1.7, **STRICT)
    assert said.status == 200


async def test_C4_sampling_beside_thinking_is_named(house: House) -> None:
    fields: Any = {"reasoning_effort": "high", "temperature": 0.5, "max_tokens": 8_000}
    said = await house.chat("only-anthropic_messages", **fields)
    assert (said.status, said.headers[HEADER]) == (200, "temperature")
    said = await house.chat("refusing", temperature=0.5, top_p=0.5)
    assert said.headers[HEADER] == "temperature, top_p", "a model that draws tokens in its own way"


async def test_C4_the_callers_names_are_made_fit_for_a_header(house: House) -> None:
    odd: dict[str, Any] = {
        "a, x-evil: 1": 1,
        "\u00e4\ud83d\ude00": 1,
        "x" * 500: 1,
        **{f"field_number_{each}": 1 for each in range(100)},
    }
    said = await house.chat("only-anthropic_messages", **odd)
    assert (said.status, "x-evil" in said.headers) == (200, False)
    names = said.headers[HEADER].split(", ")
    assert names[0] == "a__x-evil__1"
    assert len(said.headers[HEADER]) <= 450
    assert names[-1] == f"+{103 - len(names) + 1}"
    assert (await house.receipt(said.headers["x-request-id"]))["left_out"] == names


async def test_F11_a_name_without_a_character_is_named(house: House) -> None:
    empty: dict[str, Any] = {"": 1}
    said = await house.chat("only-anthropic_messages", **empty)
    assert (said.status, said.headers[HEADER]) == (200, "(empty)")


async def test_C4_what_changes_price_or_retention_is_never_left_out(house: House) -> None:
    refused: list[dict[str, Any]] = [
        {"service_tier": "priority"},
        {"store": True},
        {"web_search_options": {}},
        {"speed": "fast"},
    ]
    for fields in refused:
        said = await house.chat("only-anthropic_messages", **fields)
        assert (said.status, said.error["param"]) == (400, next(iter(fields)))
    said = await house.chat("only-anthropic_messages", service_tier="auto", store=False, n=1, logprobs=False)
    assert (said.status, HEADER in said.headers) == (200, False), "what is done anyway is not left out"


async def test_C4_an_unknown_member_of_our_own_fields_is_an_error(house: House) -> None:
    said = await house.chat("only-anthropic_messages", provider={"require_params": True})
    assert said.status == 400


async def test_C4_browsers_may_read_the_header(house: House) -> None:
    said = await house.chat("only-anthropic_messages", seed=1)
    assert HEADER in said.headers["access-control-expose-headers"]
