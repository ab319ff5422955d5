"""Gemini's dialect: both spellings, edits in the caller's bytes, signatures, and Google's own SDK as a reader."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import httpx2
import msgspec
import pytest
from google import genai
from google.genai import errors as theirs
from google.genai import types
from hypothesis import given, settings
from tests.examples import at_most
from tests.google_sdk import google_client
from tests.wire.answers import answers, meaning
from tests.wire.conversations import ABLE, ORDER, conversations
from tests.wire.splits import tape
from tests.wire.translated_requests import client_request, vendor_request

from tokenharbor.kernel import errors
from tokenharbor.kernel.errors import InvalidRequest, Refusal
from tokenharbor.wire import DIALECTS
from tokenharbor.wire.dialects.gemini.usage import try_usage
from tokenharbor.wire.neutral.chat import (
    Chat,
    Feature,
    File,
    Image,
    Reasoning,
    ReasoningRequest,
    Text,
    ToolCall,
    ToolChoiceMode,
    ToolResult,
    VendorOptions,
)
from tokenharbor.wire.neutral.dialect import ModelInPath, ReplyContext
from tokenharbor.wire.neutral.events import Event, Failed, Finished, FinishReason, Note
from tokenharbor.wire.neutral.request import Edit, Request

GEMINI, ANTHROPIC = "gemini", "anthropic_messages"
WIRE = DIALECTS[GEMINI]
PLACE = ModelInPath("m", stream=False)
CONTENTS = [{"role": "user", "parts": [{"text": "Is the harbour open?"}]}]


def read(**fields: Any) -> Request:
    return WIRE.read_request(json.dumps({"contents": CONTENTS, **fields}, separators=(",", ":")).encode(), PLACE)


def chat_of(**fields: Any) -> Chat:
    return WIRE.read_chat(read(**fields))


def param(**fields: Any) -> str | None:
    with pytest.raises(InvalidRequest) as caught:
        chat_of(**fields)
    assert caught.value.param is not None
    assert caught.value.param in caught.value.message
    return caught.value.param


def written(chat: Chat, order: VendorOptions = ORDER) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(WIRE.write_chat(chat, order))
    return body


class TestRequests:
    def test_the_path_says_the_model_and_whether_it_is_a_stream(self) -> None:
        request = WIRE.read_request(b'{"contents":[]}', ModelInPath("gemini-x", stream=True))
        assert (request.model, request.stream, request.wants_usage) == ("gemini-x", True, True)
        assert WIRE.path("a/b", stream=False) == "/models/a%2Fb:generateContent"
        assert WIRE.path("m", stream=True) == "/models/m:streamGenerateContent?alt=sse"

    @pytest.mark.parametrize(
        "names", [("generationConfig", "maxOutputTokens"), ("generation_config", "max_output_tokens")]
    )
    def test_a_cap_goes_where_the_caller_would_have_put_it(self, names: tuple[str, str]) -> None:
        body = f'{{ "contents": [ ],\n "{names[0]}" : {{ "{names[1]}" : 900 , "topK": 1.0 }} }}'.encode()
        request = WIRE.read_request(body, PLACE)
        assert request.max_output == 900
        assert WIRE.write_request(request, Edit("other")) == body
        assert WIRE.write_request(request, Edit("other", max_output=64)) == body.replace(b"900", b"64")
        bare = WIRE.write_request(read(), Edit("m", max_output=64))
        assert json.loads(bare)["generationConfig"] == {"maxOutputTokens": 64}

    def test_our_own_fields_never_reach_the_vendor(self) -> None:
        request = read(provider={"only": ["a"]}, cache={"exact": True}, usage={"include": True})
        assert (request.rules and request.rules.only, request.include_cost) == (("a",), True)
        assert WIRE.write_request(request, Edit("m")) == read().body

    @pytest.mark.parametrize(
        ("fields", "name"),
        [
            ({"cachedContent": "cachedContents/1"}, "cachedContent"),
            ({"cached_content": "cachedContents/1"}, "cachedContent"),
            ({"serviceTier": "priority"}, "serviceTier"),
            ({"store": True}, "store"),
            ({"tools": [{"googleSearch": {}}]}, "tools[0].googleSearch"),
            ({"tools": [{"functionDeclarations": []}, {"code_execution": {}}]}, "tools[1].codeExecution"),
            ({"tools": [{"urlContext": {}}]}, "tools[0].urlContext"),
            ({"tools": [{"googleMaps": {}}]}, "tools[0].googleMaps"),
            ({"generationConfig": {"responseModalities": ["IMAGE"]}}, "generationConfig.responseModalities"),
            ({"generationConfig": {"speechConfig": {"x": 1}}}, "generationConfig.speechConfig"),
            ({"generationConfig": {"maxOutputTokens": 0}}, "generationConfig.maxOutputTokens"),
            (
                {"generationConfig": {"maxOutputTokens": 5, "max_output_tokens": 6}},
                "generationConfig.max_output_tokens",
            ),
            ({"GenerationConfig": {}}, "GenerationConfig"),
            ({"systemInstruction": {}, "system_instruction": {}}, "system_instruction"),
            ({"contents": {}}, "contents"),
            ({"contents": "Hi"}, "contents"),
            ({"contents": [{"parts": 7}]}, "contents[0].parts"),
            ({"model": "models/other"}, "model"),
            ({"provider": {"foo": 1}}, "provider.foo"),
        ],
    )
    def test_what_is_not_sold_or_says_two_things_is_refused_by_name(self, fields: dict[str, Any], name: str) -> None:
        with pytest.raises(InvalidRequest) as caught:
            read(**fields)
        assert caught.value.param == name

    def test_inlined_media_are_counted_and_not_taken_for_text(self) -> None:
        parts = [
            {"inlineData": {"mimeType": "image/png", "data": "A" * 50_000}},
            {"file_data": {"mime_type": "image/png", "file_uri": "https://x.example/a.png"}},
            {"inline_data": {"mime_type": "audio/wav", "data": "B" * 3_000}},
            {"inlineData": {"mimeType": "application/pdf", "data": "C" * 2_000}},
            {"functionResponse": {"name": "f", "parts": [{"inlineData": {"mimeType": "image/png", "data": "D" * 70}}]}},
        ]
        request = read(contents=[{"parts": parts}])
        size = request.size
        assert (size.images, size.audios, size.files, size.media_bytes) == (3, 1, 1, 5_000)
        assert size.text_bytes == len(request.body) - 50_000 - 5_000 - 70


class TestAcross:
    def test_calls_without_ids_find_their_results_by_name_and_order(self) -> None:
        call = {"functionCall": {"name": "tide", "args": {"Port": 1.0}}}
        results = [{"functionResponse": {"name": "tide", "response": {name: "r"}}} for name in ("output", "error")]
        chat = chat_of(contents=[*CONTENTS, {"role": "model", "parts": [call, call]}, {"parts": results}])
        calls = [part for message in chat.messages for part in message.parts if isinstance(part, ToolCall)]
        answered = [part for message in chat.messages for part in message.parts if isinstance(part, ToolResult)]
        assert [one.call_id for one in answered] == [one.id for one in calls]
        assert len({one.id for one in calls}) == 2
        assert [one.failed for one in answered] == [False, True]
        assert calls[0].arguments == '{"Port": 1.0}'.replace(": ", ":")

    def test_what_the_model_streamed_in_pieces_is_one_part_with_its_signature(self) -> None:
        parts = [{"text": t, "thought": True} for t in ("Two ", "ports")]
        signed = {"text": "", "thought": True, "thoughtSignature": "CsQB+/=="}
        chat = chat_of(
            contents=[*CONTENTS, {"role": "model", "parts": [*parts, signed, {"text": "A"}, {"text": "ye"}]}]
        )
        thought, said = chat.messages[-1].parts
        assert thought == Reasoning("Two ports", (Note(GEMINI, "thoughtSignature", b"CsQB+/=="),))
        assert said == Text("Aye")

    def test_what_the_sdks_chat_keeps_of_a_stream_is_one_message_again(self) -> None:
        """It sends each piece back as a separate content."""
        pieces = [
            {"text": "Two ", "thought": True},
            {"text": "ports", "thought": True},
            {"text": "", "thought": True, "thoughtSignature": "CsQB+/=="},
            {"functionCall": {"id": "c1", "name": "tide", "args": {}}},
            {"functionCall": {"id": "c2", "name": "tide", "args": {}}},
            {"text": ""},
        ]
        results = [
            {"functionResponse": {"id": id_, "name": "tide", "response": {"output": id_}}} for id_ in ("c1", "c2")
        ]
        contents = [*CONTENTS, *({"role": "model", "parts": [piece]} for piece in pieces)]
        chat = chat_of(contents=[*contents, {"role": "user", "parts": results}])
        _, said, given = chat.messages
        assert [type(part) for part in said.parts] == [Reasoning, ToolCall, ToolCall]
        assert said.parts[0] == Reasoning("Two ports", (Note(GEMINI, "thoughtSignature", b"CsQB+/=="),))
        assert [type(part) for part in given.parts] == [ToolResult, ToolResult]

    @pytest.mark.parametrize("spelling", [base64.b64encode, base64.urlsafe_b64encode])
    def test_notes_of_others_come_back_out_of_a_signature_in_either_alphabet(self, spelling: Any) -> None:
        events = DIALECTS[ANTHROPIC].reader().feed(tape(ANTHROPIC, "thinking_tools"))
        body = json.loads(WIRE.write_reply(events))
        parts = body["candidates"][0]["content"]["parts"]
        assert "EqoBCkgI" not in json.dumps(parts)
        for part in parts:
            if "thoughtSignature" in part:
                part["thoughtSignature"] = spelling(base64.b64decode(part["thoughtSignature"])).decode()
        chat = chat_of(contents=[*CONTENTS, {"role": "model", "parts": parts}])
        thought = chat.messages[-1].parts[0]
        assert isinstance(thought, Reasoning)
        assert [note.dialect for note in thought.notes] == [ANTHROPIC]

    def test_the_first_call_of_each_step_of_the_turn_is_signed_for_models_that_insist(self) -> None:
        call = {"functionCall": {"name": "tide", "id": "c1"}}
        own = {"functionCall": {"name": "tide", "id": "c2"}, "thoughtSignature": "Own+/=="}
        answered = {"functionResponse": {"name": "tide", "id": "c1", "response": {"output": "r"}}}
        past = [*CONTENTS, {"role": "model", "parts": [call]}, {"parts": [answered]}, {"role": "model", "parts": [own]}]
        chat = chat_of(contents=past)
        (_, one, _, two) = written(chat)["contents"]
        assert one["parts"][0]["thoughtSignature"] == "skip_thought_signature_validator"
        assert two["parts"][0]["thoughtSignature"] == "Own+/=="
        older = written(
            chat,
            VendorOptions(
                "m", stream=False, max_output=None, most_output=9, capabilities=ABLE - {"adaptive_reasoning"}
            ),
        )
        assert "thoughtSignature" not in older["contents"][1]["parts"][0]

    @pytest.mark.parametrize(
        ("thinking", "more", "said"),
        [
            (ReasoningRequest("none"), set(), {"thinkingLevel": "MINIMAL"}),
            (ReasoningRequest("none"), {"always_reasoning"}, {"thinkingLevel": "LOW"}),
            (
                ReasoningRequest("minimal", shown=False),
                {"always_reasoning"},
                {"thinkingLevel": "LOW", "includeThoughts": False},
            ),
            (ReasoningRequest(None, 8_000, shown=True), set(), {"thinkingLevel": "MEDIUM", "includeThoughts": True}),
            (ReasoningRequest("max", shown=True), set(), {"thinkingLevel": "HIGH", "includeThoughts": True}),
        ],
    )
    def test_newer_models_are_told_a_level_and_those_that_always_think_the_least(
        self, thinking: ReasoningRequest, more: set[str], said: dict[str, Any]
    ) -> None:
        chat = Chat(messages=chat_of().messages, features={}, thinking=thinking)
        order = VendorOptions("m", stream=False, max_output=None, most_output=9, capabilities=ABLE | more)
        assert written(chat, order)["generationConfig"]["thinkingConfig"] == said

    @pytest.mark.parametrize(("more", "budget"), [(set(), 0), ({"always_reasoning"}, 128)])
    def test_older_models_are_told_a_budget(self, more: set[str], budget: int) -> None:
        chat = Chat(messages=chat_of().messages, features={}, thinking=ReasoningRequest("none"))
        able = (ABLE - {"adaptive_reasoning"}) | more
        order = VendorOptions("m", stream=False, max_output=None, most_output=9, capabilities=able)
        assert written(chat, order)["generationConfig"]["thinkingConfig"] == {"thinkingBudget": budget}

    @pytest.mark.parametrize(
        ("thinking", "always", "budget"),
        [
            (ReasoningRequest(budget=40_000), False, 24_576),
            (ReasoningRequest("max"), False, 24_576),
            (ReasoningRequest(budget=20_000), False, 20_000),
            (ReasoningRequest(budget=1), True, 128),
            (ReasoningRequest(budget=1), False, 1),
        ],
    )
    def test_no_budget_lies_outside_of_the_models_own_limits(
        self, thinking: ReasoningRequest, always: bool, budget: int
    ) -> None:
        chat = Chat(messages=chat_of().messages, features={}, thinking=thinking)
        able = (ABLE - {"adaptive_reasoning"}) | ({"always_reasoning"} if always else set())
        order = VendorOptions(
            "m", stream=False, max_output=None, most_output=65_536, capabilities=able, max_thinking=24_576
        )
        assert written(chat, order)["generationConfig"]["thinkingConfig"]["thinkingBudget"] == budget

    def test_names_of_functions_begin_as_the_vendor_wants_and_come_back_as_the_callers(self) -> None:
        schema = {"type": "object", "properties": {}}
        body = {
            "model": "m",
            "messages": [{"role": "user", "content": "?"}],
            "tools": [{"type": "function", "function": {"name": name, "parameters": schema}} for name in ("3d", "_3d")],
            "tool_choice": {"type": "function", "function": {"name": "3d"}},
        }
        openai = DIALECTS["openai_chat"]
        request = openai.read_request(json.dumps(body).encode())
        out = json.loads(WIRE.write_chat(openai.read_chat(request), ORDER))
        names = [one["name"] for one in out["tools"][0]["functionDeclarations"]]
        assert names[0].startswith("_3d_")
        assert names[1] == "_3d"
        assert out["toolConfig"]["functionCallingConfig"]["allowedFunctionNames"] == names[:1]
        call = {"functionCall": {"name": names[0], "args": {}}}
        reply = {"candidates": [{"content": {"parts": [call]}, "finishReason": "STOP"}]}
        events = WIRE.read_reply(json.dumps(reply).encode())
        answer = json.loads(openai.write_reply(events, ReplyContext(1, request=request)))
        assert answer["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "3d"

    def test_a_turn_of_the_users_stands_before_calls(self) -> None:
        call = {"id": "c", "type": "function", "function": {"name": "tide", "arguments": "{}"}}
        said = [{"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": "c", "content": "high"}]
        out = vendor_request(GEMINI, client_request("openai_chat", {"messages": said}))
        assert [content["role"] for content in out["contents"]] == ["user", "model", "user"]

    def test_a_beginning_of_the_answer_is_asked_for_by_the_models_turn_at_the_end(self) -> None:
        begun = chat_of(contents=[*CONTENTS, {"role": "model", "parts": [{"text": "So"}]}])
        assert begun.features[Feature.ASSISTANT_PREFIX] == f"contents[{len(CONTENTS)}]"

    def test_googles_schemas_become_standard_ones_and_standard_ones_stay(self) -> None:
        shouted = {
            "type": "OBJECT",
            "properties": {"any_of": {"type": "STRING", "nullable": True}, "n": {"type": "ARRAY", "minItems": "2"}},
        }
        given = {"$ref": "#/$defs/A", "$defs": {"A": {"type": "integer"}}}
        tools = [
            {
                "functionDeclarations": [
                    {"name": "a", "parameters": shouted},
                    {"name": "b", "parametersJsonSchema": given},
                ]
            }
        ]
        one, two = chat_of(tools=tools).tools
        assert json.loads(one.schema or b"") == {
            "type": "object",
            "properties": {"any_of": {"type": ["string", "null"]}, "n": {"type": "array", "minItems": 2}},
        }
        assert json.loads(two.schema or b"") == given

    @pytest.mark.parametrize(
        ("config", "thinking"),
        [
            ({"thinkingBudget": 0}, ReasoningRequest("none")),
            ({"thinkingBudget": -1}, ReasoningRequest(None, None, shown=False)),
            ({"thinkingBudget": 2048, "includeThoughts": True}, ReasoningRequest(None, 2048, shown=True)),
            ({"thinkingLevel": "HIGH"}, ReasoningRequest("high", shown=False)),
        ],
    )
    def test_thinking_is_read(self, config: dict[str, Any], thinking: ReasoningRequest) -> None:
        assert chat_of(generationConfig={"thinkingConfig": config}).thinking == thinking

    @pytest.mark.parametrize(
        ("mode", "names", "choice"),
        [
            ("ANY", ["a"], ToolChoiceMode.NAMED),
            ("ANY", [], ToolChoiceMode.REQUIRED),
            ("VALIDATED", [], ToolChoiceMode.AUTO),
            ("NONE", [], ToolChoiceMode.NONE),
            (0, [], ToolChoiceMode.AUTO),
            (1, [], ToolChoiceMode.AUTO),
            (2, ["a"], ToolChoiceMode.NAMED),
            ("2", [], ToolChoiceMode.REQUIRED),
            (3, [], ToolChoiceMode.NONE),
            (4, [], ToolChoiceMode.AUTO),
        ],
    )
    def test_R7_the_choice_of_tools(self, mode: str | int, names: list[str], choice: ToolChoiceMode) -> None:
        config = {"functionCallingConfig": {"mode": mode, "allowedFunctionNames": names}}
        chat = chat_of(tools=[{"functionDeclarations": [{"name": "a"}]}], toolConfig=config)
        assert chat.tool_choice is not None
        assert chat.tool_choice.mode is choice

    def test_what_no_other_dialect_can_say_is_refused_by_name(self) -> None:
        video = {"fileData": {"mimeType": "video/mp4", "fileUri": "https://v.example/a.mp4"}}
        kept = {"fileData": {"mimeType": "image/png", "fileUri": "gs://bucket/a.png"}}
        assert param(contents=[{"parts": [video]}]) == "contents[0].parts[0].fileData.mimeType"
        assert param(contents=[{"parts": [kept]}]) == "contents[0].parts[0].fileData.fileUri"
        assert param(contents=[{"parts": [{"novel": 1}]}]) == "contents[0].parts[0].novel"
        assert param(contents=[{"role": "tool", "parts": []}]) == "contents[0].role"
        assert param(tools=[{"computerUse": {}}]) == "tools[0].computerUse"
        assert chat_of(generationConfig={"candidateCount": 2}).features == {
            Feature.CHOICES: "generationConfig.candidateCount"
        }

    def test_C4_what_no_dialect_has_is_left_out_and_named(self) -> None:
        unknown = chat_of(brandNew=1, generation_config={"novel": 1}, toolConfig={"novel": {}}).unknown
        assert unknown == {name: name for name in ("brandNew", "generationConfig.novel", "toolConfig.novel")}
        parts = [{"text": "hi", "id": 7, "nothing": None}]
        chat = chat_of(contents=[{"parts": parts, "timestamp": 1}])
        assert chat.unknown == {
            "contents.parts.id": "contents[0].parts[0].id",
            "contents.timestamp": "contents[0].timestamp",
        }
        assert chat.messages == chat_of(contents=[{"parts": [{"text": "hi"}]}]).messages

    def test_hints_are_taken_and_left_out(self) -> None:
        hints = {
            "safetySettings": [{"category": "X"}],
            "labels": {"a": "b"},
            "generationConfig": {"mediaResolution": "LOW"},
        }
        chat = chat_of(**hints)
        assert set(chat.advice) == {"safetySettings", "labels", "generationConfig.mediaResolution"}
        assert msgspec.structs.replace(chat, advice={}) == chat_of()

    @settings(max_examples=at_most(40))
    @given(conversations())
    def test_what_is_written_is_what_googles_types_allow(self, chat: Chat) -> None:
        body = written(chat)
        config = body.get("generationConfig", {})
        for content in (*body["contents"], *([body["systemInstruction"]] if "systemInstruction" in body else [])):
            types.Content.model_validate(content)
        types.GenerationConfig.model_validate(config)
        for tool in body.get("tools", []):
            types.Tool.model_validate(tool)
        types.ToolConfig.model_validate(body.get("toolConfig", {}))


def client(status: int, body: bytes, kind: str = "application/json") -> genai.Client:
    answer = httpx2.Response(status, headers={"content-type": kind}, content=body)
    http = httpx2.Client(transport=httpx2.MockTransport(lambda _: answer))
    return google_client("http://127.0.0.1:1", httpx_client=http)


def streamed(body: bytes) -> Iterator[types.GenerateContentResponse]:
    return client(200, body, "text/event-stream").models.generate_content_stream(model="m", contents="hi")


def parts_of(chunks: list[types.GenerateContentResponse]) -> list[types.Part]:
    contents = [one.content for chunk in chunks for one in chunk.candidates or () if one.content]
    return [part for content in contents for part in content.parts or ()]


def check(parts: list[types.Part], events: list[Event]) -> None:
    sent = meaning(events)
    assert "".join(part.text or "" for part in parts if not part.thought) == sent.text
    assert "".join(part.text or "" for part in parts if part.thought) == sent.reasoning
    calls = [part.function_call for part in parts if part.function_call]
    assert [(call.id, call.name, call.args) for call in calls] == [
        (call.id, call.name, json.loads(call.arguments)) for call in sent.calls
    ]


@settings(max_examples=at_most(30), deadline=None)
@given(answers())
def test_googles_sdk_reads_every_answer(events: list[Event]) -> None:
    writer = WIRE.writer()
    stream = b"".join([writer.write(event) for event in events])
    if isinstance(events[-1], Failed):
        with pytest.raises(theirs.APIError, match="failed"):
            list(streamed(stream))
        return
    chunks = list(streamed(stream))
    check(parts_of(chunks), events)
    whole = client(200, WIRE.write_reply(events)).models.generate_content(model="m", contents="hi")
    check(parts_of([whole]), events)
    assert whole.candidates
    assert whole.candidates[0].finish_reason == chunks[-1].candidates[0].finish_reason  # type: ignore[index]
    if (usage := meaning(events).usage) is not None:
        counted = whole.usage_metadata
        assert counted is not None
        assert counted.prompt_token_count == usage.input + usage.cache_read + usage.cache_write_5m
        assert (counted.candidates_token_count, counted.thoughts_token_count or 0) == (usage.output, usage.reasoning)


def test_the_cost_does_not_trouble_googles_sdk() -> None:
    writer = WIRE.writer()
    reader = WIRE.reader()
    events = [*reader.feed(tape(GEMINI, "text")), *reader.close()]
    stream = b"".join([writer.write(event) for event in events[:-1]])
    writer.cost_usd = "0.000000150"
    stream += writer.write(events[-1])
    assert b'"cost":0.000000150' in stream
    assert "".join(chunk.text or "" for chunk in streamed(stream)) == "The harbour is open — 港口."


def test_media_in_googles_alphabet_reach_other_vendors_in_the_common_one() -> None:
    picture, words = b"\xff\xd8\xff\xfb\xff\xfe", "fünf ÿþ".encode()
    blobs = [types.Blob(data=picture, mime_type="image/jpeg"), types.Blob(data=words, mime_type="text/plain")]
    parts = [types.Part(inline_data=blob).model_dump(mode="json", exclude_none=True, by_alias=True) for blob in blobs]
    assert "_" in parts[0]["inlineData"]["data"]
    image, text = chat_of(contents=[{"role": "user", "parts": parts}]).messages[0].parts
    assert isinstance(image, Image)
    assert image.source.data == base64.b64encode(picture).decode()
    assert isinstance(text, File)
    assert text.text == words.decode()


@pytest.mark.parametrize("name", ["text", "thinking_tools", "signed_text", "grounded", "picture", "filtered"])
def test_what_only_this_dialect_knows_comes_back_to_it(name: str) -> None:
    reader, writer = WIRE.reader(), WIRE.writer()
    events = [*reader.feed(tape(GEMINI, name)), *reader.close()]
    stream = b"".join([writer.write(event) for event in events])
    again = WIRE.reader()
    assert meaning([*again.feed(stream), *again.close()]) == meaning(events)
    assert stream.count(b"thoughtSignature") == tape(GEMINI, name).count(b"thoughtSignature")


@pytest.mark.parametrize(
    ("refusal", "kind", "word"),
    [
        (errors.InvalidRequest("no", param="n"), theirs.ClientError, "INVALID_ARGUMENT"),
        (errors.InvalidApiKey("no"), theirs.ClientError, "UNAUTHENTICATED"),
        (errors.InsufficientQuota("no"), theirs.ClientError, "FAILED_PRECONDITION"),
        (errors.PermissionDenied("no"), theirs.ClientError, "PERMISSION_DENIED"),
        (errors.ModelNotFound("no"), theirs.ClientError, "NOT_FOUND"),
        (errors.RequestTooLarge("no"), theirs.ClientError, "INVALID_ARGUMENT"),
        (errors.RateLimited("no", retry_after=7), theirs.ClientError, "RESOURCE_EXHAUSTED"),
        (errors.UpstreamError("no", provider="p"), theirs.ServerError, "UNAVAILABLE"),
        (errors.Unavailable("no"), theirs.ServerError, "UNAVAILABLE"),
        (errors.UpstreamTimeout("no"), theirs.ServerError, "DEADLINE_EXCEEDED"),
    ],
    ids=lambda value: getattr(value, "code", ""),
)
def test_refusals_are_the_right_exceptions(refusal: Refusal, kind: type[theirs.APIError], word: str) -> None:
    with pytest.raises(kind) as caught:
        client(refusal.status, WIRE.write_refusal(refusal, "req_1")).models.generate_content(model="m", contents="hi")
    assert (caught.value.code, caught.value.status, caught.value.message) == (refusal.status, word, "no")
    with pytest.raises(kind):
        list(streamed(WIRE.write_stream_refusal(refusal, "req_1")))
    assert WIRE.read_failure(429, {}, WIRE.write_refusal(refusal, "req_1")).retry_after == refusal.retry_after


def test_a_refused_prompt_is_an_answer() -> None:
    reader = WIRE.reader()
    events = [*reader.feed(tape(GEMINI, "blocked_prompt")), *reader.close()]
    assert events[-1] == Finished(FinishReason.REFUSAL)


def test_usage_with_fewer_than_no_cached_tokens_is_worth_nothing() -> None:
    details = '[{"modality":"AUDIO","tokenCount":-50}]'
    assert try_usage(msgspec.Raw(f'{{"promptTokenCount":100,"cacheTokensDetails":{details}}}'.encode())) is None
