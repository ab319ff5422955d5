"""Streams passed on in their own dialect: which bytes are sent when, and which facts are recorded."""

import json

import pytest
from hypothesis import given, settings
from tests.examples import at_most
from tests.wire.spliced_streams import ANTHROPIC, GEMINI, OPENAI, RESPONSES, events, splice_stream, splicer, whole
from tests.wire.splits import cut, places, tape, tape_names

from tokenharbor.wire import DIALECTS, PROVIDER_DIALECTS
from tokenharbor.wire.framing.sse import MAX_EVENT
from tokenharbor.wire.neutral.dialect import AnswerFacts
from tokenharbor.wire.neutral.events import Failed, Finished
from tokenharbor.wire.neutral.failure import Failure, FailureKind


@pytest.mark.parametrize(("dialect", "name"), tape_names())
@settings(max_examples=at_most(40))
@given(where=places)
def test_any_split_gives_the_same_bytes_and_facts(dialect: str, name: str, where: list[int]) -> None:
    stream = tape(dialect, name)
    for hide in (False, True):
        expected = splice_stream(splicer(dialect, hide_usage=hide), [stream])
        assert splice_stream(splicer(dialect, hide_usage=hide), cut(stream, where)) == expected


@pytest.mark.parametrize(("dialect", "name"), tape_names())
def test_byte_by_byte_gives_the_same_and_nothing_is_held_in_the_end(dialect: str, name: str) -> None:
    stream = tape(dialect, name)
    assert splice_stream(splicer(dialect), [stream[i : i + 1] for i in range(len(stream))]) == whole(dialect, name)


COMPLETE = [
    pair for pair in tape_names() if not pair[1].startswith(("error", "cut", "malformed")) and pair[1] != "two_choices"
]


@pytest.mark.parametrize(("dialect", "name"), COMPLETE)
def test_a_complete_stream_leaves_byte_for_byte(dialect: str, name: str) -> None:
    result = whole(dialect, name)
    assert result.left + result.ending == tape(dialect, name)
    assert (result.started, result.complete, result.failure, result.quarantined) == (True, True, None, False)
    assert result.usage is not None


@pytest.mark.parametrize(("dialect", "name"), COMPLETE)
def test_nothing_from_the_stop_reason_onward_leaves_before_the_settlement(dialect: str, name: str) -> None:
    marks = (
        b'finish_reason":"',
        b'"stop_reason":"',
        b"[DONE]",
        b"message_stop",
        b"response.completed",
        b"response.incomplete",
        b'"finishReason"',
        b"blockReason",
    )
    result = whole(dialect, name)
    assert not any(mark in result.left for mark in marks)
    assert any(mark in events(result.ending)[-1] for mark in marks)


@pytest.mark.parametrize(("dialect", "name"), COMPLETE)
def test_the_stop_reason_in_one_segment_with_the_rest_still_waits(dialect: str, name: str) -> None:
    spliced = splicer(dialect)
    out = spliced.feed(tape(dialect, name))
    assert out + spliced.ending() == tape(dialect, name)
    assert spliced.held_bytes == len(spliced.ending())


@pytest.mark.parametrize(
    ("dialect", "name", "head"),
    [
        (OPENAI, "text", 1),
        (OPENAI, "reasoning", 3),
        (OPENAI, "parallel_tools", 0),
        (OPENAI, "filtered_crlf", 2),
        (OPENAI, "refusal", 1),
        (RESPONSES, "text", 4),
        (RESPONSES, "reasoning_tools", 4),
        (RESPONSES, "custom_tool", 2),
        (RESPONSES, "web_search", 2),
        (RESPONSES, "whole_items", 3),
        (ANTHROPIC, "text", 3),
        (ANTHROPIC, "thinking_tools", 3),
        (ANTHROPIC, "redacted_thinking", 1),
        (ANTHROPIC, "web_search", 1),
        (ANTHROPIC, "late_counts", 3),
    ],
)
def test_everything_before_the_first_content_waits_for_it(dialect: str, name: str, head: int) -> None:
    frames = events(tape(dialect, name))
    spliced = splicer(dialect)
    for frame in frames[:head]:
        assert spliced.feed(frame) == b""
        assert not spliced.started
    assert spliced.held_bytes == sum(map(len, frames[:head]))
    assert spliced.feed(frames[head]) == b"".join(frames[: head + 1])
    assert spliced.started
    assert spliced.held_bytes == 0


def test_pings_pass_once_content_came() -> None:
    spliced = splicer(ANTHROPIC)
    frames = events(tape(ANTHROPIC, "thinking_tools"))
    ping = next(frame for frame in frames if b"ping" in frame)
    spliced.feed(b"".join(frames[:5]))
    assert spliced.started
    before = spliced.text_bytes
    assert spliced.feed(ping) == ping
    assert spliced.text_bytes == before
    openai = splicer(OPENAI)
    openai.feed(b"".join(events(tape(OPENAI, "reasoning"))[:5]))
    assert openai.feed(b": keep-alive\n\n") == b": keep-alive\n\n"
    assert openai.feed(b"data:\n\n") == b"data:\n\n"


def test_with_several_choices_the_last_to_finish_ends_the_answer() -> None:
    frames = events(tape(OPENAI, "two_choices"))
    result = whole(OPENAI, "two_choices", choices=2)
    assert result.left == b"".join([*frames[:4], frames[5]])
    assert result.ending == b"".join([frames[4], *frames[6:]])
    assert result.complete
    hidden = whole(OPENAI, "two_choices", choices=2, hide_usage=True)
    assert hidden.ending == frames[4] + frames[6] + frames[8]


def test_fewer_choices_than_asked_for_still_end() -> None:
    result = whole(OPENAI, "text", choices=3)
    assert result.complete
    assert result.left + result.ending == tape(OPENAI, "text")


@pytest.mark.parametrize(
    ("dialect", "stream"),
    [
        (
            OPENAI,
            (
                b'data: {"choices":[{"index":0,"delta":{"role":"assistant"},"finish_reason":null}]}\n\n'
                b'data: {"choices":[{"index":0,"delta":{"content":"All"},"finish_reason":"stop"}]}\n\n'
                b"data: [DONE]\n\n"
            ),
        ),
        (ANTHROPIC, tape(ANTHROPIC, "refusal")),
    ],
)
def test_a_finish_as_first_content_starts_and_ends_at_once(dialect: str, stream: bytes) -> None:
    spliced = splicer(dialect)
    assert b"".join(spliced.feed(piece) for piece in events(stream)) == b""
    assert (spliced.started, spliced.complete) == (True, True)
    assert spliced.ending() == stream
    assert spliced.text_bytes == 0


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("late", [False, True])
def test_an_error_in_the_stream_is_a_failure_and_does_not_leave(dialect: str, late: bool) -> None:
    name = "error_late" if late else "error_first"
    result = whole(dialect, name)
    kinds = {
        (OPENAI, False): FailureKind.OVERLOADED,
        (OPENAI, True): FailureKind.RATE_LIMIT,
        (RESPONSES, False): FailureKind.OVERLOADED,
        (RESPONSES, True): FailureKind.RATE_LIMIT,
        (GEMINI, False): FailureKind.SERVER,
        (GEMINI, True): FailureKind.RATE_LIMIT,
        (ANTHROPIC, False): FailureKind.OVERLOADED,
        (ANTHROPIC, True): FailureKind.SERVER,
    }
    assert result.failure is kinds[dialect, late]
    assert result.started is late
    assert not result.complete
    assert b"error" not in result.left.replace(b'"error":null', b"")
    assert (result.left != b"") is late
    assert result.ending == b""


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_stream_without_its_terminator_is_not_complete(dialect: str) -> None:
    result = whole(dialect, "cut_off")
    assert result.started
    assert not result.complete
    assert result.left == tape(dialect, "cut_off")


@pytest.mark.parametrize(
    "garbage",
    [
        b"data: not json\n\n",
        b"data: [1,2]\n\n",
        b'data: "text"\n\n',
        b'data: {"foo":1}\n\n',
        b'data: {"choices":{},"type":7}\n\n',
        b'data: {"choices":[{"delta":{"content":5}}],"type":"content_block_delta","delta":{"text":5}}\n\n',
        b'data: {"choices":[1],"type":"message_start","message":5}\n\n',
        b"data: \xff\xfe\n\n",
        b'data: {"choices":[{"delta":{"content":"\xff"}}],"type":"content_block_delta","delta":{"text":"\xff"}}\n\n',
        b"data: " + b'{"type":' * 100_000 + b"\n\n",
        b"<html><body>Bad gateway</body></html>\n\n",
        b"<html><body>Bad gateway</body></html>",
        b"data: " + b"x" * (MAX_EVENT + 1),
        b"\x00\x01\x02\x03\n\n",
    ],
)
def test_garbage_is_a_failure_and_does_not_leave(garbage: bytes) -> None:
    for dialect in DIALECTS:
        for before in (b"", tape(dialect, "cut_off")):
            result = splice_stream(splicer(dialect), [before + garbage])
            assert result.failure is FailureKind.GARBAGE, (dialect, before)
            assert result.left == before, dialect
            assert not result.complete, (dialect, before)


@pytest.mark.parametrize("dialect", sorted(DIALECTS.keys() - {GEMINI}))  # which has no terminator
def test_a_terminator_without_any_content_is_no_success(dialect: str) -> None:
    end = b"data: [DONE]\n\n" if dialect != ANTHROPIC else b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    result = splice_stream(splicer(dialect), [end])
    assert result.failure is FailureKind.BROKEN
    assert not result.complete


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_terminator_without_its_blank_line_counts_at_the_end_of_the_bytes(dialect: str) -> None:
    stream = tape(dialect, "text").rstrip(b"\n")
    spliced = splicer(dialect)
    left = spliced.feed(stream)
    before = spliced.complete
    left += spliced.close()
    assert (before, spliced.complete) == (False, True)
    assert left + spliced.ending() == stream


def test_an_event_named_error_is_one_whatever_it_says() -> None:
    result = splice_stream(splicer(OPENAI), [tape(OPENAI, "cut_off") + b'event: error\ndata: {"what":"a secret"}\n\n'])
    assert (result.failure, result.complete) == (FailureKind.SERVER, False)
    assert result.left == tape(OPENAI, "cut_off")


def test_an_answer_that_finishes_in_an_error_is_a_failure() -> None:
    chunk = b'data: {"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]}\n\ndata: [DONE]\n\n'
    result = splice_stream(splicer(OPENAI), [tape(OPENAI, "cut_off") + chunk])
    assert (result.failure, result.complete) == (FailureKind.SERVER, False)
    assert result.left == tape(OPENAI, "cut_off")


def test_an_answer_may_repeat_a_long_request_before_its_first_content() -> None:
    """Vendors of this dialect begin with two events that repeat instructions and tools."""
    asked = "жук" * 50_000  # a vendor may write each letter as an escape
    stream = tape(RESPONSES, "text").replace(b'"instructions":null', b'"instructions":' + json.dumps(asked).encode())
    assert splice_stream(splicer(RESPONSES, instructions=asked), [stream]).complete
    assert splice_stream(splicer(RESPONSES), [stream]).failure is FailureKind.GARBAGE, "nobody asked for so much"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_beside_what_it_repeats_no_more_than_64_kib_waits(dialect: str) -> None:
    """In any split."""
    for size, well in ((60_000, True), (70_000, False)):
        stream = b": " + b"x" * size + b"\n\n" + tape(dialect, "text")
        for pieces in ([stream], cut(stream, [1000, size, size + 5])):
            assert (splice_stream(splicer(dialect), pieces).failure is None) is well


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_event_that_still_comes_waits_for_nobody(dialect: str) -> None:
    """It may be the content, however long: some vendors send a whole call in one event."""
    spliced = splicer(dialect)
    assert spliced.feed(b"data: " + b" " * 200_000) == b""
    assert (spliced.failure, spliced.held_bytes) == (None, 0)


def test_a_search_that_is_the_first_thing_to_happen_is_content() -> None:
    frames = events(tape(RESPONSES, "web_search"))
    spliced = splicer(RESPONSES)
    assert spliced.feed(frames[0] + frames[1]) == b""
    assert spliced.feed(frames[2]) == b"".join(frames[:3])


def test_an_item_of_a_kind_of_its_own_may_have_members_of_other_types() -> None:
    """The caller's search for tools has an object where functions have their arguments as text."""
    frames = events(tape(RESPONSES, "text"))
    item = b'{"id":"ts_1","type":"tool_search_call","arguments":{"query":"tides"},"execution":"client"}'
    kinds = (b"response.output_item.added", b"response.output_item.done")
    search = b"".join(
        b'event: %b\ndata: {"type":"%b","output_index":0,"item":%b}\n\n' % (kind, kind, item) for kind in kinds
    )
    stream = frames[0] + search + b"".join(frames[1:])
    result = splice_stream(splicer(RESPONSES), [stream])
    assert result.complete
    assert result.left + result.ending == stream
    reader = DIALECTS[RESPONSES].reader()
    assert isinstance([*reader.feed(stream), *reader.close()][-1], Finished)


def test_reasoning_of_which_only_the_seal_is_shown_is_content() -> None:
    frames = events(tape(RESPONSES, "reasoning_tools"))
    spliced = splicer(RESPONSES)
    whole_item = next(frame for frame in frames if b"encrypted_content" in frame)
    assert spliced.feed(b"".join(frames[:3])) == b""
    assert spliced.feed(whole_item) == b"".join(frames[:3]) + whole_item


def test_what_follows_the_closing_event_is_left_out() -> None:
    stream = tape(RESPONSES, "text")
    result = splice_stream(splicer(RESPONSES), [stream + b"data: [DONE]\n\n"])
    assert result.left + result.ending == stream


def test_a_failure_that_closes_the_answer_is_one() -> None:
    result = whole(RESPONSES, "error_failed")
    assert (result.failure, result.complete, result.left) == (FailureKind.SERVER, False, b"")


def test_sealed_reasoning_is_content() -> None:
    """If a vendor shows no reasoning, only its signature proves that there was some."""
    frames = events(tape(ANTHROPIC, "thinking_tools"))
    spliced = splicer(ANTHROPIC)
    assert spliced.feed(frames[0] + frames[1]) == b""
    assert spliced.feed(frames[5]) == frames[0] + frames[1] + frames[5]
    assert b"signature_delta" in frames[5]


def test_a_ping_may_say_anything() -> None:
    spliced = splicer(ANTHROPIC)
    spliced.feed(tape(ANTHROPIC, "cut_off"))
    assert spliced.feed(b"event: ping\ndata: {}\n\n") == b"event: ping\ndata: {}\n\n"
    assert spliced.failure is None


@pytest.mark.parametrize(
    ("dialect", "event", "kind"),
    [
        (ANTHROPIC, b'event: error\ndata: {"error":{"type":"rate_limit_error"}}\n\n', FailureKind.RATE_LIMIT),
        (ANTHROPIC, b'data: {"type":"error","error":{"type":"billing_error"}}\n\n', FailureKind.CREDENTIAL),
        (ANTHROPIC, b'event: error\ndata: {"type":"error"}\n\n', FailureKind.SERVER),
        (
            ANTHROPIC,
            b'data: {"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long"}}\n\n',
            FailureKind.CONTEXT,
        ),
        (RESPONSES, b'event: error\ndata: {"type":"error","code":429,"message":"no"}\n\n', FailureKind.RATE_LIMIT),
        (RESPONSES, b'data: {"type":"error","error":{"code":"insufficient_quota"}}\n\n', FailureKind.CREDENTIAL),
        (
            RESPONSES,
            b'data: {"type":"response.failed","response":{"error":{"code":"context_length_exceeded"}}}\n\n',
            FailureKind.CONTEXT,
        ),
        (
            RESPONSES,
            b'data: {"type":"response.failed","response":{"error":{"code":"invalid_image_url"}}}\n\n',
            FailureKind.REQUEST,
        ),
        (RESPONSES, b'data: {"type":"response.completed","response":{"status":"failed"}}\n\n', FailureKind.SERVER),
        (OPENAI, b'data: {"error":{"message":"maximum context length is 10 tokens"}}\n\n', FailureKind.CONTEXT),
        (OPENAI, b'data: {"error":{"message":"no","type":"invalid_request_error"}}\n\n', FailureKind.REQUEST),
        (OPENAI, b'data: {"error":{"message":"no","code":529}}\n\n', FailureKind.OVERLOADED),
        (OPENAI, b'data: {"error":"no"}\n\n', FailureKind.SERVER),
        (OPENAI, b'data: {"error":[1]}\n\n', FailureKind.SERVER),
        (OPENAI, b'event: error\ndata: {"error":{"message":"no","code":"timeout"}}\n\n', FailureKind.TIMEOUT),
        (OPENAI, b'data: {"object":"error","message":"no","code":429}\n\n', FailureKind.RATE_LIMIT),
        (OPENAI, b'{"error":{"message":"no","code":"invalid_api_key"}}', FailureKind.CREDENTIAL),
    ],
)
def test_errors_in_a_stream_are_told_apart(dialect: str, event: bytes, kind: FailureKind) -> None:
    assert splice_stream(splicer(dialect), [event]).failure is kind


def test_events_of_a_later_version_pass() -> None:
    new = b'event: message_note\ndata: {"type":"message_note","x":1}\n\n'
    spliced = splicer(ANTHROPIC)
    frames = events(tape(ANTHROPIC, "text"))
    assert spliced.feed(b"".join(frames[:4])) != b""
    assert spliced.feed(new) == new
    other = splicer(OPENAI)
    other.feed(tape(OPENAI, "cut_off"))
    assert other.feed(b"event: note\ndata: {}\n\n") == b"event: note\ndata: {}\n\n"
    assert other.failure is None


AYE = b'data: {"choices":[{"index":0,"delta":{"content":"Aye."}}]}\n\n'
STOPPED = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
EMPTY = (
    b"{}",
    b"null",
    b'{"choices":null}',
    b'{"id":"a","object":"chat.completion.chunk","created":1,"model":"m","choices":null,"usage":null}',
)


def test_R1_an_empty_chunk_is_ignored_and_passed_on() -> None:
    for data in EMPTY:
        chunk = b"data: %b\n\n" % data
        for stream in (chunk + AYE + STOPPED, AYE + chunk + STOPPED, chunk + AYE + chunk + chunk + STOPPED):
            result = splice_stream(splicer(OPENAI), [stream])
            assert (result.failure, result.complete, result.left + result.ending) == (None, True, stream), data
            events = [*(reader := PROVIDER_DIALECTS[OPENAI].reader()).feed(stream), *reader.close()]
            assert isinstance(events[-1], Finished), data


def test_R1_empty_chunks_alone_are_no_answer() -> None:
    for data in EMPTY:
        chunk = b"data: %b\n\n" % data
        assert splice_stream(splicer(OPENAI), [chunk + b"data: [DONE]\n\n"]).failure is FailureKind.BROKEN
        reader = PROVIDER_DIALECTS[OPENAI].reader()
        assert isinstance([*reader.feed(chunk + b"data: [DONE]\n\n"), *reader.close()][-1], Failed)
    odd = b'data: {"choices":null,"result":{"code":7}}\n\n'
    assert splice_stream(splicer(OPENAI), [odd + AYE + STOPPED]).failure is FailureKind.GARBAGE


def test_R1_a_whole_body_without_framing_is_no_stream() -> None:
    """Gemini answers so without `alt=sse`."""
    said = b'{"candidates":[{"content":{"parts":[{"text":"Aye."}],"role":"model"},"finishReason":"STOP"}]%b}'
    whole = said % b',"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":2,"totalTokenCount":5}'
    indented = json.dumps(json.loads(whole), indent=2).encode()
    for body in (whole, indented, whole + b"\n\n", b"[%b]" % whole, b"[%b\n,\r\n%b]" % (whole, whole), b"\n " + whole):
        for pieces in ([body], [body[:9], body[9:]]):
            result = splice_stream(splicer(GEMINI), pieces)
            assert (result.failure, result.left) == (FailureKind.GARBAGE, b""), body


def test_R1_a_status_beside_empty_choices_is_a_failure() -> None:
    for code, kind in ((1002, FailureKind.RATE_LIMIT), (1008, FailureKind.CREDENTIAL), (1013, FailureKind.SERVER)):
        status = {"base_resp": {"status_code": code, "status_msg": "no"}, "usage": {"total_tokens": 0}}
        counted = status | {"usage": {"prompt_tokens": 3, "completion_tokens": 0, "total_tokens": 3}}
        for told in (status, counted):
            for choice in ({"finish_reason": "stop"}, {"finish_reason": None}):
                chunk = {"choices": [{"index": 0, "delta": {"content": ""}, **choice}], **told}
                stream = b"data: %b\n\ndata: [DONE]\n\n" % json.dumps(chunk).encode()
                assert splice_stream(splicer(OPENAI), [stream]).failure is kind
                events = [*(reader := PROVIDER_DIALECTS[OPENAI].reader()).feed(stream), *reader.close()]
                assert isinstance(events[-1], Failed)
                assert events[-1].failure.kind is kind
            whole = {"choices": [{"index": 0, "message": {"content": ""}, "finish_reason": "stop"}], **told}
            answer = DIALECTS[OPENAI].read_answer(json.dumps(whole).encode())
            assert isinstance(answer, Failure)
            assert answer.kind is kind


def test_R1_a_status_of_success_or_beside_words_is_none() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    for code, words in ((0, ""), (0, "Aye."), (1027, "Aye.")):
        whole = {"choices": [{"index": 0, "message": {"content": words}, "finish_reason": "stop"}], "usage": usage}
        body = json.dumps(whole | {"base_resp": {"status_code": code}}).encode()
        assert isinstance(DIALECTS[OPENAI].read_answer(body), AnswerFacts)
