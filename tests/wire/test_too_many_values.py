"""JSON that grows when decoded: refused before decoding, and accepted JSON takes only a few times its bytes."""

import functools
import tracemalloc
from collections.abc import Callable, Mapping

import msgspec
import pytest

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire import DIALECTS
from tokenharbor.wire.dialects.anthropic_messages.media import MediaTally, _Block
from tokenharbor.wire.framing.body import UnreadableError, scan
from tokenharbor.wire.neutral.dialect import ModelInPath
from tokenharbor.wire.neutral.failure import Failure, FailureKind
from tokenharbor.wire.neutral.request import Request

MIB = 1 << 20
EACH_DIALECT = pytest.mark.parametrize("dialect", sorted(DIALECTS))
PLACE = ModelInPath("m", stream=False)
CONVERSATIONS = {"openai_responses": b"input", "gemini": b"contents"}


def request(*members: bytes) -> bytes:
    return b'{"model":"m","max_tokens":1,%b}' % b",".join(members)


def said(dialect: str, body: bytes) -> bytes:
    """Return the same body with the dialect's names of the conversation and its content."""
    named = body.replace(b'"messages":', b'"%b":' % CONVERSATIONS.get(dialect, b"messages"))
    if dialect != "gemini":
        return named
    return named.replace(b'"content":"', b'"parts":[],"later":"').replace(b'"content":', b'"parts":')


def many(piece: bytes, count: int) -> bytes:
    return b",".join([piece] * count)


@functools.cache
def names(count: int) -> bytes:
    return b",".join(b'"n%d":1' % number for number in range(count))


SWOLLEN: Mapping[str, Callable[[], bytes]] = {
    "messages": lambda: request(b'"messages":[%b]' % many(b"{}", 1_000_001)),
    "parts": lambda: request(b'"messages":[{"content":[%b]}]' % many(b"{}", 1_000_001)),
    "names in messages": lambda: request(b'"messages":[{"content":[{%b}]}]' % names(1_000_001)),
    "names in metadata": lambda: request(b'"messages":[],"metadata":{%b}' % names(1_000_001)),
    "names": lambda: request(b'"messages":[]', names(1_001)),
    "names with blanks": lambda: request(b'"messages": []', names(1_001)),
    "very many names": lambda: request(b'"messages":[]', names(1_000_001)),
    "tools": lambda: request(b'"messages":[]', b'"tools":[%b]' % many(b"{}", 50_001)),
    "schemas": lambda: request(b'"messages":[]', b'"tools":[{"a":[%b]}]' % many(b"{}", 50_001)),
}


@EACH_DIALECT
@pytest.mark.parametrize("name", SWOLLEN)
def test_a_request_that_would_swell_is_refused(dialect: str, name: str) -> None:
    with pytest.raises(InvalidRequest, match="more than") as caught:
        DIALECTS[dialect].read_request(said(dialect, SWOLLEN[name]()), PLACE)
    assert len(caught.value.message) < 200


def test_F12_too_many_keys_are_refused_without_being_read() -> None:
    """At the cost of a thousand keys, for any count."""
    body = request(b'"messages":[]', names(900_000))
    tracemalloc.start()
    try:
        with pytest.raises(InvalidRequest, match="more than"):
            DIALECTS["openai_chat"].read_request(body)
        assert tracemalloc.get_traced_memory()[1] < MIB
    finally:
        tracemalloc.stop()


@EACH_DIALECT
def test_what_agents_send_is_far_from_that(dialect: str) -> None:
    tool = b'{"type":"custom","name":"t","input_schema":{"type":"object","properties":{"a":{},"b":{},"c":{}}}}'
    if dialect == "gemini":
        tool = b'{"functionDeclarations":[{"name":"t","parameters":{"type":"object","properties":{"a":{},"b":{}}}}]}'
    text = b"if (a) { b: c } " * 50_000  # a source file of 800 kB in a string
    body = request(
        b'"messages":[%b]' % many(b'{"role":"user","content":[{"type":"text","text":"%b"}]}' % text, 4),
        b'"tools":[%b]' % many(tool, 5_000),
        names(900),
    )
    body = body if dialect != "gemini" else body.replace(b'"content":[{"type":"text",', b'"parts":[{')
    read = DIALECTS[dialect].read_request(said(dialect, body), PLACE)
    assert read.size.text_bytes > 3 * MIB


@EACH_DIALECT
def test_reading_takes_a_few_times_the_bodys_bytes_and_no_more(dialect: str) -> None:
    long_name = rb"\"" * MIB
    for body in (
        request(b'"messages": []', b'"%b":1' % long_name),
        request(b'"messages": [{"role":"user","content":"%b"}]' % (rb"\"" * MIB)),
        request(b'"messages": []', b" " * 2 * MIB + b'"novel":[%b]' % many(b"[]", MIB // 2)),
    ):
        tracemalloc.start()
        try:
            assert isinstance(DIALECTS[dialect].read_request(said(dialect, body), PLACE), Request)
            assert tracemalloc.get_traced_memory()[1] < 4 * len(body)
        finally:
            tracemalloc.stop()


def test_a_name_of_escapes_is_found_and_a_repeated_one_refused() -> None:
    name = rb"\"\\\u0041" * 1_000
    assert list(scan(b'{ "%b" : 1 }' % name)) == ['"\\A' * 1_000]
    with pytest.raises(UnreadableError) as refused:
        scan(b'{ "%b" : 1, "%b" : 2 }' % (name, name))
    assert (refused.value.name or "").startswith('"\\A')


def test_blocks_in_blocks_are_counted_however_deep() -> None:
    """The decoder's depth is the interpreter's; our count does not depend on it."""
    block = _Block(type="image", source="x")
    for _ in range(100_000):
        block = _Block(type="tool_result", content=[block])
    tally = MediaTally()
    tally.add([block])
    assert tally.media.images == 1
    while isinstance(block.content, list):  # taken apart, since the interpreter frees it with recursion
        inner = block.content.pop()
        assert isinstance(inner, _Block)
        block = inner


@EACH_DIALECT
def test_an_answer_that_would_swell_is_none(dialect: str) -> None:
    fields = {
        "openai_chat": b"choices",
        "openai_responses": b"output",
        "anthropic_messages": b'type":"message","content',
        "gemini": b"candidates",
    }
    body = b'{"%b":[%b],"usage":{"input_tokens":"x"}}' % (fields[dialect], many(b"{}", 1_000_001))
    read = DIALECTS[dialect].read_answer(body)
    assert isinstance(read, Failure)
    assert read.kind is FailureKind.GARBAGE


@pytest.mark.parametrize("depth", [1, 2, 400, 480, 485, 490, 495])
def test_thinking_in_thinking_is_an_answer_or_garbage(depth: int) -> None:
    """Never an internal error, at whatever depth the decoder gives up."""
    thinking = b'[{"thinking":' * depth + b'"x"' + b"}]" * depth
    read = DIALECTS["openai_chat"].read_answer(b'{"choices":[{"message":{"content":%b}}]}' % thinking)
    assert not isinstance(read, Failure) or read.kind is FailureKind.GARBAGE
    if depth == 1:
        assert isinstance(read, msgspec.Struct)
        assert not isinstance(read, Failure)
        assert read.text_bytes == 1
