"""Lone surrogates in vendors' JSON: read as U+FFFD, and passed on unchanged within a dialect."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.splits import cut, places

from tokenharbor.wire import DIALECTS
from tokenharbor.wire.framing.sse import SseFramer
from tokenharbor.wire.framing.surrogates import replace_lone
from tokenharbor.wire.neutral.translate import collect

HIGH, LOW = "\ud83d", "\ude00"
pieces = st.sampled_from([HIGH, LOW, "\\", '"', "u", "d83d", "é", "😀", "a"])
texts = st.lists(pieces, max_size=12).map("".join)


@given(texts)
def test_every_half_is_replaced_and_nothing_else(text: str) -> None:
    joined = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    escaped = json.dumps(text).encode()
    said = json.loads(replace_lone(escaped))
    assert said == joined or said.replace("\ufffd", "") == joined.replace("\ufffd", "")
    said.encode()  # no half is left
    if not any(half in text for half in (HIGH, LOW)):
        assert replace_lone(escaped) == escaped


@given(texts, places)
def test_the_bytes_of_an_event_stay_as_they_came(text: str, where: list[int]) -> None:
    data = json.dumps({"content": text}).encode()
    whole, framer = b"data: %b\n\n" % data, SseFramer()
    frames = [frame for piece in cut(whole, where) for frame in framer.feed(piece)]
    assert [(read, raw) for _, read, raw in frames] == [(replace_lone(data), whole)]


@pytest.mark.parametrize("text", [f"a{HIGH}", f"{LOW}b", HIGH + HIGH, f"{HIGH}{LOW}{LOW}"])
def test_a_chat_answer_with_half_a_character_is_an_answer(text: str) -> None:
    wire = DIALECTS["openai_chat"]
    reader = wire.reader()
    chunks: list[dict[str, object]] = [
        {"choices": [{"delta": {"content": text}}]},
        {"choices": [{"delta": {}, "finish_reason": "stop"}]},
    ]
    lines = b"".join(b"data: %b\n\n" % json.dumps(chunk).encode() for chunk in chunks)
    reply = collect([*reader.feed(lines + b"data: [DONE]\n\n"), *reader.close()])
    assert reply.failure is None
    assert "\ufffd" in reply.blocks[0].text
