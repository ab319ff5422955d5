"""What a request asks that another dialect cannot say: refused by the caller's own field, unless it is a mere hint."""

from typing import Any

import pytest
from tests.wire.asking import ANTHROPIC, CHOICES, LOOP, OPENAI, TIDE, asked, told, user

from tokenharbor.kernel.errors import InvalidRequest


@pytest.mark.parametrize(
    ("dialect", "body", "param"),
    [
        (OPENAI, {"repetition_penalty": 1.1}, "repetition_penalty"),
        (OPENAI, {"messages": [{"role": "user", "content": "?", "mood": 1}]}, "messages[0].mood"),
        (OPENAI, user({"type": "video_url", "video_url": {"url": "x"}}), "messages[0].content[0].type"),
        (OPENAI, user({"type": "file", "file": {"file_id": "f"}}), "messages[0].content[0].file.file_id"),
        (OPENAI, user({"type": "image_url", "image_url": {"url": "data:x"}}), "messages[0].content[0].image_url"),
        (OPENAI, {"messages": [{"role": "assistant", "audio": {"id": "a"}}]}, "messages[0].audio"),
        (OPENAI, {"tools": [{"type": "function", "function": {"name": "a", "x": 1}}]}, "tools[0].function.x"),
        (OPENAI, {"tools": [TIDE], "tool_choice": {"type": "mcp"}}, "tool_choice.type"),
        (OPENAI, {"tools": [TIDE], "tool_choice": CHOICES[3][0]}, "tool_choice"),
        (OPENAI, {"response_format": {"type": "grammar"}}, "response_format"),
        (OPENAI, {"reasoning_effort": "huge"}, "reasoning_effort"),
        (ANTHROPIC, {"oracle": 1}, "oracle"),
        (ANTHROPIC, {"max_tokens": 0}, "max_tokens"),
        (ANTHROPIC, {"tools": [{"type": "bash_20250124", "name": "bash"}]}, "tools[0].type"),
        (ANTHROPIC, {"tools": [{"type": "text_editor_20250728", "name": "e"}]}, "tools[0].type"),
        (ANTHROPIC, {"tools": [{"name": "a", "input_schema": {}, "x": 1}]}, "tools[0].x"),
        (ANTHROPIC, {"thinking": {"type": "dreaming"}}, "thinking.type"),
        (ANTHROPIC, user({"type": "container_upload", "file_id": "f"}), "messages[0].content[0].type"),
        (
            ANTHROPIC,
            user({"type": "image", "source": {"type": "file", "file_id": "f"}}),
            "messages[0].content[0].source.file_id",
        ),
        (ANTHROPIC, user({"type": "text", "text": "a", "x": 1}), "messages[0].content[0].x"),
        (ANTHROPIC, {"messages": [{"role": "tool", "content": "?"}]}, "messages[0].role"),
    ],
)
def test_what_no_other_dialect_can_say_is_refused_by_name(dialect: str, body: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        asked(dialect, body)
    assert refused.value.param == param
    assert param in refused.value.message


SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 2, "allowed_domains": ["a.example"]}


@pytest.mark.parametrize(
    ("dialect", "body", "features"),
    [
        (OPENAI, {"n": 2, "logprobs": True, "logit_bias": {"1": 2}}, {"n", "logprobs", "logit_bias"}),
        (OPENAI, {"n": 1, "logprobs": False, "logit_bias": {}, "frequency_penalty": 0, "stop": None}, set()),
        (
            OPENAI,
            {"seed": 7, "top_k": 3, "presence_penalty": 1, "stop": "x"},
            {"seed", "top_k", "presence_penalty", "stop"},
        ),
        (ANTHROPIC, {"top_k": 3, "stop_sequences": ["x"]}, {"top_k", "stop_sequences"}),
        (ANTHROPIC, {"tools": [SEARCH]}, {"tools[0].type"}),
        (
            ANTHROPIC,
            user(
                {
                    "type": "document",
                    "source": {"type": "text", "media_type": "text/plain", "data": "a"},
                    "citations": {"enabled": True},
                }
            ),
            {"messages[0].content[0].citations"},
        ),
    ],
)
def test_what_only_some_can_say_is_named_by_the_callers_own_field(
    dialect: str, body: dict[str, Any], features: set[str]
) -> None:
    assert set(asked(dialect, body).features.values()) == features


HINTS: list[tuple[str, dict[str, Any]]] = [
    (OPENAI, {"metadata": {"a": "b"}, "user": "u", "safety_identifier": "s", "prompt_cache_key": "k", "store": False}),
    (OPENAI, {"service_tier": "auto", "modalities": ["text"], "stream_options": {"include_usage": True}}),
    (OPENAI, {"provider": {"sort": "price"}, "usage": {"include": True}, "audio": None}),
    (ANTHROPIC, {"metadata": {"user_id": "u"}, "service_tier": "auto", "cache_control": {"type": "ephemeral"}}),
]


@pytest.mark.parametrize(("dialect", "body"), HINTS)
def test_hints_without_meaning_elsewhere_are_taken_and_left_out(dialect: str, body: dict[str, Any]) -> None:
    chat, plain = asked(dialect, body), asked(dialect, {})
    assert chat.features == {}
    assert [told(one, chat) for one in (OPENAI, ANTHROPIC)] == [told(one, plain) for one in (OPENAI, ANTHROPIC)]


@pytest.mark.parametrize(("body", "param"), [({"temperature": 1.5}, "temperature"), ({"stop": ["\n"]}, "stop")])
def test_a_value_that_the_vendor_has_no_form_for_is_refused_by_name(body: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        told(ANTHROPIC, asked(OPENAI, body))
    assert refused.value.param == param


def test_what_vendors_ran_for_themselves_is_left_out_elsewhere() -> None:
    search = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "tide"}}
    found = {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}
    text = {"type": "text", "text": "High.", "citations": [{"type": "web_search_result_location", "url": "u"}]}
    said = [LOOP[0], {"role": "assistant", "content": [search, found, text]}, {"role": "user", "content": "Sure?"}]
    chat = asked(ANTHROPIC, {"messages": said})
    assert told(OPENAI, chat)["messages"][1] == {"role": "assistant", "content": "High."}
    kept = told(ANTHROPIC, chat)["messages"][1]["content"]
    assert kept == [search, found, {"type": "text", "text": "High."}]
