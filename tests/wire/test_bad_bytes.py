"""Vendors' bytes that are not UTF-8: the answer is unreadable, even if they are in members that stay unread."""

import pytest

from tokenharbor.wire import DIALECTS
from tokenharbor.wire.neutral.events import Failed
from tokenharbor.wire.neutral.failure import FailureKind

BAD = b'{"x":"\xff"}'
WHOLE = {
    "openai_chat": b'{"choices":[{"message":{"content":"a","reasoning_details":%b},"finish_reason":"stop"}]}',
    "openai_responses": (
        b'{"status":"completed","output":[{"type":"reasoning","encrypted_content":"e","summary":[],"x":%b}]}'
    ),
    "gemini": b'{"candidates":[{"content":{"parts":[{"text":"a","x":%b}]},"finishReason":"STOP"}]}',
    "anthropic_messages": (
        b'{"type":"message","content":[{"type":"tool_use","id":"t","name":"f","input":%b}],"stop_reason":"tool_use"}'
    ),
}
STREAM = {
    "openai_chat": [b'{"choices":[{"index":0,"delta":{"content":"a","reasoning_details":%b}}]}'],
    "openai_responses": [
        b'{"type":"response.created","response":{"id":"r","model":"m"}}',
        b'{"type":"response.output_item.done","item":{"type":"message","content":[],"x":%b}}',
    ],
    "gemini": [b'{"candidates":[{"content":{"parts":[{"text":"a","x":%b}]}}]}'],
    "anthropic_messages": [
        b'{"type":"message_start","message":{"id":"m"}}',
        b'{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"f","input":%b}}',
    ],
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_whole_answer(dialect: str) -> None:
    wire = DIALECTS[dialect]
    (*_, end) = wire.read_reply(WHOLE[dialect] % BAD)
    assert isinstance(end, Failed)
    assert end.failure.kind is FailureKind.GARBAGE
    (*_, end) = wire.read_reply(WHOLE[dialect] % b'{"x":"\xc3\xbf"}')
    assert not isinstance(end, Failed)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_stream(dialect: str) -> None:
    reader = DIALECTS[dialect].reader()
    *before, last = STREAM[dialect]
    for data in before:
        assert not any(isinstance(event, Failed) for event in reader.feed(b"data: %b\n\n" % data))
    (*_, end) = reader.feed(b"data: %b\n\n" % (last % BAD))
    assert isinstance(end, Failed)
    assert end.failure.kind is FailureKind.GARBAGE
