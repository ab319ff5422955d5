"""Ids of tool calls: the gateway adds missing ones, and no two answers share one."""

import json
from typing import Any

import pytest
from tests.wire.answers import check_rules

from tokenharbor.wire import DIALECTS
from tokenharbor.wire.neutral.dialect import AnswerFacts, ReplyContext
from tokenharbor.wire.neutral.events import BlockKind, BlockOpened, Event, Note
from tokenharbor.wire.neutral.translate import collect
from tokenharbor.wire.neutral.translator import Translation

OPENAI, ANTHROPIC, GEMINI = "openai_chat", "anthropic_messages", "gemini"
FUNCTION = {"function": {"name": "tide", "arguments": "{}"}}
USE = {"type": "tool_use", "name": "tide", "input": {}}
SIGNED = {"functionCall": {"name": "tide", "args": {}}, "thoughtSignature": "c2lnbmVk"}
WHOLE: dict[str, dict[str, Any]] = {
    OPENAI: {"choices": [{"message": {"tool_calls": [FUNCTION, FUNCTION]}, "finish_reason": "tool_calls"}]},
    ANTHROPIC: {"type": "message", "content": [USE, USE], "stop_reason": "tool_use"},
    GEMINI: {"candidates": [{"content": {"parts": [SIGNED, SIGNED]}, "finishReason": "STOP"}]},
}
STREAM: dict[str, list[dict[str, Any] | str]] = {
    OPENAI: [
        {"choices": [{"delta": {"tool_calls": [{"index": n, **FUNCTION} for n in range(2)]}}]},
        {"choices": [{"delta": {}, "finish_reason": "tool_calls"}]},
        "[DONE]",
    ],
    ANTHROPIC: [
        {"type": "message_start", "message": {}},
        {"type": "content_block_start", "index": 0, "content_block": USE},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": USE},
        {"type": "content_block_stop", "index": 1},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
        {"type": "message_stop"},
    ],
    GEMINI: [WHOLE[GEMINI]],
}


def sse(events: list[dict[str, Any] | str]) -> bytes:
    lines = [event if isinstance(event, str) else json.dumps(event) for event in events]
    return b"".join(b"data: %b\n\n" % line.encode() for line in lines)


def calls(events: list[Event]) -> list[str]:
    return [event.call_id for event in events if isinstance(event, BlockOpened) and event.kind is BlockKind.TOOL_CALL]


def told(vendor: str, request_id: str, *, stream: bool, kept: list[tuple[str, tuple[Note, ...]]]) -> list[str]:
    """The ids that a client of Messages sees."""
    client = DIALECTS[ANTHROPIC]
    recipient = ReplyContext(id=request_id, model="m")
    translation = Translation(DIALECTS[vendor], client, recipient, lambda *notes: kept.append(notes))
    if not stream:
        answer = translation.read_answer(json.dumps(WHOLE[vendor]).encode())
        assert isinstance(answer, AnswerFacts)
        return calls(list(client.read_reply(answer.body or b"")))
    splicer = translation.splicer()
    out = splicer.feed(sse(STREAM[vendor])) + splicer.close() + splicer.ending()
    reader = client.reader()
    return calls([*reader.feed(out), *reader.close()])


@pytest.mark.parametrize("vendor", WHOLE)
@pytest.mark.parametrize("stream", [True, False])
def test_R9_calls_of_answers_without_any_id_have_ids_of_their_own(vendor: str, stream: bool) -> None:
    kept: list[tuple[str, tuple[Note, ...]]] = []
    ids = [*told(vendor, "req_one", stream=stream, kept=kept), *told(vendor, "req_two", stream=stream, kept=kept)]
    assert len(ids) == len({*ids}) == 4
    assert all(ids)
    if vendor == GEMINI:
        assert [call_id for call_id, _ in kept] == ids, "what came with a call is found by the id that the client has"


def test_R9_the_same_answer_id_twice_does_not_join_two_answers() -> None:
    for vendor, body in WHOLE.items():
        data = json.dumps(body | {"id": "same", "responseId": "same"}).encode()
        told: list[str] = []
        for request_id in ("req_one", "req_two"):
            answer = Translation(DIALECTS[vendor], DIALECTS[OPENAI], ReplyContext(id=request_id)).read_answer(data)
            assert isinstance(answer, AnswerFacts)
            told += calls(list(DIALECTS[OPENAI].read_reply(answer.body or b"")))
        assert len({*told}) == 4


def test_a_call_without_a_name_is_no_answer() -> None:
    nameless = {"id": "a", "type": "message", "content": [{"type": "tool_use", "id": "t"}], "stop_reason": "tool_use"}
    assert DIALECTS[ANTHROPIC].read_reply(json.dumps(nameless).encode()).failure is not None


def streamed(*pieces: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The calls of a chat stream."""
    chunks: list[dict[str, Any] | str] = [{"choices": [{"delta": {"tool_calls": [piece]}}]} for piece in pieces]
    chunks += [{"choices": [{"delta": {}, "finish_reason": "tool_calls"}]}, "[DONE]"]
    reader = DIALECTS[OPENAI].reader()
    events = [*reader.feed(sse(chunks)), *reader.close()]
    check_rules(events)
    return [(block.call_id, block.name, block.text) for block in collect(events).blocks]


def piece(
    name: str | None = None, arguments: str | None = None, index: int = 0, id_: str | None = None
) -> dict[str, Any]:
    return {"index": index, "id": id_, "function": {"name": name, "arguments": arguments}}


def test_a_name_in_pieces_is_whole() -> None:
    assert streamed(piece("get_", "", id_="a"), piece("tide", ""), piece(None, "{}")) == [("a", "get_tide", "{}")]
    assert streamed(piece("get_", id_="a"), piece("tide", id_="a")) == [("a", "get_tide", "")], "and no arguments"


def test_a_name_that_is_repeated_is_said_once() -> None:
    again = [piece("tide", "", id_="a"), piece("tide", '{"a"', id_="a"), piece("tide", ":1}", id_="a")]
    assert streamed(*again) == [("a", "tide", '{"a":1}')]


def test_calls_stay_in_their_order_whichever_arguments_come_first() -> None:
    first, second = piece("one", "", id_="a"), piece("two", "", 1, "b")
    said = streamed(first, second, piece(None, "[2]", 1), piece(None, "[1]"))
    assert said == [("a", "one", "[1]"), ("b", "two", "[2]")]
