"""Settings across dialects: tool choice, schemas, efforts and thinking budgets."""

import json
from typing import Any

import pytest
from tests.wire.conversations import ABLE
from tests.wire.translated_requests import (
    ANTHROPIC,
    BUDGETED,
    CHOICES,
    LOOP,
    OPENAI,
    TIDE,
    WIND,
    client_request,
    vendor_request,
)

from tokenharbor.wire import DIALECTS
from tokenharbor.wire.neutral.chat import VendorOptions


@pytest.mark.parametrize(("openais", "anthropics"), CHOICES)
def test_the_choice_of_tools_is_the_same_in_both_dialects(openais: Any, anthropics: Any) -> None:
    there = vendor_request(ANTHROPIC, client_request(OPENAI, {"tools": [TIDE, WIND], "tool_choice": openais}))
    assert there["tool_choice"] == anthropics
    assert [tool["name"] for tool in there["tools"]] == ["tide", "wind"]
    back = vendor_request(OPENAI, client_request(ANTHROPIC, {"tools": there["tools"], "tool_choice": anthropics}))
    assert back["tool_choice"] == openais


def test_a_choice_limited_to_some_tools_offers_those_alone() -> None:
    allowed = {"mode": "required", "tools": [{"type": "function", "function": {"name": "wind"}}]}
    body = {"tools": [TIDE, WIND], "tool_choice": {"type": "allowed_tools", "allowed_tools": allowed}}
    out = vendor_request(ANTHROPIC, client_request(OPENAI, body))
    assert ([tool["name"] for tool in out["tools"]], out["tool_choice"]) == (["wind"], {"type": "any"})


@pytest.mark.parametrize("choice", [None, "required"])
def test_one_call_at_a_time_is_asked_for_in_each_dialects_way(choice: str | None) -> None:
    body = {"tools": [TIDE], "parallel_tool_calls": False, **({"tool_choice": choice} if choice else {})}
    out = vendor_request(ANTHROPIC, client_request(OPENAI, body))
    assert out["tool_choice"] == {"type": "any" if choice else "auto", "disable_parallel_tool_use": True}
    back = vendor_request(OPENAI, client_request(ANTHROPIC, {"tools": out["tools"], "tool_choice": out["tool_choice"]}))
    assert back["parallel_tool_calls"] is False


def test_strict_tools_and_formats_keep_their_schemas() -> None:
    tool = {"type": "function", "function": {"name": "tide", "strict": True, "parameters": {"type": "object"}}}
    answer = {"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": {"type": "object"}}}
    chat = client_request(OPENAI, {"tools": [tool, WIND], "response_format": answer})
    out = vendor_request(ANTHROPIC, chat)
    closed = {"type": "object", "additionalProperties": False}
    assert out["output_config"] == {"format": {"type": "json_schema", "schema": closed}}
    assert (out["tools"][0]["strict"], "strict" in out["tools"][1]) == (True, False)
    assert out["tools"][1]["input_schema"] == {"type": "object", "properties": {}}
    assert "strict" not in vendor_request(ANTHROPIC, chat, "json_schema")["tools"][0]
    older = {"output_format": {"type": "json_schema", "schema": {"type": "object"}}}
    assert vendor_request(OPENAI, client_request(ANTHROPIC, older))["response_format"]["json_schema"]["schema"] == {
        "type": "object"
    }
    anything = client_request(OPENAI, {"response_format": {"type": "json_object"}})
    assert anything.features == {}, "every vendor can be asked for that in words"


@pytest.mark.parametrize(
    ("body", "adaptive", "budgeted"),
    [
        ({"reasoning_effort": "high"}, {"type": "adaptive"}, {"type": "enabled", "budget_tokens": 24_576}),
        ({"reasoning": {"max_tokens": 9_000}}, {"type": "adaptive"}, {"type": "enabled", "budget_tokens": 9_000}),
        ({"reasoning": {"max_tokens": 9}}, {"type": "adaptive"}, {"type": "enabled", "budget_tokens": 1_024}),
        ({"enable_thinking": True}, {"type": "adaptive"}, {"type": "enabled", "budget_tokens": 8_192}),
        ({"thinking": {"type": "disabled"}}, {"type": "disabled"}, {"type": "disabled"}),
        ({"reasoning_effort": "none"}, {"type": "disabled"}, {"type": "disabled"}),
        ({}, None, None),
    ],
)
def test_efforts_become_what_the_model_takes(body: dict[str, Any], adaptive: Any, budgeted: Any) -> None:
    chat = client_request(OPENAI, {**body, "temperature": 0.5})
    for out, expected in (
        (vendor_request(ANTHROPIC, chat), adaptive),
        (vendor_request(ANTHROPIC, chat, BUDGETED), budgeted),
    ):
        assert out.get("thinking") == expected
        assert ("temperature" in out) is (expected in (None, {"type": "disabled"}))
    assert "thinking" not in vendor_request(ANTHROPIC, chat, "reasoning")


def test_a_model_that_cannot_but_reason_is_asked_for_the_least() -> None:
    able = ABLE | {"always_reasoning"}
    order = VendorOptions("m", stream=False, max_output=None, most_output=9_000, capabilities=able)
    out = json.loads(DIALECTS[ANTHROPIC].write_chat(client_request(OPENAI, {"reasoning_effort": "none"}), order))
    assert "thinking" not in out
    assert out["output_config"] == {"effort": "low"}


@pytest.mark.parametrize(
    ("body", "effort"),
    [
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "xhigh"}}, "xhigh"),
        ({"thinking": {"type": "adaptive", "display": "omitted"}}, None),
        ({"thinking": {"type": "enabled", "budget_tokens": 8_000}}, "medium"),
        ({"thinking": {"type": "enabled", "budget_tokens": 1_024}}, "low"),  # which all models know
        ({"thinking": {"type": "enabled", "budget_tokens": 31_999}}, "high"),  # likewise
        ({"thinking": {"type": "disabled"}}, "none"),
        ({"output_config": {"effort": "low"}}, "low"),
    ],
)
def test_thinking_becomes_an_effort(body: dict[str, Any], effort: str | None) -> None:
    chat = client_request(ANTHROPIC, body)
    assert vendor_request(OPENAI, chat).get("reasoning_effort") == effort
    assert "reasoning_effort" not in vendor_request(OPENAI, chat, "reasoning")


@pytest.mark.parametrize(("dialect", "said"), [(OPENAI, "low"), ("openai_responses", {"effort": "low"})])
def test_who_cannot_but_reason_is_not_told_to_stop(dialect: str, said: object) -> None:
    order = VendorOptions("up", stream=False, max_output=None, most_output=9, capabilities=ABLE | {"always_reasoning"})
    body = json.loads(
        DIALECTS[dialect].write_chat(client_request(ANTHROPIC, {"thinking": {"type": "disabled"}}), order)
    )
    assert said in (body.get("reasoning_effort"), body.get("reasoning"))


@pytest.mark.parametrize(
    ("body", "most"),
    [
        ({"messages": LOOP}, 50_000),  # a call without signed thinking before it
        ({"tools": [TIDE], "tool_choice": "required"}, 50_000),
        ({"messages": [*LOOP, {"role": "assistant", "content": "It is"}]}, 50_000),
        ({}, 1_024),  # no room
    ],
)
def test_thinking_is_left_out_where_the_vendor_would_refuse_it(body: dict[str, Any], most: int) -> None:
    out = vendor_request(ANTHROPIC, client_request(OPENAI, {**body, "reasoning_effort": "high"}), BUDGETED, most=most)
    assert "thinking" not in out
