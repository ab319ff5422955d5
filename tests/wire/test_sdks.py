"""The official SDKs as readers of what is written here: streams, whole answers, and refusals as the right exception."""

import json
from collections.abc import Iterable
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from hypothesis import given, settings
from tests.wire.answers import answers, meaning
from tests.wire.splits import tape

from tokenharbor.kernel import errors
from tokenharbor.kernel.errors import Refusal
from tokenharbor.wire import WIRES
from tokenharbor.wire.dialect import Recipient
from tokenharbor.wire.events import (
    Event,
    Failed,
    FinishReason,
)

OPENAI, ANTHROPIC = "openai_chat", "anthropic_messages"


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
    writer = WIRES[dialect].writer()
    return b"".join([writer.write(event) for event in events])


def through_openai(stream: bytes) -> tuple[dict[str, str], dict[int, list[str]], str | None, Any]:
    """Words by kind, calls as id, name and arguments, the reason and the usage, as the SDK's chunks tell them."""
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


@settings(max_examples=40)
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


@settings(max_examples=40)
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


@settings(max_examples=30)
@given(answers())
def test_the_sdks_read_every_whole_answer(events: list[Event]) -> None:
    sent = meaning(events)
    if isinstance(events[-1], Failed):
        return
    with openai_client(200, WIRES[OPENAI].write_reply(events, Recipient(1_790_000_000))) as client:
        choice = client.chat.completions.create(model="m", messages=PROMPT).choices[0]
    assert (choice.message.content or "") + (choice.message.refusal or "") == sent.text
    assert len(choice.message.tool_calls or ()) == len(sent.calls)
    with anthropic_client(200, WIRES[ANTHROPIC].write_reply(events)) as other:
        message = other.messages.create(model="m", max_tokens=9, messages=PROMPT)
    assert "".join(block.text for block in message.content if block.type == "text") == sent.text
    calls = [block.input for block in message.content if block.type == "tool_use"]
    assert calls == [json.loads(call.arguments) for call in sent.calls]


@pytest.mark.parametrize(
    "name", ["text", "thinking_tools", "redacted_thinking", "web_search", "refusal", "late_counts"]
)
def test_anthropics_sdk_reads_the_tapes_and_what_we_make_of_them_alike(name: str) -> None:
    stream = tape(ANTHROPIC, name)
    reader = WIRES[ANTHROPIC].reader()
    again = written(ANTHROPIC, [*reader.feed(stream), *reader.close()])

    def final(data: bytes) -> dict[str, Any]:
        with anthropic_client(200, data, SSE) as client, streaming(client) as reading:
            message: dict[str, Any] = reading.get_final_message().to_dict()
        message.pop("usage")
        message.pop("stop_details", None)
        message["id"] = message["id"].removeprefix("msg_")  # some vendors' ids are not of this dialect
        return message

    assert final(again) == final(stream)


def spliced(dialect: str, stream: bytes, *, hide_usage: bool = False) -> bytes:
    wire = WIRES[dialect]
    request = wire.read_request(b'{"model":"m","messages":[],"max_tokens":9,"stream":true}')
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
    body = WIRES[OPENAI].write_refusal(refusal, "req_1")
    with openai_client(refusal.status, body) as client, pytest.raises(theirs) as caught:
        client.chat.completions.create(model="m", messages=PROMPT)
    assert caught.value.code == refusal.code
    assert caught.value.type == refusal.type
    assert caught.value.param == refusal.param
    assert caught.value.body["message"] == "no"  # type: ignore[index]
    body = WIRES[ANTHROPIC].write_refusal(refusal, "req_1")
    with anthropic_client(refusal.status, body) as other, pytest.raises(others) as raised:
        other.messages.create(model="m", max_tokens=9, messages=PROMPT)
    assert raised.value.body["error"]["code"] == refusal.code  # type: ignore[index]


def test_a_refusal_in_a_stream_is_an_exception_after_what_was_read() -> None:
    refusal = errors.UpstreamError("It broke off.", provider="p")
    cut = spliced(OPENAI, tape(OPENAI, "cut_off")) + WIRES[OPENAI].write_stream_refusal(refusal, "req_1")
    with openai_client(200, cut, SSE) as client:
        chunks = client.chat.completions.create(model="m", messages=PROMPT, stream=True)
        assert [chunk.choices[0].delta.content for chunk in (next(chunks), next(chunks))] == ["", "The tide"]
        with pytest.raises(openai.APIError, match="It broke off") as caught:
            next(chunks)
    assert caught.value.code == "upstream_error"
    cut = spliced(ANTHROPIC, tape(ANTHROPIC, "cut_off")) + WIRES[ANTHROPIC].write_stream_refusal(refusal, "req_1")
    with (
        anthropic_client(200, cut, SSE) as other,
        streaming(other) as reading,
        pytest.raises(anthropic.APIStatusError, match="It broke off"),
    ):
        reading.get_final_message()
