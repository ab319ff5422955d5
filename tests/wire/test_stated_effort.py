"""Reasoning effort set within the caller's own dialect: only in forms that each vendor accepts."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenharbor.wire import DIALECTS
from tokenharbor.wire.fitting.reasoning_effort import BUDGETS
from tokenharbor.wire.neutral.chat import ReasoningRequest, VendorOptions
from tokenharbor.wire.neutral.dialect import ModelInPath
from tokenharbor.wire.neutral.request import Edit, StatedEffort

ANTHROPIC, GEMINI, CHAT, RESPONSES = "anthropic_messages", "gemini", "openai_chat", "openai_responses"
ASKED = [{"role": "user", "content": "How deep is it?"}]
CALL = {"type": "tool_use", "id": "t1", "name": "sound", "input": {}}
RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "4 m"}]}
SIGNED = {"type": "thinking", "thinking": "I sound it.", "signature": "c2lnbmVk"}
TOOLS = [{"name": "sound", "input_schema": {"type": "object", "properties": {}}}]
FORCED: list[dict[str, Any]] = [{"type": "any"}, {"type": "tool", "name": "sound"}]


def stated(dialect: str, body: dict[str, Any], effort: str, *abilities: str, most: int | None = None) -> dict[str, Any]:
    """Return the body for the vendor, with an effort that the caller left open."""
    own, place = DIALECTS[dialect], ModelInPath("m", stream=False) if dialect == GEMINI else None
    request = own.read_request(json.dumps(body if place else {"model": "m", **body}).encode(), place)
    chat = msgspec.structs.replace(own.read_chat(request), thinking=ReasoningRequest(effort))
    able = frozenset({"reasoning", *abilities})
    order = VendorOptions("m", stream=False, max_output=request.max_output, most_output=64_000, capabilities=able)
    order = msgspec.structs.replace(order, max_thinking=most)
    sent: dict[str, Any] = json.loads(own.write_request(request, Edit("m", effort=StatedEffort(chat, order))))
    return sent


@pytest.mark.parametrize(
    ("effort", "most", "budget"),
    [
        ("low", 32_000, 4_096),
        ("medium", 32_000, 8_192),
        ("high", 64_000, 24_576),
        ("high", 9_000, 6_750),  # a quarter of the answer stays for its text
        ("minimal", 1_366, 1_024),
    ],
)
def test_an_anthropic_model_that_takes_a_budget_is_told_the_efforts(effort: str, most: int, budget: int) -> None:
    body = {"messages": ASKED, "max_tokens": most}
    sent = stated(ANTHROPIC, body, effort)
    assert sent == {"model": "m", **body, "thinking": {"type": "enabled", "budget_tokens": budget}}


@pytest.mark.parametrize(
    "more",
    [
        {"max_tokens": 1_024},
        {"tools": TOOLS, "tool_choice": {"type": "any"}},
        {"tools": TOOLS, "tool_choice": {"type": "tool", "name": "sound"}},
        {"messages": [*ASKED, {"role": "assistant", "content": "It is"}]},
        {"messages": [*ASKED, {"role": "assistant", "content": [CALL]}, RESULT], "tools": TOOLS},
    ],
    ids=["no room", "any tool", "one tool", "a beginning", "a loop without thoughts"],
)
def test_it_is_told_nothing_where_the_vendor_would_refuse_it(more: dict[str, Any]) -> None:
    body = {"messages": ASKED, "max_tokens": 9_000, **more}
    assert stated(ANTHROPIC, body, "high") == {"model": "m", **body}


def test_a_tool_loop_that_began_with_signed_thoughts_goes_on_thinking() -> None:
    body = {"messages": [*ASKED, {"role": "assistant", "content": [SIGNED, CALL]}, RESULT], "tools": TOOLS}
    assert stated(ANTHROPIC, {**body, "max_tokens": 9_000}, "low")["thinking"]["budget_tokens"] == 4_096


def test_an_anthropic_model_that_takes_an_effort_is_told_that_alone() -> None:
    body: dict[str, Any] = {"messages": ASKED, "max_tokens": 900}
    config = {"format": {"type": "json_schema", "schema": {}}}
    sent = stated(ANTHROPIC, {**body, "output_config": config}, "high", "adaptive_reasoning")
    assert sent == {"model": "m", **body, "output_config": {**config, "effort": "high"}}


@pytest.mark.parametrize(
    ("config", "abilities", "most", "told"),
    [
        ({}, (), None, {"thinkingBudget": 8_192}),
        ({}, (), 4_000, {"thinkingBudget": 4_000}),
        ({"maxOutputTokens": 1_000}, (), None, {"thinkingBudget": 750}),
        ({"maxOutputTokens": 100}, ("always_reasoning",), None, {"thinkingBudget": 128}),
        ({"temperature": 1}, ("adaptive_reasoning",), None, {"thinkingLevel": "MEDIUM"}),
    ],
    ids=["budget", "the model's most", "a short answer", "the model's least", "level"],
)
def test_a_gemini_model_is_told_a_budget_or_a_level_and_no_thoughts_are_asked_for(
    config: dict[str, Any], abilities: tuple[str, ...], most: int | None, told: dict[str, Any]
) -> None:
    body: dict[str, Any] = {
        "contents": [{"role": "user", "parts": [{"text": "How deep is it?"}]}],
        "generationConfig": config,
    }
    sent = stated(GEMINI, body, "medium", *abilities, most=most)
    assert sent == {**body, "generationConfig": {**config, "thinkingConfig": told}}


def test_gemini_is_told_in_the_callers_spelling() -> None:
    body = {"contents": {"parts": {"text": "?"}}, "generation_config": {"thinking_config": None}}
    assert stated(GEMINI, body, "low")["generation_config"] == {"thinking_config": {"thinkingBudget": 4_096}}


@pytest.mark.parametrize(
    ("dialect", "body", "told"),
    [
        (CHAT, {"messages": ASKED}, {"reasoning_effort": "low"}),
        (RESPONSES, {"input": "?", "store": False}, {"reasoning": {"effort": "low"}}),
    ],
)
def test_openais_dialects_have_words_for_it(dialect: str, body: dict[str, Any], told: dict[str, Any]) -> None:
    assert stated(dialect, body, "low") == {"model": "m", **body, **told}


messages = st.lists(
    st.sampled_from([{"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}]), min_size=1, max_size=4
)
bodies = st.fixed_dictionaries(
    {"messages": messages, "max_tokens": st.integers(1, 100_000)},
    optional={
        "tool_choice": st.sampled_from([*FORCED, {"type": "auto"}, {"type": "none"}]),
        "output_config": st.just({}),
    },
)


@given(body=bodies, effort=st.sampled_from(sorted(BUDGETS)))
def test_what_anthropics_vendor_asks_of_a_budget_always_holds(body: dict[str, Any], effort: str) -> None:
    body["tools"] = TOOLS
    sent = stated(ANTHROPIC, body, effort)
    thinking = sent.pop("thinking", None)
    assert sent == {"model": "m", **body}, "all else is the caller's"
    if thinking is not None:
        assert 1_024 <= thinking["budget_tokens"] < body["max_tokens"]
        assert body.get("tool_choice") not in FORCED
        assert body["messages"][-1]["role"] == "user"
