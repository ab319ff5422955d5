"""Whole answers: usage by each vendor's convention, inconsistent counts, errors under a 200, and the cost."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenharbor.kernel.usage import Usage
from tokenharbor.wire import DIALECTS
from tokenharbor.wire.dialects.anthropic_messages import usage as anthropic
from tokenharbor.wire.dialects.openai_chat import usage as openai
from tokenharbor.wire.dialects.openai_responses import usage as responses
from tokenharbor.wire.neutral.dialect import AnswerFacts
from tokenharbor.wire.neutral.failure import Failure, FailureKind

OPENAI, RESPONSES, ANTHROPIC = "openai_chat", "openai_responses", "anthropic_messages"
GEMINI, ZERO = "gemini", "candidatesTokenCount"  # which is omitted if 0
BILLION = 10**9


def answer_of(dialect: str, usage: object = None, **message: Any) -> dict[str, Any]:
    if dialect == OPENAI:
        words = {"role": "assistant", "content": "Aye — 港口", **message}
        choices = [{"index": 0, "message": words, "finish_reason": "stop"}]
        return {"id": "chatcmpl-1", "object": "chat.completion", "model": "m", "choices": choices, "usage": usage}
    if dialect == RESPONSES:
        part = {"type": "output_text", "text": "Aye — 港口", "annotations": []}
        item = {"type": "message", "id": "msg_1", "role": "assistant", "content": [part]}
        head = {"id": "resp_1", "object": "response", "model": "m", "status": "completed", "error": None}
        return {**head, "output": message.get("output", [item]), "usage": usage}
    if dialect == GEMINI:
        candidate = {"content": {"parts": [{"text": "Aye — 港口"}], "role": "model"}, "finishReason": "STOP"}
        return {"candidates": [candidate], "usageMetadata": usage}
    content = message.get("content", [{"type": "text", "text": "Aye — 港口"}])
    ends = {"stop_reason": "end_turn", "stop_sequence": None}
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": content}
    return {**head, **ends, "usage": usage}


def read(dialect: str, usage: object = None, **message: Any) -> AnswerFacts | Failure:
    return DIALECTS[dialect].read_answer(json.dumps(answer_of(dialect, usage, **message)).encode())


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}, Usage(input=7, output=3)),
        ({"prompt_tokens": 7, "completion_tokens": 3}, Usage(input=7, output=3)),
        ({"prompt_tokens": 7, "completion_tokens": 0, "total_tokens": 0}, Usage(input=7)),
        (
            {"prompt_tokens": 100, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 90}},
            Usage(input=10, cache_read=90, output=3),
        ),
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 3,
                "prompt_cache_hit_tokens": 64,
                "prompt_cache_miss_tokens": 36,
            },
            Usage(input=36, cache_read=64, output=3),
        ),
        ({"prompt_tokens": 100, "completion_tokens": 3, "cached_tokens": 5}, Usage(input=95, cache_read=5, output=3)),
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 3,
                "prompt_tokens_details": {"cached_tokens": 20, "cache_write_tokens": 30},
            },
            Usage(input=50, cache_read=20, cache_write_5m=30, output=3),
        ),
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 3,
                "prompt_tokens_details": {"cached_tokens": 0, "cache_creation_input_tokens": 99},
            },
            Usage(input=1, cache_write_5m=99, output=3),
        ),
        (
            {"prompt_tokens": 1, "completion_tokens": 50, "completion_tokens_details": {"reasoning_tokens": 40}},
            Usage(input=1, output=10, reasoning=40),
        ),
        (
            {
                "prompt_tokens": 1,
                "completion_tokens": 10,
                "total_tokens": 51,
                "completion_tokens_details": {"reasoning_tokens": 40},
            },
            Usage(input=1, output=10, reasoning=40),
        ),
        (
            {
                "prompt_tokens": 50,
                "completion_tokens": 30,
                "prompt_tokens_details": {"audio_tokens": 40, "cached_tokens": 20},
                "completion_tokens_details": {"audio_tokens": 25},
            },
            Usage(cache_read=20, audio_in=30, output=5, audio_out=25),
        ),
        ({"prompt_tokens": 7, "completion_tokens": 3, "prompt_tokens_details": None}, Usage(input=7, output=3)),
        ({"prompt_tokens": 7, "completion_tokens": 3, "cost": 0.1, "x": {}}, Usage(input=7, output=3)),
    ],
)
def test_openais_vendors_count_inclusively(usage: object, expected: Usage) -> None:
    assert read(OPENAI, usage) == AnswerFacts(expected)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"input_tokens": 7, "output_tokens": 3}, Usage(input=7, output=3)),
        (
            {"input_tokens": 7, "output_tokens": 3, "cache_read_input_tokens": 90, "cache_creation_input_tokens": 50},
            Usage(input=7, cache_read=90, cache_write_5m=50, output=3),
        ),
        (
            {
                "input_tokens": 7,
                "output_tokens": 3,
                "cache_creation_input_tokens": 50,
                "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 30},
            },
            Usage(input=7, cache_write_5m=20, cache_write_1h=30, output=3),
        ),
        (
            {"input_tokens": 7, "output_tokens": 3, "cache_creation": {"ephemeral_1h_input_tokens": 30}},
            Usage(input=7, cache_write_1h=30, output=3),
        ),
        (
            {"input_tokens": 7, "output_tokens": 30, "output_tokens_details": {"thinking_tokens": 20}},
            Usage(input=7, output=10, reasoning=20),
        ),
        (
            {"input_tokens": 7, "output_tokens": 3, "server_tool_use": {"web_search_requests": 2}},
            Usage(input=7, output=3, web_searches=2),
        ),
        (
            {"input_tokens": 7, "output_tokens": 3, "server_tool_use": None, "cache_creation": None},
            Usage(input=7, output=3),
        ),
    ],
)
def test_anthropics_vendors_count_exclusively(usage: object, expected: Usage) -> None:
    assert read(ANTHROPIC, usage) == AnswerFacts(expected)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}, Usage(input=7, output=3)),
        (
            {
                "input_tokens": 100,
                "output_tokens": 30,
                "input_tokens_details": {"cached_tokens": 20, "cache_write_tokens": 30},
                "output_tokens_details": {"reasoning_tokens": 25},
            },
            Usage(input=50, cache_read=20, cache_write_5m=30, output=5, reasoning=25),
        ),
        ({"input_tokens": 7, "output_tokens": 3, "input_tokens_details": None}, Usage(input=7, output=3)),
    ],
)
def test_vendors_of_responses_count_inclusively(usage: object, expected: Usage) -> None:
    assert read(RESPONSES, usage) == AnswerFacts(expected)


def test_searches_are_counted_from_the_output_or_as_the_vendor_says() -> None:
    actions: list[Any] = [{"type": "search", "query": "q"}, {"type": "open_page", "url": "u"}, None]
    items = [{"type": "web_search_call", "id": "ws", "action": action} for action in actions]
    body = answer_of(RESPONSES, GOOD[RESPONSES], output=[*items, {"type": "web_search_call", "id": "ws"}])
    read_ = DIALECTS[RESPONSES].read_answer(json.dumps(body).encode())
    assert read_ == AnswerFacts(Usage(input=10, output=5, web_searches=3))
    told = {**body, "tool_usage": {"web_search": {"num_requests": 2}}}
    read_ = DIALECTS[RESPONSES].read_answer(json.dumps(told).encode())
    assert read_ == AnswerFacts(Usage(input=10, output=5, web_searches=2))


@pytest.mark.parametrize("status", ["failed", "cancelled", "queued", "in_progress", "odd"])
def test_a_response_that_did_not_come_to_its_end_is_a_failure(status: str) -> None:
    body = json.dumps(answer_of(RESPONSES, GOOD[RESPONSES]) | {"status": status}).encode()
    assert isinstance(DIALECTS[RESPONSES].read_answer(body), Failure)


WRONG: list[Any] = [-1, 1.5, "7", None, True, [], BILLION + 1, 10**40]
GOOD: dict[str, dict[str, Any]] = {
    GEMINI: {"promptTokenCount": 10, "candidatesTokenCount": 5},
    OPENAI: {"prompt_tokens": 10, "completion_tokens": 5},
    RESPONSES: {"input_tokens": 10, "output_tokens": 5},
    ANTHROPIC: {"input_tokens": 10, "output_tokens": 5},
}


@pytest.mark.parametrize(
    ("dialect", "wrong"),
    [
        *(
            (dialect, {name: value})
            for dialect, good in GOOD.items()
            for name in good
            for value in WRONG
            if (name, value) != (ZERO, None)
        ),
        (OPENAI, {"total_tokens": 14}),
        (OPENAI, {"total_tokens": 16}),
        (OPENAI, {"prompt_tokens_details": {"cached_tokens": 11}}),
        (OPENAI, {"prompt_tokens_details": {"cached_tokens": -1}}),
        (OPENAI, {"prompt_tokens_details": {"cached_tokens": 6, "cache_write_tokens": 5}}),
        (OPENAI, {"prompt_tokens_details": {"audio_tokens": -2}}),
        (OPENAI, {"prompt_cache_hit_tokens": 11}),
        (OPENAI, {"completion_tokens_details": {"reasoning_tokens": 6}}),
        (OPENAI, {"completion_tokens_details": {"reasoning_tokens": 3, "audio_tokens": 3}}),
        (OPENAI, {"prompt_tokens_details": []}),
        (RESPONSES, {"total_tokens": 14}),
        (RESPONSES, {"input_tokens_details": {"cached_tokens": 11}}),
        (RESPONSES, {"input_tokens_details": {"cached_tokens": 6, "cache_write_tokens": 5}}),
        (RESPONSES, {"output_tokens_details": {"reasoning_tokens": 6}}),
        (RESPONSES, {"output_tokens_details": {"reasoning_tokens": -1}}),
        (ANTHROPIC, {"cache_read_input_tokens": -1}),
        (ANTHROPIC, {"cache_creation_input_tokens": -1}),
        (ANTHROPIC, {"output_tokens_details": {"thinking_tokens": 6}}),
        (ANTHROPIC, {"server_tool_use": {"web_search_requests": -1}}),
        (
            ANTHROPIC,
            {
                "cache_creation_input_tokens": 9,
                "cache_creation": {"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 3},
            },
        ),
    ],
)
def test_usage_that_does_not_add_up_is_quarantined_and_the_text_counted(dialect: str, wrong: dict[str, Any]) -> None:
    assert read(dialect, {**GOOD[dialect], **wrong}) == AnswerFacts(None, len("Aye — 港口".encode()), quarantined=True)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("usage", [None, {}])
def test_no_usage_is_no_quarantine(dialect: str, usage: object) -> None:
    assert read(dialect, usage) == AnswerFacts(None, len("Aye — 港口".encode()), quarantined=False)


def test_all_that_was_generated_is_counted() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "tide", "arguments": '{"a":1}'}}
    assert read(OPENAI, content=None, reasoning_content="12345", tool_calls=[call, call]) == AnswerFacts(
        None, 5 + 2 * 7
    )
    assert read(OPENAI, content=None, refusal="No.") == AnswerFacts(None, 3)
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "ab"}]}, {"type": "text", "text": "c"}]
    assert read(OPENAI, content=parts) == AnswerFacts(None, 3)
    items = [
        {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "12345"}]},
        {"type": "function_call", "call_id": "c", "name": "tide", "arguments": '{"a":1}'},
        {"type": "message", "content": [{"type": "refusal", "refusal": "No."}]},
    ]
    assert read(RESPONSES, output=items) == AnswerFacts(None, 5 + 7 + 3)
    blocks = [
        {"type": "thinking", "thinking": "12345", "signature": "s"},
        {"type": "tool_use", "id": "t", "name": "tide", "input": {"a": 1}},
    ]
    assert read(ANTHROPIC, content=blocks) == AnswerFacts(None, 5 + len('{"a": 1}'))


vectors = st.builds(
    Usage,
    **{unit: st.integers(0, 10**6) for unit in ("input", "cache_read", "cache_write_5m", "output", "reasoning")},
)


@given(vectors, st.integers(0, 10**6), st.integers(0, 50))
def test_each_dialect_reads_what_it_writes(usage: Usage, more: int, searches: int) -> None:
    assert read(OPENAI, openai.write_usage(usage)) == AnswerFacts(usage)
    assert read(RESPONSES, responses.write_usage(usage)) == AnswerFacts(usage)
    fuller = Usage(
        input=usage.input,
        cache_read=usage.cache_read,
        cache_write_5m=usage.cache_write_5m,
        cache_write_1h=more,
        output=usage.output,
        reasoning=usage.reasoning,
        web_searches=searches,
    )
    assert read(ANTHROPIC, anthropic.write_usage(fuller)) == AnswerFacts(fuller)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"Bad gateway",
        b'{"id":1',
        b'{"choices":[],"content":null}',
        b'{"choices":"x","type":"message","content":"x"}',
        b'{"choices":[7],"type":"message","content":[7]}',
        b'{"choices":[{"message":{"content":"\xff"}}],"type":"message","content":[{"text":"\xff"}]}',
        b'{"a":' + b"[" * 100_000,
        b'data: {"choices":[]}\n\n',
    ],
)
def test_what_is_no_answer_is_garbage(body: bytes) -> None:
    for dialect in DIALECTS:
        read_ = DIALECTS[dialect].read_answer(body)
        assert isinstance(read_, Failure), dialect
        assert read_.kind is FailureKind.GARBAGE, dialect


def test_an_error_under_a_200_is_a_failure() -> None:
    error = {"error": {"message": "Overloaded", "type": "overloaded_error", "code": None}}
    with_choices = answer_of(OPENAI, GOOD[OPENAI]) | error
    for dialect, body in (
        (OPENAI, error),
        (OPENAI, with_choices),
        (OPENAI, {"object": "error", "message": "Overloaded", "code": "overloaded"}),
        (RESPONSES, error),
        (RESPONSES, answer_of(RESPONSES, GOOD[RESPONSES]) | error),
        (ANTHROPIC, {"type": "error", **error}),
        (ANTHROPIC, error),
    ):
        read_ = DIALECTS[dialect].read_answer(json.dumps(body).encode())
        assert isinstance(read_, Failure)
        assert (read_.kind, read_.message) == (FailureKind.OVERLOADED, "Overloaded")


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("indent", [None, 2])
def test_the_cost_is_added_to_the_usage_and_no_other_byte_changes(dialect: str, indent: int | None) -> None:
    body = json.dumps(answer_of(dialect, GOOD[dialect]), indent=indent, ensure_ascii=False).encode()
    priced = DIALECTS[dialect].price_answer(body, "0.000000150")
    assert json.loads(priced)["usageMetadata" if dialect == GEMINI else "usage"] == {**GOOD[dialect], "cost": 1.5e-7}
    assert priced.replace(b',"cost":0.000000150', b"") == body


@pytest.mark.parametrize("dialect", DIALECTS)
def test_without_usage_there_is_no_place_for_the_cost(dialect: str) -> None:
    body = json.dumps(answer_of(dialect)).encode()
    assert DIALECTS[dialect].price_answer(body, "0.1") == body


def test_R1_a_choice_without_a_message_is_no_answer() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    said = {"index": 0, "message": {"content": "Aye."}, "finish_reason": "stop"}
    ended = {"index": 0, "finish_reason": "stop"}
    for choices in (
        [ended],
        [ended | {"message": None}],
        [ended | {"delta": {"content": "Aye."}}],
        [ended | {"message": "Aye."}],
        [said, ended],
    ):
        for body in ({"choices": choices, "usage": usage}, {"choices": choices}):
            answer = DIALECTS[OPENAI].read_answer(json.dumps(body).encode())
            assert isinstance(answer, Failure), choices
            assert answer.kind is FailureKind.GARBAGE
    failed = {"choices": [ended | {"error": {"code": 429, "message": "Slow down."}}], "usage": usage}
    answer = DIALECTS[OPENAI].read_answer(json.dumps(failed).encode())
    assert isinstance(answer, Failure)
    assert answer.kind is FailureKind.RATE_LIMIT
    empty = {"choices": [said | {"message": {"role": "assistant", "content": None}}], "usage": usage}
    assert isinstance(DIALECTS[OPENAI].read_answer(json.dumps(empty).encode()), AnswerFacts)
