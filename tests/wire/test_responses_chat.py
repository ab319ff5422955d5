"""Responses requests translated and back: fields kept, noted, and refused."""

import json
from typing import Any

import pytest
from tests.wire.splits import tape

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire import DIALECTS
from tokenharbor.wire.framing.sse import SseFramer
from tokenharbor.wire.neutral import carry
from tokenharbor.wire.neutral.chat import (
    Advice,
    AnswerFormat,
    Audio,
    Chat,
    Feature,
    File,
    GivenAdvice,
    Image,
    MediaSource,
    Message,
    OpaquePart,
    Reasoning,
    ReasoningRequest,
    RefusalText,
    Role,
    Sampling,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolChoiceMode,
    ToolResult,
    VendorOptions,
    WebSearch,
)
from tokenharbor.wire.neutral.dialect import ReplyContext
from tokenharbor.wire.neutral.events import (
    BlockClosed,
    BlockGrew,
    BlockKind,
    BlockOpened,
    Event,
    Finished,
    FinishReason,
    Note,
    Started,
)

RESPONSES = "openai_responses"
WIRE = DIALECTS[RESPONSES]
ORDER = VendorOptions(
    "vendor-model", stream=True, max_output=64, most_output=8192, capabilities=frozenset({"reasoning"})
)
NOTHING: dict[str, Any] = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
CODEX: dict[str, Any] = {
    "model": "m",
    "stream": True,
    "input": [
        {"type": "message", "id": "msg_1", "role": "developer", "content": [{"type": "input_text", "text": "Code."}]},
        {"type": "message", "id": "msg_2", "role": "user", "content": [{"type": "input_text", "text": "Go on."}]},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAsealed"},
        {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "exec", "arguments": '{ "cmd":"ls" }'},
        {"type": "function_call", "call_id": "c2", "name": "close", "namespace": "agents", "arguments": "{}"},
        {"type": "function_call_output", "id": "o2", "call_id": "c2", "output": "closed"},
        {"type": "function_call_output", "id": "o1", "call_id": "c1", "output": [{"type": "input_text", "text": "a"}]},
    ],
    "tools": [
        {"type": "function", "name": "exec", "description": "Runs.", "strict": False, "parameters": {"b": 1, "a": {}}},
        {
            "type": "namespace",
            "name": "agents",
            "description": "Others.",
            "tools": [{"type": "function", "name": "close", "strict": True, "parameters": NOTHING}],
        },
        {"type": "web_search", "external_web_access": True},
    ],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "reasoning": {"effort": "high", "summary": "auto"},
    "text": {"verbosity": "low"},
    "store": False,
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": "k",
    "client_metadata": {"thread_id": "t"},
}
"""What a coding agent sends in the middle of its work."""


def chat_of(**fields: Any) -> Chat:
    body = {"model": "m", "input": "?", **fields}
    return WIRE.read_chat(WIRE.read_request(json.dumps(body, separators=(",", ":")).encode()))


def refused(**fields: Any) -> str | None:
    with pytest.raises(InvalidRequest) as caught:
        chat_of(**fields)
    return caught.value.param


def body_of(chat: Chat, order: VendorOptions = ORDER) -> Any:
    return json.loads(WIRE.write_chat(chat, order))


def user(*parts: Any) -> list[Any]:
    return [{"role": "user", "content": list(parts)}]


def test_what_a_coding_agent_sends_is_understood() -> None:
    chat = chat_of(**CODEX)
    sealed = Note(RESPONSES, "item", json.dumps(CODEX["input"][2], separators=(",", ":")).encode())
    assert chat.messages == (
        Message(Role.SYSTEM, (Text("Code."),), developer=True),
        Message(Role.USER, (Text("Go on."),)),
        Message(
            Role.ASSISTANT,
            (Reasoning("", (sealed,)), ToolCall("c1", "exec", '{ "cmd":"ls" }'), ToolCall("c2", "agents__close", "{}")),
        ),
        Message(
            Role.USER, (ToolResult("c1", (Text("a"),), "exec"), ToolResult("c2", (Text("closed"),), "agents__close"))
        ),
    )
    assert chat.tools == (
        Tool("exec", "Runs.", b'{"b":1,"a":{}}', strict=False),
        Tool("agents__close", "", json.dumps(NOTHING, separators=(",", ":")).encode(), strict=True),
    )
    assert chat.features == {Feature.TOOLS: "tools"}, "a search that is merely listed asks for nothing"
    assert chat.tool_choice == ToolChoice(ToolChoiceMode.AUTO)
    assert (chat.thinking, chat.verbosity, chat.cache_key) == (ReasoningRequest("high", shown=True), "low", "k")


def test_its_own_provider_is_told_the_same_again() -> None:
    body = body_of(chat_of(**CODEX))
    assert body["input"][2] == CODEX["input"][2], "sealed reasoning comes back as it was"
    assert body["input"][3] == {"type": "function_call", "call_id": "c1", "name": "exec", "arguments": '{ "cmd":"ls" }'}
    assert (body["store"], body["stream"], body["max_output_tokens"]) == (False, True, 64)
    assert body["reasoning"] == {"effort": "high", "summary": "auto"}
    assert body["include"] == ["reasoning.encrypted_content"]
    assert [(tool["name"], tool["strict"]) for tool in body["tools"]] == [("exec", False), ("agents__close", True)]
    again = chat_of(**{name: value for name, value in body.items() if name != "stream"})
    assert again.messages == chat_of(**CODEX).messages


def test_media_in_messages_and_in_results() -> None:
    png = "data:image/png;base64,AAAA"
    said = user(
        {"type": "input_image", "image_url": png, "detail": "high"},
        {"type": "input_image", "image_url": "https://x.example/a.png"},
        {"type": "input_file", "file_data": "data:application/pdf;base64,BBBB", "filename": "a.pdf"},
        {"type": "input_file", "file_data": "CCCC"},
        {"type": "input_file", "file_url": "https://x.example/a.pdf"},
        {"type": "input_audio", "input_audio": {"data": "DDDD", "format": "wav"}},
    )
    result = {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_image", "image_url": png}]}
    chat = chat_of(input=[*said, {"type": "function_call", "call_id": "c", "name": "t", "arguments": ""}, result])
    assert chat.messages[0].parts == (
        Image(MediaSource("image/png", "AAAA"), "high"),
        Image(MediaSource(url="https://x.example/a.png")),
        File(MediaSource("application/pdf", "BBBB"), name="a.pdf"),
        File(MediaSource("application/pdf", "CCCC")),
        File(MediaSource(url="https://x.example/a.pdf")),
        Audio(MediaSource("audio/wav", "DDDD")),
    )
    assert chat.messages[2].parts == (ToolResult("c", (Image(MediaSource("image/png", "AAAA")),), "t"),)
    assert chat.features == {
        Feature.IMAGE: "input[0].content[0].image_url",
        Feature.IMAGE_URL: "input[0].content[1].image_url",
        Feature.FILE: "input[0].content[2]",
        Feature.FILE_URL: "input[0].content[4]",
        Feature.AUDIO: "input[0].content[5]",
    }
    again = chat_of(input=body_of(chat)["input"])
    assert [part for part in again.messages[0].parts if not isinstance(part, File)] == [
        part for part in chat.messages[0].parts if not isinstance(part, File)
    ]
    assert again.messages[2] == chat.messages[2]


def test_custom_tools_and_their_grammar() -> None:
    grammar = {"type": "grammar", "syntax": "lark", "definition": "start: /a+/"}
    chat = chat_of(
        input=[
            {"role": "user", "content": "?"},
            {"type": "custom_tool_call", "call_id": "c", "name": "patch", "input": "*** Begin"},
            {"type": "custom_tool_call_output", "call_id": "c", "output": "done"},
        ],
        tools=[{"type": "custom", "name": "patch", "format": grammar}],
        tool_choice={"type": "custom", "name": "patch"},
    )
    assert chat.features[Feature.GRAMMAR] == "tools[0].format"
    assert chat.messages[1].parts == (ToolCall("c", "patch", "*** Begin", custom=True),)
    assert chat.messages[2].parts == (ToolResult("c", (Text("done"),), "patch", custom=True),)
    body = body_of(chat)
    assert body["tools"] == [{"type": "custom", "name": "patch", "format": grammar}]
    assert body["tool_choice"] == {"type": "custom", "name": "patch"}
    assert [item["type"] for item in body["input"]] == ["message", "custom_tool_call", "custom_tool_call_output"]


def test_the_answers_form_and_the_choice_of_tools() -> None:
    schema = {"type": "json_schema", "name": "tide", "schema": {"z": 1, "a": 2}, "strict": True}
    tools: Any = [{"type": "function", "name": name, "parameters": {}} for name in ("a", "b")]
    allowed = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "b"}]}
    chat = chat_of(text={"format": schema}, tools=tools, tool_choice=allowed, temperature=0.5, top_p=1, user="u")
    assert chat.format == AnswerFormat(b'{"z":1,"a":2}', "tide", strict=True)
    assert chat.features[Feature.JSON_SCHEMA] == "text.format"
    assert chat.tool_choice == ToolChoice(ToolChoiceMode.REQUIRED, ("b",))
    assert chat.sampling == Sampling(temperature=0.5, top_p=1.0)
    assert chat.advice["user"] == GivenAdvice(Advice.OWN, "user")
    body = body_of(chat)
    assert (body["text"]["format"], body["tool_choice"]) == (schema, allowed)
    assert "user" not in body, "whom the caller serves is nobody's business"
    assert chat_of(text={"format": {"type": "json_object"}}).format == AnswerFormat()
    assert chat_of(text={"format": {"type": "text"}}).format is None


def test_a_bounded_search_is_asked_for() -> None:
    tool = {"type": "web_search", "filters": {"allowed_domains": ["tides.example"]}, "search_context_size": "low"}
    chat = chat_of(tools=[tool], max_tool_calls=2)
    assert (chat.search, chat.features) == (WebSearch(2, ("tides.example",)), {Feature.WEB_SEARCH: "tools"})
    body = body_of(chat)
    assert body["tools"] == [{"type": "web_search", "filters": {"allowed_domains": ["tides.example"]}}]
    assert body["max_tool_calls"] == 2
    with pytest.raises(InvalidRequest) as caught:
        body_of(Chat(chat.messages, {Feature.WEB_SEARCH: "tools[0]"}, search=WebSearch(1, blocked=("x.example",))))
    assert caught.value.param == "tools[0]"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": []}, "input"),
        ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role"),
        ({"input": [{"type": "mcp_call", "id": "m"}]}, "input[0].type"),
        ({"input": user({"type": "hologram"})}, "input[0].content[0].type"),
        ({"input": user({"type": "input_file", "file_id": "file-1"})}, "input[0].content[0].file_id"),
        ({"input": user({"type": "input_image", "image_url": "data:image/png,AA"})}, "input[0].content[0].image_url"),
        ({"tools": [{"type": "local_shell"}]}, "tools[0].type"),
        ({"tool_choice": "maybe"}, "tool_choice"),
        ({"tool_choice": {"type": "mcp", "name": "x"}}, "tool_choice.type"),
        ({"tool_choice": {"type": "function", "name": "x"}}, "tool_choice"),
        ({"text": {"format": {"type": "yaml"}}}, "text.format"),
        ({"reasoning": {"effort": "heroic"}}, "reasoning.effort"),
        ({"temperature": "hot"}, "temperature"),
    ],
)
def test_what_nobody_else_could_be_told_is_named(fields: dict[str, Any], param: str) -> None:
    assert refused(**fields) == param


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"brand_new": 1}, "brand_new"),
        ({"input": user({"type": "input_text", "text": "x", "spin": 1})}, "input.content.spin"),
        ({"input": [{"role": "user", "content": "x", "timestamp": 1, "id": "m"}]}, "input.timestamp"),
        ({"tools": [{"type": "function", "name": "t", "flavour": 1}]}, "tools.flavour"),
        ({"text": {"tone": "dry"}}, "text.tone"),
    ],
)
def test_C4_what_no_dialect_has_is_left_out_and_named(fields: dict[str, Any], name: str) -> None:
    assert set(chat_of(**fields).unknown) == {name}


def test_what_not_everybody_can_say_is_noted_with_its_field() -> None:
    assert chat_of(top_logprobs=3).features == {Feature.LOGPROBS: "top_logprobs"}
    assert chat_of(include=["message.output_text.logprobs"]).features == {Feature.LOGPROBS: "include"}
    prefilled = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "The tide"}]
    assert chat_of(input=prefilled).features == {Feature.ASSISTANT_PREFIX: "input[1]"}


def test_hints_and_what_is_left_open_ask_for_nothing() -> None:
    chat = chat_of(
        instructions="Be brief.",
        metadata={"a": "b"},
        client_metadata={"x": "y"},
        truncation="auto",
        safety_identifier="s",
        stream_options={"include_obfuscation": False},
        max_output_tokens=9,
        tools=None,
        brand_new=None,
        usage={"include": True},
    )
    assert chat.messages == (Message(Role.SYSTEM, (Text("Be brief."),)), Message(Role.USER, (Text("?"),)))
    assert (chat.features, chat.thinking) == ({}, None)
    assert chat.advice.keys() == {"metadata", "client_metadata", "safety_identifier", "truncation"}, (
        "which no other dialect has"
    )


def test_a_model_that_does_not_reason_is_not_told_to() -> None:
    plain = VendorOptions("m", stream=False, max_output=None, most_output=100)
    body = body_of(chat_of(**CODEX), plain)
    assert {"include", "reasoning", "max_output_tokens"}.isdisjoint(body)
    thinking = [
        body_of(Chat((Message(Role.USER, (Text("?"),)),), thinking=ReasoningRequest(budget=budget)))
        for budget in (0, 1_000, 30_000)
    ]
    assert [body["reasoning"] for body in thinking] == [{"effort": "none"}, {"effort": "low"}, {"effort": "high"}]


def test_what_other_dialects_say_has_a_form_here() -> None:
    chat = Chat(
        (
            Message(Role.ASSISTANT, (Text("Look"), RefusalText("No."), ToolCall("toolu_" + "x" * 90, "t", ""))),
            Message(Role.USER, (ToolResult("toolu_" + "x" * 90, (Text("boom"),), failed=True), Text("So?"))),
            Message(
                Role.USER, (File(text="Words.", name="a.txt"), OpaquePart(Note("anthropic_messages", "block", b"{}")))
            ),
        ),
        tools=(Tool("t"),),
        parallel_calls=False,
    )
    said, call, result, question, document = body_of(chat)["input"]
    assert said["content"] == [{"type": "output_text", "text": "Look"}, {"type": "refusal", "refusal": "No."}]
    assert call["arguments"] == "{}"
    assert len(call["call_id"]) <= 64, "the most that this dialect takes"
    assert (result["call_id"], result["output"]) == (call["call_id"], "Error: boom")
    assert question["content"][0]["text"] == "So?"
    assert "Words." in document["content"][0]["text"]
    body = body_of(chat)
    assert body["tools"] == [
        {"type": "function", "name": "t", "parameters": {"type": "object", "properties": {}}, "strict": False}
    ]
    assert body["parallel_tool_calls"] is False


def test_notes_of_other_dialects_come_back_to_where_they_were_noted() -> None:
    """A client of this dialect sends its items back, and knows nothing of notes."""
    mine = {kind: Note("gemini", "thoughtSignature", kind.encode()) for kind in ("thought", "call", "text", "block")}
    events: list[Event] = [
        Started("resp_1", "m"),
        BlockOpened(0, BlockKind.REASONING),
        BlockGrew(0, "Hm.", (mine["thought"],)),
        BlockClosed(0),
        BlockOpened(1, BlockKind.TEXT),
        BlockGrew(1, "", (mine["block"],)),
        BlockClosed(1),
        BlockOpened(2, BlockKind.TEXT),
        BlockGrew(2, "Aye.", (mine["text"],)),
        BlockClosed(2),
        BlockOpened(3, BlockKind.TOOL_CALL, "c1", "tide"),
        BlockGrew(3, "{}", (mine["call"],)),
        BlockClosed(3),
        BlockOpened(4, BlockKind.TOOL_CALL, "c2", "tide"),
        BlockGrew(4, "{}"),
        BlockClosed(4),
        Finished(FinishReason.TOOL_CALLS),
    ]
    output = json.loads(WIRE.write_reply(events, ReplyContext()))["output"]
    assert "gemini" not in json.dumps(output), "packed, and shown to nobody"
    results = [{"type": "function_call_output", "call_id": id_, "output": "6"} for id_ in ("c1", "c2")]
    _, message, _ = chat_of(input=[*user({"type": "input_text", "text": "?"}), *output, *results]).messages
    assert message.parts == (
        Reasoning("Hm.", (mine["thought"],)),
        OpaquePart(mine["block"]),
        Text("Aye.", notes=(mine["text"],)),
        ToolCall("c1", "tide", "{}", notes=(mine["call"],)),
        ToolCall("c2", "tide", "{}"),
    )


def test_a_tool_in_a_namespace_is_called_by_its_own_name_whatever_others_made_of_it() -> None:
    tool = {"type": "function", "name": "close_" + "y" * 50, "parameters": {}}
    tools: Any = [{"type": "namespace", "name": "agents_" + "x" * 50, "description": "", "tools": [tool]}]
    fields = {"model": "m", "input": "?", "tools": tools}
    request = WIRE.read_request(json.dumps(fields).encode())
    (told,) = body_of(WIRE.read_chat(request))["tools"]
    assert len(told["name"]) <= 64
    for name in (told["name"], WIRE.read_chat(request).tools[0].name):
        events: list[Event] = [
            Started("resp_1", "m"),
            BlockOpened(0, BlockKind.TOOL_CALL, "c1", name),
            BlockClosed(0),
            Finished(FinishReason.TOOL_CALLS),
        ]
        (call,) = json.loads(WIRE.write_reply(events, ReplyContext(request=request)))["output"]
        assert (call["namespace"], call["name"]) == (tools[0]["name"], tool["name"])


def test_tools_that_stand_in_the_input_may_be_called_and_reserves_are_left_out() -> None:
    """Newer models of coding agents have their tools in an item."""
    patch = {"type": "custom", "name": "exec", "description": "Runs."}
    item = {
        "type": "additional_tools",
        "id": "at_1",
        "role": "developer",
        "tools": [
            {"type": "namespace", "name": "functions", "description": "", "tools": [patch]},
            {"type": "function", "name": "wait", "parameters": {}},
        ],
    }
    reserve = {"type": "tool_search", "execution": "client", "description": "Finds.", "parameters": {}}
    fields: dict[str, Any] = {"model": "m", "tools": [reserve], "reasoning": {"effort": "low", "context": "all_turns"}}
    request = WIRE.read_request(
        json.dumps({**fields, "input": [item, *user({"type": "input_text", "text": "?"})]}).encode()
    )
    chat = WIRE.read_chat(request)
    assert chat.messages == (Message(Role.USER, (Text("?"),)),)
    assert chat.tools == (Tool("functions__exec", "Runs.", custom=True), Tool("wait", "", b"{}"))
    assert chat.features == {Feature.TOOLS: "input", Feature.CUSTOM_TOOLS: "input[0].tools[0].tools[0]"}
    events: list[Event] = [
        Started("resp_1", "m"),
        BlockOpened(0, BlockKind.TOOL_CALL, "c1", "functions__exec", custom=True),
        BlockGrew(0, "ls()"),
        BlockClosed(0),
        Finished(FinishReason.TOOL_CALLS),
    ]
    (call,) = json.loads(WIRE.write_reply(events, ReplyContext(request=request)))["output"]
    assert (call["type"], call["namespace"], call["name"]) == ("custom_tool_call", "functions", "exec")


def test_reasoning_sealed_by_its_vendor_comes_back_to_it_through_another_client() -> None:
    reader = WIRE.reader()
    events = reader.feed(tape(RESPONSES, "reasoning_tools"))
    (note,) = [note for event in events if isinstance(event, BlockGrew) for note in event.notes]
    assert carry.unpack(carry.pack((note,))) == (note,)
    message = Message(Role.ASSISTANT, (Reasoning("Two ports.", (note,)), ToolCall("c", "tide", "{}")))
    thought, call = body_of(Chat((message,)))["input"]
    assert thought == json.loads(note.raw)
    assert thought["encrypted_content"] == "gAAAAABTapeOfSealedThought=="
    assert call["call_id"] == "c"


def test_an_answer_was_completed_when_it_ended_and_never_before_it_began() -> None:
    events: list[Event] = [Started("id", "m"), Finished(FinishReason.STOP)]
    for begun, ended, said in ((100, 130, 130), (100, 90, 100)):
        recipient = ReplyContext(begun, now=iter([ended, ended]).__next__)
        whole = json.loads(WIRE.write_reply(events, recipient))
        assert (whole["created_at"], whole["completed_at"]) == (begun, said)
        writer = WIRE.writer(recipient)
        (_, opening, _), *_ = SseFramer().feed(writer.write(events[0]))
        assert json.loads(opening or b"")["response"]["completed_at"] is None
        (_, closing, _), *_ = SseFramer().feed(writer.write(events[1]))
        assert json.loads(closing or b"")["response"]["completed_at"] == said
