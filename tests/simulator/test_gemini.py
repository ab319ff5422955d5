"""The simulated Gemini read by the product's own wire: written independently, they agree."""

import json
from typing import Any

import pytest
from tests.simulator.conftest import Start
from tests.simulator.raw import RawAnswer as Came
from tests.simulator.raw import post

from tokenharbor.wire import DIALECTS
from tokenharbor.wire.neutral.dialect import AnswerFacts, ModelInPath
from tokenharbor.wire.neutral.events import BlockKind, BlockOpened, Failed, Finished, FinishReason
from tokenharbor.wire.neutral.failure import Failure, FailureKind
from tokenharbor.wire.neutral.translate import collect

WIRE = DIALECTS["gemini"]
SCRIPT = """
seed = 11
[answer]
text = "Fair winds — 顺风 🌊"
reasoning = "so calm"
usage = { input = [0, 99], cache_read = [0, 99], cache_write_5m = [0, 9], output = [0, 99] }
"""


async def ask(port: int, *, stream: bool, **fields: Any) -> Came:
    body = {"contents": [{"role": "user", "parts": [{"text": "hello"}]}], **fields}
    path = "/v1beta" + WIRE.path("m", stream=stream).removesuffix("?alt=sse")
    return await post(port, path, json.dumps(body).encode(), {"x-goog-api-key": "k"})


async def test_usage_is_read_as_it_was_meant(simulate: Start) -> None:
    simulator = await simulate(SCRIPT)
    for _ in range(10):
        whole = WIRE.read_answer((await ask(simulator.port, stream=False)).body)
        assert isinstance(whole, AnswerFacts)
        assert whole.usage == simulator.requests[-1].usage
        came = (await ask(simulator.port, stream=True)).body
        splicer = WIRE.splice(WIRE.read_request(b'{"contents":[]}', ModelInPath("m", stream=True)), hide_usage=False)
        left = splicer.feed(came) + splicer.close()
        assert left + splicer.ending() == came
        assert (splicer.complete, splicer.usage) == (True, simulator.requests[-1].usage)
        assert splicer.text_bytes == simulator.requests[-1].text_bytes
        assert simulator.requests[-1].credential == "k"


async def test_calls_are_signed_and_come_whole(simulate: Start) -> None:
    simulator = await simulate('[answer]\ncalls = [{ name = "tide", arguments = { port = "Brest" } }]')
    tools = [{"functionDeclarations": [{"name": "tide"}]}]
    reader = WIRE.reader()
    events = [*reader.feed((await ask(simulator.port, stream=True, tools=tools)).body), *reader.close()]
    assert events[-1] == Finished(FinishReason.TOOL_CALLS)
    (block,) = (block for block in collect(events).blocks if block.kind is BlockKind.TOOL_CALL)
    assert (block.name, block.text, [note.name for note in block.notes]) == (
        "tide",
        '{"port":"Brest"}',
        ["thoughtSignature"],
    )
    assert any(isinstance(event, BlockOpened) for event in events)


async def test_the_other_spelling_of_names_is_read(simulate: Start) -> None:
    simulator = await simulate('[answer]\ncalls = [{ name = "tide" }]\nafter_tools = "it said {result}"')
    asked: dict[str, Any] = {"tools": [{"function_declarations": [{"name": "tide"}]}]}
    answer = json.loads((await ask(simulator.port, stream=False, **asked)).body)
    assert answer["candidates"][0]["content"]["parts"][0]["functionCall"]["name"] == "tide"
    asked["contents"] = [
        {"role": "model", "parts": [{"function_call": {"name": "tide"}}]},
        {"role": "user", "parts": [{"function_response": {"name": "tide", "response": {"output": "low"}}}]},
    ]
    asked["generation_config"] = {"max_output_tokens": 2}
    answer = json.loads((await ask(simulator.port, stream=False, **asked)).body)
    assert answer["candidates"][0]["content"]["parts"] == [{"text": "it said "}]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, FailureKind.REQUEST),
        (401, FailureKind.CREDENTIAL),
        (404, FailureKind.NOT_FOUND),
        (429, FailureKind.RATE_LIMIT),
        (503, FailureKind.SERVER),
    ],
)
async def test_a_refusal_is_read_as_it_was_meant(simulate: Start, status: int, kind: FailureKind) -> None:
    simulator = await simulate(f"[[rules]]\nfault = {{ kind = 'status', status = {status} }}")
    answer = await ask(simulator.port, stream=False)
    failure = WIRE.read_failure(status, {}, answer.body)
    assert (answer.status, failure.kind) == (status, kind)
    assert failure.message == answer.json()["error"]["message"]


@pytest.mark.parametrize("how", ["negative", "not_adding_up", "huge", "text"])
async def test_wrong_usage_is_quarantined(simulate: Start, how: str) -> None:
    simulator = await simulate(f"[[rules]]\nfault = {{ kind = 'usage', how = '{how}' }}")
    answer = WIRE.read_answer((await ask(simulator.port, stream=False)).body)
    assert isinstance(answer, AnswerFacts)
    assert (answer.usage, answer.quarantined) == (None, True)


@pytest.mark.parametrize("fault", ["kind = 'error_event', after_content = 1", "kind = 'no_terminator', finish = true"])
async def test_a_stream_that_breaks_off_is_no_answer(simulate: Start, fault: str) -> None:
    simulator = await simulate(f"[answer]\nchunks = 4\n[[rules]]\nfault = {{ {fault} }}")
    reader = WIRE.reader()
    events = [*reader.feed((await ask(simulator.port, stream=True)).body), *reader.close()]
    assert isinstance(events[-1], Failed)


async def test_garbage_is_no_answer(simulate: Start) -> None:
    simulator = await simulate("[[rules]]\nfault = { kind = 'garbage', how = 'other_json' }")
    assert isinstance(WIRE.read_answer((await ask(simulator.port, stream=False)).body), Failure)
