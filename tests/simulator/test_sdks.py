"""The vendors' own libraries accept the simulator as a vendor."""

import json
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import openai
import pytest
from tests.simulator.conftest import Start

from tokenharbor.simulator.serve import Simulator

SCRIPT = """
[answer]
text = "Fair winds — 顺风 🌊 and following seas."
reasoning = "The harbour is calm today."
chunk_chars = 5
[answer.usage]
input = 100
cache_read = 40
cache_write_1h = 7
output = 11
reasoning = 5
[[answer.calls]]
name = "bash"
arguments = { command = "echo ahoy" }
"""
TEXT = "Fair winds — 顺风 🌊 and following seas."
CHAT_TOOLS: Any = [{"type": "function", "function": {"name": "Bash", "parameters": {"type": "object"}}}]
MESSAGES_TOOLS: Any = [{"name": "Bash", "input_schema": {"type": "object"}}]
HELLO: Any = [{"role": "user", "content": "hello"}]


@pytest.fixture
async def simulator(simulate: Start) -> Simulator:
    return await simulate(SCRIPT)


@pytest.fixture
async def chat(simulator: Simulator) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=simulator.url + "/v1", api_key="k", max_retries=0) as client:
        yield client


@pytest.fixture
async def messages(simulator: Simulator) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(base_url=simulator.url, api_key="k", max_retries=0) as client:
        yield client


async def test_openai_whole(chat: openai.AsyncOpenAI) -> None:
    answer = await chat.chat.completions.create(model="m", messages=HELLO)
    assert answer.choices[0].message.content == TEXT
    assert answer.choices[0].finish_reason == "stop"
    usage = answer.usage
    assert usage is not None
    assert usage.prompt_tokens_details is not None
    assert usage.completion_tokens_details is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (147, 16, 163)
    assert usage.prompt_tokens_details.cached_tokens == 40
    assert usage.completion_tokens_details.reasoning_tokens == 5


async def test_openai_stream(chat: openai.AsyncOpenAI) -> None:
    stream = await chat.chat.completions.create(
        model="m", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(pieces) == TEXT
    assert max(map(len, pieces)) == 5
    assert [chunk.usage.total_tokens for chunk in chunks if chunk.usage] == [163]
    assert chunks[-2].choices[0].finish_reason == "stop"


async def test_openai_reports_no_usage_on_a_stream_unless_asked(chat: openai.AsyncOpenAI) -> None:
    stream = await chat.chat.completions.create(model="m", messages=HELLO, stream=True)
    assert [chunk.usage async for chunk in stream if chunk.usage] == []


async def test_openai_choices(chat: openai.AsyncOpenAI) -> None:
    answer = await chat.chat.completions.create(model="m", messages=HELLO, n=3)
    assert [choice.message.content for choice in answer.choices] == [TEXT] * 3
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 3 * 16


async def test_openai_agent_calls_the_offered_tool_and_reports_its_result(chat: openai.AsyncOpenAI) -> None:
    asked = await chat.chat.completions.create(model="m", messages=HELLO, tools=CHAT_TOOLS)
    assert asked.choices[0].finish_reason == "tool_calls"
    assert asked.choices[0].message.tool_calls
    call = asked.choices[0].message.tool_calls[0]
    assert call.type == "function"
    assert (call.function.name, json.loads(call.function.arguments)) == ("Bash", {"command": "echo ahoy"})
    result = {"role": "tool", "tool_call_id": call.id, "content": "ahoy\n"}
    history: Any = [*HELLO, asked.choices[0].message.model_dump(exclude_none=True), result]
    final = await chat.chat.completions.create(model="m", messages=history, tools=CHAT_TOOLS)
    assert final.choices[0].message.content == "The tool ran. It said: ahoy"


async def test_openai_streams_a_tool_call(chat: openai.AsyncOpenAI) -> None:
    async with chat.chat.completions.stream(model="m", messages=HELLO, tools=CHAT_TOOLS) as stream:
        async for _ in stream:
            pass
        final = await stream.get_final_completion()
    assert final.choices[0].message.tool_calls
    assert final.choices[0].message.tool_calls[0].function.arguments == '{"command":"echo ahoy"}'


async def test_anthropic_whole(messages: anthropic.AsyncAnthropic) -> None:
    answer = await messages.messages.create(model="m", messages=HELLO, max_tokens=100)
    assert [block.type for block in answer.content] == ["thinking", "text"]
    assert answer.content[1].type == "text"
    assert answer.content[1].text == TEXT
    assert answer.stop_reason == "end_turn"
    usage = answer.usage
    assert usage.cache_creation is not None
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (100, 40, 16)
    assert (usage.cache_creation_input_tokens, usage.cache_creation.ephemeral_1h_input_tokens) == (7, 7)


async def test_anthropic_stream(messages: anthropic.AsyncAnthropic) -> None:
    async with messages.messages.stream(model="m", messages=HELLO, max_tokens=100) as stream:
        text = "".join([piece async for piece in stream.text_stream])
        final = await stream.get_final_message()
    assert text == TEXT
    assert final.content[0].type == "thinking"
    assert final.content[0].thinking == "The harbour is calm today."
    assert final.content[0].signature
    assert (final.usage.input_tokens, final.usage.output_tokens) == (100, 16)


async def test_anthropic_agent_calls_the_offered_tool_and_reports_its_result(
    messages: anthropic.AsyncAnthropic,
) -> None:
    async with messages.messages.stream(model="m", messages=HELLO, max_tokens=100, tools=MESSAGES_TOOLS) as stream:
        asked = await stream.get_final_message()
    call = asked.content[-1]
    assert call.type == "tool_use"
    assert (call.name, call.input, asked.stop_reason) == ("Bash", {"command": "echo ahoy"}, "tool_use")
    result = {"type": "tool_result", "tool_use_id": call.id, "content": [{"type": "text", "text": "ahoy"}]}
    history: Any = [
        *HELLO,
        {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in asked.content]},
        {"role": "user", "content": [result]},
    ]
    final = await messages.messages.create(model="m", messages=history, max_tokens=100, tools=MESSAGES_TOOLS)
    assert final.content[-1].type == "text"
    assert final.content[-1].text == "The tool ran. It said: ahoy"


async def test_both_list_the_models_and_count_tokens(
    chat: openai.AsyncOpenAI, messages: anthropic.AsyncAnthropic
) -> None:
    assert [model.id async for model in chat.models.list()] == ["simulated-model"]
    assert [model.id async for model in messages.models.list()] == ["simulated-model"]
    assert (await messages.messages.count_tokens(model="m", messages=HELLO)).input_tokens > 0


async def test_an_answer_is_cut_to_the_maximum(
    chat: openai.AsyncOpenAI, messages: anthropic.AsyncAnthropic, simulator: Simulator
) -> None:
    short = await chat.chat.completions.create(model="m", messages=HELLO, max_completion_tokens=9)
    assert (short.choices[0].message.content, short.choices[0].finish_reason) == ("Fair win", "length")
    other = await messages.messages.create(model="m", messages=HELLO, max_tokens=3)
    assert (other.content[0].type, other.stop_reason) == ("thinking", "max_tokens")


async def test_scripted_statuses_are_the_sdks_own_exceptions(simulate: Start) -> None:
    simulator = await simulate("[[rules]]\nfault = { kind = 'status', status = 429, retry_after = 7 }")
    async with (
        openai.AsyncOpenAI(base_url=simulator.url + "/v1", api_key="k", max_retries=0) as chat,
        anthropic.AsyncAnthropic(base_url=simulator.url, api_key="k", max_retries=0) as messages,
    ):
        with pytest.raises(openai.RateLimitError) as refused:
            await chat.chat.completions.create(model="m", messages=HELLO)
        assert refused.value.response.headers["retry-after"] == "7"
        assert refused.value.code == "rate_limit_exceeded"
        with pytest.raises(anthropic.RateLimitError):
            await messages.messages.create(model="m", messages=HELLO, max_tokens=5)


async def test_responses_in_a_stream_and_whole(chat: openai.AsyncOpenAI) -> None:
    tool: Any = {"type": "function", "name": "Bash", "parameters": {"type": "object"}, "strict": False}
    first = await chat.responses.create(
        model="m", input="hello", tools=[tool], include=["reasoning.encrypted_content"], instructions="Be calm."
    )
    thought, call = first.output
    assert first.instructions == "Be calm."
    assert thought.type == "reasoning"
    assert thought.encrypted_content
    assert call.type == "function_call"
    assert (call.name, json.loads(call.arguments)) == ("Bash", {"command": "echo ahoy"})
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "ahoy"}
    said: Any = [{"role": "user", "content": "hello"}, call.to_dict(), result]
    async with chat.responses.stream(model="m", input=said, tools=[tool]) as stream:
        events = [event async for event in stream]
    last = events[-1]
    assert last.type == "response.completed"
    assert "ahoy" in last.response.output_text
    usage = last.response.usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (147, 16, 163)
    assert [event.sequence_number for event in events if hasattr(event, "sequence_number")][-1] == len(events) - 1


async def test_responses_know_a_least_maximum_and_store_nothing(chat: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="max_output_tokens"):
        await chat.responses.create(model="m", input="hello", max_output_tokens=15)
    with pytest.raises(openai.BadRequestError, match="stores no"):
        await chat.responses.create(model="m", input="hello", previous_response_id="resp_1")
