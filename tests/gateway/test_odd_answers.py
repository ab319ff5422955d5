"""Unusual but complete answers of providers: callers get them, and pay for them."""

import asyncio
import json
from typing import Any

import pytest
from tests.gateway.attack import PATHS
from tests.gateway.house import HELLO, House
from tests.gateway.raw import RawAnswer
from tests.gateway.tape import JSON

pytestmark = pytest.mark.asyncio(loop_scope="session")

HALF = json.dumps("Ship \ud83d")[1:-1].encode()
USAGE = b'"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}'


async def ask(house: House, dialect: str, *, stream: bool, **more: Any) -> RawAnswer:
    request = {"model": "tape", "messages": HELLO, "max_tokens": 100, "stream": stream}
    return await house.post(PATHS[dialect], request | more)


async def test_half_a_character_passes_as_it_came(house: House) -> None:
    body = b'{"id":"a","choices":[{"index":0,"message":{"content":"%b"},"finish_reason":"stop"}],%b}' % (HALF, USAGE)
    house.tape.put(body, JSON)
    said = await ask(house, "chat", stream=False)
    assert (said.status, said.body) == (200, body)
    chunk = b'data: {"choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n' % HALF
    end = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],%b}\n\ndata: [DONE]\n\n' % USAGE
    house.tape.put(chunk + end)
    said = await ask(house, "chat", stream=True)
    assert (said.status, said.body) == (200, chunk + end)


# ---- streams that end in order, without their terminator

SAID = b'data: {"id":"a","choices":[{"index":0,"delta":{"content":"Aye."}}]}\n\n'
FINISH = b'data: {"id":"a","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
COUNTED = b'data: {"id":"a","choices":[],%b}\n\n' % USAGE
MESSAGE = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","model":"x","usage":{"input_tokens":3,'
    b'"output_tokens":1}}}\n\n'
    b'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text",'
    b'"text":""}}\n\n'
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta",'
    b'"text":"Aye."}}\n\n'
    b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'
)
STOPPED = (
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":'
    b'{"output_tokens":2}}\n\n'
)


async def charged(house: House, said: RawAnswer) -> tuple[str, str]:
    """How the request ended, and by whose count it was billed."""
    receipt = await house.receipt(said.headers["x-request-id"])
    return receipt["status"], receipt["usage_source"]


async def test_R8_a_chat_stream_that_ends_in_order_after_its_finish_is_complete(house: House) -> None:
    for more in (COUNTED, b"", COUNTED.rstrip(b"\n")):
        house.tape.put(SAID + FINISH + more)
        said = await ask(house, "chat", stream=True, stream_options={"include_usage": True})
        assert said.body.endswith(b"data: [DONE]\n\n"), "clients wait for it"
        assert b"error" not in said.body
        assert await charged(house, said) == ("complete", "vendor" if more else "estimated")


async def test_R8_a_message_that_ends_in_order_after_its_stop_reason_is_complete(house: House) -> None:
    house.tape.put(MESSAGE + STOPPED)
    said = await ask(house, "message", stream=True)
    assert said.body == MESSAGE + STOPPED + b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    assert await charged(house, said) == ("complete", "vendor")


async def test_R8_without_a_finish_or_with_a_torn_last_chunk_it_is_broken(house: House) -> None:
    for stream in (SAID, SAID + COUNTED, SAID + FINISH + COUNTED[:40]):
        house.tape.put(stream)
        said = await ask(house, "chat", stream=True)
        assert b"[DONE]" not in said.body
        assert b"upstream_error" in said.body
    house.tape.put(MESSAGE)
    said = await ask(house, "message", stream=True)
    assert b"message_stop" not in said.body


async def test_R8_a_connection_that_is_cut_after_the_finish_is_broken(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play(writer: asyncio.StreamWriter) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
        writer.write(head + SAID + FINISH + COUNTED)
        writer.close()

    monkeypatch.setattr(house.tape, "_play", play)
    said = await ask(house, "chat", stream=True)
    assert b"[DONE]" not in said.body
    assert b"upstream_error" in said.body
