"""Vendor-specific notes return through clients of any dialect, and calls have the clients' names of tools."""

import json
from typing import Any

import pytest
from tests.wire.conversations import ORDER
from tests.wire.translated_requests import ANTHROPIC, BUDGETED, CALL, LOOP, OPENAI, client_request, vendor_request

from tokenharbor.wire import DIALECTS
from tokenharbor.wire.neutral.chat import ToolCall
from tokenharbor.wire.neutral.dialect import ReplyContext
from tokenharbor.wire.neutral.events import (
    BlockClosed,
    BlockGrew,
    BlockKind,
    BlockOpened,
    Event,
    Finished,
    FinishReason,
    Note,
    Started,
)
from tokenharbor.wire.neutral.translate import collect


def whole(dialect: str, events: list[Event]) -> Any:
    return json.loads(DIALECTS[dialect].write_reply(events))


def streamed(dialect: str, events: list[Event]) -> list[Event]:
    writer, reader = DIALECTS[dialect].writer(), DIALECTS[dialect].reader()
    return [*reader.feed(b"".join([writer.write(event) for event in events])), *reader.close()]


SIGNED = b'{"type":"thinking","thinking":"Tides turn.","signature":"EqoB+/1="}'
SIGNED_TOO = '{"type":"thinking","thinking":"Twice — a day.","signature":"EqoB+/2="}'.encode()
HIDDEN = b'{"type":"redacted_thinking","data":"EmwK="}'
USE = b'{"type":"tool_use","id":"toolu_1","name":"tide","input":{ "Port" : "Brest" }}'


def thoughtful(*blocks: bytes) -> list[Event]:
    head = b'{"id":"msg_1","type":"message","role":"assistant","model":"c","stop_reason":"tool_use","content":['
    return list(DIALECTS[ANTHROPIC].read_reply(head + b",".join(blocks) + b"]}"))


@pytest.mark.parametrize(
    "blocks", [(SIGNED, USE), (HIDDEN, USE), (SIGNED, SIGNED_TOO, HIDDEN, USE), (HIDDEN, SIGNED, USE)]
)
@pytest.mark.parametrize("in_pieces", [True, False])
def test_signed_thinking_comes_back_to_its_vendor_through_a_client_of_the_other_dialect(
    blocks: tuple[bytes, ...], in_pieces: bool
) -> None:
    events = thoughtful(*blocks)
    message = whole(OPENAI, streamed(OPENAI, events) if in_pieces else events)["choices"][0]["message"]
    said = [LOOP[0], message, {"role": "tool", "tool_call_id": "toolu_1", "content": "high"}]
    body = DIALECTS[ANTHROPIC].write_chat(client_request(OPENAI, {"messages": said, "reasoning_effort": "high"}), ORDER)
    assert b'"content":[' + b",".join(blocks) + b"]" in body
    assert b'"thinking":{' in body


def test_a_turn_that_began_with_signed_thinking_goes_on_with_it() -> None:
    """Not every call within a turn has reasoning before it."""
    given = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "high"}
    again = {**json.loads(USE), "id": "toolu_2"}
    said = [
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": [json.loads(SIGNED), json.loads(USE)]},
        {"role": "user", "content": [given]},
        {"role": "system", "content": "Hurry."},
        {"role": "assistant", "content": [again]},
        {"role": "user", "content": [{**given, "tool_use_id": "toolu_2"}, {"type": "text", "text": "And now?"}]},
    ]
    thinking = {"type": "enabled", "budget_tokens": 2_000}
    assert (
        vendor_request(ANTHROPIC, client_request(ANTHROPIC, {"messages": said, "thinking": thinking}), BUDGETED)[
            "thinking"
        ]
        == thinking
    )
    said[1] = {"role": "assistant", "content": [json.loads(USE)]}
    assert "thinking" not in vendor_request(
        ANTHROPIC, client_request(ANTHROPIC, {"messages": said, "thinking": thinking}), BUDGETED
    )


def test_a_signature_whose_thinking_was_changed_is_left_out() -> None:
    message = whole(OPENAI, thoughtful(SIGNED, USE))["choices"][0]["message"]
    changed = {**message, "reasoning_content": "Something else."}
    out = vendor_request(ANTHROPIC, client_request(OPENAI, {"messages": [LOOP[0], changed]}))
    assert [block["type"] for block in out["messages"][1]["content"]] == ["tool_use"]


DETAILS = [{"type": "reasoning.encrypted", "data": "gAAA"}, {"type": "reasoning.text", "text": "Hm."}]
SIGNATURE = {"google": {"thought_signature": "CsQB"}}


def test_reasoning_details_come_back_to_their_vendor_through_a_client_of_the_other_dialect() -> None:
    message = {"role": "assistant", "content": "High.", "reasoning_content": "Hm.", "reasoning_details": DETAILS}
    reply = {"id": "a", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    answer = whole(ANTHROPIC, list(DIALECTS[OPENAI].read_reply(json.dumps(reply).encode())))
    assert [block["type"] for block in answer["content"]] == ["thinking", "text"]
    said = [LOOP[0], {"role": "assistant", "content": answer["content"]}, {"role": "user", "content": "Sure?"}]
    chat = client_request(ANTHROPIC, {"messages": said})
    back = vendor_request(OPENAI, chat)["messages"][1]
    assert (back["reasoning_content"], back["reasoning_details"], back["content"]) == ("Hm.", DETAILS, "High.")
    assert "thinking" not in json.dumps(vendor_request(ANTHROPIC, chat)["messages"])
    assert "reasoning_details" not in json.dumps(vendor_request(OPENAI, chat, "reasoning"))


def test_thought_signatures_of_calls_stand_beside_them_in_openais_dialect() -> None:
    call = {**CALL, "extra_content": SIGNATURE}
    chat = client_request(OPENAI, {"messages": [LOOP[0], {"role": "assistant", "tool_calls": [call]}]})
    assert vendor_request(OPENAI, chat)["messages"][1]["tool_calls"][0]["extra_content"] == SIGNATURE
    note = Note("elsewhere", "thought", b"raw \xff")
    events: list[Event] = [
        Started("a", "m"),
        BlockOpened(0, BlockKind.TOOL_CALL, "c1", "tide"),
        BlockGrew(0, "{}", (note,)),
        BlockClosed(0),
        Finished(FinishReason.TOOL_CALLS),
    ]
    for answer in (
        events,
        streamed(OPENAI, events),
        list(DIALECTS[OPENAI].read_reply(DIALECTS[OPENAI].write_reply(events))),
    ):
        assert collect(answer).blocks[0].notes == (note,)
        message = whole(OPENAI, answer)["choices"][0]["message"]
        (call_,) = client_request(OPENAI, {"messages": [LOOP[0], message]}).messages[1].parts
        assert isinstance(call_, ToolCall)
        assert call_.notes == (note,)


def test_a_call_of_a_custom_tool_is_answered_as_one() -> None:
    events: list[Event] = [
        Started("a", "m"),
        BlockOpened(0, BlockKind.TOOL_CALL, "c1", "patch", custom=True),
        BlockGrew(0, "*** {x"),
        BlockClosed(0),
        Finished(FinishReason.TOOL_CALLS),
    ]
    for answer in (
        streamed(OPENAI, events),
        DIALECTS[OPENAI].read_reply(DIALECTS[OPENAI].write_reply(events)),
    ):
        (block,) = collect(answer).blocks
        assert (block.custom, block.name, block.text) == (True, "patch", "*** {x")


LONG_NAME = "mcp__" + "harbour_" * 11 + "tide"  # more than 64 characters


def test_names_of_tools_that_a_vendor_would_refuse_are_made_fit_and_come_back_as_they_were() -> None:
    body = {
        "tools": [{"name": LONG_NAME, "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "tool", "name": LONG_NAME},
    }
    request = DIALECTS[ANTHROPIC].read_request(
        json.dumps({"model": "m", "messages": [], "max_tokens": 9, **body}).encode()
    )
    out = vendor_request(OPENAI, client_request(ANTHROPIC, body))
    name = out["tools"][0]["function"]["name"]
    assert len(name) <= 64
    assert out["tool_choice"]["function"]["name"] == name
    events: list[Event] = [
        Started("a", "m"),
        BlockOpened(0, BlockKind.TOOL_CALL, "c1", name),
        BlockClosed(0),
        Finished(FinishReason.TOOL_CALLS),
    ]
    recipient = ReplyContext(request=request)
    writer = DIALECTS[ANTHROPIC].writer(recipient)
    for answer in (b"".join(map(writer.write, events)), DIALECTS[ANTHROPIC].write_reply(events, recipient)):
        assert f'"name":"{LONG_NAME}"'.encode() in answer
