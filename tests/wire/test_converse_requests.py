"""Converse requests written from conversations, checked against the vendor's own API description."""

import base64
import json
import re
from typing import Any

import botocore.session
import msgspec
import pytest
from botocore.model import Shape
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.splits import tape

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire import DIALECTS, PROVIDER_DIALECTS
from tokenharbor.wire.neutral.chat import (
    AnswerFormat,
    Audio,
    Chat,
    Feature,
    File,
    Image,
    MediaSource,
    Message,
    OpaquePart,
    Part,
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
)
from tokenharbor.wire.neutral.events import Note

NAME = "bedrock_converse"
WIRE = PROVIDER_DIALECTS[NAME]
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
MODEL = botocore.session.get_session().get_service_model("bedrock-runtime")
REQUEST = MODEL.shape_for("ConverseRequest")
PNG = Image(MediaSource("image/png", "iVBORw0KGgo="))
PDF = MediaSource("application/pdf", "JVBERi0xLjQK")


def user(*parts: Part) -> Message:
    return Message(Role.USER, parts)


def assistant(*parts: Part) -> Message:
    return Message(Role.ASSISTANT, parts)


HELLO = (user(Text("Hello.")),)


def order(model: str = CLAUDE, **more: Any) -> VendorOptions:
    return VendorOptions(**{"model": model, "stream": True, "max_output": None, "most_output": 64_000, **more})


def sent(chat: Chat, **more: Any) -> dict[str, Any]:
    """Return the body, after validation against the vendor's own API description."""
    body = WIRE.write_chat(chat, order(**more))
    read: dict[str, Any] = json.loads(body)
    report = ParamValidator().validate({"modelId": "m", **plain(read, REQUEST)}, REQUEST)
    assert not report.has_errors(), report.generate_report()
    return read


def plain(value: Any, shape: Shape) -> Any:
    """Return a body in the form of an SDK's caller, with bytes instead of base64."""
    match shape.type_name:
        case "structure" if not getattr(shape, "is_document_type", False):
            assert set(value) <= set(shape.members), f"{shape.name}: {value.keys()}"
            return {name: plain(each, shape.members[name]) for name, each in value.items()}
        case "list":
            return [plain(each, shape.member) for each in value]
        case "blob":
            return base64.b64decode(value, validate=True)
    return value


def content(*messages: Message, **more: Any) -> list[Any]:
    return [message["content"] for message in sent(Chat(messages), **more)["messages"]]


# ---- paths


def test_a_models_name_is_one_step_of_the_path() -> None:
    assert WIRE.path(CLAUDE, stream=False) == "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse"
    arn = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.x-v1:0"
    assert WIRE.path(arn, stream=True) == (
        "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.x-v1%3A0/converse-stream"
    )


# ---- messages


def test_the_sides_alternate_and_the_user_begins() -> None:
    chat = Chat((assistant(Text("Aye?")), user(Text("a")), user(Text("b")), assistant(Text("c"))))
    assert sent(chat)["messages"] == [
        {"role": "user", "content": [{"text": "(the conversation begins)"}]},
        {"role": "assistant", "content": [{"text": "Aye?"}]},
        {"role": "user", "content": [{"text": "a"}, {"text": "b"}]},
        {"role": "assistant", "content": [{"text": "c"}]},
    ]


def test_a_turn_without_words_is_none() -> None:
    assert content(user(Text("a")), assistant(Text("")), user(Text("b"))) == [[{"text": "a"}, {"text": "b"}]]


def test_the_system_speaks_first_and_reminds_later() -> None:
    first, later = Message(Role.SYSTEM, (Text("Be brief.", cache="5m"),)), Message(Role.SYSTEM, (Text("Now."),))
    body = sent(Chat((first, *HELLO, later, assistant(Text("Aye.")))))
    assert body["system"] == [{"text": "Be brief."}, {"cachePoint": {"type": "default"}}]
    reminder = "<system-reminder>\nNow.\n</system-reminder>"
    assert body["messages"][0] == {"role": "user", "content": [{"text": "Hello."}, {"text": reminder}]}


def test_images_files_and_sound_go_as_bytes() -> None:
    audio = Audio(MediaSource("audio/wav", "UklGRg=="))
    (blocks,) = content(user(PNG, File(PDF, name="the log_book (1).pdf"), audio, Text("What is this?")))
    assert blocks == [
        {"image": {"format": "png", "source": {"bytes": "iVBORw0KGgo="}}},
        {"document": {"format": "pdf", "source": {"bytes": "JVBERi0xLjQK"}, "name": "the log book (1) pdf"}},
        {"audio": {"format": "wav", "source": {"bytes": "UklGRg=="}}},
        {"text": "What is this?"},
    ]


def test_documents_have_names_of_their_own_and_never_stand_alone() -> None:
    (blocks,) = content(user(File(PDF, name="log"), File(text="Moor.", name="log", context="of 1902"), File(PDF)))
    assert [block["document"]["name"] for block in blocks[:3]] == ["log", "log (2)", "document"]
    assert base64.b64decode(blocks[1]["document"]["source"]["bytes"]) == b"Moor."
    assert (blocks[1]["document"]["format"], blocks[1]["document"]["context"]) == ("txt", "of 1902")
    assert blocks[3] == {"text": "(see the document)"}


@pytest.mark.parametrize(
    ("part", "feature"),
    [
        (Image(MediaSource("image/tiff", "SUkq")), Feature.IMAGE),
        (File(MediaSource("application/zip", "UEsD")), Feature.FILE),
        (Audio(MediaSource("audio/midi", "TVRo")), Feature.AUDIO),
    ],
)
def test_media_of_a_kind_that_it_does_not_take_are_refused_by_the_callers_own_field(
    part: Part, feature: Feature
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        WIRE.write_chat(Chat((user(part),), {feature: "messages[0].content[0]"}), order())
    assert refused.value.param == "messages[0].content[0]"


def test_marks_for_the_cache_become_cache_points_where_the_model_has_a_cache() -> None:
    messages = (user(Text("long", cache="1h"), Text("short")),)
    assert content(*messages) == [
        [{"text": "long"}, {"cachePoint": {"type": "default", "ttl": "1h"}}, {"text": "short"}]
    ]
    assert content(*messages, model="meta.llama3-1-8b-instruct-v1:0") == [[{"text": "long"}, {"text": "short"}]]
    tools = sent(Chat(HELLO, tools=(Tool("tide", cache="5m"),)))["toolConfig"]["tools"]
    assert tools[1] == {"cachePoint": {"type": "default"}}


# ---- tools


CALLS = (
    user(Text("Tide?")),
    assistant(ToolCall("call_1", "tide", '{"port": "Brest", "b": 1, "a": [1e2]}'), ToolCall("call_2", "tide", "")),
    user(
        ToolResult("call_1", (Text("06:02"), PNG), name="tide"),
        ToolResult("call_2", (), name="tide", failed=True, cache="5m"),
        Text("Well?"),
    ),
)
TIDE = Tool("tide", "When it turns.", b'{"type":"object", "properties":{"port":{"type":"string"}}}', strict=True)


def test_calls_and_their_results_keep_ids_arguments_and_errors() -> None:
    body = WIRE.write_chat(Chat(CALLS, tools=(TIDE,)), order())
    assert b'"input":{"port": "Brest", "b": 1, "a": [1e2]}' in body, "argument keys exactly as given"
    _, calls, results = sent(Chat(CALLS, tools=(TIDE,)))["messages"]
    assert calls["content"][1] == {"toolUse": {"toolUseId": "call_2", "name": "tide", "input": {}}}
    assert results["content"] == [
        {
            "toolResult": {
                "toolUseId": "call_1",
                "content": [{"text": "06:02"}, {"image": {"format": "png", "source": {"bytes": "iVBORw0KGgo="}}}],
            }
        },
        {"toolResult": {"toolUseId": "call_2", "content": [{"text": "(no output)"}], "status": "error"}},
        {"cachePoint": {"type": "default"}},
        {"text": "Well?"},
    ]


def test_an_id_that_it_does_not_take_is_changed_alike_for_call_and_result() -> None:
    strange = "th1." + "x" * 90 + "="
    _, (call,), (result,) = content(
        user(Text("?")), assistant(ToolCall(strange, "tide", "{}")), user(ToolResult(strange, (Text("06:02"),)))
    )
    assert call["toolUse"]["toolUseId"] == result["toolResult"]["toolUseId"]


def test_arguments_that_are_no_object_are_shown_as_they_are() -> None:
    _, (call,), _ = content(*CALLS[:1], assistant(ToolCall("c", "tide", '{"po')), user(ToolResult("c", (Text("?"),))))
    assert call["toolUse"]["input"] == {"_unreadable": '{"po'}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, None),
        (ToolChoice(ToolChoiceMode.AUTO), {"auto": {}}),
        (ToolChoice(ToolChoiceMode.REQUIRED), {"any": {}}),
        (ToolChoice(ToolChoiceMode.NAMED, ("tide",)), {"tool": {"name": "tide"}}),
    ],
)
def test_the_choice_of_tools(choice: ToolChoice | None, expected: object) -> None:
    config = sent(Chat(HELLO, tools=(TIDE, Tool("sail")), tool_choice=choice))["toolConfig"]
    assert config.get("toolChoice") == expected
    assert [tool["toolSpec"]["name"] for tool in config["tools"]] == ["tide", "sail"]
    assert config["tools"][0]["toolSpec"]["inputSchema"]["json"]["properties"] == {"port": {"type": "string"}}


def test_a_choice_among_some_tools_offers_only_those() -> None:
    choice = ToolChoice(ToolChoiceMode.REQUIRED, ("sail",))
    config = sent(Chat(HELLO, tools=(TIDE, Tool("sail")), tool_choice=choice))["toolConfig"]
    assert [tool["toolSpec"]["name"] for tool in config["tools"]] == ["sail"]


def test_strictness_is_told_to_models_that_can_keep_it() -> None:
    chat = Chat(HELLO, tools=(TIDE,))
    assert "strict" not in sent(chat)["toolConfig"]["tools"][0]["toolSpec"]
    able = sent(chat, capabilities=frozenset({"json_schema"}))
    assert able["toolConfig"]["tools"][0]["toolSpec"]["strict"] is True


def test_no_tools_are_offered_where_none_may_be_called() -> None:
    assert "toolConfig" not in sent(Chat(HELLO, tools=(TIDE,), tool_choice=ToolChoice(ToolChoiceMode.NONE)))


@pytest.mark.parametrize("chat", [Chat(CALLS), Chat(CALLS, tools=(TIDE,), tool_choice=ToolChoice(ToolChoiceMode.NONE))])
def test_tools_that_were_called_are_told_and_forbidden_in_words(chat: Chat) -> None:
    body = sent(chat)
    assert [tool["toolSpec"]["name"] for tool in body["toolConfig"]["tools"]] == ["tide"]
    assert body["system"] == [{"text": "Do not call any tool: answer in words."}]


def test_one_call_at_a_time_is_asked_for_in_words() -> None:
    body = sent(Chat(HELLO, tools=(TIDE,), parallel_calls=False))
    assert body["system"] == [{"text": "Call at most one tool at a time."}]


def test_a_tools_name_that_it_does_not_take_is_made_fit_wherever_it_stands() -> None:
    calls = (user(Text("?")), assistant(ToolCall("c", "sea.tide", "{}")), user(ToolResult("c", (Text("06:02"),))))
    body = sent(Chat(calls, tools=(Tool("sea.tide"),), tool_choice=ToolChoice(ToolChoiceMode.NAMED, ("sea.tide",))))
    name = body["toolConfig"]["tools"][0]["toolSpec"]["name"]
    assert re.fullmatch("sea_tide_[0-9a-f]{12}", name)
    assert body["toolConfig"]["toolChoice"] == {"tool": {"name": name}}
    assert body["messages"][1]["content"][0]["toolUse"]["name"] == name


# ---- settings of the answer


def test_sampling_stops_and_the_maximum() -> None:
    chat = Chat(HELLO, sampling=Sampling(top_p=0.5, top_k=7), stop=("three",))
    body = sent(chat, max_output=100)
    assert body["inferenceConfig"] == {"maxTokens": 100, "topP": 0.5, "stopSequences": ["three"]}
    assert body["additionalModelRequestFields"] == {"top_k": 7}
    assert body["additionalModelResponseFieldPaths"] == ["/stop_sequence", "/delta/stop_sequence"]
    nova = sent(chat, model="us.amazon.nova-2-lite-v1:0")
    assert nova["additionalModelRequestFields"] == {"inferenceConfig": {"topK": 7}}


def test_ids_of_calls_are_as_short_as_some_makers_want_them() -> None:
    said = Message(Role.ASSISTANT, tuple(ToolCall(id_, "tide", "{}") for id_ in ("toolu_01", "abcDEF123")))
    given = Message(Role.USER, (ToolResult("toolu_01", (Text("high"),)), ToolResult("abcDEF123", (Text("low"),))))
    body = sent(Chat((*HELLO, said, given)), model="us.mistral.pixtral-large-2502-v1:0")
    uses = [block["toolUse"]["toolUseId"] for block in body["messages"][-2]["content"]]
    results = [block["toolResult"]["toolUseId"] for block in body["messages"][-1]["content"]]
    assert uses == results
    assert uses[1] == "abcDEF123"
    assert len(uses[0]) == 9
    assert uses[0].isalnum()


def test_a_beginning_of_the_answer_does_not_end_in_space() -> None:
    chat = Chat((*HELLO, Message(Role.ASSISTANT, (Text("It is "),))))
    assert sent(chat)["messages"][-1] == {"role": "assistant", "content": [{"text": "It is"}]}


def test_a_temperature_stands_alone_where_newer_models_refuse_both() -> None:
    chat = Chat(HELLO, sampling=Sampling(temperature=0.2, top_p=0.5))
    assert sent(chat)["inferenceConfig"] == {"temperature": 0.2}
    assert sent(chat, model="us.amazon.nova-2-lite-v1:0")["inferenceConfig"] == {"temperature": 0.2, "topP": 0.5}


@pytest.mark.parametrize(("name", "there"), [("temperature", "temperature"), ("top_p", "topP")])
def test_sampling_beyond_its_range_is_the_most_that_the_vendor_takes(name: str, there: str) -> None:
    chat = Chat(HELLO, sampling=msgspec.structs.replace(Sampling(), **{name: 1.2}))
    assert sent(chat)["inferenceConfig"] == {there: 1}


def test_nothing_is_said_that_was_not_asked_for() -> None:
    assert sent(Chat(HELLO)) == {"messages": [{"role": "user", "content": [{"text": "Hello."}]}]}


def test_a_schema_for_the_answer_goes_as_it_is() -> None:
    schema = b'{"type": "object", "additionalProperties":false}'
    body = sent(Chat(HELLO, format=AnswerFormat(schema, "tide", "When.", strict=True)))
    wanted = {"schema": schema.decode(), "name": "tide", "description": "When."}
    assert body["outputConfig"] == {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": wanted}}}


# ---- reasoning


REASONS = frozenset({"reasoning"})
ADAPTS = REASONS | {"adaptive_reasoning"}


def thinks(thinking: ReasoningRequest, chat: Chat | None = None, **more: Any) -> tuple[Any, Any, Any]:
    chat = chat or Chat(HELLO)
    body = sent(
        Chat(chat.messages, tools=chat.tools, tool_choice=chat.tool_choice, thinking=thinking),
        **{"capabilities": REASONS, **more},
    )
    effort = body.get("outputConfig", {}).get("effort")
    return body.get("additionalModelRequestFields"), effort, body.get("inferenceConfig", {}).get("maxTokens")


def test_reasoning_within_a_budget() -> None:
    enabled = {"type": "enabled"}
    assert thinks(ReasoningRequest(budget=5000)) == ({"thinking": {**enabled, "budget_tokens": 5000}}, None, 64_000)
    assert thinks(ReasoningRequest("low"))[0] == {"thinking": {**enabled, "budget_tokens": 4096}}
    assert thinks(ReasoningRequest("high"), max_output=4096) == (
        {"thinking": {**enabled, "budget_tokens": 3072}},
        None,
        4096,
    )
    assert thinks(ReasoningRequest("high"), max_output=1300) == (None, None, 1300), "no room for both"


def test_reasoning_that_adapts() -> None:
    assert thinks(ReasoningRequest("xhigh"), capabilities=ADAPTS) == ({"thinking": {"type": "adaptive"}}, "xhigh", None)
    shown = thinks(ReasoningRequest(budget=8000, shown=True), capabilities=ADAPTS)
    assert shown == ({"thinking": {"type": "adaptive", "display": "summarized"}}, "medium", None)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("us.amazon.nova-2-lite-v1:0", {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}}),
        ("openai.gpt-oss-120b-1:0", {"reasoning_effort": "high"}),
        ("deepseek.v3-v1:0", None),
    ],
)
def test_each_makers_models_are_told_in_their_own_words(model: str, expected: object) -> None:
    assert thinks(ReasoningRequest("max"), model=model)[0] == expected


@pytest.mark.parametrize(
    ("thinking", "chat", "capabilities"),
    [
        (ReasoningRequest("high"), Chat(HELLO), frozenset[str]()),
        (ReasoningRequest("none"), Chat(HELLO), REASONS),
        (
            ReasoningRequest("high"),
            Chat(HELLO, tools=(TIDE,), tool_choice=ToolChoice(ToolChoiceMode.REQUIRED)),
            REASONS,
        ),
        (ReasoningRequest("high"), Chat(CALLS, tools=(TIDE,)), REASONS),
        (ReasoningRequest("high"), Chat((*HELLO, assistant(Text("So")))), ADAPTS),
        (ReasoningRequest(budget=0), Chat(HELLO), REASONS),
    ],
)
def test_reasoning_is_left_out_where_the_model_would_refuse_it(
    thinking: ReasoningRequest, chat: Chat, capabilities: frozenset[str]
) -> None:
    assert thinks(thinking, chat, capabilities=capabilities)[0] is None


@pytest.mark.parametrize(
    ("model", "capabilities", "expected"),
    [
        ("us.anthropic.claude-sonnet-5-v1:0", ADAPTS, ({"thinking": {"type": "disabled"}}, None)),
        ("us.anthropic.claude-opus-5-5-v1:0", ADAPTS | {"always_reasoning"}, (None, "low")),
        ("us.anthropic.claude-sonnet-4-5-v1:0", REASONS, (None, None)),
        ("openai.gpt-oss-120b-1:0", REASONS, ({"reasoning_effort": "low"}, None)),
        ("us.amazon.nova-2-lite-v1:0", REASONS, (None, None)),
    ],
)
def test_models_that_reason_unasked_are_told_not_to_or_as_little_as_they_can(
    model: str, capabilities: frozenset[str], expected: tuple[object, object]
) -> None:
    for nothing in (ReasoningRequest("none"), ReasoningRequest(budget=0)):
        assert thinks(nothing, model=model, capabilities=capabilities)[:2] == expected


def test_a_model_that_was_told_not_to_reason_may_be_told_how_to_draw_tokens() -> None:
    body = sent(Chat(HELLO, thinking=ReasoningRequest("none"), sampling=Sampling(temperature=0.5)), capabilities=ADAPTS)
    assert body["inferenceConfig"]["temperature"] == 0.5


def test_thoughts_go_back_to_who_signed_them_and_to_nobody_else() -> None:
    note = Note(NAME, "signature", b"EqQB"), Note("anthropic_messages", "signature", b"other")
    sealed = Note(NAME, "redacted", b"RW1z"), Note(NAME, "redacted", b"ZWFs")
    thoughts = assistant(
        Reasoning("Two ports.", note),
        Reasoning("", sealed),
        Reasoning("unsigned"),
        OpaquePart(Note("gemini", "block", b"{}")),
        Text("At six."),
    )
    _, blocks = content(user(Text("Tide?")), thoughts)
    assert blocks == [
        {"reasoningContent": {"reasoningText": {"text": "Two ports.", "signature": "EqQB"}}},
        {"reasoningContent": {"redactedContent": base64.b64encode(b"Emseal").decode()}},
        {"text": "At six."},
    ]


# ---- and back again


def answered(client: str, reply: dict[str, Any]) -> dict[str, Any]:
    """Return the client's next request, which repeats the answer."""
    hello = {"role": "user", "content": "Tide?"}
    if client == "anthropic_messages":
        results = [
            {"type": "tool_result", "tool_use_id": call["id"], "content": "06:02"} for call in reply["content"][2:]
        ]
        turns = [{"role": "assistant", "content": reply["content"]}, {"role": "user", "content": results}]
        return {"model": "m", "max_tokens": 9000, "messages": [hello, *turns]}
    message = reply["choices"][0]["message"]
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "06:02"} for call in message["tool_calls"]]
    return {"model": "m", "messages": [hello, message, *results]}


@pytest.mark.parametrize("client", ["openai_chat", "anthropic_messages"])
def test_its_signed_thoughts_come_back_through_clients_of_other_dialects(client: str) -> None:
    reader, wire = WIRE.reader(), DIALECTS[client]
    reply = wire.write_reply([*reader.feed(tape(NAME, "thinking_tools")), *reader.close()])
    request = wire.read_request(json.dumps(answered(client, json.loads(reply))).encode())
    _, turn, results = sent(wire.read_chat(request))["messages"]
    thought = {"text": "Two ports, two calls.", "signature": "EqQBCkgIBxABGAIiQTape"}
    assert turn["content"][0] == {"reasoningContent": {"reasoningText": thought}}
    assert [block["toolUse"]["input"] for block in turn["content"][2:]] == [{"port": "Brest"}, {"port": "Vigo"}]
    assert [block["toolResult"]["toolUseId"] for block in results["content"]] == [
        block["toolUse"]["toolUseId"] for block in turn["content"][2:]
    ]


# ---- any conversation


texts = st.text(st.characters(codec="utf-8"), max_size=20)
ids = texts.filter(bool)
parts = st.one_of(
    st.builds(Text, texts, st.sampled_from([None, "5m", "1h"])),
    st.just(PNG),
    st.builds(File, st.just(PDF), name=texts),
    st.builds(File, text=ids, name=texts),
)
said = st.one_of(
    st.builds(Text, texts),
    st.builds(RefusalText, texts),
    st.builds(Reasoning, texts, st.just((Note(NAME, "signature", b"sig"),))),
    st.builds(ToolCall, ids, st.just("tide"), st.one_of(texts, st.just('{"a":1}'))),
)
messages = st.lists(
    st.one_of(
        st.builds(Message, st.just(Role.USER), st.lists(parts, max_size=4).map(tuple)),
        st.builds(
            Message,
            st.just(Role.USER),
            st.lists(st.builds(ToolResult, ids, st.lists(parts, max_size=2).map(tuple)), max_size=2).map(tuple),
        ),
        st.builds(Message, st.just(Role.ASSISTANT), st.lists(said, max_size=4).map(tuple)),
        st.builds(Message, st.just(Role.SYSTEM), st.lists(st.builds(Text, texts), max_size=2).map(tuple)),
    ),
    max_size=6,
).map(tuple)
chats = st.builds(
    Chat,
    messages,
    tools=st.sampled_from([(), (TIDE,)]),
    tool_choice=st.sampled_from([None, *(ToolChoice(mode, ("tide",)) for mode in ToolChoiceMode)]),
    parallel_calls=st.sampled_from([None, True, False]),
    thinking=st.builds(
        ReasoningRequest, st.sampled_from([None, "none", "minimal", "max"]), st.sampled_from([None, 2000])
    ),
)


@given(chats, st.sampled_from([CLAUDE, "amazon.nova-pro-v1:0", "openai.gpt-oss-20b-1:0", "qwen.qwen3-32b-v1:0"]))
def test_any_conversation_is_a_sound_request(chat: Chat, model: str) -> None:
    named = chat.tools or chat.tool_choice is None or chat.tool_choice.mode is not ToolChoiceMode.NAMED
    body = sent(chat if named else Chat(chat.messages), model=model, capabilities=ADAPTS)
    roles = [message["role"] for message in body["messages"]]
    assert roles == (["user", "assistant"] * len(roles))[: len(roles)]
    blocks = [block for message in body["messages"] for block in message["content"]]
    assert all(message["content"] for message in body["messages"])
    assert all(block["text"].strip() for block in blocks if "text" in block)
    documents = [block["document"]["name"] for block in blocks if "document" in block]
    assert len(documents) == len(set(documents))
    if any("toolUse" in block or "toolResult" in block for block in blocks):
        assert body["toolConfig"]["tools"]
