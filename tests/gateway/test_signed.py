"""A provider with its own wire, framing and signed requests: callers see no difference."""

from typing import Any

import anthropic
import openai
import pytest
from tests.gateway.house import HELLO, SIGNER, House

pytestmark = pytest.mark.asyncio(loop_scope="session")

SCRIPT = """
[answer]
text = "Fair winds — 顺风 🌊"
reasoning = "so calm"
chunk_chars = 4
usage = { input = 100, cache_read = 40, output = 11 }
[[answer.calls]]
name = "bash"
arguments = { command = "echo ahoy" }
"""
TEXT = "Fair winds — 顺风 🌊"


async def test_a_clients_of_openai_are_served_whole_and_in_a_stream(house: House) -> None:
    house.script(SCRIPT)
    answer = await house.chats().chat.completions.create(model="abroad", messages=HELLO)
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == (TEXT, "stop")
    assert answer.usage is not None
    stream = await house.chats().chat.completions.create(
        model="abroad", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == TEXT
    assert [chunk.usage for chunk in chunks if chunk.usage] == [answer.usage]
    whole, streamed = await house.seen()
    assert (whole.path, streamed.path) == (
        "/signed/model/signed-abroad/converse",
        "/signed/model/signed-abroad/converse-stream",
    )
    assert whole.credential == streamed.credential == SIGNER
    assert whole.headers is not None
    assert "/us-east-1/bedrock/aws4_request" in whole.headers["authorization"]
    assert "a/secret+key" not in str(whole.headers)


async def test_a_tool_is_called_and_heard_through_clients_of_anthropic(house: House) -> None:
    house.script(SCRIPT)
    tools: Any = [{"name": "Bash", "input_schema": {"type": "object"}}]
    asked: Any = {"model": "abroad", "max_tokens": 1000, "tools": tools}
    async with house.messages().messages.stream(messages=HELLO, **asked) as stream:
        called = await stream.get_final_message()
    assert called.stop_reason == "tool_use"
    call = called.content[-1]
    assert isinstance(call, anthropic.types.ToolUseBlock)
    assert (call.name, call.input) == ("Bash", {"command": "echo ahoy"})
    result: Any = {"type": "tool_result", "tool_use_id": call.id, "content": "ahoy"}
    turns: Any = [
        *HELLO,
        {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in called.content]},
        {"role": "user", "content": [result]},
    ]
    told = await house.messages().messages.create(messages=turns, **asked)
    assert told.content[-1].model_dump()["text"] == "The tool ran. It said: ahoy"
    *_, last = await house.seen()
    assert last.body is not None
    assert '"signature":"signed-' in last.body, "its signed thought came back to it"


@pytest.mark.parametrize("stream", [True, False])
async def test_what_it_counts_is_what_is_paid(house: House, stream: bool) -> None:
    house.script(SCRIPT)
    said = await house.message("abroad", stream=stream)
    assert said.status == 200
    receipt = await house.receipt(said.headers["x-request-id"])
    usage = receipt["usage"]
    assert (usage["input"], usage["cache_read"], usage["output"]) == (100, 40, 13)
    assert receipt["attempts"][0]["provider"] == "signed"


async def test_its_failures_are_told_in_the_callers_own_words(house: House) -> None:
    house.script("[[rules]]\nfault = { kind = 'status', status = 429, retry_after = 7 }")
    with pytest.raises(openai.RateLimitError):
        await house.chats().chat.completions.create(model="abroad", messages=HELLO)
    with pytest.raises(anthropic.RateLimitError):
        await house.messages().messages.create(model="abroad", messages=HELLO, max_tokens=10)


async def test_a_feature_that_it_cannot_say_is_refused_by_its_name(house: House) -> None:
    said = await house.chat("abroad", n=2)
    assert (said.status, said.json()["error"]["param"]) == (400, "n")
    assert await house.seen() == []
