"""Data held back before an answer's first content: little, apart from what the provider repeats of the request."""

import json
from typing import Any

import pytest
from tests.gateway.attack import UNTOUCHED
from tests.gateway.house import RESPONSES, House
from tests.wire.splits import tape

pytestmark = pytest.mark.asyncio(loop_scope="session")


def begun_with(instructions: str) -> bytes:
    """An answer whose events repeat these."""
    stream = tape("openai_responses", "text")
    return stream.replace(b'"instructions":null', b'"instructions":' + json.dumps(instructions).encode())


async def respond(house: House, instructions: str) -> Any:
    asked = {"model": "tape", "input": "hello", "instructions": instructions, "stream": True}
    return await house.post(RESPONSES, json.dumps(asked, ensure_ascii=False).encode())


async def test_a_long_request_may_be_repeated(house: House) -> None:
    instructions = "Отвечай кратко. " * 20_000
    house.tape.put(begun_with(instructions), cuts=range(0, 4_000_000, 10_000))
    said = await respond(house, instructions)
    assert (said.status, said.ended) == (200, "complete")
    assert said.data[-1]["type"] == "response.completed"


async def test_what_nobody_asked_is_not_waited_through(house: House) -> None:
    house.tape.put(begun_with("Be brief. " * 20_000), cuts=range(0, 1_000_000, 10_000))
    said = await respond(house, "Be brief.")
    assert (said.status, said.error["code"]) == (502, "upstream_error")
    assert await house.money() == UNTOUCHED


async def test_a_first_event_may_be_content_however_long(house: House) -> None:
    words = "word " * 40_000
    stream = tape("openai_chat", "text")
    frames = stream.split(b"\n\n")
    chunk = json.loads(frames[0].removeprefix(b"data: "))
    chunk["choices"][0]["delta"] = {"role": "assistant", "content": words}
    frames[0] = b"data: " + json.dumps(chunk).encode()
    house.tape.put(b"\n\n".join(frames), cuts=range(0, 300_000, 10_000))
    said = await house.chat("tape", stream=True)
    assert said.status == 200
    assert said.data[0]["choices"][0]["delta"]["content"] == words
