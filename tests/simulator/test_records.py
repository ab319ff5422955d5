"""The simulator's records of received and sent bytes, in the program and over HTTP."""

import hashlib
import json

import pytest
from tests.simulator.conftest import Start
from tests.simulator.raw import CHAT, MESSAGES, RESPONSES, ask, ask_and_leave, body, get, post

SCRIPT = "answer = { text = 'four and four more', chunk_chars = 4 }\n"


@pytest.mark.parametrize("path", [CHAT, RESPONSES, MESSAGES])
@pytest.mark.parametrize("stream", [True, False])
async def test_a_record_tells_what_was_asked_and_answered(simulate: Start, path: str, stream: bool) -> None:
    simulator = await simulate(SCRIPT)
    sent = json.dumps(body(path, stream=stream)).encode()
    answer = await post(simulator.port, path, sent, {"x-api-key": "vendor-key"})
    (record,) = simulator.requests
    assert answer.headers["request-id" if path == MESSAGES else "x-request-id"] == record.id
    assert record.id in answer.body.decode()
    assert (record.path, record.model, record.stream, record.credential) == (path, "m", stream, "vendor-key")
    assert record.body_sha256 == hashlib.sha256(sent).hexdigest()
    assert (record.body, record.headers) == (None, None)
    assert (record.status, record.completed, record.hung_up) == (200, True, False)
    assert record.text_bytes == len("four and four more")
    assert record.usage is not None
    assert (record.usage.input, record.usage.output) == (len(sent) // 4, 5)
    assert record.ended_ms is not None


async def test_a_bearer_is_a_credential_too(simulate: Start) -> None:
    simulator = await simulate(SCRIPT)
    await ask(simulator.port, CHAT, headers={"authorization": "Bearer sk-x"})
    assert simulator.requests[0].credential == "sk-x"


async def test_bodies_and_headers_are_kept_only_if_the_script_says_so(simulate: Start) -> None:
    simulator = await simulate("keep_bodies = true")
    await ask(simulator.port, CHAT, headers={"X-Seen": "yes"})
    (record,) = simulator.requests
    assert record.body == json.dumps(body(CHAT))
    assert record.headers is not None
    assert record.headers["x-seen"] == "yes"


async def test_text_in_several_languages_is_counted_in_bytes(simulate: Start) -> None:
    simulator = await simulate("answer = { text = '顺风 🌊', reasoning = 'é' }")
    await ask(simulator.port, CHAT, stream=True)
    await ask(simulator.port, MESSAGES)
    assert [record.text_bytes for record in simulator.requests] == [len("顺风 🌊é".encode())] * 2


async def test_a_hang_up_is_seen_and_what_was_sent_until_then_is_counted(simulate: Start) -> None:
    simulator = await simulate("answer = { tokens = 4000, delay_ms = 5, chunk_chars = 4 }")
    await ask_and_leave(simulator.port, CHAT, b"tug ", stream=True)
    await simulator.records.settled()
    (record,) = simulator.requests
    assert (record.hung_up, record.completed, record.usage) == (True, False, None)
    assert 8 <= record.text_bytes < 16_000


async def test_usage_seen_before_a_break_is_the_first_report_alone(simulate: Start) -> None:
    simulator = await simulate("[[rules]]\nfault = { kind = 'break' }")
    await ask(simulator.port, MESSAGES, stream=True)
    record = simulator.requests[0]
    assert record.usage is not None
    assert (len(record.reported), record.usage.output) == (1, 1)


async def test_records_are_read_and_cleared_over_http(simulate: Start) -> None:
    simulator = await simulate(SCRIPT)
    await ask(simulator.port, CHAT)
    await ask(simulator.port, MESSAGES, stream=True)
    seen = (await get(simulator.port, "/simulator/requests")).json()
    assert [(record["wire"], record["stream"]) for record in seen] == [
        ("openai_chat", False),
        ("anthropic_messages", True),
    ]
    assert seen[0]["usage"] == {"input": simulator.requests[0].usage.input, "output": 5}  # type: ignore[union-attr]
    assert seen[1]["reported"][-1]["output_tokens"] == 5
    assert (await get(simulator.port, "/simulator/requests", "DELETE")).status == 204
    assert (await get(simulator.port, "/simulator/requests")).json() == []


async def test_only_the_latest_records_are_kept(simulate: Start) -> None:
    simulator = await simulate("keep_records = 2")
    for _ in range(3):
        await ask(simulator.port, CHAT)
    assert [record.number for record in simulator.requests] == [2, 3]


async def test_a_script_is_replaced_over_http_and_numbers_begin_anew(simulate: Start) -> None:
    simulator = await simulate(SCRIPT)
    await ask(simulator.port, CHAT)
    toml = b"[[rules]]\nmatch = { nth = [1] }\nfault = { kind = 'status', status = 503 }"
    assert (await post(simulator.port, "/simulator/script", toml, {"content-type": "application/toml"})).status == 204
    statuses = [(await ask(simulator.port, CHAT)).status for _ in range(2)]
    assert statuses == [503, 200]
    assert [record.number for record in simulator.requests] == [1, 1, 2]
    assert len({record.id for record in simulator.requests}) == 3


async def test_a_wrong_script_is_refused_and_the_old_one_stays(simulate: Start) -> None:
    simulator = await simulate(SCRIPT)
    answer = await post(simulator.port, "/simulator/script", b'{"sede": 1}')
    assert answer.status == 400
    assert answer.json()["error"]["message"] == "script: unknown field 'sede'; did you mean 'seed'?"
    assert (await ask(simulator.port, CHAT)).json()["choices"][0]["message"]["content"] == "four and four more"
