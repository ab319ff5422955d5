"""Callers that hang up pay only for the content sent to them, and the provider's stream is closed."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.gateway.house import CHAT, HELLO, MESSAGES, RESPONSES, House
from tests.gateway.raw import PATIENCE

pytestmark = pytest.mark.asyncio(loop_scope="session")

PATHS = pytest.mark.parametrize("path", [CHAT, RESPONSES, MESSAGES], ids=["chat", "responses", "messages"])
STREAM = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not true():  # noqa: ASYNC110  what is waited for is a fact, no event
            await asyncio.sleep(0.005)


async def ask_and_leave(house: House, path: str, *, stream: bool) -> None:
    """Leave once a vendor that says nothing has the request."""
    asked = {"messages": HELLO, "max_tokens": 50} if path != RESPONSES else {"input": HELLO, "max_output_tokens": 50}
    body = json.dumps({"model": "duo", "stream": stream, **asked}).encode()
    _, writer = await begin(house, path, body)
    await until(lambda: bool(house.simulator.requests))
    writer.close()


async def begin(house: House, path: str, body: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    head = f"POST {path} HTTP/1.1\r\nhost: h\r\nx-api-key: {house.payer.key}\r\ncontent-length: {len(body)}\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    writer.write(head.encode() + body)
    return reader, writer


@PATHS
@STREAM
@pytest.mark.parametrize("where", ["before_head", "after_head", "before_content"])
async def test_before_the_first_content(house: House, path: str, stream: bool, where: str) -> None:
    house.fail(f"kind = 'stall', where = '{where}'")
    await ask_and_leave(house, path, stream=stream)
    (record,) = await house.seen()
    assert (record.path.split("/")[1], record.hung_up) == ("alpha", True), "the vendor is left, and no other is asked"
    await until(lambda: bool(house.parts.metrics._requests))
    await house.harbor.books.drain()
    assert await house.money() == ("100.000000000", "0.000000000")
    (row,) = (await house.get("/v1/requests")).json()["data"]
    receipt: Any = await house.receipt(row["id"])
    assert (receipt["status"], receipt["cost_usd"], receipt["refusal"]) == ("hung_up", "0.000000000", None)
    assert [(each["provider"], each["outcome"]) for each in receipt["attempts"]] == [("alpha", "hung_up")]


async def test_a_caller_that_leaves_is_no_fault_of_the_vendors(house: House) -> None:
    house.fail("kind = 'stall'")
    await ask_and_leave(house, CHAT, stream=False)
    await house.seen()
    await until(lambda: bool(house.parts.metrics._requests))
    assert not house.parts.health.cooling()
    assert "hung_up" not in {kind for _, kind in house.parts.metrics._failures}


@pytest.mark.parametrize(("path", "events"), [(CHAT, 8), (MESSAGES, 10)], ids=["chat", "messages"])
async def test_once_the_vendor_has_said_the_usage_that_is_what_is_billed(house: House, path: str, events: int) -> None:
    """It comes with the ending, which waits for the vendor's terminator."""
    usage = "usage = { input = 3, output = 2 }"
    answer = f'answer = {{ text = "one two three four", chunk_chars = 4, {usage} }}\n'
    house.script(f"{answer}[[rules]]\nfault = {{ kind = 'stall', where = 'mid', after_events = {events} }}\n")
    body = json.dumps({"model": "duo", "stream": True, "messages": HELLO, "max_tokens": 50}).encode()
    reader, writer = await begin(house, path, body)
    async with asyncio.timeout(PATIENCE):
        await reader.readuntil(b'"ur"')
    await until(lambda: house.simulator.requests[0].events == events)
    for _ in range(3):
        await house.money()  # the gateway has read whatever came before this
    writer.close()
    await until(lambda: bool(house.parts.metrics._requests))
    await house.harbor.books.drain()
    (row,) = (await house.get("/v1/requests")).json()["data"]
    receipt: Any = await house.receipt(row["id"])
    assert (receipt["status"], receipt["usage_source"]) == ("hung_up", "vendor")
    assert (receipt["usage"]["input"], receipt["usage"]["output"]) == (3, 2)
    assert receipt["cost_usd"] == "0.000007000"
