"""Providers that lie about usage: no charge above the hold, and none past a key's limits."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.gateway.house import CHAT, HELLO, MESSAGES, RESPONSES, House
from tests.gateway.raw import RawAnswer

from tokenharbor.billing.alarms import Alarm
from tokenharbor.identity.store import KeyRules
from tokenharbor.kernel.money import Usd

pytestmark = pytest.mark.asyncio(loop_scope="session")

QUOTA = Usd.parse("0.001")
NAMES = {
    "chat": ("prompt_tokens", "completion_tokens", "total_tokens"),
    "message": ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"),
    "response": ("input_tokens", "output_tokens", "total_tokens"),
    "gemini": ("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "totalTokenCount"),
}
DETAILS = {
    "chat": {"prompt_tokens_details": "cached_tokens", "completion_tokens_details": "reasoning_tokens"},
    "message": {"server_tool_use": "web_search_requests", "cache_creation": "ephemeral_1h_input_tokens"},
    "response": {"input_tokens_details": "cached_tokens", "output_tokens_details": "reasoning_tokens"},
    "gemini": {},
}

_some = st.integers(0, 60) | st.integers(0, 250_000) | st.integers(-(10**6), 10**12)
_finite = st.floats(allow_nan=False, allow_infinity=False)  # JSON has no others: they make an answer unreadable
_any: st.SearchStrategy[Any] = (
    _some | st.none() | st.booleans() | _finite | st.text(max_size=3) | st.just([]) | st.just({})
)


def _usage(dialect: str, counts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    fields: dict[str, st.SearchStrategy[Any]] = dict.fromkeys(NAMES[dialect], counts)
    fields |= {name: st.fixed_dictionaries({}, optional={inner: counts}) for name, inner in DETAILS[dialect].items()}
    required = {name: fields.pop(name) for name in NAMES[dialect][:2]}
    return st.fixed_dictionaries(required, optional=fields) | st.fixed_dictionaries({}, optional=required | fields)


def _honest(dialect: str) -> st.SearchStrategy[Any]:
    """Numbers that could be."""
    first, second, *_ = NAMES[dialect]
    return st.builds(lambda before, after: {first: before, second: after}, st.integers(0, 9_000), st.integers(0, 70))


@dataclass(frozen=True)
class Lie:
    """Usages at an answer's beginning, among its words, with its finish and behind it; a whole one has the last."""

    dialect: str
    stream: bool
    usages: Sequence[Any]


_ABSENT = object()


@st.composite
def lies(draw: st.DrawFn) -> Lie:
    dialect = draw(st.sampled_from(sorted(NAMES)))
    one = _usage(dialect, _some) | _usage(dialect, _any) | _honest(dialect) | st.just(_ABSENT) | _any
    return Lie(dialect, draw(st.booleans()), draw(st.lists(one, min_size=4, max_size=4)))


def _with(event: dict[str, Any], name: str, usage: Any) -> dict[str, Any]:
    return event if usage is _ABSENT else event | {name: usage}


def streamed(lie: Lie) -> bytes:
    first, among, finish, behind = lie.usages
    events: list[Any]
    match lie.dialect:
        case "chat":
            said = {"choices": [{"index": 0, "delta": {"content": "two words"}}]}
            end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
            events = [_with(said, "usage", first), _with(said, "usage", among), _with(end, "usage", finish)]
            events += [_with({"choices": []}, "usage", behind), "[DONE]", _with({"choices": []}, "usage", first)]
        case "message":
            text = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "two words"}}
            events = [
                {"type": "message_start", "message": _with({"id": "x"}, "usage", first)},
                {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
                text,
                _with({"type": "message_delta", "delta": {}}, "usage", among),
                _with({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, "usage", finish),
                _with({"type": "message_delta", "delta": {}}, "usage", behind),
                {"type": "message_stop"},
                {"type": "message_stop"},
            ]
        case "response":
            delta = {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "two words"}
            events = [
                {"type": "response.created", "response": _with({"id": "x"}, "usage", first)},
                _with(delta, "usage", among),
                {"type": "response.completed", "response": _with(response(), "usage", finish)},
                {"type": "response.completed", "response": _with(response(), "usage", behind)},
            ]
        case _:
            part: Any = {"candidates": [{"content": {"parts": [{"text": "two words"}]}}]}
            end = {"candidates": [{"content": {"parts": []}, "finishReason": "STOP"}]}
            events = [_with(part, "usageMetadata", first), _with(part, "usageMetadata", among)]
            events += [_with(end, "usageMetadata", finish), _with({"candidates": []}, "usageMetadata", behind)]
    return b"".join(b"data: %b\n\n" % _written(event) for event in events)


def _written(event: Any) -> bytes:
    return event.encode() if isinstance(event, str) else json.dumps(event).encode()


def response() -> dict[str, Any]:
    content = [{"type": "output_text", "text": "two words", "annotations": []}]
    item = {"type": "message", "id": "m", "status": "completed", "role": "assistant", "content": content}
    return {"id": "x", "object": "response", "status": "completed", "model": "m", "output": [item]}


def whole(lie: Lie) -> bytes:
    usage = lie.usages[-1]
    match lie.dialect:
        case "chat":
            message = {"role": "assistant", "content": "two words"}
            answer: Any = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
        case "message":
            content = [{"type": "text", "text": "two words"}]
            answer = {"id": "x", "type": "message", "content": content, "stop_reason": "end_turn"}
        case "response":
            answer = response()
        case _:
            candidate = {"content": {"parts": [{"text": "two words"}]}, "finishReason": "STOP"}
            return json.dumps(_with({"candidates": [candidate]}, "usageMetadata", usage)).encode()
    return json.dumps(_with(answer, "usage", usage)).encode()


async def ask(house: House, lie: Lie) -> RawAnswer:
    if lie.stream:
        house.tape.put(streamed(lie))
    else:
        house.tape.put(whole(lie), b"application/json")
    body: dict[str, Any] = {"model": "tape", "stream": lie.stream}
    match lie.dialect:
        case "chat":
            return await house.post(CHAT, body | {"messages": HELLO, "max_tokens": 50})
        case "message":
            return await house.post(MESSAGES, body | {"messages": HELLO, "max_tokens": 50})
        case "response":
            return await house.post(RESPONSES, body | {"input": HELLO, "max_output_tokens": 50})
    method = "streamGenerateContent?alt=sse" if lie.stream else "generateContent"
    contents = {"contents": [{"parts": [{"text": "hi"}]}], "generationConfig": {"maxOutputTokens": 50}}
    return await house.post(f"/v1beta/models/tape:{method}", contents)


@given(st.lists(lies(), min_size=1, max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
async def test_F6_no_lie_about_usage_costs_more_than_was_held(house: House, told: list[Lie]) -> None:
    """Nor more than its key may spend; every lie that is caught has its log line and its place in the metric."""
    payer, house.payer = house.payer, await house.new_payer("0.05", KeyRules(quota=QUOTA))
    spent = Usd(0)
    try:
        for lie in told:
            counts = house.parts.metrics._alarms.counts
            counts.clear()
            with structlog.testing.capture_logs() as logged:
                said = await ask(house, lie)
                await house.harbor.books.drain()
            if said.status == 402:
                continue
            assert said.status == 200, (lie, said.body)
            receipt = await house.receipt(said.headers["x-request-id"])
            cost, hold = Usd.parse(receipt["cost_usd"]), Usd.parse(receipt["hold_usd"])
            spent = Usd(spent + cost)
            assert Usd(0) < cost <= hold, lie
            assert spent <= QUOTA, lie
            raised = {kind for kind, _, _ in counts}
            usage_alarms = {Alarm.USAGE_QUARANTINED, Alarm.USAGE_MISSING}
            assert bool(raised & usage_alarms) == (receipt["usage_source"] == "estimated"), lie
            assert (Alarm.USAGE_QUARANTINED in raised) == receipt["usage_quarantined"], lie
            assert (Alarm.OVERRUN in raised) == (Usd.parse(receipt["overrun_usd"]) > 0), lie
            assert {line["kind"] for line in logged if line["event"] == "alarm"} == raised, lie
            text = house.parts.metrics.text()
            assert all(b'kind="%b"' % kind.value.encode() in text for kind in raised), lie
        assert (await house.money())[1] == "0.000000000"
    finally:
        house.payer = payer
