"""Every kind of content is counted where the gateway counts itself: in streams, in whole answers,
and between dialects.
"""

import json
from typing import Any

from tests.wire.spliced_streams import ANTHROPIC, GEMINI, OPENAI, RESPONSES, splicer

from tokenharbor.wire import DIALECTS
from tokenharbor.wire.neutral import nontext
from tokenharbor.wire.neutral.dialect import ReplyContext
from tokenharbor.wire.neutral.events import BlockKind
from tokenharbor.wire.neutral.translate import collect
from tokenharbor.wire.neutral.translator import Translation

WORDS = "four"
SEALED = "x" * 5_000
"""Encrypted: 4,200 characters beyond what each such text has around it."""

_CHAT: list[tuple[dict[str, Any], int]] = [
    ({"content": WORDS}, 4),
    ({"reasoning": WORDS}, 4),
    ({"reasoning_content": WORDS}, 4),
    ({"reasoning_text": WORDS}, 4),
    ({"thinking": WORDS, "reasoning_text": WORDS}, 4),
    ({"thinking": WORDS, "reasoning": WORDS, "reasoning_details": [{"type": "reasoning.text", "text": WORDS}]}, 4),
    ({"content": WORDS, "thinking": {"a": "shape"}}, 4),
    ({"refusal": WORDS}, 4),
    ({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": WORDS}}]}, 4),
    ({"reasoning_details": [{"type": "reasoning.text", "text": WORDS}]}, 4),
    ({"reasoning": WORDS, "reasoning_details": [{"type": "reasoning.text", "text": WORDS}]}, 4),
    ({"reasoning_details": [{"type": "reasoning.summary", "summary": WORDS}]}, 4),
    ({"reasoning_details": [{"type": "reasoning.encrypted", "data": SEALED}]}, nontext.encrypted_size(5_000)),
    ({"audio": {"transcript": WORDS, "data": "AAAA"}}, 4),
    ({"audio": {"data": "A" * 8_000}}, 10),
    ({"images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]}, nontext.IMAGE_SIZE),
    ({"content": WORDS, "images": "of a shape that nobody knows"}, 4),
]


def event(data: Any) -> bytes:
    return b"data: %b\n\n" % json.dumps(data).encode()


def test_F4_every_kind_of_content_of_a_chat_counts() -> None:
    for words, size in _CHAT:
        spliced = splicer(OPENAI)
        spliced.feed(event({"choices": [{"index": 0, "delta": {"content": "a"}}]}))
        spliced.feed(event({"choices": [{"index": 0, "delta": words}]}))
        assert spliced.text_bytes == size + 1, words
        whole = {"choices": [{"index": 0, "message": words, "finish_reason": "stop"}]}
        assert DIALECTS[OPENAI].measure(json.dumps(whole).encode()) == size, words


def test_F4_reasoning_by_any_name_is_read_across_dialects() -> None:
    said = {"content": "Aye."}
    for words in ({"thinking": WORDS}, {"reasoning_text": WORDS}, {"reasoning_text": WORDS, "thinking": None}):
        whole = {"choices": [{"index": 0, "message": said | words, "finish_reason": "stop"}]}
        reply = DIALECTS[OPENAI].read_reply(json.dumps(whole).encode())
        expected = [(BlockKind.REASONING, WORDS), (BlockKind.TEXT, "Aye.")]
        assert [(block.kind, block.text) for block in reply.blocks] == expected, words
        reader = DIALECTS[OPENAI].reader()
        pieces = [event({"choices": [{"index": 0, "delta": delta}]}) for delta in (words, said)]
        ending = event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        events = [*reader.feed(b"".join(pieces) + ending), *reader.close()]
        assert [(block.kind, block.text) for block in collect(events).blocks] == expected, words
    odd = {"choices": [{"index": 0, "message": said | {"thinking": {"a": "shape"}}, "finish_reason": "stop"}]}
    assert [block.text for block in DIALECTS[OPENAI].read_reply(json.dumps(odd).encode()).blocks] == ["Aye."]


def test_F4_every_kind_of_block_of_a_message_counts() -> None:
    for start, deltas, size in (
        ({"type": "text", "text": ""}, [{"type": "text_delta", "text": WORDS}], 4),
        ({"type": "thinking", "thinking": ""}, [{"type": "thinking_delta", "thinking": WORDS}], 4),
        (
            {"type": "tool_use", "id": "i", "name": "n", "input": {}},
            [{"type": "input_json_delta", "partial_json": WORDS}],
            4,
        ),
        (
            {"type": "thinking", "thinking": ""},
            [{"type": "signature_delta", "signature": SEALED}],
            nontext.encrypted_size(5_000),
        ),
        (
            {"type": "thinking", "thinking": ""},
            [{"type": "thinking_delta", "thinking": WORDS * 10}, {"type": "signature_delta", "signature": SEALED}],
            nontext.encrypted_size(5_000),
        ),
        ({"type": "redacted_thinking", "data": SEALED}, [], nontext.encrypted_size(5_000)),
        ({"type": "server_tool_use", "id": "i", "name": "n", "input": {"a": 1}}, [], 8),
    ):
        spliced = splicer(ANTHROPIC)
        spliced.feed(event({"type": "message_start", "message": {"id": "x"}}))
        spliced.feed(event({"type": "content_block_start", "index": 0, "content_block": start}))
        for delta in deltas:
            spliced.feed(event({"type": "content_block_delta", "index": 0, "delta": delta}))
        assert spliced.text_bytes == size, start


def test_F4_every_kind_of_part_of_a_gemini_answer_counts() -> None:
    for part, size in (
        ({"text": WORDS}, 4),
        ({"text": WORDS, "thought": True}, 4),
        ({"functionCall": {"name": "f", "args": {"a": 1}}}, 8),
        ({"text": "", "thoughtSignature": SEALED}, nontext.encrypted_size(5_000)),
        ({"inlineData": {"mimeType": "image/png", "data": "AAAA"}}, nontext.IMAGE_SIZE),
        ({"inlineData": {"mimeType": "audio/pcm", "data": "A" * 8_000}}, 10),
    ):
        body = json.dumps({"candidates": [{"content": {"parts": [part]}, "finishReason": "STOP"}]}).encode()
        spliced = splicer(GEMINI)
        spliced.feed(event({"candidates": [{"content": {"parts": [{"text": "a"}]}}]}))
        spliced.feed(event({"candidates": [{"content": {"parts": [part]}}]}))
        assert spliced.text_bytes == size + 1, part
        assert DIALECTS[GEMINI].measure(body) == size, part


def test_F4_every_kind_of_item_of_a_response_counts() -> None:
    for item, size in (
        ({"type": "message", "content": [{"type": "output_text", "text": WORDS}]}, 4),
        ({"type": "message", "content": [{"type": "refusal", "refusal": WORDS}]}, 4),
        ({"type": "function_call", "call_id": "c", "name": "f", "arguments": WORDS}, 4),
        ({"type": "reasoning", "summary": [{"type": "summary_text", "text": WORDS}]}, 4),
        ({"type": "reasoning", "summary": [], "encrypted_content": SEALED}, nontext.encrypted_size(5_000)),
        ({"type": "image_generation_call", "result": "AAAA"}, nontext.IMAGE_SIZE),
    ):
        body = json.dumps({"object": "response", "status": "completed", "output": [item]}).encode()
        assert DIALECTS[RESPONSES].measure(body) == size, item


def test_F4_encrypted_reasoning_and_pictures_count_between_dialects() -> None:
    translation = Translation(DIALECTS[GEMINI], DIALECTS[OPENAI], ReplyContext())
    for part, size in (
        ({"text": "", "thoughtSignature": SEALED}, 0),  # of words: it stands for no reasoning that a client is shown
        ({"inlineData": {"mimeType": "image/png", "data": "AAAA"}}, nontext.IMAGE_SIZE),
    ):
        spliced = translation.splicer()
        spliced.feed(event({"candidates": [{"content": {"parts": [{"text": "a"}]}}]}))
        spliced.feed(event({"candidates": [{"content": {"parts": [part]}}]}))
        assert spliced.text_bytes + spliced.ending_text_bytes == size + 1, part
    translation = Translation(DIALECTS[ANTHROPIC], DIALECTS[OPENAI], ReplyContext())
    spliced = translation.splicer()
    spliced.feed(event({"type": "message_start", "message": {"id": "x", "model": "m"}}))
    spliced.feed(
        event({"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}})
    )
    spliced.feed(
        event({"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": SEALED}})
    )
    assert spliced.text_bytes + spliced.ending_text_bytes == nontext.encrypted_size(5_000)
