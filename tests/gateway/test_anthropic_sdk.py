"""Anthropic's own library, with only its base URL changed."""

import asyncio
from typing import Any

import anthropic
import pytest
from tests.gateway.house import HELLO, House
from tests.gateway.sdk_script import COST, FAR, INCLUDE, SCRIPT, TEXT, body_of, spent

pytestmark = pytest.mark.asyncio(loop_scope="session")


MESSAGES_TOOLS: Any = [{"name": "bash", "input_schema": {"type": "object"}}]


@pytest.fixture
def scripted(house: House) -> House:
    house.script(SCRIPT)
    return house


# Anthropic's


async def test_anthropic_whole(scripted: House) -> None:
    create = scripted.messages().messages.with_raw_response.create
    raw = await create(model="solo", messages=HELLO, max_tokens=100)
    answer = await raw.parse()
    assert [block.type for block in answer.content] == ["thinking", "text"]
    assert answer.content[1].text == TEXT  # type: ignore[union-attr]
    assert answer.stop_reason == "end_turn"
    usage = answer.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (100, 40, 7)
    assert usage.output_tokens == 16
    assert answer._request_id == raw.headers["request-id"] == raw.headers["x-request-id"]
    assert raw.headers["x-tokenharbor-cost-usd"] == str(COST)
    assert await spent(scripted) == COST
    assert not hasattr(usage, "cost")


async def test_anthropic_stream(scripted: House) -> None:
    async with scripted.messages().messages.stream(model="solo", messages=HELLO, max_tokens=100) as stream:
        text = "".join([piece async for piece in stream.text_stream])
        final = await stream.get_final_message()
    assert text == TEXT
    assert final.content[0].type == "thinking"
    assert final.content[0].signature
    assert (final.stop_reason, final.usage.input_tokens, final.usage.output_tokens) == ("end_turn", 100, 16)
    assert stream.response.headers["x-tokenharbor-provider"] == "alpha"
    assert "x-tokenharbor-cost-usd" not in stream.response.headers
    assert await spent(scripted) == COST


async def test_anthropic_cost_where_it_is_asked_for(scripted: House) -> None:
    create = scripted.messages().messages.create
    whole = await create(model="solo", messages=HELLO, max_tokens=100, extra_body=INCLUDE)
    assert f"{whole.usage.cost:.9f}" == str(COST)  # type: ignore[attr-defined]
    stream = await create(model="solo", messages=HELLO, max_tokens=100, stream=True, extra_body=INCLUDE)
    costs = [event.usage.cost async for event in stream if event.type == "message_delta"]  # type: ignore[attr-defined]
    assert [f"{cost:.9f}" for cost in costs] == [str(COST)]


async def test_anthropic_agent_runs_a_tool(scripted: House) -> None:
    client = scripted.messages()
    async with client.messages.stream(model="solo", messages=HELLO, max_tokens=100, tools=MESSAGES_TOOLS) as stream:
        asked = await stream.get_final_message()
    call = asked.content[-1]
    assert call.type == "tool_use"
    assert (call.name, call.input, asked.stop_reason) == ("bash", {"command": "echo ahoy"}, "tool_use")
    result = {"type": "tool_result", "tool_use_id": call.id, "content": [{"type": "text", "text": "ahoy"}]}
    history: Any = [
        *HELLO,
        {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in asked.content]},
        {"role": "user", "content": [result]},
    ]
    final = await client.messages.create(model="solo", messages=history, max_tokens=100, tools=MESSAGES_TOOLS)
    assert final.content[-1].text == "The tool ran. It said: ahoy"  # type: ignore[union-attr]


@pytest.mark.parametrize("base", ["", "/"])
async def test_anthropic_in_its_synchronous_form(scripted: House, base: str) -> None:
    def ask() -> tuple[str, str]:
        key = scripted.payer.key
        with anthropic.Anthropic(base_url=scripted.url + base, api_key=key, max_retries=0) as client:
            whole = client.messages.create(model="solo", messages=HELLO, max_tokens=100)
            with client.messages.stream(model="solo", messages=HELLO, max_tokens=100) as stream:
                return whole.content[-1].text, "".join(stream.text_stream)  # type: ignore[union-attr]

    assert await asyncio.to_thread(ask) == (TEXT, TEXT)


async def test_anthropic_models(house: House) -> None:
    client = house.messages()
    listed = [model.id async for model in client.models.list()]
    assert {"solo", "duo", "quad"} <= set(listed)
    model = await client.models.retrieve("alpha/solo")
    assert (model.id, model.type, model.max_input_tokens) == ("solo", "model", 200_000)
    with pytest.raises(anthropic.NotFoundError):
        await client.models.retrieve("sollo")


async def test_anthropic_refusals(house: House) -> None:
    create = house.messages().messages.create
    with pytest.raises(anthropic.NotFoundError) as unknown:
        await create(model="quadd", messages=HELLO, max_tokens=5)
    assert body_of(unknown.value)["code"] == "model_not_found"
    with pytest.raises(anthropic.BadRequestError) as bad:
        await create(model="solo", messages=HELLO, max_tokens=-5)
    assert (body_of(bad.value)["type"], body_of(bad.value)["param"]) == ("invalid_request_error", "max_tokens")
    with pytest.raises(anthropic.AuthenticationError) as stranger:
        await house.message_client.messages.create(model="solo", messages=HELLO, max_tokens=5)
    assert body_of(stranger.value)["type"] == "authentication_error"


async def test_anthropics_library_with_a_bearer(house: House) -> None:
    async with anthropic.AsyncAnthropic(base_url=house.url, auth_token=house.payer.key) as client:
        answer = await client.messages.create(model="solo", messages=HELLO, max_tokens=100)
    assert answer.stop_reason == "end_turn"


@FAR
async def test_anthropic_over_any_wire(scripted: House, wire: str) -> None:
    client, model = scripted.messages(), f"only-{wire}"
    answer = await client.messages.create(model=model, messages=HELLO, max_tokens=100)
    assert [block.text for block in answer.content if block.type == "text"] == [TEXT]
    async with client.messages.stream(model=model, messages=HELLO, max_tokens=100, tools=MESSAGES_TOOLS) as stream:
        final = await stream.get_final_message()
    (call,) = [block for block in final.content if block.type == "tool_use"]
    assert (final.stop_reason, call.input) == ("tool_use", {"command": "echo ahoy"})
    results: Any = [
        *HELLO,
        {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in final.content]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "ahoy"}]},
    ]
    answer = await client.messages.create(model=model, messages=results, max_tokens=100, tools=MESSAGES_TOOLS)
    assert any("ahoy" in block.text for block in answer.content if block.type == "text")


async def test_anthropic_counts_without_asking_anybody(scripted: House) -> None:
    counted = await scripted.messages().messages.count_tokens(model="solo", messages=HELLO)
    assert counted.input_tokens > 0
    assert await scripted.called() == []
