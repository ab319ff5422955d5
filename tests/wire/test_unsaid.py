"""Fields without a form in another dialect: features are refused by the caller's field, advice and unknown fields are
omitted and named.
"""

from typing import Any

import pytest
from tests.wire.translated_requests import ANTHROPIC, CHOICES, LOOP, OPENAI, TIDE, client_request, user, vendor_request

from tokenharbor.kernel.errors import InvalidRequest


@pytest.mark.parametrize(
    ("dialect", "body", "param"),
    [
        (OPENAI, user({"type": "video_url", "video_url": {"url": "x"}}), "messages[0].content[0].type"),
        (OPENAI, user({"type": "file", "file": {"file_id": "f"}}), "messages[0].content[0].file.file_id"),
        (OPENAI, user({"type": "image_url", "image_url": {"url": "data:x"}}), "messages[0].content[0].image_url"),
        (OPENAI, {"messages": [{"role": "assistant", "audio": {"id": "a"}}]}, "messages[0].audio"),
        (OPENAI, {"tools": [TIDE], "tool_choice": {"type": "mcp"}}, "tool_choice.type"),
        (OPENAI, {"tools": [TIDE], "tool_choice": CHOICES[3][0]}, "tool_choice"),
        (OPENAI, {"response_format": {"type": "grammar"}}, "response_format"),
        (OPENAI, {"reasoning_effort": "huge"}, "reasoning_effort"),
        (ANTHROPIC, {"max_tokens": 0}, "max_tokens"),
        (ANTHROPIC, {"tools": [{"type": "bash_20250124", "name": "bash"}]}, "tools[0].type"),
        (ANTHROPIC, {"tools": [{"type": "text_editor_20250728", "name": "e"}]}, "tools[0].type"),
        (ANTHROPIC, {"thinking": {"type": "dreaming"}}, "thinking.type"),
        (ANTHROPIC, user({"type": "container_upload", "file_id": "f"}), "messages[0].content[0].type"),
        (
            ANTHROPIC,
            user({"type": "image", "source": {"type": "file", "file_id": "f"}}),
            "messages[0].content[0].source.file_id",
        ),
        (ANTHROPIC, {"messages": [{"role": "tool", "content": "?"}]}, "messages[0].role"),
    ],
)
def test_what_no_other_dialect_can_say_is_refused_by_name(dialect: str, body: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        client_request(dialect, body)
    assert refused.value.param == param
    assert param in refused.value.message


EXTRAS: list[tuple[str, dict[str, Any], str, str]] = [
    (OPENAI, {"chat_id": "c"}, "chat_id", "chat_id"),
    (OPENAI, {"options": {"num_ctx": 1}, "think": None}, "options", "options"),
    (OPENAI, {"messages": [{"role": "user", "content": "?", "mood": 1}]}, "messages.mood", "messages[0].mood"),
    (OPENAI, user({"type": "text", "text": "a", "x": 1}), "messages.content.x", "messages[0].content[0].x"),
    (
        OPENAI,
        {"tools": [{"type": "function", "function": {"name": "a", "x": 1}}]},
        "tools.function.x",
        "tools[0].function.x",
    ),
    (OPENAI, {"reasoning": {"x": 1}}, "reasoning.x", "reasoning.x"),
    (ANTHROPIC, {"oracle": 1}, "oracle", "oracle"),
    (ANTHROPIC, {"tools": [{"name": "a", "input_schema": {"x": 1}, "x": 1}]}, "tools.x", "tools[0].x"),
    (ANTHROPIC, {"system": [{"type": "text", "text": "a", "x": 1}]}, "system.x", "system[0].x"),
    (ANTHROPIC, user({"type": "text", "text": "a", "x": 1}), "messages.content.x", "messages[0].content[0].x"),
]


@pytest.mark.parametrize(("dialect", "body", "name", "place"), EXTRAS)
def test_C4_what_no_dialect_has_is_left_out_and_named(
    dialect: str, body: dict[str, Any], name: str, place: str
) -> None:
    chat = client_request(dialect, body)
    assert chat.unknown == {name: place}


def test_C4_what_is_left_out_leaves_all_else_as_it_was() -> None:
    """Every byte of a schema and of arguments."""
    call = {"id": "c", "type": "function", "function": {"name": "tide", "arguments": '{ "a":1.0 }', "x": 1}, "y": 2}
    said = [{"role": "assistant", "content": None, "tool_calls": [call], "id": 7}, {"role": "user", "content": "?"}]
    schema = {"type": "object", "properties": {"x": {"type": "number", "z": 1}}}
    tool = {"type": "function", "function": {"name": "tide", "parameters": schema}, "z": None}
    chat = client_request(OPENAI, {"messages": said, "tools": [tool]})
    assert set(chat.unknown) == {"messages.tool_calls.function.x", "messages.tool_calls.y", "messages.id"}
    out = vendor_request(OPENAI, chat)
    assert out["tools"][0]["function"]["parameters"] == schema
    assert out["messages"][0]["tool_calls"][0]["function"]["arguments"] == '{ "a":1.0 }'


SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 2, "allowed_domains": ["a.example"]}


@pytest.mark.parametrize(
    ("dialect", "body", "features"),
    [
        (OPENAI, {"n": 2, "logprobs": True}, {"n", "logprobs"}),
        (OPENAI, {"n": 1, "logprobs": False, "logit_bias": {}, "frequency_penalty": 0, "stop": None}, set()),
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
    assert set(client_request(dialect, body).features.values()) == features


ADVICE: list[tuple[str, dict[str, Any], set[str]]] = [
    (OPENAI, {"seed": 7, "top_k": 3, "presence_penalty": 1, "stop": "x"}, {"seed", "top_k", "presence_penalty"}),
    (OPENAI, {"seed": None, "top_k": -1, "frequency_penalty": 0, "min_p": 0, "repetition_penalty": 1.0}, set()),
    (
        OPENAI,
        {"min_p": 0.1, "top_a": 0.1, "repetition_penalty": 1.1, "logit_bias": {"1": 2}},
        {
            "min_p",
            "top_a",
            "repetition_penalty",
            "logit_bias",
        },
    ),
    (OPENAI, {"temperature": 1, "top_p": 1, "logit_bias": {}, "verbosity": "low"}, {"verbosity"}),
    (
        OPENAI,
        {"temperature": 1.5, "parallel_tool_calls": True, "user": "u"},
        {
            "temperature",
            "parallel_tool_calls",
            "user",
        },
    ),
    (OPENAI, {"messages": [{"role": "user", "content": "?", "name": "Ada"}] * 3}, {"messages.name"}),
    (ANTHROPIC, {"top_k": 3, "stop_sequences": ["x"]}, {"top_k"}),
    (ANTHROPIC, {"metadata": {"user_id": "u"}, "thinking": {"type": "adaptive"}}, {"metadata", "thinking"}),
]


@pytest.mark.parametrize(("dialect", "body", "names"), ADVICE)
def test_C4_advice_is_no_meaning(dialect: str, body: dict[str, Any], names: set[str]) -> None:
    chat = client_request(dialect, body)
    assert (chat.features, set(chat.advice)) == ({}, names)


HINTS: list[tuple[str, dict[str, Any]]] = [
    (OPENAI, {"metadata": {"a": "b"}, "user": "u", "safety_identifier": "s", "prompt_cache_key": "k", "store": False}),
    (OPENAI, {"service_tier": "auto", "modalities": ["text"], "stream_options": {"include_usage": True}}),
    (OPENAI, {"provider": {"sort": "price"}, "usage": {"include": True}, "audio": None}),
    (ANTHROPIC, {"metadata": {"user_id": "u"}, "service_tier": "auto", "cache_control": {"type": "ephemeral"}}),
]


@pytest.mark.parametrize(("dialect", "body"), HINTS)
def test_hints_without_meaning_elsewhere_are_taken_and_left_out(dialect: str, body: dict[str, Any]) -> None:
    chat, plain = client_request(dialect, body), client_request(dialect, {})
    assert chat.features == {}
    assert [vendor_request(one, chat) for one in (OPENAI, ANTHROPIC)] == [
        vendor_request(one, plain) for one in (OPENAI, ANTHROPIC)
    ]


def test_a_value_beyond_the_vendors_range_is_the_nearest_that_it_takes() -> None:
    assert "temperature" not in vendor_request(ANTHROPIC, client_request(OPENAI, {"temperature": 1.5})), (
        "1 is what it does anyway"
    )
    assert vendor_request(ANTHROPIC, client_request(OPENAI, {"temperature": 0.5, "top_p": 0.5}))["temperature"] == 0.5


def test_C5_a_vendor_is_told_the_stop_sequences_that_it_takes() -> None:
    assert vendor_request(ANTHROPIC, client_request(OPENAI, {"stop": ["\n", "END"]}))["stop_sequences"] == ["END"]
    assert "stop_sequences" not in vendor_request(ANTHROPIC, client_request(OPENAI, {"stop": "\n"}))
    many = ["a", "b", "c", "d", "e"]
    assert vendor_request(OPENAI, client_request(ANTHROPIC, {"stop_sequences": many}))["stop"] == many[:4]


@pytest.mark.parametrize("stop", [["x"] * 65, ["x" * 1_001]])
def test_C5_so_many_stop_sequences_are_refused(stop: list[str]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        client_request(OPENAI, {"stop": stop})
    assert refused.value.param == "stop"


def test_what_vendors_ran_for_themselves_is_left_out_elsewhere() -> None:
    search = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "tide"}}
    found = {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}
    text = {"type": "text", "text": "High.", "citations": [{"type": "web_search_result_location", "url": "u"}]}
    said = [LOOP[0], {"role": "assistant", "content": [search, found, text]}, {"role": "user", "content": "Sure?"}]
    chat = client_request(ANTHROPIC, {"messages": said})
    assert vendor_request(OPENAI, chat)["messages"][1] == {"role": "assistant", "content": "High."}
    kept = vendor_request(ANTHROPIC, chat)["messages"][1]["content"]
    assert kept == [search, found, {"type": "text", "text": "High."}]


def test_C1_an_assistants_message_as_other_clients_send_it_back_is_read() -> None:
    plain = client_request(OPENAI, {"messages": [{"role": "assistant", "content": "Aye.", "reasoning": "Hm."}]})
    for message in (
        {"content": [{"type": "reasoning", "text": "Hm."}, {"type": "text", "text": "Aye."}]},
        {"content": [{"type": "reasoning", "text": "Hm.", "id": "r"}, {"type": "output_text", "text": "Aye."}]},
        {"content": [{"type": "output_text", "text": "Aye.", "annotations": []}], "reasoning": {"text": "Hm."}},
        {"content": "Aye.", "reasoning": {"text": "Hm.", "effort": "low"}},
        {"content": "Aye.", "reasoning": "Hm.", "reasoning_details": {}},
        {"content": "Aye.", "reasoning": "Hm.", "provider_specific_fields": []},
    ):
        chat = client_request(OPENAI, {"messages": [{"role": "assistant", **message}]})
        assert chat.messages == plain.messages, message
        assert not chat.unknown.keys() & {"messages.reasoning_details", "messages.provider_specific_fields"}, message


def test_C1_what_cannot_be_read_of_it_is_left_out_by_name() -> None:
    for message, name in (
        ({"reasoning_details": {"text": "Hm."}}, "reasoning_details"),
        ({"provider_specific_fields": [1]}, "provider_specific_fields"),
        ({"reasoning": {"effort": "low"}}, "reasoning.effort"),
    ):
        chat = client_request(OPENAI, {"messages": [{"role": "assistant", "content": "Aye.", **message}]})
        assert chat.unknown == {f"messages.{name}": f"messages[0].{name}"}, message
