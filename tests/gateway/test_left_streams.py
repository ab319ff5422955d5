"""Streams whose caller has left: read on for the usage only; else counted by us, including hidden tokens."""

import asyncio
import base64
import json
from typing import Any

import pytest
from tests.gateway.across import CLIENTS
from tests.gateway.house import CHAT, HELLO, House
from tests.gateway.raw import PATIENCE
from tests.gateway.test_false_usage import MODELS, alarms, no_alarms
from tests.gateway.test_hang_ups import begin, until
from tests.gateway.test_hostile_vendor import streamed

from tokenharbor.billing.alarms import Alarm
from tokenharbor.billing.meter import Meter
from tokenharbor.upstream.send import OpenStream

__all__ = ["no_alarms"]

pytestmark = pytest.mark.asyncio(loop_scope="session")

ANSWER = "answer = { text = 'one two three four', chunk_chars = 4, usage = { input = 90_000, output = 7 } }\n"
WAYS = [(dialect, model) for dialect in CLIENTS for model in MODELS]


@pytest.fixture
def patient(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider is read on for as long as a test takes."""
    monkeypatch.setattr(house.parts.lingering, "seconds", PATIENCE)


async def leave(house: House, dialect: str, model: str, until_: bytes) -> None:
    """Ask for a stream, read as far as this, and go."""
    client = CLIENTS[dialect]
    body = json.dumps(client.body(model, True)).encode()
    reader, writer = await begin(house, client.path(model, True), body)
    async with asyncio.timeout(PATIENCE):
        await reader.readuntil(until_)
    writer.close()


async def receipts(house: House, count: int) -> list[Any]:
    """Of the requests that have ended, once so many have."""
    await until(lambda: sum(house.parts.metrics._requests.values()) >= count)
    await house.harbor.books.drain()
    rows = (await house.get("/v1/requests")).json()["data"]
    return [await house.receipt(row["id"]) for row in rows]


async def test_F4_the_usage_that_comes_after_the_caller_has_left_is_billed(house: House, patient: None) -> None:
    """In every dialect of callers, with every one of providers: nothing but the ending was still to come."""
    house.script(f"{ANSWER}[[rules]]\nfault = {{ kind = 'stall', where = 'mid', after_content = 5, ms = 400 }}\n")
    await asyncio.gather(*(leave(house, dialect, model, b'"ur"') for dialect, model in WAYS))
    for receipt in await receipts(house, len(WAYS)):
        way = receipt["dialect"], receipt["model"]
        assert (receipt["status"], receipt["usage_source"]) == ("hung_up", "vendor"), way
        assert (receipt["usage"]["input"], receipt["usage"]["output"]) == (90_000, 7), way
    assert set(alarms(house)) <= {Alarm.OVERRUN, Alarm.INPUT_OVER_BOUND}, (
        "it is more input than such a request can have"
    )


async def test_F4_more_content_ends_it_at_once(house: House, patient: None) -> None:
    """Nobody is worked on for who has left."""
    house.script(f"answer = {{ text = '{'one ' * 90}', chunk_chars = 4, delay_ms = 30 }}")
    await asyncio.gather(*(leave(house, dialect, model, b'"one') for dialect, model in WAYS))
    for receipt in await receipts(house, len(WAYS)):
        way = receipt["dialect"], receipt["model"]
        assert (receipt["status"], receipt["usage_source"]) == ("hung_up", "estimated"), way
        assert 0 < receipt["usage"]["output"] <= 90, way
    assert all(record.hung_up for record in await house.seen())
    assert alarms(house) == {}, "no usage was due"


async def test_F4_a_silent_provider_is_not_waited_for(house: House) -> None:
    house.script(f"{ANSWER}[[rules]]\nfault = {{ kind = 'stall', where = 'mid', after_content = 5, pings_ms = 10 }}\n")
    await leave(house, "openai_chat", "solo", b'"ur"')
    (receipt,) = await receipts(house, 1)
    assert (receipt["status"], receipt["usage_source"], receipt["usage"]["output"]) == ("hung_up", "estimated", 5)
    (record,) = await house.seen()
    assert record.hung_up


async def test_F4_who_is_read_on_for_is_billed_when_the_server_stops(house: House, patient: None) -> None:
    house.script(f"{ANSWER}[[rules]]\nfault = {{ kind = 'stall', where = 'mid', after_content = 5 }}\n")
    await leave(house, "openai_chat", "solo", b'"ur"')
    await until(lambda: bool(house.parts.lingering._tasks))
    assert not house.parts.metrics._requests
    await house.parts.lingering.drain()
    (receipt,) = await receipts(house, 1)
    assert (receipt["status"], receipt["usage_source"]) == ("hung_up", "estimated")
    assert (await house.money())[1] == "0.000000000"


async def test_F4_who_leaves_in_the_moment_when_the_server_stops_is_billed(
    house: House, patient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its task is cancelled before it has run."""
    streams = house.parts.lingering
    take = streams.take

    def take_and_stop(opened: OpenStream, meter: Meter) -> bool:
        taken = take(opened, meter)
        for task in streams._tasks:
            task.cancel()
        return taken

    monkeypatch.setattr(streams, "take", take_and_stop)
    house.script(f"{ANSWER}[[rules]]\nfault = {{ kind = 'stall', where = 'mid', after_content = 5 }}\n")
    await leave(house, "openai_chat", "solo", b'"ur"')
    (receipt,) = await receipts(house, 1)
    assert (receipt["status"], receipt["usage_source"]) == ("hung_up", "estimated")
    assert (await house.money())[1] == "0.000000000"
    (record,) = await house.seen()
    assert record.hung_up


async def test_F4_only_so_many_are_read_on_for_at_once(
    house: House, patient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tokenharbor.gateway.lingering._MOST_AT_ONCE", 0)
    house.script(f"{ANSWER}[[rules]]\nfault = {{ kind = 'stall', where = 'mid', after_content = 5 }}\n")
    await leave(house, "openai_chat", "solo", b'"ur"')
    (receipt,) = await receipts(house, 1)
    assert (receipt["status"], receipt["usage_source"]) == ("hung_up", "estimated")


def media() -> dict[str, tuple[Any, int]]:
    """Parts of a message, and the least tokens that they count for."""
    pdf = "data:application/pdf;base64," + base64.b64encode(b"%PDF-1.7\n" + b"x" * 1_000_000).decode()
    sound = base64.b64encode(b"RIFF" + b"x" * 640_000).decode()
    picture = "data:image/png;base64,iVBORw0KGgo="
    return {
        "a document": (
            {"type": "file", "file": {"filename": "a.pdf", "file_data": pdf}},
            25_000,
        ),
        "a document elsewhere": ({"type": "file", "file": {"file_id": "file-abc"}}, 258),
        "sound": ({"type": "input_audio", "input_audio": {"data": sound, "format": "wav"}}, 200),
        "a picture": ({"type": "image_url", "image_url": {"url": picture}}, 85),
    }


async def test_F4_media_have_a_floor_where_we_count(house: House) -> None:
    """Of complete answers as of those that were left."""
    for name, (part, least) in media().items():
        messages = [{"role": "user", "content": [part, {"type": "text", "text": "Sum it up."}]}]
        for stream in (False, True):
            house.script("answer = { text = 'two words' }\n[[rules]]\nfault = { kind = 'usage', how = 'none' }")
            said = await house.chat(messages=messages, stream=stream)
            assert said.status == 200, (name, said.body)
            receipt = await house.receipt(said.headers["x-request-id"])
            assert receipt["usage_source"] == "estimated", name
            assert least <= receipt["usage"]["input"] <= least + 200, (name, receipt["usage"])


async def test_F4_what_a_provider_has_counted_of_a_stream_so_far_counts(house: House) -> None:
    """Its own count of what was sent, thoughts that nobody sees included."""
    counts = {"promptTokenCount": 33, "candidatesTokenCount": 2, "thoughtsTokenCount": 60}
    event = {"candidates": [{"content": {"parts": [{"text": "one two"}]}}], "usageMetadata": counts}
    house.tape.put(b"data: %b\n\n" % json.dumps(event).encode() + b": ping\n\n" * 3)

    async def stay(writer: asyncio.StreamWriter) -> None:
        body = house.tape.body
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n" + body)
        await asyncio.sleep(PATIENCE)

    house.tape._play, play = stay, house.tape._play  # type: ignore[method-assign]
    try:
        await leave(house, "gemini", "tape", b"one two")
        (receipt,) = await receipts(house, 1)
    finally:
        house.tape._play = play  # type: ignore[method-assign]
    assert (receipt["status"], receipt["usage_source"]) == ("hung_up", "estimated")
    assert (receipt["usage"]["input"], receipt["usage"]["output"], receipt["usage"]["reasoning"]) == (33, 2, 60)


async def test_F4_reasoning_in_details_alone_counts(house: House) -> None:
    detail = {"type": "reasoning.text", "text": "x" * 4_000}
    chunk = {"choices": [{"index": 0, "delta": {"reasoning_details": [detail]}}]}
    stream = streamed("chat", "two words", b"null")
    house.tape.put(b"data: %b\n\n" % json.dumps(chunk).encode() + stream)
    said = await house.post(CHAT, {"model": "tape", "messages": HELLO, "max_tokens": 2_000, "stream": True})
    receipt = await house.receipt(said.headers["x-request-id"])
    assert receipt["usage_source"] == "estimated"
    assert receipt["usage"]["output"] == 1_000 + 3
