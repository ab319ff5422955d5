"""Repeated call ids: made unique, because neither vendors nor clients could tell their results apart."""

import json
from typing import Any

import pytest
from tests.wire.translated_requests import CALL, LOOP, OPENAI, TIDE, client_request

from tokenharbor.wire import DIALECTS, PROVIDER_DIALECTS
from tokenharbor.wire.fitting.unique_call_ids import unique_call_ids
from tokenharbor.wire.neutral.chat import Message, ToolCall, ToolResult, VendorOptions
from tokenharbor.wire.neutral.dialect import NO_CONTEXT

ORDER = VendorOptions("up", stream=False, max_output=None, most_output=9, capabilities=frozenset({"tools"}))


def loop(*results: str) -> list[dict[str, Any]]:
    """Return the same id twice in one answer."""
    calls = {"role": "assistant", "content": None, "tool_calls": [CALL, CALL]}
    given = [{"role": "tool", "tool_call_id": "c1", "content": result} for result in results]
    return [{"role": "user", "content": "?"}, calls, *given]


def pairs(messages: tuple[Message, ...]) -> tuple[list[str], dict[str, str]]:
    """Return the ids of the calls, and each result's text by the id of its call."""
    parts = [part for message in messages for part in message.parts]
    said = {part.call_id: part.parts[0].text for part in parts if isinstance(part, ToolResult)}  # type: ignore[union-attr]
    return [part.id for part in parts if isinstance(part, ToolCall)], said


def test_results_stay_with_the_calls_that_they_answer() -> None:
    third = {"role": "tool", "tool_call_id": "c1", "content": "third"}
    again = [*loop("first", "second"), *LOOP[:2], third]
    ids, said = pairs(unique_call_ids(client_request(OPENAI, {"messages": again, "tools": [TIDE]}).messages))
    assert len(set(ids)) == 3
    assert ids[0] == "c1"
    assert [said[id_] for id_ in ids] == ["first", "second", "third"]


def test_a_call_that_was_never_answered_takes_no_later_result() -> None:
    messages = [*LOOP[:2], {"role": "user", "content": "Never mind."}, *LOOP]
    ids, said = pairs(unique_call_ids(client_request(OPENAI, {"messages": messages, "tools": [TIDE]}).messages))
    assert said == {ids[1]: "high"}


def test_a_made_id_is_none_that_is_there_already() -> None:
    other = {**CALL, "id": "c1_2"}
    messages = [*LOOP, {"role": "assistant", "content": None, "tool_calls": [other, CALL]}]
    ids, _ = pairs(unique_call_ids(client_request(OPENAI, {"messages": messages, "tools": [TIDE]}).messages))
    assert len(set(ids)) == 3


def test_a_conversation_without_repeats_is_the_same_one() -> None:
    messages = client_request(OPENAI, {"messages": LOOP, "tools": [TIDE]}).messages
    assert unique_call_ids(messages) is messages


@pytest.mark.parametrize("dialect", sorted(PROVIDER_DIALECTS.keys() - {"gemini"}))  # which goes by names and order
def test_no_vendor_is_told_an_id_twice(dialect: str) -> None:
    chat = client_request(OPENAI, {"messages": [*LOOP, *loop("first", "second")], "tools": [TIDE]})
    body = PROVIDER_DIALECTS[dialect].write_chat(chat, ORDER).decode()
    assert all(body.count(f'"{id_}"') == 2 for id_ in ("c1", "c1_2", "c1_3"))


@pytest.mark.parametrize("client", DIALECTS)
def test_no_client_is_told_an_id_twice(client: str) -> None:
    message = {"role": "assistant", "content": None, "tool_calls": [CALL, CALL]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    events = DIALECTS[OPENAI].read_reply(json.dumps({"id": "1", "model": "m", "choices": [choice]}).encode())
    body = DIALECTS[client].write_reply(events, NO_CONTEXT).decode()
    assert (body.count('"c1"'), body.count('"c1_1"')) == (1, 1)
