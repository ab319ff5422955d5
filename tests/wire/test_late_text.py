"""Content of a Responses stream that comes only in a later event: it is delivered, or the answer is an error."""

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.answers import meaning

from tokenharbor.wire import DIALECTS
from tokenharbor.wire.neutral.events import Event
from tokenharbor.wire.neutral.failure import FailureKind

WIRE = DIALECTS["openai_responses"]
WHOLE = "The tide turns twice a day."
ARGUMENTS = '{"port":"Brest"}'


def stream(*events: dict[str, Any], output: Iterable[dict[str, Any]] = ()) -> list[Event]:
    head = {"object": "response", "id": "resp_1", "model": "m", "output": []}
    said = [
        {"type": "response.created", "response": head | {"status": "in_progress"}},
        *events,
        {"type": "response.completed", "response": head | {"status": "completed", "output": list(output)}},
    ]
    reader = WIRE.reader()
    data = b"".join(b"event: %s\ndata: %s\n\n" % (e["type"].encode(), json.dumps(e).encode()) for e in said)
    return [*reader.feed(data), *reader.close()]


def message(*parts: str, id_: str = "msg_1") -> dict[str, Any]:
    return {"type": "message", "id": id_, "content": [{"type": "output_text", "text": text} for text in parts]}


def call(arguments: str = "", id_: str = "fc_1") -> dict[str, Any]:
    return {"type": "function_call", "id": id_, "call_id": "call_1", "name": "tide", "arguments": arguments}


def thought(*parts: str) -> dict[str, Any]:
    summary = [{"type": "summary_text", "text": text} for text in parts]
    return {"type": "reasoning", "id": "rs_1", "summary": summary}


def event(kind: str, index: int = 0, **more: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", "output_index": index, "content_index": 0, "summary_index": 0, **more}


def added(item: dict[str, Any], index: int = 0) -> dict[str, Any]:
    return event("output_item.added", index, item=item)


def piece(text: str, index: int = 0) -> dict[str, Any]:
    return event("output_text.delta", index, delta=text)


def test_R10_a_text_that_only_the_whole_answer_holds_is_delivered() -> None:
    assert meaning(stream(added(message()), output=[message(WHOLE)])).text == WHOLE
    assert meaning(stream(added(message()), piece(WHOLE[:8]), output=[message(WHOLE)])).text == WHOLE
    assert meaning(stream(added(message()), piece(WHOLE), output=[message(WHOLE)])).text == WHOLE
    assert meaning(stream(added(message()), piece(WHOLE), output=[])).text == WHOLE, "some list no items there"


@pytest.mark.parametrize("late", ["text", "part", "item"])
def test_R10_a_text_that_only_the_end_of_its_part_or_item_holds_is_delivered(late: str) -> None:
    ends = {
        "text": event("output_text.done", text=WHOLE),
        "part": event("content_part.done", part={"type": "output_text", "text": WHOLE}),
        "item": event("output_item.done", item=message(WHOLE)),
    }
    for pieces in ([], [piece(WHOLE[:5])], [piece(WHOLE[:5]), piece(WHOLE[5:])]):
        assert meaning(stream(added(message()), *pieces, ends[late])).text == WHOLE
        assert meaning(stream(added(message()), *pieces, *ends.values(), output=[message(WHOLE)])).text == WHOLE


def test_R10_arguments_that_come_late_are_delivered() -> None:
    half = event("function_call_arguments.delta", delta=ARGUMENTS[:4])
    done = event("function_call_arguments.done", arguments=ARGUMENTS)
    for events in ([], [half], [done], [half, done], [half, event("output_item.done", item=call(ARGUMENTS))]):
        told = meaning(stream(added(call()), *events, output=[call(ARGUMENTS)]))
        assert [one.arguments for one in told.calls] == [ARGUMENTS]
    assert meaning(stream(added(call()), half, done)).calls[0].arguments == ARGUMENTS


def test_R10_reasoning_and_refusals_that_come_late_are_delivered() -> None:
    late = event("reasoning_summary_text.done", text="Moon.")
    for events in ([], [late], [event("reasoning_summary_text.delta", delta="Mo"), late]):
        told = meaning(stream(added(thought()), *events, output=[thought("Moon.", "Sun.")]))
        assert told.reasoning == "Moon.\n\nSun."
    refused = {"type": "message", "id": "msg_1", "content": [{"type": "refusal", "refusal": "No."}]}
    assert meaning(stream(added(message()), event("refusal.done", refusal="No."), output=[refused])).text == "No."
    assert meaning(stream(added(message()), output=[refused])).text == "No."


def test_R10_an_item_that_no_event_announced_is_delivered() -> None:
    told = meaning(stream(added(thought()), event("output_item.done", item=thought("Moon.")), output=[message(WHOLE)]))
    assert (told.reasoning, told.text) == ("Moon.", WHOLE)


def test_items_of_the_whole_answer_with_other_ids_or_fewer_of_them_are_not_delivered_twice() -> None:
    done = event("output_item.done", 1, item=message(WHOLE))
    said = [added(thought()), added(message(), 1), piece(WHOLE, 1), done]
    for output in ([message(WHOLE)], [message(WHOLE, id_="other")], [thought(), message(WHOLE)]):
        assert meaning(stream(*said, output=output)).text == WHOLE


def test_R10_a_late_text_that_contradicts_its_pieces_is_an_error() -> None:
    for end in ("Nothing of the sort was ever said.", WHOLE + " And more."):
        closed = event("output_item.done", item=message(WHOLE))
        told = meaning(stream(added(message()), piece(WHOLE), closed, output=[message(end)]))
        assert (told.failure, told.reason) == (FailureKind.SERVER, None)


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=9), max_size=4), st.text(max_size=9), st.booleans())
def test_R10_whatever_came_in_pieces_the_whole_is_delivered_once(pieces: list[str], rest: str, done: bool) -> None:
    whole = "".join(pieces) + rest.encode("utf-8", "ignore").decode()
    ends = [event("output_text.done", text=whole)] if done else []
    told = meaning(stream(added(message()), *map(piece, pieces), *ends, output=[message(whole)]))
    assert told.text == whole


def test_R10_what_a_chat_vendor_says_behind_its_finish_is_delivered() -> None:
    def chunk(finish: str | None = None, **delta: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return b"data: %s\n\n" % json.dumps({"id": "1", "model": "m", "choices": [choice]}).encode()

    late_call = {"index": 0, "id": "call_1", "function": {"name": "tide", "arguments": ARGUMENTS}}
    for late, said in (
        ({"content": " a day."}, WHOLE),
        ({"content": ""}, WHOLE[:20]),
        ({"tool_calls": [late_call]}, WHOLE[:20]),
    ):
        reader = DIALECTS["openai_chat"].reader()
        data = chunk(content=WHOLE[:20]) + chunk("stop") + chunk(**late) + b"data: [DONE]\n\n"
        told = meaning([*reader.feed(data), *reader.close()])
        assert told.text == said
        assert told.failure is None
