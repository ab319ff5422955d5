"""Providers that do not stop: cut far beyond the maximum, closed at once, and billed at most the hold."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.gateway.house import CHAT, HELLO, MESSAGES, RESPONSES, House
from tests.gateway.raw import PATIENCE
from tests.gateway.test_false_usage import alarms, no_alarms
from tests.gateway.test_hang_ups import begin, until
from tests.gateway.test_hostile_vendor import HEAD, Flood, Play, chunk, plays, streamed

from tokenharbor.billing.alarms import Alarm
from tokenharbor.kernel.money import Usd

__all__ = ["no_alarms", "plays"]

pytestmark = pytest.mark.asyncio(loop_scope="session")

GEMINI = "/v1beta/models/tape:streamGenerateContent?alt=sse"
MIB = 1 << 20


X = "x" * 60


def event(data: Any, name: str = "") -> bytes:
    return (f"event: {name}\n" if name else "").encode() + b"data: %b\n\n" % json.dumps(data).encode()


def chat(index: int = 0, **delta: Any) -> bytes:
    return event({"choices": [{"index": index, "delta": delta}]})


def growth(kind: str, name: str, text: str = X) -> bytes:
    return event({"type": "content_block_delta", "index": 0, "delta": {"type": kind, name: text}})


def gemini(**part: Any) -> bytes:
    return event({"candidates": [{"index": 0, "content": {"parts": [part]}}]})


def response(kind: str) -> bytes:
    return event({"type": f"response.{kind}.delta", "output_index": 0, "content_index": 0, "delta": X})


FIRST = {
    CHAT: chat(content="one"),
    MESSAGES: event({"type": "message_start", "message": {"id": "x"}})
    + event({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
    + growth("text_delta", "text", "one"),
    RESPONSES: event({"type": "response.created", "response": {"id": "x"}}) + response("output_text"),
    GEMINI: gemini(text="one"),
}
CONTENT = {
    "text": (CHAT, chat(content=X)),
    "reasoning": (CHAT, chat(reasoning_content=X)),
    "details": (CHAT, chat(reasoning_details=[{"type": "reasoning.text", "text": X}])),
    "arguments": (CHAT, chat(tool_calls=[{"index": 0, "function": {"arguments": X}}])),
    "a transcript": (CHAT, chat(audio={"transcript": X, "data": ""})),
    "another choice": (CHAT, chat(7, content=X)),
    "a block's text": (MESSAGES, growth("text_delta", "text")),
    "thinking": (MESSAGES, growth("thinking_delta", "thinking")),
    "input": (MESSAGES, growth("input_json_delta", "partial_json")),
    "output": (RESPONSES, response("output_text")),
    "a summary": (RESPONSES, response("reasoning_summary_text")),
    "a call": (RESPONSES, response("function_call_arguments")),
    "parts": (GEMINI, gemini(text=X)),
    "thoughts": (GEMINI, gemini(thought=True, text=X)),
}
EMPTY = {
    "chunks": (CHAT, event({"choices": [], "novel": X * 200})),
    "words of nobody": (CHAT, chat(novel=X * 200)),
    "comments": (CHAT, b": %b\n\n" % (X * 200).encode()),
    "pings": (MESSAGES, event({"type": "ping", "novel": X * 200}, "ping")),
    "keepalives": (RESPONSES, event({"type": "keepalive", "novel": X * 200})),
    "counts": (GEMINI, event({"usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 1}, "novel": X * 200})),
}


def asked(path: str) -> bytes:
    """A request for at most ten tokens, as a stream."""
    if path == GEMINI:
        body = {"contents": [{"parts": [{"text": "hi"}]}], "generationConfig": {"maxOutputTokens": 10}}
        return json.dumps(body).encode()
    more = {"input": HELLO, "max_output_tokens": 16} if path == RESPONSES else {"messages": HELLO, "max_tokens": 10}
    return json.dumps({"model": "tape", "stream": True, **more}).encode()


async def check_cut(house: House, name: str) -> None:
    """The alarm, and the bill: no more than what was held."""
    assert alarms(house) == {Alarm.OUTPUT_OVER_BOUND: 1}, name
    await house.harbor.books.drain()
    row = (await house.get("/v1/requests")).json()["data"][0]
    receipt = await house.receipt(row["id"])
    assert receipt["usage_source"] == "estimated", name
    assert 1 <= receipt["usage"]["output"] <= 16, name
    assert Usd(0) < Usd.parse(receipt["cost_usd"]) <= Usd.parse(receipt["hold_usd"]), name
    assert receipt["overrun_usd"] == "0.000000000", name
    assert (await house.money())[1] == "0.000000000", name


async def test_F5_whatever_a_provider_goes_on_with_is_cut_and_closed(
    house: House, plays: Callable[[Play], None]
) -> None:
    """Every kind of content in every dialect, soon; what is no content, some mebibytes later."""
    for most, flows in ((MIB, CONTENT), (8 * MIB, EMPTY)):
        for name, (path, again) in flows.items():
            await house.begin()
            house.parts.metrics._alarms.counts.clear()
            flood = Flood(HEAD[True] + chunk(FIRST[path]), chunk(again))
            plays(flood)
            said = await house.post(path, asked(path))
            assert said.status == 200, name
            last = said.body.rstrip().split(b"\n")[-1]
            assert b"upstream_error" in last or b"response.failed" in last or path == GEMINI, name
            assert b"[DONE]" not in said.body, name
            assert len(said.body) < most, name
            assert flood.sent < most + 8 * MIB, (name, flood.sent)  # what sockets and buffers hold
            await check_cut(house, name)


async def test_F5_the_provider_is_closed_while_the_caller_stays(house: House, plays: Callable[[Play], None]) -> None:
    closed = asyncio.Event()

    async def run(writer: asyncio.StreamWriter) -> None:
        try:
            await Flood(HEAD[True] + chunk(FIRST[CHAT]), chunk(CONTENT["text"][1]))(writer)
        except ConnectionError:
            closed.set()
            raise

    plays(run)
    await house.post(CHAT, asked(CHAT))
    async with asyncio.timeout(PATIENCE):
        await closed.wait()


async def test_F5_a_caller_that_leaves_pays_no_more_than_the_maximum(
    house: House, plays: Callable[[Play], None]
) -> None:
    """A provider that is beyond the maximum already, and not yet cut."""

    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD[True] + chunk(FIRST[CHAT] + chat(content="x" * 1_000)))
        await asyncio.sleep(PATIENCE)

    plays(say)
    reader, writer = await begin(house, CHAT, asked(CHAT))
    async with asyncio.timeout(PATIENCE):
        await reader.readuntil(b"xxx")
    writer.close()
    await until(lambda: bool(house.parts.metrics._requests))
    await house.harbor.books.drain()
    (row,) = (await house.get("/v1/requests")).json()["data"]
    receipt = await house.receipt(row["id"])
    assert (receipt["status"], receipt["usage"]["output"]) == ("hung_up", 10)
    assert Usd.parse(receipt["cost_usd"]) <= Usd.parse(receipt["hold_usd"])


async def test_F5_a_long_answer_within_its_maximum_is_not_cut(house: House) -> None:
    """Tokens may be long: of spaces, or of lines."""
    usage = {"chat": {"prompt_tokens": 20, "completion_tokens": 100}, "message": {"input_tokens": 20}}
    usage["message"]["output_tokens"] = 100
    for dialect, path in (("chat", CHAT), ("message", MESSAGES)):
        house.tape.put(streamed(dialect, "=" * 3_000, usage[dialect]))
        said = await house.post(path, {"model": "tape", "messages": HELLO, "max_tokens": 100, "stream": True})
        assert b"=" * 3_000 in said.body
        assert b"[DONE]" in said.body or b"message_stop" in said.body
    assert alarms(house) == {}


async def test_F5_a_whole_answer_has_a_bound_too(house: House, plays: Callable[[Play], None]) -> None:
    flood = Flood(HEAD[False], chunk(b"x" * (1 << 16)))
    plays(flood)
    said = await house.post(CHAT, {"model": "tape", "messages": HELLO, "max_tokens": 10})
    assert (said.status, said.error["code"]) == (502, "upstream_error")
    assert flood.sent < 24 * MIB
    assert alarms(house) == {Alarm.OUTPUT_OVER_BOUND: 1}
    assert await house.money() == ("100.000000000", "0.000000000")
