"""The usage recorded from a stream as it passes, and the cost that callers get."""

import json

import pytest
from tests.wire.spliced_streams import ANTHROPIC, OPENAI, RESPONSES, events, splice_stream, splicer, whole
from tests.wire.splits import tape

from tokenharbor.kernel.usage import Usage


def test_the_usage_chunk_that_we_asked_for_is_removed_alone() -> None:
    frames = events(tape(OPENAI, "text"))
    result = whole(OPENAI, "text", hide_usage=True)
    assert result.left + result.ending == b"".join(frames[:-2] + frames[-1:])
    assert result.usage == Usage(input=67, cache_read=1152, output=17)


def test_usage_that_shares_its_chunk_is_left_in_place() -> None:
    for name in ("reasoning", "usage_in_choice", "same_index_tools"):
        result = whole(OPENAI, name, hide_usage=True)
        assert result.left + result.ending == tape(OPENAI, name)


@pytest.mark.parametrize(
    ("dialect", "name", "usage"),
    [
        (OPENAI, "reasoning", Usage(input=14, output=3, reasoning=6)),
        (OPENAI, "usage_in_choice", Usage(input=6, cache_read=24, output=3)),
        (OPENAI, "same_index_tools", Usage(input=70, output=22, reasoning=31)),
        (RESPONSES, "text", Usage(input=67, cache_read=1152, output=17)),
        (RESPONSES, "reasoning_tools", Usage(input=88, output=27, reasoning=48)),
        (RESPONSES, "web_search", Usage(input=9812, output=77, web_searches=1)),
        (ANTHROPIC, "text", Usage(input=21, output=12)),
        (
            ANTHROPIC,
            "thinking_tools",
            Usage(input=4, cache_read=18800, cache_write_5m=300, cache_write_1h=2000, output=85, reasoning=48),
        ),
        (ANTHROPIC, "web_search", Usage(input=9812, output=77, web_searches=1)),
        (ANTHROPIC, "late_counts", Usage(input=33, cache_read=11, output=4)),
    ],
)
def test_the_vendors_usage_is_noted_disjoint(dialect: str, name: str, usage: Usage) -> None:
    assert whole(dialect, name).usage == usage


def test_the_input_is_known_from_the_start_where_the_dialect_says_it() -> None:
    result = whole(ANTHROPIC, "cut_off")
    assert result.usage_so_far == Usage(input=21)
    assert result.usage is None
    assert whole(OPENAI, "cut_off").usage_so_far is None
    without_output = tape(ANTHROPIC, "cut_off").replace(b'"output_tokens":1,', b"")
    assert splice_stream(splicer(ANTHROPIC), [without_output]).usage_so_far == Usage(input=21)


def test_the_text_is_counted_as_it_leaves() -> None:
    assert whole(OPENAI, "text").text_bytes == len("The harbour is open — 港口.".encode())
    assert whole(OPENAI, "reasoning").text_bytes == len("Two plus two4")
    assert whole(OPENAI, "parallel_tools").text_bytes == 2 * len('{"port":"Brest"}')
    assert whole(OPENAI, "refusal").text_bytes == len("I can't help with that.")
    assert whole(RESPONSES, "text").text_bytes == len("The harbour is open — 港口.".encode())
    assert whole(RESPONSES, "custom_tool").text_bytes == len("*** Begin Patch\n*** End Patch\n")
    assert whole(RESPONSES, "whole_items").text_bytes == len('Aye.{"port":"Brest"}')
    assert whole(ANTHROPIC, "text").text_bytes == len("The harbour is open — 港口.".encode())
    text = "Two ports, two calls." + "Looking." + 2 * '{"port": "Brest"}'
    assert whole(ANTHROPIC, "thinking_tools").text_bytes == len(text)


def test_text_that_is_held_back_is_counted_apart() -> None:
    finish = b'"delta":{},"logprobs":null,"finish_reason":"stop"'
    stream = tape(OPENAI, "text").replace(finish, finish.replace(b"{}", b'{"content":"!!"}'))
    spliced = splicer(OPENAI)
    left = spliced.feed(stream)
    assert b"!!" in spliced.ending()
    assert b"!!" not in left
    assert spliced.text_bytes == whole(OPENAI, "text").text_bytes
    assert spliced.ending_text_bytes == 2


@pytest.mark.parametrize(
    "usage",
    [
        b'{"prompt_tokens":-1,"completion_tokens":2,"total_tokens":1}',
        b'{"prompt_tokens":5,"completion_tokens":2,"total_tokens":9}',
        b'{"prompt_tokens":5,"completion_tokens":"2","total_tokens":7}',
        b'{"prompt_tokens":5,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":6}}',
        b"[1,2,3]",
    ],
)
def test_usage_that_does_not_add_up_is_quarantined_and_the_answer_goes_on(usage: bytes) -> None:
    stream = b"".join(events(tape(OPENAI, "text"))[:-2])
    stream += b'data: {"choices":[],"usage":' + usage + b"}\n\ndata: [DONE]\n\n"
    result = splice_stream(splicer(OPENAI), [stream])
    assert (result.usage, result.quarantined, result.complete, result.failure) == (None, True, True, None)


@pytest.mark.parametrize(
    "usage", [b'{"tokens":5}', b'{"output_tokens":-1}', b'{"output_tokens":"5"}', b'{"input_tokens":7}', b"[1,2,3]"]
)
def test_an_output_count_that_never_came_is_not_taken_from_the_start(usage: bytes) -> None:
    stream = tape(ANTHROPIC, "text").replace(b'{"output_tokens":12}', usage)
    result = splice_stream(splicer(ANTHROPIC), [stream])
    assert (result.usage, result.quarantined, result.complete) == (None, True, True)
    assert result.usage_so_far == Usage(input=21)


def test_the_last_usage_counts() -> None:
    usage = b'"usage":{"prompt_tokens":5,"completion_tokens":%d}'
    stream = tape(OPENAI, "cut_off").replace(b'"usage":null', usage % 1)
    stream += b'data: {"choices":[{"delta":{},"finish_reason":"stop"}],' + usage % 2 + b"}\n\ndata: [DONE]\n\n"
    spliced = splicer(OPENAI)
    left = spliced.feed(stream)
    assert spliced.usage == Usage(input=5, output=2)
    assert left == b"".join(events(stream)[:2])
    assert spliced.ending("0.5") == b"".join(events(stream)[2:]).replace(b":2}}", b':2,"cost":0.5}}')


def test_a_usage_chunk_without_choices_is_ours_too() -> None:
    frames = events(tape(OPENAI, "text"))
    frames[-2] = b'data: {"id":"x","usage":{"prompt_tokens":5,"completion_tokens":2}}\n\n'
    hidden = splice_stream(splicer(OPENAI, hide_usage=True), frames)
    assert hidden.left + hidden.ending == b"".join(frames[:-2] + frames[-1:])
    shown = splice_stream(splicer(OPENAI), frames)
    assert shown.left + shown.ending == b"".join(frames)
    assert hidden.usage == shown.usage == Usage(input=5, output=2)


def test_no_usage_is_no_quarantine() -> None:
    frames = events(tape(OPENAI, "text"))
    result = splice_stream(splicer(OPENAI), [b"".join(frames[:-2] + frames[-1:])])
    assert (result.usage, result.quarantined, result.complete) == (None, False, True)


def test_the_cost_stands_in_the_usage_when_it_was_asked_for() -> None:
    spliced = splicer(OPENAI, hide_usage=True, include_cost=True)
    left = spliced.feed(tape(OPENAI, "text"))
    usage = json.loads(events(spliced.ending("0.000012345"))[-2].removeprefix(b"data: "))["usage"]
    assert usage["cost"] == pytest.approx(0.000012345)
    assert (left + spliced.ending("0.000012345")).replace(b',"cost":0.000012345', b"") == tape(OPENAI, "text")


@pytest.mark.parametrize("name", ["text", "web_search"])
def test_the_cost_stands_in_the_last_usage_of_a_message(name: str) -> None:
    spliced = splicer(ANTHROPIC, include_cost=True)
    left = spliced.feed(tape(ANTHROPIC, name))
    ending = spliced.ending("0.100000000")
    assert b'"cost":0.100000000}' in events(ending)[0]
    assert (left + ending).replace(b',"cost":0.100000000', b"") == tape(ANTHROPIC, name)


def test_a_vendors_own_cost_is_replaced() -> None:
    stream = tape(OPENAI, "reasoning").replace(b'"prompt_cache_hit_tokens":0', b'"cost":9.9')
    spliced = splicer(OPENAI)
    spliced.feed(stream)
    assert b'"cost":0.1' in spliced.ending("0.1")
    assert b"9.9" not in spliced.ending("0.1")


def test_the_cost_stands_in_the_usage_of_the_response_that_closes_the_answer() -> None:
    spliced = splicer(RESPONSES, include_cost=True)
    left = spliced.feed(tape(RESPONSES, "text"))
    ending = spliced.ending("0.100000000")
    assert json.loads(ending.split(b"data: ")[1])["response"]["usage"]["cost"] == pytest.approx(0.1)
    assert (left + ending).replace(b',"cost":0.100000000', b"") == tape(RESPONSES, "text")


@pytest.mark.parametrize(
    ("five_minutes", "hour", "total", "expected"),
    [
        (300, 0, 500, Usage(input=21, cache_write_5m=500, output=1)),
        (0, 300, 500, Usage(input=21, cache_write_1h=500, output=1)),
        (300, 200, 500, Usage(input=21, cache_write_5m=300, cache_write_1h=200, output=1)),
        (300, 100, 500, None),
    ],
)
def test_what_is_written_to_the_cache_may_grow(
    five_minutes: int, hour: int, total: int, expected: Usage | None
) -> None:
    stream = tape(ANTHROPIC, "refusal")
    for name, count in (
        (b"cache_creation_input_tokens", five_minutes + hour),
        (b"ephemeral_5m_input_tokens", five_minutes),
        (b"ephemeral_1h_input_tokens", hour),
    ):
        stream = stream.replace(b'"%b":0' % name, b'"%b":%d' % (name, count))
    last = b'"usage":{"output_tokens":1}'
    stream = stream.replace(last, b'"usage":{"output_tokens":1,"cache_creation_input_tokens":%d}' % total)
    result = splice_stream(splicer(ANTHROPIC), [stream])
    assert (result.usage, result.quarantined) == (expected, expected is None)
