"""Answers of vendors that are odd and yet complete: a caller gets them, and pays for them."""

import json
from typing import Any

import pytest
from tests.gateway.attack import PATHS
from tests.gateway.house import HELLO, House
from tests.gateway.raw import Said
from tests.gateway.tape import JSON

pytestmark = pytest.mark.asyncio(loop_scope="session")

HALF = json.dumps("Ship \ud83d")[1:-1].encode()
USAGE = b'"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}'


async def ask(house: House, dialect: str, *, stream: bool, **more: Any) -> Said:
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
