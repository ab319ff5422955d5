"""Each scripted fault as seen on the wire."""

import asyncio
import json
from collections.abc import Callable

import pytest
from tests.simulator.conftest import Start
from tests.simulator.raw import CHAT, MESSAGES, RESPONSES, RawAnswer, ask, ask_and_leave

EACH = pytest.mark.parametrize("path", [CHAT, RESPONSES, MESSAGES])
TERMINATOR = {
    CHAT: "data: [DONE]",
    RESPONSES: "event: response.completed\ndata: ",
    MESSAGES: 'event: message_stop\ndata: {"type":"message_stop"}',
}
PINGS = {CHAT: b": simulator", RESPONSES: b"event: keepalive", MESSAGES: b"event: ping"}
STATUSES = [400, 401, 402, 403, 404, 413, 422, 429, 500, 502, 503, 504, 529]


def rule(fault: str, answer: str = "text = 'one two three four five six', chunk_chars = 4") -> str:
    return f"[[rules]]\nanswer = {{ {answer} }}\nfault = {{ {fault} }}\n"


def text_of(answer: RawAnswer) -> str:
    """All text in a stream, whichever dialect."""
    found = []
    for data in answer.data:
        found += [choice["delta"].get("content") or "" for choice in data.get("choices", ())]
        if data.get("type") == "content_block_delta":
            found.append(data["delta"].get("text", ""))
        if data.get("type") == "response.output_text.delta":
            found.append(data["delta"])
    return "".join(found)


@EACH
async def test_no_fault_is_a_complete_answer(simulate: Start, path: str) -> None:
    simulator = await simulate("answer = { text = 'ahoy there' }")
    answer = await ask(simulator.port, path, stream=True)
    assert (answer.status, answer.ended, text_of(answer)) == (200, "complete", "ahoy there")
    assert answer.events[-1].startswith(TERMINATOR[path])
    assert (answer.headers["content-type"], answer.headers["x-simulated"]) == (
        "text/event-stream; charset=utf-8",
        "true",
    )


@EACH
@pytest.mark.parametrize("how", ["close", "reset"])
async def test_refuse(simulate: Start, path: str, how: str) -> None:
    simulator = await simulate(rule(f"kind = 'refuse', how = '{how}'"))
    answer = await ask(simulator.port, path)
    assert answer.status is None
    assert answer.ended == {"close": "closed", "reset": "reset"}[how]


@EACH
@pytest.mark.parametrize("status", STATUSES)
async def test_status(simulate: Start, path: str, status: int) -> None:
    simulator = await simulate(rule(f"kind = 'status', status = {status}, message = 'go away'"))
    answer = await ask(simulator.port, path, stream=True)
    assert (answer.status, answer.ended) == (status, "complete")
    assert answer.headers["x-simulated"] == "true"
    error = answer.json()["error"]
    assert error["message"] == "go away"
    assert set(error) == ({"message", "type", "param", "code"} if path != MESSAGES else {"message", "type"})
    assert error["type"]


@EACH
async def test_status_in_words_of_the_script(simulate: Start, path: str) -> None:
    fault = "kind = 'status', status = 429, code = 'slow', type = 't', retry_after = 3, headers = { X-Why = 'tide' }"
    simulator = await simulate(rule(fault))
    answer = await ask(simulator.port, path)
    assert (answer.headers["retry-after"], answer.headers["x-why"]) == ("3", "tide")
    assert (answer.json()["error"]["code"], answer.json()["error"]["type"]) == ("slow", "t")


async def test_status_with_a_body_of_its_own(simulate: Start) -> None:
    simulator = await simulate(rule("kind = 'status', status = 502, body = '<h1>Bad gateway</h1>'"))
    assert (await ask(simulator.port, CHAT)).body == b"<h1>Bad gateway</h1>"


@EACH
@pytest.mark.parametrize("stream", [True, False])
async def test_stall_before_the_head_lasts_until_the_peer_leaves(simulate: Start, path: str, stream: bool) -> None:
    simulator = await simulate(rule("kind = 'stall'"))
    asking = asyncio.create_task(ask(simulator.port, path, stream=stream))
    while not len(simulator.records):  # noqa: ASYNC110  its arrival has no event
        await asyncio.sleep(0.01)
    assert not (await asyncio.wait([asking], timeout=0.1))[0]
    asking.cancel()
    await simulator.records.settled()
    record = simulator.requests[0]
    assert (record.status, record.hung_up, record.text_bytes, record.fault) == (None, True, 0, "stall")


@EACH
async def test_stall_before_the_content_with_pings_only(simulate: Start, path: str) -> None:
    simulator = await simulate(rule("kind = 'stall', where = 'before_content', pings_ms = 5"))
    await ask_and_leave(simulator.port, path, PINGS[path], stream=True)
    await simulator.records.settled()
    record = simulator.requests[0]
    assert (record.status, record.hung_up, record.text_bytes) == (200, True, 0)


@EACH
@pytest.mark.parametrize("where", ["before_head", "after_head", "before_content", "mid"])
@pytest.mark.parametrize("stream", [True, False])
async def test_a_stall_that_ends_leaves_the_answer_whole(simulate: Start, path: str, where: str, stream: bool) -> None:
    simulator = await simulate(rule(f"kind = 'stall', where = '{where}', ms = 20"))
    answer = await ask(simulator.port, path, stream=stream)
    assert (answer.status, answer.ended) == (200, "complete")
    assert simulator.requests[0].completed
    if stream:
        assert text_of(answer) == "one two three four five six"
        assert answer.events[-1].startswith(TERMINATOR[path])
    else:
        assert answer.json()["id"]


@EACH
async def test_stall_after_the_first_content(simulate: Start, path: str) -> None:
    simulator = await simulate(rule("kind = 'stall', where = 'mid'"))
    await ask_and_leave(simulator.port, path, b"one ", stream=True)
    await simulator.records.settled()
    assert (simulator.requests[0].hung_up, simulator.requests[0].text_bytes) == (True, 4)


@EACH
@pytest.mark.parametrize(("how", "ended"), [("close", "closed"), ("reset", "reset")])
async def test_break_in_the_stream(simulate: Start, path: str, how: str, ended: str) -> None:
    simulator = await simulate(rule(f"kind = 'break', how = '{how}', after_content = 3"))
    answer = await ask(simulator.port, path, stream=True)
    assert (answer.status, answer.ended) == (200, ended)
    assert "one two three four".startswith(text_of(answer))
    record = simulator.requests[0]
    assert (record.completed, record.hung_up, record.text_bytes) == (False, False, 12)


@EACH
async def test_break_counts_events(simulate: Start, path: str) -> None:
    simulator = await simulate(rule("kind = 'break', how = 'close', after_events = 1"))
    answer = await ask(simulator.port, path, stream=True)
    assert (len(answer.events), text_of(answer)) == (1, "")


@EACH
@pytest.mark.parametrize(("how", "ended"), [("close", "closed"), ("reset", "reset")])
async def test_break_in_a_body(simulate: Start, path: str, how: str, ended: str) -> None:
    simulator = await simulate(rule(f"kind = 'break', how = '{how}'"))
    answer = await ask(simulator.port, path)
    assert (answer.status, answer.ended) == (200, ended)
    assert len(answer.body) < int(answer.headers["content-length"])


@EACH
async def test_error_as_the_first_event_of_a_200(simulate: Start, path: str) -> None:
    simulator = await simulate(rule("kind = 'error_event', after_events = 0, status = 529, message = 'busy'"))
    answer = await ask(simulator.port, path, stream=True)
    assert (answer.status, answer.ended, len(answer.events)) == (200, "complete", 1)
    assert answer.data[0]["error"]["message"] == "busy"
    assert answer.data[0]["error"]["type"] == "overloaded_error"
    assert not simulator.requests[0].completed


@EACH
async def test_error_event_in_the_stream(simulate: Start, path: str) -> None:
    simulator = await simulate(rule("kind = 'error_event', after_content = 2"))
    answer = await ask(simulator.port, path, stream=True)
    assert (answer.ended, text_of(answer)) == ("complete", "one two ")
    assert answer.data[-1]["error"]
    assert not simulator.requests[0].completed


@EACH
async def test_error_in_the_body_of_a_200(simulate: Start, path: str) -> None:
    simulator = await simulate(rule("kind = 'error_event'"))
    answer = await ask(simulator.port, path)
    assert answer.status == 200
    assert answer.json()["error"]["message"]
    assert not simulator.requests[0].completed


@EACH
async def test_no_terminator(simulate: Start, path: str) -> None:
    simulator = await simulate(rule("kind = 'no_terminator'"))
    answer = await ask(simulator.port, path, stream=True)
    assert not simulator.requests[0].completed
    assert (answer.ended, text_of(answer)) == ("complete", "one two three four five six")
    assert not answer.events[-1].startswith(TERMINATOR[path])
    if path == RESPONSES:  # the terminator itself has the stop reason
        return
    assert '"finish_reason":"stop"' in answer.body.decode() or '"stop_reason":"end_turn"' in answer.body.decode()


@EACH
async def test_no_terminator_and_no_stop_reason(simulate: Start, path: str) -> None:
    simulator = await simulate(rule("kind = 'no_terminator', finish = true"))
    answer = await ask(simulator.port, path, stream=True)
    assert answer.ended == "complete"
    assert '"stop"' not in answer.body.decode()
    assert "end_turn" not in answer.body.decode()


@EACH
@pytest.mark.parametrize("stream", [True, False])
async def test_no_usage(simulate: Start, path: str, stream: bool) -> None:
    simulator = await simulate(rule("kind = 'usage', how = 'none'"))
    answer = await ask(simulator.port, path, stream=stream)
    assert answer.ended == "complete"
    assert "usage" not in answer.body.decode()
    assert (simulator.requests[0].usage, simulator.requests[0].reported) == (None, [])


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("how", ["negative", "not_adding_up", "huge", "text"])
async def test_wrong_usage_of_openai(simulate: Start, stream: bool, how: str) -> None:
    simulator = await simulate(rule(f"kind = 'usage', how = '{how}'"))
    answer = await ask(simulator.port, CHAT, stream=stream)
    usage = [data["usage"] for data in answer.data if data.get("usage")][-1] if stream else answer.json()["usage"]
    wrong: dict[str, Callable[[], bool]] = {
        "negative": lambda: usage["completion_tokens"] < 0,
        "not_adding_up": lambda: usage["prompt_tokens_details"]["cached_tokens"] > usage["prompt_tokens"],
        "huge": lambda: usage["completion_tokens"] >= 10**18,
        "text": lambda: isinstance(usage["prompt_tokens"], str),
    }
    assert wrong[how]()
    assert simulator.requests[0].usage is None
    assert json.loads(bytes(simulator.requests[0].reported[-1])) == usage


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("how", ["negative", "not_adding_up", "huge", "text"])
async def test_wrong_usage_of_anthropic(simulate: Start, stream: bool, how: str) -> None:
    simulator = await simulate(rule(f"kind = 'usage', how = '{how}'"))
    answer = await ask(simulator.port, MESSAGES, stream=stream)
    first = answer.data[0]["message"]["usage"] if stream else answer.json()["usage"]
    usage = answer.data[-2]["usage"] if stream else first
    wrong: dict[str, Callable[[], bool]] = {
        "negative": lambda: usage["output_tokens"] < 0,
        "not_adding_up": lambda: sum(first["cache_creation"].values()) != usage["cache_creation_input_tokens"],
        "huge": lambda: usage["output_tokens"] >= 10**18,
        "text": lambda: isinstance(usage["output_tokens"], str),
    }
    assert wrong[how]()
    assert simulator.requests[0].usage is None


@EACH
@pytest.mark.parametrize("stream", [True, False])
async def test_slow_drip_is_the_same_answer_in_crumbs(simulate: Start, path: str, stream: bool) -> None:
    simulator = await simulate("answer = { text = 'naïve 世界 🌊', id = 'same' }")
    whole = await ask(simulator.port, path, stream=stream)
    dripping = await simulate(
        "answer = { text = 'naïve 世界 🌊', id = 'same' }\n[[rules]]\nfault = { kind = 'drip', ms = 0 }"
    )
    answer = await ask(dripping.port, path, stream=stream)
    assert (answer.ended, len(answer.body)) == ("complete", len(whole.body))
    record = dripping.requests[0]
    assert record.events == len(answer.body)
    assert (record.text_bytes, record.completed) == (simulator.requests[0].text_bytes, True)


@EACH
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("how", ["html", "text", "other_json", "broken_json", "bad_utf8", "empty"])
async def test_garbage_with_a_200(simulate: Start, path: str, stream: bool, how: str) -> None:
    simulator = await simulate(rule(f"kind = 'garbage', how = '{how}'"))
    answer = await ask(simulator.port, path, stream=stream)
    assert (answer.status, answer.ended) == (200, "complete")
    assert b'"content"' not in answer.body or how == "bad_utf8"
    assert not simulator.requests[0].completed
    if how == "html":
        assert answer.headers["content-type"] == "text/html"
    if how == "bad_utf8":
        with pytest.raises(UnicodeDecodeError):
            answer.body.decode()


@EACH
@pytest.mark.parametrize("stream", [True, False])
async def test_truncated_body(simulate: Start, path: str, stream: bool) -> None:
    simulator = await simulate(rule("kind = 'truncated', bytes = 40"))
    answer = await ask(simulator.port, path, stream=stream)
    assert (answer.status, answer.ended, len(answer.body)) == (200, "closed", 40)
    assert int(answer.headers["content-length"]) > 40


@EACH
@pytest.mark.parametrize("where", ["before_content", "content"])
async def test_huge_event(simulate: Start, path: str, where: str) -> None:
    simulator = await simulate(rule(f"kind = 'huge_event', bytes = 200000, where = '{where}'"))
    answer = await ask(simulator.port, path, stream=True)
    assert answer.events[-1].startswith(TERMINATOR[path])
    assert 200_000 <= max(len(event) + 2 for event in answer.events) <= 202_000
    generated = 200_000 if where == "content" else len("one two three four five six")
    assert simulator.requests[0].text_bytes == len(text_of(answer)) == generated
