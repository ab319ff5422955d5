"""The simulated Converse vendor: AWS's own library accepts it, and our wire reads the same meaning."""

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError
from tests.simulator.conftest import Start

from tokenharbor.catalog.types import Endpoint, Provider
from tokenharbor.http.client import Client
from tokenharbor.http.message import AnswerTooLarge, BrokenAnswer
from tokenharbor.kernel.clock import ManualClock
from tokenharbor.kernel.usage import Usage
from tokenharbor.simulator.serve import Simulator
from tokenharbor.upstream.target import make_target
from tokenharbor.wire import PROVIDER_DIALECTS
from tokenharbor.wire.neutral.chat import Chat, Message, Role, Text, Tool, ToolCall, ToolResult, VendorOptions
from tokenharbor.wire.neutral.events import BlockKind, Event, Failed, Finished, FinishReason
from tokenharbor.wire.neutral.failure import Failure, FailureKind
from tokenharbor.wire.neutral.translate import collect

WIRE = PROVIDER_DIALECTS["bedrock_converse"]
MODEL = "us.maker.model-v1:0"
TEXT = "Fair winds — 顺风 🌊 and following seas."
SCRIPT = f"""
[answer]
text = "{TEXT}"
reasoning = "The harbour is calm today."
chunk_chars = 5
usage = {{ input = 100, cache_read = 40, cache_write_5m = 3, cache_write_1h = 7, output = 11, reasoning = 5 }}
[[answer.calls]]
name = "bash"
arguments = {{ command = "echo ahoy" }}
"""
USAGE = Usage(input=100, cache_read=40, cache_write_5m=3, cache_write_1h=7, output=16)
HELLO = Message(Role.USER, (Text("hello"),))
BASH = Tool("Bash", schema=b'{"type":"object"}')


@pytest.fixture
async def simulator(simulate: Start) -> Simulator:
    return await simulate(SCRIPT)


async def library(simulator: Simulator, *, stream: bool = False, **asked: Any) -> Any:
    """Return what AWS's own client reads from the answer."""

    def run() -> Any:
        client = botocore.session.get_session().create_client(
            "bedrock-runtime",
            region_name="us-east-1",
            endpoint_url=simulator.url,
            aws_access_key_id="AKIDEXAMPLE",
            aws_secret_access_key="secret",
            config=Config(retries={"total_max_attempts": 1}),
        )
        with contextlib.closing(client):
            if not stream:
                return client.converse(modelId=MODEL, **asked)
            with contextlib.closing(client.converse_stream(modelId=MODEL, **asked)["stream"]) as events:
                return list(events)

    return await asyncio.to_thread(run)


SAID: Any = [{"role": "user", "content": [{"text": "hello"}]}]
TOOLS: Any = {"tools": [{"toolSpec": {"name": "Bash", "inputSchema": {"json": {"type": "object"}}}}]}


async def test_the_library_reads_a_whole_answer(simulator: Simulator) -> None:
    answer = await library(simulator, messages=SAID)
    thought, text = answer["output"]["message"]["content"]
    assert thought["reasoningContent"]["reasoningText"]["text"] == "The harbour is calm today."
    assert text == {"text": TEXT}
    assert answer["stopReason"] == "end_turn"
    assert (answer["usage"]["inputTokens"], answer["usage"]["totalTokens"]) == (100, 166)
    (seen,) = simulator.requests
    assert (seen.model, seen.stream, seen.credential) == (MODEL, False, "AKIDEXAMPLE")


async def test_the_library_reads_a_stream_with_a_call(simulator: Simulator) -> None:
    events = await library(simulator, stream=True, messages=SAID, toolConfig=TOOLS)
    starts = [event["contentBlockStart"]["start"] for event in events if "contentBlockStart" in event]
    assert [start["toolUse"]["name"] for start in starts] == ["Bash"]
    deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
    assert "".join(delta["toolUse"]["input"] for delta in deltas if "toolUse" in delta) == '{"command":"echo ahoy"}'
    assert events[-2]["messageStop"]["stopReason"] == "tool_use"
    assert events[-1]["metadata"]["usage"]["cacheDetails"] == [
        {"ttl": "1h", "inputTokens": 7},
        {"ttl": "5m", "inputTokens": 3},
    ]


async def test_the_library_raises_what_the_vendor_calls_it(simulate: Start) -> None:
    simulator = await simulate("[[rules]]\nfault = { kind = 'status', status = 429 }")
    with pytest.raises(ClientError) as raised:
        await library(simulator, messages=SAID)
    assert raised.value.response["Error"]["Code"] == "ThrottlingException"


async def test_the_library_raises_what_comes_inside_a_stream(simulate: Start) -> None:
    simulator = await simulate("[[rules]]\nfault = { kind = 'error_event', status = 424 }")

    with pytest.raises(EventStreamError, match="modelStreamErrorException"):
        await library(simulator, stream=True, messages=SAID)


# ---- our own way there: signed, sent, read


async def ask(simulator: Simulator, chat: Chat, *, stream: bool) -> Sequence[Event] | Failure:
    provider = Provider(
        "aws",
        WIRE.name,
        simulator.url,
        auth="sigv4",
        headers=(("accept", "*/*"),),
        region="us-east-1",
        service="bedrock",
    )
    endpoint = Endpoint("m", provider, MODEL, None)
    clock = ManualClock(datetime(2026, 3, 1, tzinfo=UTC))
    target = make_target(endpoint, WIRE.path, "AKIDEXAMPLE:secret", clock)
    body = WIRE.write_chat(chat, VendorOptions(MODEL, stream, None, 1000))
    client = Client()
    answer = await client.send(
        target.origin, target.head(b"", body, stream=stream), body, target.deadlines, stream=stream
    )
    try:
        if answer.status != 200:
            return WIRE.read_failure(answer.status, dict(answer.headers), await answer.read(1 << 20))
        if not stream:
            return list(WIRE.read_reply(await answer.read(1 << 20)))
        reader = WIRE.reader()
        events: list[Event] = []
        while data := await answer.next():
            events += reader.feed(data)
        return [*events, *reader.close()]
    finally:
        answer.close()
        client.close()


BOTH_WAYS = pytest.mark.parametrize("stream", [True, False])


@BOTH_WAYS
async def test_an_answer_means_what_was_meant(simulator: Simulator, stream: bool) -> None:
    events = await ask(simulator, Chat((HELLO,)), stream=stream)
    assert not isinstance(events, Failure)
    reply = collect(events)
    assert [(block.kind, block.text) for block in reply.blocks] == [
        (BlockKind.REASONING, "The harbour is calm today."),
        (BlockKind.TEXT, TEXT),
    ]
    (seen,) = simulator.requests
    assert reply.usage == seen.usage == USAGE
    assert seen.text_bytes == sum(len(block.text.encode()) for block in reply.blocks)
    assert (seen.credential, seen.completed) == ("AKIDEXAMPLE", True)


@BOTH_WAYS
async def test_a_tool_is_called_and_its_result_heard(simulator: Simulator, stream: bool) -> None:
    called = await ask(simulator, Chat((HELLO,), tools=(BASH,)), stream=stream)
    assert not isinstance(called, Failure)
    reply = collect(called)
    assert reply.reason is FinishReason.TOOL_CALLS
    call = next(block for block in reply.blocks if block.kind is BlockKind.TOOL_CALL)
    assert (call.name, call.text) == ("Bash", '{"command":"echo ahoy"}')
    turn = Message(Role.ASSISTANT, (ToolCall(call.call_id, call.name, call.text),))
    result = Message(Role.USER, (ToolResult(call.call_id, (Text("ahoy"),)),))
    told = await ask(simulator, Chat((HELLO, turn, result), tools=(BASH,)), stream=stream)
    assert not isinstance(told, Failure)
    assert collect(told).blocks[-1].text == "The tool ran. It said: ahoy"


@BOTH_WAYS
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, FailureKind.REQUEST),
        (403, FailureKind.CREDENTIAL),
        (404, FailureKind.NOT_FOUND),
        (408, FailureKind.TIMEOUT),
        (424, FailureKind.SERVER),
        (429, FailureKind.RATE_LIMIT),
        (500, FailureKind.SERVER),
        (503, FailureKind.SERVER),
    ],
)
async def test_statuses_mean_what_they_should(simulate: Start, status: int, kind: FailureKind, stream: bool) -> None:
    simulator = await simulate(f"[[rules]]\nfault = {{ kind = 'status', status = {status}, retry_after = 2 }}")
    failure = await ask(simulator, Chat((HELLO,)), stream=stream)
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.status, failure.retry_after) == (kind, status, 2)
    assert failure.type.endswith("Exception")
    assert "simulated" in failure.message.lower()


@pytest.mark.parametrize("place", ["after_events = 0", "after_content = 1"])
@pytest.mark.parametrize(
    ("status", "kind"), [(400, FailureKind.REQUEST), (429, FailureKind.RATE_LIMIT), (529, FailureKind.SERVER)]
)
async def test_errors_inside_a_stream_are_read(simulate: Start, place: str, status: int, kind: FailureKind) -> None:
    fault = f"{{ kind = 'error_event', status = {status}, {place} }}"
    simulator = await simulate(f"[[rules]]\nfault = {fault}")
    events = await ask(simulator, Chat((HELLO,)), stream=True)
    assert not isinstance(events, Failure)
    assert isinstance(events[-1], Failed)
    assert events[-1].failure.kind is kind


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("kind = 'no_terminator', finish = true", FailureKind.BROKEN),
        ("kind = 'garbage', how = 'other_json'", FailureKind.GARBAGE),
        ("kind = 'garbage', how = 'bad_utf8'", FailureKind.GARBAGE),
        ("kind = 'garbage', how = 'empty'", FailureKind.BROKEN),
        ("kind = 'huge_event', bytes = 2000000", FailureKind.GARBAGE),
        ("kind = 'huge_event', bytes = 2000000, where = 'before_content'", FailureKind.GARBAGE),
    ],
)
async def test_a_stream_that_goes_wrong_is_no_success(simulate: Start, fault: str, kind: FailureKind) -> None:
    simulator = await simulate(f"[[rules]]\nfault = {{ {fault} }}")
    events = await ask(simulator, Chat((HELLO,)), stream=True)
    assert not isinstance(events, Failure)
    assert isinstance(events[-1], Failed)
    assert events[-1].failure.kind is kind


@pytest.mark.parametrize("fault", ["kind = 'break', how = 'reset'", "kind = 'truncated'"])
async def test_a_connection_that_dies_is_seen(simulate: Start, fault: str) -> None:
    simulator = await simulate(f"[[rules]]\nfault = {{ {fault} }}")
    with pytest.raises((BrokenAnswer, AnswerTooLarge)):
        await ask(simulator, Chat((HELLO,)), stream=True)


@pytest.mark.parametrize("fault", ["kind = 'drip'", "kind = 'stall', ms = 1, where = 'mid', pings_ms = 1"])
async def test_a_slow_answer_is_the_same_answer(simulate: Start, fault: str) -> None:
    simulator = await simulate(f"[answer]\ntext = 'Aye.'\n[[rules]]\nfault = {{ {fault} }}")
    events = await ask(simulator, Chat((HELLO,)), stream=True)
    assert not isinstance(events, Failure)
    assert collect(events).blocks[0].text == "Aye."
    assert isinstance(events[-1], Finished)


@BOTH_WAYS
@pytest.mark.parametrize("how", ["none", "negative", "not_adding_up", "huge", "text"])
async def test_wrong_usage_is_no_usage(simulate: Start, how: str, stream: bool) -> None:
    simulator = await simulate(f"[[rules]]\nfault = {{ kind = 'usage', how = '{how}' }}")
    events = await ask(simulator, Chat((HELLO,)), stream=stream)
    assert not isinstance(events, Failure)
    assert isinstance(events[-1], Finished)
    assert collect(events).usage is None


async def test_the_vendor_is_as_strict_as_the_real_one(simulator: Simulator) -> None:
    for messages in ([], [{"role": "assistant", "content": [{"text": "a"}]}], [*SAID, *SAID]):
        with pytest.raises(ClientError, match="ValidationException"):
            await library(simulator, messages=messages)
