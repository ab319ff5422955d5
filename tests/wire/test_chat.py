"""Requests across dialects: the vendor gets the same request from any client."""

import functools
import json
import re
from typing import Any

import pytest
from anthropic.types import MessageParam, OutputConfigParam, ThinkingConfigParam, ToolChoiceParam, ToolParam
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import (
    ChatCompletionMessageParam,
    ChatCompletionToolChoiceOptionParam,
    ChatCompletionToolUnionParam,
)
from pydantic import TypeAdapter
from tests.wire.conversations import ORDER, conversations, meaning_of
from tests.wire.translated_requests import ANTHROPIC, CALL, LOOP, OPENAI, TIDE, client_request, user, vendor_request

from tokenharbor.wire import DIALECTS, PROVIDER_DIALECTS
from tokenharbor.wire.neutral.chat import Chat, Feature
from tokenharbor.wire.neutral.dialect import ModelInPath

PLACE = ModelInPath("up", stream=False)


def through(dialect: str, chat: Chat) -> Chat:
    wire = DIALECTS[dialect]
    return wire.read_chat(wire.read_request(wire.write_chat(chat, ORDER), PLACE))


@given(conversations(), st.data())
def test_any_chain_of_dialects_keeps_what_was_asked(chat: Chat, data: st.DataObject) -> None:
    able = [
        dialect
        for dialect in sorted(DIALECTS)
        if chat.features.keys() <= DIALECTS[dialect].supported_features
        and DIALECTS[dialect].supported_stops(chat) == chat.stop
    ]
    passed = chat
    for dialect in data.draw(st.lists(st.sampled_from(able), min_size=1, max_size=4)):
        passed = through(dialect, passed)
        assert passed.features.keys() == chat.features.keys()
        assert meaning_of(passed) == meaning_of(chat)


def fits(kind: Any, values: Any) -> None:
    """Check a body with the SDK's types, which check arrays only when serialised."""
    adapter = adapter_of(kind)
    for value in values:
        adapter.dump_json(adapter.validate_python(value), warnings="error")


@functools.cache
def adapter_of(kind: Any) -> Any:
    """Return the adapter, cached because it takes a tenth of a second to make."""
    return TypeAdapter(kind)


@given(conversations())
def test_what_is_written_is_what_the_official_types_allow(chat: Chat) -> None:
    body = json.loads(DIALECTS[OPENAI].write_chat(chat, ORDER))
    fits(ChatCompletionMessageParam, body["messages"])
    fits(ChatCompletionToolUnionParam, body.get("tools", []))
    fits(ChatCompletionToolChoiceOptionParam, [body[name] for name in ("tool_choice",) if name in body])
    body = json.loads(DIALECTS[ANTHROPIC].write_chat(chat, ORDER))
    fits(MessageParam, body["messages"])
    fits(ToolParam, body.get("tools", []))
    fits(ToolChoiceParam, [body[name] for name in ("tool_choice",) if name in body])
    fits(OutputConfigParam, [body[name] for name in ("output_config",) if name in body])
    fits(ThinkingConfigParam, [body[name] for name in ("thinking",) if name in body])


@pytest.mark.parametrize("text", ['{ "B" : 1.0, "a":[ ]}', '{"b":1e5,"B":"\\u00e9"}', "{}"])
def test_arguments_keep_every_byte(text: str) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "tide", "arguments": text}}
    messages = [{"role": "user", "content": "?"}, {"role": "assistant", "tool_calls": [call]}]
    there = DIALECTS[ANTHROPIC].write_chat(client_request(OPENAI, {"messages": messages}), ORDER)
    assert b'"input":' + text.encode() in there
    back = json.loads(DIALECTS[OPENAI].write_chat(client_request(ANTHROPIC, there), ORDER))
    assert back["messages"][1]["tool_calls"][0]["function"]["arguments"] == text


def test_arguments_that_are_no_object_are_shown_to_the_vendor_as_they_are() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "tide", "arguments": '{"port": "Bre'}}
    chat = client_request(
        OPENAI, {"messages": [{"role": "user", "content": "?"}, {"role": "assistant", "tool_calls": [call]}]}
    )
    assert vendor_request(ANTHROPIC, chat)["messages"][1]["content"][0]["input"] == {"_unreadable": '{"port": "Bre'}


def test_the_developer_and_the_system_speak_first_and_in_between() -> None:
    said = [
        {"role": "developer", "content": "Be brief."},
        {"role": "system", "content": [{"type": "text", "text": "Be kind."}]},
        {"role": "user", "content": "Hello."},
        {"role": "assistant", "content": "Aye."},
        {"role": "developer", "content": "Now French."},
        {"role": "user", "content": "Again."},
    ]
    body = vendor_request(ANTHROPIC, client_request(OPENAI, {"messages": said}))
    assert [block["text"] for block in body["system"]] == ["Be brief.", "Be kind."]
    reminded, last = body["messages"][-1]["content"]
    assert reminded["text"] == "<system-reminder>\nNow French.\n</system-reminder>"
    assert last["text"] == "Again."


def test_claude_codes_system_messages_stay_where_they_stand() -> None:
    said = [
        {"role": "user", "content": "Hello."},
        {"role": "system", "content": [{"type": "text", "text": "Skills: none."}]},
        {"role": "user", "content": "Again."},
    ]
    body = vendor_request(OPENAI, client_request(ANTHROPIC, {"system": "Be brief.", "messages": said}))
    assert [message["role"] for message in body["messages"]] == ["system", "user", "system", "user"]
    assert body["messages"][2]["content"] == "Skills: none."


def test_results_are_one_message_in_the_order_of_their_calls() -> None:
    other = {**CALL, "id": "c2"}
    said = [
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": "", "tool_calls": [CALL, other]},
        {"role": "tool", "tool_call_id": "c2", "content": "two"},
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "one"}]},
        {"role": "user", "content": "Go on."},
    ]
    one, two, text = vendor_request(ANTHROPIC, client_request(OPENAI, {"messages": said}))["messages"][2]["content"]
    assert (one["tool_use_id"], one["content"], two["tool_use_id"]) == ("c1", "one", "c2")
    assert text == {"type": "text", "text": "Go on."}


def test_pictures_and_errors_in_results_reach_vendors_whose_results_are_words() -> None:
    use = {"type": "tool_use", "id": "t1", "name": "look", "input": {}}
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    given = [{"type": "text", "text": "Seen."}, picture]
    failed = {"type": "tool_result", "tool_use_id": "t2", "content": "no such port", "is_error": True}
    said = [
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": [use, {**use, "id": "t2"}]},
        {"role": "user", "content": [failed, {"type": "tool_result", "tool_use_id": "t1", "content": given}]},
    ]
    _, _, one, two, shown = vendor_request(OPENAI, client_request(ANTHROPIC, {"messages": said}))["messages"]
    assert (one["tool_call_id"], one["content"]) == ("t1", "Seen.")
    assert (two["tool_call_id"], two["content"]) == ("t2", "Error: no such port")
    assert shown["content"][1]["image_url"]["url"] == "data:image/png;base64,AAAA"
    back = vendor_request(ANTHROPIC, client_request(ANTHROPIC, {"messages": said}))["messages"][2]["content"]
    assert [block["tool_use_id"] for block in back] == ["t1", "t2"]
    assert back[0]["content"] == given
    assert back[1]["is_error"] is True


def test_results_that_come_in_several_messages_stand_together() -> None:
    uses: list[dict[str, Any]] = [{"type": "tool_use", "id": id_, "name": "look", "input": {}} for id_ in ("t1", "t2")]
    picture = {"type": "image", "source": {"type": "url", "url": "https://pictures.example/1"}}
    one = {"type": "tool_result", "tool_use_id": "t1", "content": [picture]}
    log = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "calm"}}
    two = {"type": "tool_result", "tool_use_id": "t2", "content": [log]}
    said = [
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": uses},
        {"role": "user", "content": [one]},
        {"role": "user", "content": [two]},
    ]
    apart = [*({"role": "assistant", "content": [use]} for use in uses), *said[2:]]
    for history in (said, [said[0], *apart]):
        messages = vendor_request(OPENAI, client_request(ANTHROPIC, {"messages": history}))["messages"]
        assert [message["role"] for message in messages] == ["user", "assistant", "tool", "tool", "user"]
        assert messages[3]["content"] == "<document>\ncalm\n</document>"


def test_calls_made_before_are_of_known_tools_even_if_none_is_offered_any_more() -> None:
    out = vendor_request(ANTHROPIC, client_request(OPENAI, {"messages": LOOP}))
    assert ([tool["name"] for tool in out["tools"]], out["tool_choice"]) == (["tide"], {"type": "none"})


def test_pictures_that_the_assistant_made_are_named_where_they_cannot_stand() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    said = [LOOP[0], {"role": "assistant", "content": "Look.", "images": [picture]}, {"role": "user", "content": "!"}]
    chat = client_request(OPENAI, {"messages": said})
    assert vendor_request(OPENAI, chat)["messages"] == said
    text = vendor_request(ANTHROPIC, chat)["messages"][1]["content"][1]["text"]
    assert text == "[An image, which this API cannot carry.]"
    items = vendor_request("openai_responses", chat)["input"]
    assert items[1]["content"] == [{"type": "output_text", "text": words} for words in ("Look.", text)]
    converse = json.loads(PROVIDER_DIALECTS["bedrock_converse"].write_chat(chat, ORDER))["messages"][1]["content"]
    assert converse == [{"text": "Look."}, {"text": text}]


def test_functions_of_the_older_form_are_tools() -> None:
    body = {
        "functions": [{"name": "tide", "parameters": {"type": "object"}}],
        "function_call": {"name": "tide"},
        "messages": [
            {"role": "user", "content": "?"},
            {"role": "assistant", "content": None, "function_call": {"name": "tide", "arguments": '{"p":1}'}},
            {"role": "function", "name": "tide", "content": "high"},
        ],
    }
    out = vendor_request(ANTHROPIC, client_request(OPENAI, body))
    assert out["tool_choice"] == {"type": "tool", "name": "tide"}
    use, result = out["messages"][1]["content"][0], out["messages"][2]["content"][0]
    assert (use["name"], use["input"], result["content"]) == ("tide", {"p": 1}, "high")
    assert use["id"] == result["tool_use_id"]


@pytest.mark.parametrize(
    ("said", "data", "meant"),
    [
        ("image/png", "/9j/4AAQ", "image/jpeg"),
        ("image/jpeg", "iVBORw0KGgoAAA==", "image/png"),
        ("image/jpg", "AAAA", "image/jpeg"),
        ("", "R0lGODlh", "image/gif"),
        ("image/heic", "AAAA", "image/heic"),
    ],
)
def test_pictures_go_under_the_type_that_they_have(said: str, data: str, meant: str) -> None:
    """Some vendors detect the type, and refuse an image with a wrong one."""
    picture = {"type": "image_url", "image_url": {"url": f"data:{said};base64,{data}"}}
    chat = client_request(OPENAI, {"messages": [{"role": "user", "content": [picture]}]})
    (block,) = vendor_request(ANTHROPIC, chat)["messages"][0]["content"]
    assert block["source"] == {"type": "base64", "media_type": meant, "data": data}
    (piece,) = vendor_request("gemini", chat)["contents"][0]["parts"]
    assert piece["inlineData"] == {"mimeType": meant, "data": data}


def test_a_failed_result_has_words_alone_where_the_vendor_wants_that() -> None:
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgoA"}}
    words = {"type": "text", "text": "No signal."}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [words, picture], "is_error": True}
    use = {"type": "tool_use", "id": "t", "name": "look", "input": {}}
    said = [
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [result]},
    ]
    (told_,) = vendor_request(ANTHROPIC, client_request(ANTHROPIC, {"messages": said}))["messages"][-1]["content"]
    assert told_["content"] == [{"type": "text", "text": "Error:"}, words, picture]
    assert "is_error" not in told_


@pytest.mark.parametrize("dialect", [OPENAI, "openai_responses"])
@pytest.mark.parametrize(("words", "more"), [("List the ports.", 1), ("List the ports as JSON.", 0)])
def test_an_object_is_asked_for_in_words_too_where_nobody_says_json(dialect: str, words: str, more: int) -> None:
    """Otherwise the vendor refuses the request, and Gemini's clients need not mention JSON."""
    body = {
        "contents": [{"role": "user", "parts": [{"text": words}]}],
        "generationConfig": {"responseMimeType": "application/json"},
    }
    wire = DIALECTS["gemini"]
    chat = wire.read_chat(wire.read_request(json.dumps(body).encode(), PLACE))
    out = vendor_request(dialect, chat)
    said = out["messages"] if dialect == OPENAI else out["input"]
    assert len(said) == 1 + more
    assert "JSON" in json.dumps(said)


def test_an_assistant_that_said_nothing_is_not_told_of() -> None:
    said = [("user", "a"), ("assistant", ""), ("user", "b")]
    out = vendor_request(
        OPENAI, client_request(ANTHROPIC, {"messages": [{"role": role, "content": text} for role, text in said]})
    )
    assert out["messages"] == [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]


CLAUDE_CODE: dict[str, Any] = {
    "max_tokens": 32_000,
    "stream": True,
    "system": [
        {"type": "text", "text": "You are an agent."},
        {"type": "text", "text": "Rules.", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
    ],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}]},
        {"role": "system", "content": "Today is Monday."},
    ],
    "tools": [
        {"name": "Bash", "description": "Runs.", "input_schema": {"type": "object"}, "eager_input_streaming": True}
    ],
    "metadata": {"user_id": '{"device_id":"d","session_id":"s"}'},
    "thinking": {"type": "adaptive"},
    "output_config": {"effort": "medium"},
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    "betas": ["context-management-2025-06-27"],
}


def test_what_claude_code_sends_can_be_asked_of_any_vendor() -> None:
    chat = client_request(ANTHROPIC, CLAUDE_CODE)
    assert chat.features == {Feature.TOOLS: "tools"}
    out = vendor_request(OPENAI, chat)
    assert out["reasoning_effort"] == "medium"
    assert out["messages"][0] == {"role": "system", "content": "You are an agent.\n\nRules."}
    assert not {"metadata", "user", "context_management", "betas"} & out.keys()
    assert vendor_request(ANTHROPIC, chat)["system"] == CLAUDE_CODE["system"]


def test_tools_whose_loading_is_deferred_are_offered_once_they_are_known() -> None:
    schema: dict[str, Any] = {"type": "object", "properties": {}}
    names = ("ToolSearch", "Found", "Waiting", "Added", "Removed")
    tools = [{"name": name, "input_schema": schema, "defer_loading": name != "ToolSearch"} for name in names]
    use = {"type": "tool_use", "id": "t1", "name": "ToolSearch", "input": {"query": "select:Found"}}
    found = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "tool_reference", "tool_name": "Found"}]}
    changes = [
        {"type": kind, "tool": {"type": "tool_reference", "name": name}}
        for kind, name in (("tool_addition", "Added"), ("tool_addition", "Removed"), ("tool_removal", "Removed"))
    ]
    said = [
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [found]},
        {"role": "system", "content": changes},
    ]
    out = vendor_request(OPENAI, client_request(ANTHROPIC, {"tools": tools, "messages": said}))
    assert [tool["function"]["name"] for tool in out["tools"]] == ["ToolSearch", "Found", "Added"]
    assert out["messages"][2]["content"] == "The tool Found may be called from here on."
    assert out["messages"][3]["content"].endswith("The tool Removed may not be called any more.")


def test_marks_for_the_cache_reach_the_vendors_that_ask_for_them() -> None:
    mark = {"type": "ephemeral", "ttl": "1h"}
    text = {"type": "text", "text": "Rules.", "cache_control": mark}
    said = [{"role": "system", "content": [text]}, {"role": "user", "content": [{"type": "text", "text": "?"}]}]
    chat = client_request(OPENAI, {"messages": said, "tools": [{**TIDE, "cache_control": {"type": "ephemeral"}}]})
    out = vendor_request(ANTHROPIC, chat)
    assert out["system"] == [text]
    assert out["tools"][0]["cache_control"] == {"type": "ephemeral"}
    assert "cache_control" not in json.dumps(vendor_request(OPENAI, chat))


def test_documents_go_as_each_dialect_takes_them() -> None:
    pdf = {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"}}
    (document,) = vendor_request(ANTHROPIC, client_request(OPENAI, user(pdf)))["messages"][0]["content"]
    assert document["source"] == {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}
    assert document["title"] == "a.pdf"
    assert vendor_request(OPENAI, client_request(ANTHROPIC, user(document)))["messages"][0]["content"] == [pdf]
    note = {"type": "file", "file": {"filename": "a.txt", "file_data": "data:text/plain;base64,QXll"}}
    (document,) = vendor_request(ANTHROPIC, client_request(OPENAI, user(note)))["messages"][0]["content"]
    assert document["source"] == {"type": "text", "media_type": "text/plain", "data": "Aye"}
    (text,) = vendor_request(OPENAI, client_request(ANTHROPIC, user({**document, "context": "A log."})))["messages"][0][
        "content"
    ]
    assert text["text"] == "<document>\na.txt\nA log.\n\nAye\n</document>"
    found = {"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "w"}]}
    assert vendor_request(OPENAI, client_request(ANTHROPIC, user(found)))["messages"][0]["content"][0]["text"].endswith(
        "w\n</document>"
    )


def test_sound_reaches_the_vendors_that_hear() -> None:
    sound = {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}}
    chat = client_request(OPENAI, user(sound))
    assert chat.features == {Feature.AUDIO: "messages[0].content[0]"}
    assert vendor_request(OPENAI, chat)["messages"][0]["content"] == [sound]
    assert Feature.AUDIO not in DIALECTS[ANTHROPIC].supported_features


def test_custom_tools_keep_their_grammar_and_their_text() -> None:
    grammar = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: /x+/"}}
    tool = {"type": "custom", "custom": {"name": "patch", "format": grammar}}
    call = {"id": "c1", "type": "custom", "custom": {"name": "patch", "input": "*** {x"}}
    said = [LOOP[0], {"role": "assistant", "content": None, "tool_calls": [call]}, LOOP[2]]
    choice = {"type": "custom", "custom": {"name": "patch"}}
    chat = client_request(OPENAI, {"tools": [tool], "tool_choice": choice, "messages": said})
    assert {Feature.CUSTOM_TOOLS, Feature.GRAMMAR} <= chat.features.keys()
    out = vendor_request(OPENAI, chat)
    assert (out["tools"], out["tool_choice"], out["messages"]) == ([tool], choice, said)


def test_ids_of_calls_are_fit_for_each_dialect_and_still_meet_their_results() -> None:
    call = {**CALL, "id": "functions.tide:0"}
    given = {"role": "tool", "tool_call_id": "functions.tide:0", "content": "high"}
    said: list[Any] = [LOOP[0], {"role": "assistant", "tool_calls": [call]}, given]
    _, use, result = vendor_request(ANTHROPIC, client_request(OPENAI, {"messages": said}))["messages"]
    assert re.fullmatch("[A-Za-z0-9_-]{1,64}", use["content"][0]["id"])
    assert result["content"][0]["tool_use_id"] == use["content"][0]["id"]
    use = {"type": "tool_use", "id": "toolu_" + "x" * 50, "name": "tide", "input": {}}
    given = {"type": "tool_result", "tool_use_id": use["id"], "content": "high"}
    said = [LOOP[0], {"role": "assistant", "content": [use]}, {"role": "user", "content": [given]}]
    _, called, tool = vendor_request(OPENAI, client_request(ANTHROPIC, {"messages": said}))["messages"]
    assert len(called["tool_calls"][0]["id"]) <= 40
    assert tool["tool_call_id"] == called["tool_calls"][0]["id"]


def test_turns_are_as_the_vendor_wants_them() -> None:
    def turns(*said: tuple[str, str]) -> Any:
        messages = [{"role": role, "content": text} for role, text in said]
        return vendor_request(ANTHROPIC, client_request(OPENAI, {"messages": messages}))["messages"]

    assert [turn["role"] for turn in turns(("assistant", "Hi."), ("user", "Hi."))] == ["user", "assistant", "user"]
    assert turns(("system", "Say hi.")) == [{"role": "user", "content": "Say hi."}]
    assert [turn["role"] for turn in turns(("user", "a"), ("assistant", ""), ("user", "b"))] == ["user"]
    assert turns(("user", "a"), ("assistant", "It is "))[-1]["content"] == "It is"
    assert client_request(OPENAI, {"messages": [{"role": "assistant", "content": "I"}]}).features == {
        Feature.ASSISTANT_PREFIX: "messages[0]"
    }
