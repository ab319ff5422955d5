"""The product's wires and the simulator's, written independently, must agree on the meaning of the same bytes."""

import json

import pytest
from tests.simulator.conftest import Start
from tests.simulator.raw import CHAT, MESSAGES, RESPONSES, ask, body

from tokenharbor.kernel.usage import Usage
from tokenharbor.wire import DIALECTS
from tokenharbor.wire.neutral.dialect import AnswerFacts
from tokenharbor.wire.neutral.failure import Failure, FailureKind

NAMES = {CHAT: "openai_chat", RESPONSES: "openai_responses", MESSAGES: "anthropic_messages"}
EACH = pytest.mark.parametrize("path", [CHAT, RESPONSES, MESSAGES])
SCRIPT = """
seed = 11
[answer]
text = "Fair winds — 顺风 🌊"
reasoning = "so calm"
usage = { input = [0, 99], cache_read = [0, 99], cache_write_5m = [0, 9], cache_write_1h = [0, 9], output = [0, 99] }
"""


@EACH
async def test_usage_of_a_whole_answer_is_read_as_it_was_meant(simulate: Start, path: str) -> None:
    simulator = await simulate(SCRIPT)
    for _ in range(20):
        answer = DIALECTS[NAMES[path]].read_answer((await ask(simulator.port, path)).body)
        assert isinstance(answer, AnswerFacts)
        assert answer.usage == simulator.requests[-1].usage != Usage()


@EACH
async def test_usage_of_a_stream_is_read_as_it_was_meant(simulate: Start, path: str) -> None:
    simulator = await simulate(SCRIPT)
    wire = DIALECTS[NAMES[path]]
    for _ in range(20):
        request = wire.read_request(json.dumps(body(path, stream=True)).encode())
        splicer = wire.splice(request, hide_usage=False)
        came = (await ask(simulator.port, path, stream=True)).body
        assert splicer.feed(came) + splicer.ending() == came
        assert (splicer.complete, splicer.failure) == (True, None)
        assert splicer.usage == simulator.requests[-1].usage
        assert splicer.text_bytes == simulator.requests[-1].text_bytes


@EACH
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("how", ["negative", "not_adding_up", "huge", "text"])
async def test_wrong_usage_is_quarantined(simulate: Start, path: str, stream: bool, how: str) -> None:
    simulator = await simulate(f"[[rules]]\nfault = {{ kind = 'usage', how = '{how}' }}")
    wire = DIALECTS[NAMES[path]]
    came = (await ask(simulator.port, path, stream=stream)).body
    if stream:
        splicer = wire.splice(wire.read_request(json.dumps(body(path, stream=True)).encode()), hide_usage=False)
        splicer.feed(came)
        assert (splicer.complete, splicer.usage, splicer.quarantined) == (True, None, True)
    else:
        answer = wire.read_answer(came)
        assert isinstance(answer, AnswerFacts)
        assert (answer.usage, answer.quarantined) == (None, True)


@EACH
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, FailureKind.REQUEST),
        (401, FailureKind.CREDENTIAL),
        (402, FailureKind.CREDENTIAL),
        (404, FailureKind.NOT_FOUND),
        (422, FailureKind.REQUEST),
        (429, FailureKind.RATE_LIMIT),
        (500, FailureKind.SERVER),
        (529, FailureKind.OVERLOADED),
    ],
)
async def test_a_refusal_is_read_as_it_was_meant(simulate: Start, path: str, status: int, kind: FailureKind) -> None:
    simulator = await simulate(f"[[rules]]\nfault = {{ kind = 'status', status = {status}, retry_after = 9 }}")
    answer = await ask(simulator.port, path)
    headers = {name.encode(): value.encode() for name, value in answer.headers.items()}
    failure = DIALECTS[NAMES[path]].read_failure(status, headers, answer.body)
    assert (failure.kind, failure.status, failure.retry_after) == (kind, status, 9)
    assert failure.message == answer.json()["error"]["message"]


@EACH
@pytest.mark.parametrize("how", ["html", "text", "other_json", "broken_json", "bad_utf8", "empty"])
async def test_garbage_is_no_answer(simulate: Start, path: str, how: str) -> None:
    simulator = await simulate(f"[[rules]]\nfault = {{ kind = 'garbage', how = '{how}' }}")
    wire = DIALECTS[NAMES[path]]
    assert isinstance(wire.read_answer((await ask(simulator.port, path)).body), Failure)
    splicer = wire.splice(wire.read_request(json.dumps(body(path, stream=True)).encode()), hide_usage=False)
    splicer.feed((await ask(simulator.port, path, stream=True)).body)
    assert not splicer.complete
