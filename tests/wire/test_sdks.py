"""The official SDKs as readers of our output: streams, whole answers, and refusals as the right exception."""

import functools
import json
from collections.abc import Iterable
from typing import Any

import anthropic
import httpx2
import openai
import pydantic
import pytest
from hypothesis import given, settings
from tests.examples import at_most
from tests.wire.answers import answers, meaning, rich_answers, sealed
from tests.wire.splits import tape

from tokenharbor.kernel import errors
from tokenharbor.kernel.errors import Refusal
from tokenharbor.wire import DIALECTS
from tokenharbor.wire.neutral.chat import Text, ToolCall
from tokenharbor.wire.neutral.dialect import ReplyContext
from tokenharbor.wire.neutral.events import (
    BlockClosed,
    BlockGrew,
    BlockKind,
    BlockOpened,
    Citation,
    Event,
    Failed,
    Finished,
    FinishReason,
    Note,
    Started,
)
from tokenharbor.wire.neutral.request import Request

OPENAI, RESPONSES, ANTHROPIC = "openai_chat", "openai_responses", "anthropic_messages"


def transport(status: int, body: bytes, kind: str, asked: list[httpx2.Request] | None = None) -> httpx2.MockTransport:
    def answer(request: httpx2.Request) -> httpx2.Response:
        if asked is not None:
            asked.append(request)
        return httpx2.Response(status, headers={"content-type": kind}, content=body)

    return httpx2.MockTransport(answer)


def openai_client(status: int, body: bytes, kind: str = "application/json") -> openai.OpenAI:
    http = httpx2.Client(transport=transport(status, body, kind))
    return openai.OpenAI(api_key="k", base_url="http://127.0.0.1:1/v1", http_client=http, max_retries=0)


def anthropic_client(status: int, body: bytes, kind: str = "application/json") -> anthropic.Anthropic:
    http = httpx2.Client(transport=transport(status, body, kind))
    return anthropic.Anthropic(api_key="k", base_url="http://127.0.0.1:1", http_client=http, max_retries=0)


def streaming(client: anthropic.Anthropic) -> Any:
    return client.messages.stream(model="m", max_tokens=9, messages=PROMPT)


SSE = "text/event-stream"
PROMPT: Any = [{"role": "user", "content": "?"}]


def written(dialect: str, events: Iterable[Event]) -> bytes:
    writer = DIALECTS[dialect].writer()
    return b"".join([writer.write(event) for event in events])


def through_openai(stream: bytes) -> tuple[dict[str, str], dict[int, list[str]], str | None, Any]:
    """Return text by kind, calls as id, name and arguments, the reason and the usage, from the SDK's chunks."""
    words = {"content": "", "reasoning_content": "", "refusal": ""}
    calls: dict[int, list[str]] = {}
    reason, usage = None, None
    with openai_client(200, stream, SSE) as client:
        for chunk in client.chat.completions.create(model="m", messages=PROMPT, stream=True):
            usage = chunk.usage or usage
            for choice in chunk.choices:
                reason = choice.finish_reason or reason
                for name in words:
                    words[name] += getattr(choice.delta, name, None) or ""
                for call in choice.delta.tool_calls or ():
                    known = calls.setdefault(call.index, ["", "", ""])
                    known[0] += call.id or ""
                    known[1] += (call.function and call.function.name) or ""
                    known[2] += (call.function and call.function.arguments) or ""
    return words, calls, reason, usage


@settings(max_examples=at_most(40))
@given(answers())
def test_openais_sdk_reads_every_stream(events: list[Event]) -> None:
    sent, stream = meaning(events), written(OPENAI, events)
    if isinstance(events[-1], Failed):
        with pytest.raises(openai.APIError, match="failed"):
            through_openai(stream)
        return
    words, calls, reason, usage = through_openai(stream)
    assert words["content"] + words["refusal"] == sent.text
    assert words["reasoning_content"] == sent.reasoning
    assert [tuple(call) for call in calls.values()] == [tuple(call) for call in sent.calls]
    assert reason in ("stop", "length", "tool_calls", "content_filter")
    assert (reason == "tool_calls") is (sent.reason is FinishReason.TOOL_CALLS)
    if sent.usage is not None:
        spent = sent.usage
        assert usage.prompt_tokens == spent.input + spent.cache_read + spent.cache_write_5m
        assert usage.completion_tokens == spent.output + spent.reasoning
        assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


def test_openais_helper_puts_lists_together_that_come_in_pieces() -> None:
    """It refuses the second piece of a list unless each entry has an index."""
    pages = [Citation(f"https://port.example/{place}", str(place)) for place in range(2)]
    events: list[Event] = [Started("chatcmpl-1", "m")]
    for index in range(2):
        sealed = (Note(ANTHROPIC, "redacted_thinking", b"%d" % index),)
        events += [BlockOpened(index, BlockKind.REASONING), BlockGrew(index, "", sealed), BlockClosed(index)]
    events += [BlockOpened(2, BlockKind.TEXT), *(BlockGrew(2, "Open. ", (), (page,)) for page in pages), BlockClosed(2)]
    for index in (3, 4):
        events += [BlockOpened(index, BlockKind.IMAGE, name="image/png"), BlockGrew(index, "AA=="), BlockClosed(index)]
    stream = written(OPENAI, [*events, Finished(FinishReason.STOP)])
    with (
        openai_client(200, stream, SSE) as client,
        client.chat.completions.stream(model="m", messages=PROMPT) as reading,
    ):
        message = reading.get_final_completion().choices[0].message.to_dict()
    assert message["content"] == "Open. Open. "
    assert [len(message[name]) for name in ("reasoning_details", "annotations", "images")] == [2, 2, 2]  # type: ignore[arg-type]
    asked = {"model": "m", "messages": [*PROMPT, message, *PROMPT]}
    chat = DIALECTS[OPENAI].read_chat(DIALECTS[OPENAI].read_request(json.dumps(asked).encode()))
    notes = [note.raw for part in chat.messages[1].parts for note in getattr(part, "notes", ())]
    assert notes == [b"0", b"1"]


class Tide(pydantic.BaseModel):
    """The type that a caller of the SDK wants an answer parsed into."""

    port: str


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")  # the SDK's own form
def test_what_the_sdk_read_for_its_caller_comes_back_with_the_words() -> None:
    """The helpers add the parsed value to the message, which callers send back unchanged."""
    tool = openai.pydantic_function_tool(Tide, name="tide")
    events: list[Event] = [
        Started("chatcmpl-1", "m"),
        BlockOpened(0, BlockKind.TEXT),
        BlockGrew(0, '{"port":"Brest"}'),
        BlockClosed(0),
        BlockOpened(1, BlockKind.TOOL_CALL, "call_1", "tide"),
        BlockGrew(1, '{"port":"Brest"}'),
        BlockClosed(1),
        Finished(FinishReason.TOOL_CALLS),
    ]
    asked: list[httpx2.Request] = []
    body = DIALECTS[OPENAI].write_reply(events, ReplyContext(1))
    http = httpx2.Client(transport=transport(200, body, "application/json", asked))
    with openai.OpenAI(api_key="k", base_url="http://127.0.0.1:1/v1", http_client=http, max_retries=0) as client:
        ask = functools.partial(client.chat.completions.parse, model="m", tools=[tool], response_format=Tide)
        message: Any = ask(messages=PROMPT).choices[0].message
        assert message.parsed == Tide(port="Brest")
        ask(messages=[*PROMPT, message, {"role": "tool", "tool_call_id": "call_1", "content": "high"}])
    request = DIALECTS[OPENAI].read_request(asked[-1].content)
    assert b'"parsed"' in request.body
    words, call = DIALECTS[OPENAI].read_chat(request).messages[1].parts
    assert (words, call) == (Text('{"port":"Brest"}'), ToolCall("call_1", "tide", '{"port":"Brest"}'))


def through_responses(stream: bytes) -> Any:
    """Return the final answer that the SDK gathers from a stream's events: it checks their order and ids."""
    with openai_client(200, stream, SSE) as client, client.responses.stream(model="m", input="?") as reading:
        closed = [event.response for event in reading if event.type in ("response.completed", "response.incomplete")]
    assert len(closed) == 1
    return closed[0]


def said_in(response: Any) -> tuple[str, str, list[tuple[str, str, str]]]:
    """Return text, reasoning and calls of a response's items."""
    words = reasoning = ""
    calls = []
    for item in response.output:
        match item.type:
            case "message":
                words += "".join(part.text if part.type == "output_text" else part.refusal for part in item.content)
            case "reasoning":
                reasoning += "".join(part.text for part in item.summary)
            case "function_call":
                calls.append((item.call_id, item.name, item.arguments))
    return words, reasoning, calls


@settings(max_examples=at_most(40))
@given(answers())
def test_openais_sdk_reads_every_stream_of_responses(events: list[Event]) -> None:
    sent, stream = meaning(events), written(RESPONSES, events)
    if isinstance(events[-1], Failed):
        with pytest.raises(openai.APIError, match="failed"):
            through_responses(stream)
        return
    response = through_responses(stream)
    assert said_in(response) == (sent.text, sent.reasoning, [tuple(call) for call in sent.calls])
    reason = response.incomplete_details.reason if response.status == "incomplete" else None
    assert (reason == "max_output_tokens") is (sent.reason is FinishReason.LENGTH)
    if sent.usage is not None:
        spent = sent.usage
        assert response.usage.input_tokens == spent.input + spent.cache_read + spent.cache_write_5m
        assert response.usage.input_tokens_details.cached_tokens == spent.cache_read
        assert response.usage.output_tokens == spent.output + spent.reasoning
        assert response.usage.output_tokens_details.reasoning_tokens == spent.reasoning


@given(answers())
def test_events_of_responses_are_numbered_and_their_pieces_make_their_items(events: list[Event]) -> None:
    told = [json.loads(line[6:]) for line in written(RESPONSES, events).decode().split("\n") if line[:6] == "data: "]
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    pieces: dict[str, str] = {}
    for event in told:
        if event["type"].endswith(".delta"):
            pieces[event["item_id"]] = pieces.get(event["item_id"], "") + event["delta"]
    whole = {event["item"]["id"]: event["item"] for event in told if event["type"] == "response.output_item.done"}
    for id_, text in pieces.items():
        if id_ in whole:
            assert text in (_text_of(whole[id_]), "")


def _text_of(item: dict[str, Any]) -> str:
    parts: list[dict[str, str]] = item.get("content") or item.get("summary") or []
    arguments: str = item.get("arguments", "")
    return "".join(part.get("text", part.get("refusal", "")) for part in parts) + arguments


@pytest.mark.parametrize("name", ["text", "reasoning_tools", "custom_tool", "refusal", "web_search", "cut_short"])
def test_openais_sdk_reads_the_tapes_of_responses_and_what_we_make_of_them_alike(name: str) -> None:
    stream = tape(RESPONSES, name)
    reader = DIALECTS[RESPONSES].reader()
    again = written(RESPONSES, [*reader.feed(stream), *reader.close()])
    before, after = through_responses(stream), through_responses(again)
    assert after.output_text == before.output_text
    assert (after.status, after.incomplete_details) == (before.status, before.incomplete_details)
    assert through_responses(spliced(RESPONSES, stream)) == before

    def sealed(response: Any) -> list[str]:
        return [item.encrypted_content for item in response.output if item.type == "reasoning"]

    assert sealed(after) == sealed(before)


def test_an_answer_is_parsed_and_repeats_what_was_asked() -> None:
    wire = DIALECTS[RESPONSES]
    tool = {"type": "function", "name": "tide", "parameters": {"type": "object"}, "strict": False}
    space = {"type": "namespace", "name": "harbours", "description": "All.", "tools": [tool]}
    asked = {"model": "m", "input": "?", "instructions": "Be brief.", "tools": [tool, space], "temperature": 0.5}
    events: list[Event] = [
        Started("msg_1", "m"),
        BlockOpened(0, BlockKind.TEXT),
        BlockGrew(0, '{"port":"Brest"}'),
        BlockClosed(0),
        BlockOpened(1, BlockKind.TOOL_CALL, "call_1", "harbours__tide"),
        BlockClosed(1),
        BlockOpened(2, BlockKind.TOOL_CALL, "call_2", "apply_patch", custom=True),
        BlockGrew(2, "*** Begin Patch"),
        BlockClosed(2),
        Finished(FinishReason.TOOL_CALLS),
    ]
    recipient = ReplyContext(1_790_000_000, request=wire.read_request(json.dumps(asked).encode()))
    with openai_client(200, wire.write_reply(events, recipient)) as client:
        response = client.responses.parse(model="m", input="?", text_format=Tide)
    assert response.output_parsed == Tide(port="Brest")
    assert (response.id, response.instructions, response.temperature) == ("resp_1", "Be brief.", 0.5)
    assert [listed.type for listed in response.tools] == ["function", "namespace"]
    _, call, custom = response.output
    assert (call.type, custom.type) == ("function_call", "custom_tool_call")
    assert call.to_dict() == {
        "id": "fc_1_1",
        "type": "function_call",
        "status": "completed",
        "call_id": "call_1",
        "name": "tide",
        "namespace": "harbours",
        "arguments": "{}",
        "parsed_arguments": None,
    }
    assert custom.to_dict()["input"] == "*** Begin Patch"


@settings(max_examples=at_most(40))
@given(answers())
def test_anthropics_sdk_reads_every_stream(events: list[Event]) -> None:
    sent, stream = meaning(events), written(ANTHROPIC, events)
    with anthropic_client(200, stream, SSE) as client, streaming(client) as reading:
        if isinstance(events[-1], Failed):
            with pytest.raises(anthropic.APIStatusError, match="failed"):
                reading.get_final_message()
            return
        message = reading.get_final_message()
    assert "".join(block.text for block in message.content if block.type == "text") == sent.text
    assert "".join(block.thinking for block in message.content if block.type == "thinking") == sent.reasoning
    calls = [(block.id, block.name, block.input) for block in message.content if block.type == "tool_use"]
    assert calls == [(call.id, call.name, json.loads(call.arguments)) for call in sent.calls]
    assert (message.stop_reason == "tool_use") is (sent.reason is FinishReason.TOOL_CALLS)
    if sent.usage is not None:
        assert message.usage.input_tokens == sent.usage.input
        assert message.usage.cache_read_input_tokens == sent.usage.cache_read
        assert message.usage.output_tokens == sent.usage.output + sent.usage.reasoning


def test_anthropics_tool_runner_goes_on_without_a_conversation_at_the_vendor() -> None:
    """It first requests a stored conversation, and sends the whole conversation after the refusal."""
    wire = DIALECTS[ANTHROPIC]
    asked: list[Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        try:
            asked.append(wire.read_request(request.content))
        except Refusal as refusal:
            return httpx2.Response(refusal.status, content=wire.write_refusal(refusal, "req_1"))
        called: list[Event] = [BlockOpened(0, BlockKind.TOOL_CALL, "t1", "tide"), BlockClosed(0)]
        said: list[Event] = [BlockOpened(0, BlockKind.TEXT), BlockGrew(0, "High."), BlockClosed(0)]
        reason = FinishReason.TOOL_CALLS if len(asked) == 1 else FinishReason.STOP
        events: list[Event] = [Started("msg_1", "m"), *(called if len(asked) == 1 else said), Finished(reason)]
        return httpx2.Response(200, content=wire.write_reply(events, ReplyContext(1)))

    @anthropic.beta_tool
    def tide() -> str:
        """The tide now."""
        return "high"

    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    with anthropic.Anthropic(api_key="k", base_url="http://127.0.0.1:1", http_client=http, max_retries=0) as client:
        last = client.beta.messages.tool_runner(model="m", max_tokens=9, messages=PROMPT, tools=[tide]).until_done()
    assert [block.text for block in last.content if block.type == "text"] == ["High."]
    assert len(wire.read_chat(asked[-1]).messages) == 3


@settings(max_examples=at_most(30))
@given(answers())
def test_the_sdks_read_every_whole_answer(events: list[Event]) -> None:
    sent = meaning(events)
    if isinstance(events[-1], Failed):
        return
    with openai_client(200, DIALECTS[OPENAI].write_reply(events, ReplyContext(1_790_000_000))) as client:
        choice = client.chat.completions.create(model="m", messages=PROMPT).choices[0]
    assert (choice.message.content or "") + (choice.message.refusal or "") == sent.text
    assert len(choice.message.tool_calls or ()) == len(sent.calls)
    with openai_client(200, DIALECTS[RESPONSES].write_reply(events, ReplyContext(1_790_000_000))) as client:
        assert said_in(client.responses.create(model="m", input="?"))[0] == sent.text
    with anthropic_client(200, DIALECTS[ANTHROPIC].write_reply(events)) as other:
        message = other.messages.create(model="m", max_tokens=9, messages=PROMPT)
    assert "".join(block.text for block in message.content if block.type == "text") == sent.text
    calls = [block.input for block in message.content if block.type == "tool_use"]
    assert calls == [json.loads(call.arguments) for call in sent.calls]


@pytest.mark.parametrize(
    "name", ["text", "thinking_tools", "redacted_thinking", "web_search", "refusal", "late_counts"]
)
def test_anthropics_sdk_reads_the_tapes_and_what_we_make_of_them_alike(name: str) -> None:
    stream = tape(ANTHROPIC, name)
    reader = DIALECTS[ANTHROPIC].reader()
    again = written(ANTHROPIC, [*reader.feed(stream), *reader.close()])

    def final(data: bytes) -> dict[str, Any]:
        with anthropic_client(200, data, SSE) as client, streaming(client) as reading:
            message: dict[str, Any] = reading.get_final_message().to_dict(exclude_none=True)
        message.pop("usage")
        message.pop("stop_details", None)
        for block in message["content"]:
            block.pop("caller", None)  # older answers omit it, as they omit nulls
        message["id"] = message["id"].removeprefix("msg_")  # some vendors' ids are not of this dialect
        return message

    assert final(again) == final(stream)


@settings(max_examples=at_most(20))
@given(rich_answers())
def test_the_sdks_show_the_pages_that_an_answer_rests_on(events: list[Event]) -> None:
    _, pages = sealed(events)
    with openai_client(200, DIALECTS[OPENAI].write_reply(events)) as client:
        said = client.chat.completions.create(model="m", messages=PROMPT).choices[0].message.annotations or []
    assert [(one.url_citation.url, one.url_citation.title) for one in said] == [(one.url, one.title) for one in pages]
    with anthropic_client(200, written(ANTHROPIC, events), SSE) as client_, streaming(client_) as reading:
        thought, text = reading.get_final_message().content
    assert thought.signature
    assert [(one.url, one.title) for one in text.citations or []] == [(one.url, one.title) for one in pages]


def spliced(dialect: str, stream: bytes, *, hide_usage: bool = False) -> bytes:
    wire = DIALECTS[dialect]
    request = wire.read_request(b'{"model":"m","messages":[],"input":[],"max_tokens":9,"stream":true}')
    splicer = wire.splice(request, hide_usage=hide_usage)
    return splicer.feed(stream) + splicer.ending()


@pytest.mark.parametrize("name", ["text", "reasoning", "parallel_tools", "filtered_crlf", "refusal"])
def test_openais_sdk_reads_a_splice_as_it_reads_the_vendor(name: str) -> None:
    stream = tape(OPENAI, name)
    assert through_openai(spliced(OPENAI, stream)) == through_openai(stream)
    assert through_openai(spliced(OPENAI, stream, hide_usage=True))[:3] == through_openai(stream)[:3]


REFUSALS: list[tuple[Refusal, type[openai.APIStatusError], type[anthropic.APIStatusError]]] = [
    (errors.InvalidRequest("no", param="n"), openai.BadRequestError, anthropic.BadRequestError),
    (errors.ContextLengthExceeded("no"), openai.BadRequestError, anthropic.BadRequestError),
    (errors.InvalidApiKey("no"), openai.AuthenticationError, anthropic.AuthenticationError),
    (errors.InsufficientQuota("no"), openai.APIStatusError, anthropic.APIStatusError),
    (errors.PermissionDenied("no"), openai.PermissionDeniedError, anthropic.PermissionDeniedError),
    (errors.ModelNotFound("no"), openai.NotFoundError, anthropic.NotFoundError),
    (errors.RequestTooLarge("no"), openai.APIStatusError, anthropic.RequestTooLargeError),
    (errors.RateLimited("no"), openai.RateLimitError, anthropic.RateLimitError),
    (errors.UpstreamError("no", provider="p"), openai.InternalServerError, anthropic.InternalServerError),
    (errors.Unavailable("no"), openai.InternalServerError, anthropic.ServiceUnavailableError),
    (errors.UpstreamTimeout("no"), openai.InternalServerError, anthropic.DeadlineExceededError),
]


@pytest.mark.parametrize(("refusal", "theirs", "others"), REFUSALS, ids=lambda value: getattr(value, "code", ""))
def test_refusals_are_the_right_exceptions(
    refusal: Refusal, theirs: type[openai.APIStatusError], others: type[anthropic.APIStatusError]
) -> None:
    body = DIALECTS[OPENAI].write_refusal(refusal, "req_1")
    with openai_client(refusal.status, body) as client, pytest.raises(theirs) as caught:
        client.chat.completions.create(model="m", messages=PROMPT)
    assert caught.value.code == refusal.code
    assert caught.value.type == refusal.type
    assert caught.value.param == refusal.param
    assert caught.value.body["message"] == "no"  # type: ignore[index]
    body = DIALECTS[ANTHROPIC].write_refusal(refusal, "req_1")
    with anthropic_client(refusal.status, body) as other, pytest.raises(others) as raised:
        other.messages.create(model="m", max_tokens=9, messages=PROMPT)
    assert raised.value.body["error"]["code"] == refusal.code  # type: ignore[index]


def test_a_refusal_in_a_stream_is_an_exception_after_what_was_read() -> None:
    refusal = errors.UpstreamError("It broke off.", provider="p")
    cut = spliced(OPENAI, tape(OPENAI, "cut_off")) + DIALECTS[OPENAI].write_stream_refusal(refusal, "req_1")
    with openai_client(200, cut, SSE) as client:
        chunks = client.chat.completions.create(model="m", messages=PROMPT, stream=True)
        assert [chunk.choices[0].delta.content for chunk in (next(chunks), next(chunks))] == ["", "The tide"]
        with pytest.raises(openai.APIError, match="It broke off") as caught:
            next(chunks)
    assert caught.value.code == "upstream_error"
    cut = spliced(RESPONSES, tape(RESPONSES, "cut_off")) + DIALECTS[RESPONSES].write_stream_refusal(refusal, "req_1")
    with pytest.raises(openai.APIError, match="It broke off") as raised:
        through_responses(cut)
    assert raised.value.code == "upstream_error"
    with openai_client(200, cut, SSE) as client, pytest.raises(openai.APIError, match="It broke off"):
        list(client.responses.create(model="m", input="?", stream=True))
    cut = spliced(ANTHROPIC, tape(ANTHROPIC, "cut_off")) + DIALECTS[ANTHROPIC].write_stream_refusal(refusal, "req_1")
    with (
        anthropic_client(200, cut, SSE) as other,
        streaming(other) as reading,
        pytest.raises(anthropic.APIStatusError, match="It broke off"),
    ):
        reading.get_final_message()
