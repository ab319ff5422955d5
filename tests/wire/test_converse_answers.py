"""Converse's answers: whole and as streams, their usage, and failures."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.answers import check_rules
from tests.wire.splits import tape

from tokenharbor.kernel.usage import Usage
from tokenharbor.wire import DIALECTS, PROVIDER_DIALECTS
from tokenharbor.wire.dialects.bedrock_converse.usage import read_usage
from tokenharbor.wire.framing.eventstream import write
from tokenharbor.wire.neutral.events import BlockKind, Failed, Finished, FinishReason, UsageReported
from tokenharbor.wire.neutral.failure import FailureKind
from tokenharbor.wire.neutral.translate import collect
from tokenharbor.wire.neutral.usage import BadUsageError

NAME = "bedrock_converse"
WIRE = PROVIDER_DIALECTS[NAME]


# ---- answers


def whole(content_: list[Any], reason: str = "end_turn", **more: Any) -> bytes:
    message = {"role": "assistant", "content": content_}
    usage = {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7}
    return json.dumps({"output": {"message": message}, "stopReason": reason, "usage": usage, **more}).encode()


def test_a_whole_answer_means_what_its_stream_means() -> None:
    blocks = [
        {
            "reasoningContent": {
                "reasoningText": {"text": "Two ports, two calls.", "signature": "EqQBCkgIBxABGAIiQTape"}
            }
        },
        {"text": "I look at both."},
        {"toolUse": {"toolUseId": "tooluse_Qk3vTape1", "name": "tide", "input": {"port": "Brest"}}},
        {"toolUse": {"toolUseId": "tooluse_Qk3vTape2", "name": "tide", "input": {"port": "Vigo"}}},
    ]
    usage = {"inputTokens": 412, "outputTokens": 96, "totalTokens": 508}
    reader = WIRE.reader()
    streamed = [*reader.feed(tape(NAME, "thinking_tools")), *reader.close()]
    assert collect(WIRE.read_reply(whole(blocks, "tool_use", usage=usage))) == collect(streamed)


@pytest.mark.parametrize(("kind", "calls"), [("tool_use", ["tide"]), ("server_tool_use", [])])
def test_a_calls_type_says_who_carries_it_out(kind: str, calls: list[str]) -> None:
    """Some models' calls have a type but are still the caller's."""
    use = {"toolUseId": "t", "name": "tide", "type": kind}
    reply = collect(WIRE.read_reply(whole([{"toolUse": {**use, "input": {"port": "Brest"}}}], "tool_use")))
    reader = WIRE.reader()
    frames = [
        event("messageStart", role="assistant"),
        event("contentBlockStart", contentBlockIndex=0, start={"toolUse": use}),
        event("contentBlockDelta", contentBlockIndex=0, delta={"toolUse": {"input": '{"port":"Brest"}'}}),
        event("contentBlockStop", contentBlockIndex=0),
        event("messageStop", stopReason="tool_use"),
    ]
    streamed = collect([*reader.feed(b"".join(frames)), *reader.close()])
    for said in (reply, streamed):
        found = [(block.name, json.loads(block.text)) for block in said.blocks if block.kind is BlockKind.TOOL_CALL]
        assert found == [(name, {"port": "Brest"}) for name in calls]


def test_every_kind_of_block_of_a_whole_answer_is_read() -> None:
    source = {"title": "Tides", "location": {"web": {"url": "https://tides.example"}}}
    blocks = [
        {"reasoningContent": {"redactedContent": "RW1z"}},
        {"citationsContent": {"content": [{"text": "At "}, {"text": "six."}], "citations": [source]}},
        {"image": {"format": "webp", "source": {"bytes": "UklG"}}},
        {"searchResult": {"source": "s", "title": "t", "content": []}},
        {"toolUse": {"toolUseId": "t", "name": "tide", "input": {}}},
    ]
    reply = collect(WIRE.read_reply(whole(blocks, "end_turn")))
    assert [(block.kind.value, block.text, block.name) for block in reply.blocks] == [
        ("reasoning", "", ""),
        ("text", "At six.", ""),
        ("image", "UklG", "image/webp"),
        ("text", "", ""),
        ("tool_call", "", "tide"),
    ]
    assert [citation.url for citation in reply.blocks[1].citations] == ["https://tides.example"]
    assert [note.name for note in reply.blocks[3].notes] == ["block"]
    assert reply.reason is FinishReason.TOOL_CALLS


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("end_turn", FinishReason.STOP),
        ("max_tokens", FinishReason.LENGTH),
        ("model_context_window_exceeded", FinishReason.LENGTH),
        ("content_filtered", FinishReason.REFUSAL),
        ("guardrail_intervened", FinishReason.REFUSAL),
        ("of_a_later_version", FinishReason.STOP),
    ],
)
def test_why_an_answer_ended(reason: str, expected: FinishReason) -> None:
    assert WIRE.read_reply(whole([{"text": "Aye."}], reason)).reason is expected


def test_which_stop_sequence_ended_an_answer() -> None:
    fields = {"stop_sequence": "three"}
    body = whole([{"text": "one, two, "}], "stop_sequence", additionalModelResponseFields=fields)
    assert WIRE.read_reply(body).stop_sequence == "three"
    body = whole([{"text": "one, two, "}], "stop_sequence", additionalModelResponseFields="anything")
    reply = WIRE.read_reply(body)
    assert (reply.reason, reply.stop_sequence) == (FinishReason.STOP_SEQUENCE, None)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff", b'{"output":{}}', b"[" * 100_000, b'{"message":"no"}'])
def test_what_is_no_answer_is_garbage(body: bytes) -> None:
    (end,) = WIRE.read_reply(body)
    assert isinstance(end, Failed)
    assert end.failure.kind is FailureKind.GARBAGE


@given(data=st.data())
def test_a_damaged_answer_ends_once_and_raises_nothing(data: st.DataObject) -> None:
    cited = {"citationsContent": {"content": [{"text": "a"}], "citations": [{"location": {"web": {"url": "u"}}}]}}
    call = {"toolUse": {"toolUseId": "t", "name": "f", "input": {"a": 1}}}
    body = bytearray(whole([{"reasoningContent": {"redactedContent": "RW1z"}}, cited, call], "tool_use"))
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(body) - 1))
        body[start : start + data.draw(st.integers(0, 20))] = data.draw(st.binary(max_size=3))
        if not body:
            break
    *_, end = events = list(WIRE.read_reply(bytes(body)))
    assert sum(isinstance(each, Failed | Finished) for each in events) == 1
    if isinstance(end, Finished):
        check_rules(events)


def event(name: str, **body: Any) -> bytes:
    return write({":event-type": name, ":message-type": "event"}, json.dumps(body).encode())


START = event("messageStart", role="assistant")
SAID = event("contentBlockDelta", contentBlockIndex=0, delta={"text": "a"})
CALL = event("contentBlockStart", contentBlockIndex=0, start={"toolUse": {"toolUseId": "t", "name": "f"}})
STOP = event("messageStop", stopReason="end_turn")
META = event("metadata", usage={"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}, metrics={"latencyMs": 1})


@pytest.mark.parametrize(
    "stream",
    [
        SAID,
        START + START,
        START + event("contentBlockDelta", contentBlockIndex=0, delta={"toolUse": {"input": "{}"}}),
        START + CALL + CALL,
        START + CALL + SAID,
        START + event("contentBlockStart", contentBlockIndex=0, start={"toolUse": {"toolUseId": "t"}}),
        START + event("contentBlockDelta", contentBlockIndex=0),
        START + event("contentBlockDelta", contentBlockIndex=0, delta={"text": 7}),
        START + event("messageStop"),
        START + STOP + SAID,
        META,
        START + b"data: no such stream\n\n",
        START + write({":event-type": "contentBlockDelta", ":message-type": "event"}, b'{"delta":{"text":"\xff"}}'),
    ],
)
def test_a_stream_that_breaks_the_dialect_is_garbage(stream: bytes) -> None:
    reader = WIRE.reader()
    *_, end = reader.feed(stream)
    assert isinstance(end, Failed)
    assert end.failure.kind is FailureKind.GARBAGE
    assert reader.feed(STOP + META) == []
    assert reader.close() == []


def test_counts_that_do_not_add_up_are_told_as_such() -> None:
    usage = {"inputTokens": 3, "outputTokens": 4, "totalTokens": 8}
    assert UsageReported(None) in WIRE.read_reply(whole([{"text": "Aye."}], "end_turn", usage=usage))
    events = WIRE.reader().feed(START + SAID + STOP + event("metadata", usage=usage))
    assert list(events[-2:]) == [UsageReported(None), Finished(FinishReason.STOP)]


def test_an_answer_is_finished_only_when_its_usage_has_come() -> None:
    reader = WIRE.reader()
    assert not any(isinstance(each, Finished) for each in reader.feed(START + SAID + STOP))
    assert list(reader.feed(META)) == [UsageReported(Usage(input=1, output=1)), Finished(FinishReason.STOP)]


def test_events_of_a_later_version_are_passed_over() -> None:
    reader = WIRE.reader()
    events = reader.feed(START + event("somethingNew", x=1) + SAID + STOP + META)
    assert isinstance(events[-1], Finished)


def test_an_answer_torn_in_its_last_event_is_broken() -> None:
    reader = WIRE.reader()
    reader.feed(START + SAID + STOP + META[:-1])
    (end,) = reader.close()
    assert isinstance(end, Failed)
    assert end.failure.kind is FailureKind.BROKEN


def test_text_and_reasoning_at_one_place_are_two_blocks() -> None:
    reader = WIRE.reader()
    thought = event("contentBlockDelta", contentBlockIndex=0, delta={"reasoningContent": {"text": "Hm."}})
    reply = collect([*reader.feed(START + thought + SAID + STOP + META), *reader.close()])
    assert [(block.kind.value, block.text) for block in reply.blocks] == [("reasoning", "Hm."), ("text", "a")]


@pytest.mark.parametrize("client", DIALECTS)
@pytest.mark.parametrize("name", ["text", "thinking_tools", "length", "guardrail"])
def test_clients_of_every_dialect_are_told_what_it_said(client: str, name: str) -> None:
    reader = WIRE.reader()
    events = [*reader.feed(tape(NAME, name)), *reader.close()]
    told = DIALECTS[client].read_reply(DIALECTS[client].write_reply(events))
    theirs, ours = collect(told), collect(events)
    assert [(block.call_id, block.name) for block in theirs.blocks if block.name] == [
        (block.call_id, block.name) for block in ours.blocks if block.name
    ]
    assert (theirs.usage, theirs.failure) == (ours.usage, None)


# ---- usage


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({"inputTokens": 5, "outputTokens": 2, "totalTokens": 7}, Usage(input=5, output=2)),
        (
            {"inputTokens": 5, "outputTokens": 2, "totalTokens": 27, "cacheReadInputTokens": 20},
            Usage(input=5, output=2, cache_read=20),
        ),
        (
            {"inputTokens": 5, "outputTokens": 2, "totalTokens": 7, "cacheWriteInputTokens": 9},
            Usage(input=5, output=2, cache_write_5m=9),
        ),
        (
            {"inputTokens": 5, "outputTokens": 2, "cacheDetails": [{"ttl": "1h", "inputTokens": 9}]},
            Usage(input=5, output=2, cache_write_1h=9),
        ),
    ],
)
def test_usage_is_counted_without_counting_twice(counts: dict[str, Any], expected: Usage) -> None:
    assert read_usage(json.dumps(counts).encode()) == expected


@pytest.mark.parametrize(
    "counts",
    [
        {},
        {"inputTokens": 5},
        {"inputTokens": -5, "outputTokens": 2},
        {"inputTokens": 5, "outputTokens": "2"},
        {"inputTokens": 5, "outputTokens": 10**18},
        {"inputTokens": 5, "outputTokens": 2, "totalTokens": 8},
        {"inputTokens": 5, "outputTokens": 2, "totalTokens": 6},
        {
            "inputTokens": 5,
            "outputTokens": 2,
            "cacheWriteInputTokens": 9,
            "cacheDetails": [{"ttl": "1h", "inputTokens": 8}],
        },
    ],
)
def test_usage_that_does_not_add_up_is_none(counts: dict[str, Any]) -> None:
    with pytest.raises(BadUsageError):
        read_usage(json.dumps(counts).encode())


# ---- failures


@pytest.mark.parametrize(
    ("status", "name", "message", "kind"),
    [
        (400, "ValidationException", "The text field is blank.", FailureKind.REQUEST),
        (400, "ValidationException", "Input is too long for requested model.", FailureKind.CONTEXT),
        (400, "ValidationException", "The provided model identifier is invalid.", FailureKind.NOT_FOUND),
        (
            400,
            "ValidationException",
            "Invocation of model ID x.y-v1:0 with on-demand throughput isn’t supported.",
            FailureKind.NOT_FOUND,
        ),
        (403, "AccessDeniedException", "You don't have access to the model.", FailureKind.CREDENTIAL),
        (403, "UnrecognizedClientException", "The security token is invalid.", FailureKind.CREDENTIAL),
        (403, "ExpiredTokenException", "It has expired.", FailureKind.CREDENTIAL),
        (400, "ExpiredTokenException", "It has expired.", FailureKind.CREDENTIAL),
        (404, "ResourceNotFoundException", "No such model.", FailureKind.NOT_FOUND),
        (408, "ModelTimeoutException", "Too slow.", FailureKind.TIMEOUT),
        (424, "ModelErrorException", "It broke.", FailureKind.SERVER),
        (429, "ThrottlingException", "Too many requests.", FailureKind.RATE_LIMIT),
        (400, "ThrottlingException", "Too many requests.", FailureKind.RATE_LIMIT),
        (400, "ServiceQuotaExceededException", "Too much.", FailureKind.RATE_LIMIT),
        (429, "ModelNotReadyException", "Warming up.", FailureKind.OVERLOADED),
        (500, "InternalServerException", "Oh.", FailureKind.SERVER),
        (503, "ServiceUnavailableException", "Later.", FailureKind.SERVER),
    ],
)
def test_failures_by_their_names(status: int, name: str, message: str, kind: FailureKind) -> None:
    body = json.dumps({"message": message}).encode()
    headers = {b"x-amzn-errortype": f"{name}:http://internal.amazon.com/coral/".encode(), b"retry-after": b"3"}
    failure = WIRE.read_failure(status, headers, body)
    assert (failure.kind, failure.status, failure.message, failure.type) == (kind, status, message, name)
    assert failure.retry_after == 3
    typed = json.dumps({"__type": f"com.amazon.coral.service#{name}", "Message": message}).encode()
    assert WIRE.read_failure(status, {}, typed).kind is kind


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"message":7}', b"\xff", b"[" * 100_000])
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, FailureKind.REQUEST),
        (403, FailureKind.CREDENTIAL),
        (429, FailureKind.RATE_LIMIT),
        (502, FailureKind.SERVER),
    ],
)
def test_the_status_decides_where_nothing_else_can(body: bytes, status: int, kind: FailureKind) -> None:
    assert WIRE.read_failure(status, {}, body).kind is kind


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("throttlingException", FailureKind.RATE_LIMIT),
        ("modelStreamErrorException", FailureKind.SERVER),
        ("validationException", FailureKind.REQUEST),
        ("internalServerException", FailureKind.SERVER),
        ("serviceUnavailableException", FailureKind.SERVER),
        ("modelTimeoutException", FailureKind.TIMEOUT),
        ("somethingNewException", FailureKind.SERVER),
    ],
)
@pytest.mark.parametrize("before", [b"", START + SAID])
def test_failures_inside_a_stream(name: str, kind: FailureKind, before: bytes) -> None:
    reader = WIRE.reader()
    reader.feed(before)
    (end,) = reader.feed(write({":exception-type": name, ":message-type": "exception"}, b'{"message":"It failed."}'))
    assert isinstance(end, Failed)
    assert (end.failure.kind, end.failure.message) == (kind, "It failed.")


def test_an_error_of_the_framing_itself_is_the_vendors() -> None:
    reader = WIRE.reader()
    headers = {":message-type": "error", ":error-code": "InternalError", ":error-message": "Oh."}
    (end,) = reader.feed(write(headers, b""))
    assert isinstance(end, Failed)
    assert (end.failure.kind, end.failure.message, end.failure.type) == (FailureKind.SERVER, "Oh.", "InternalError")
