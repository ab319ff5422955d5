"""The vendors' own libraries, with only their base URL changed."""

import asyncio
import json
import re
from typing import Any

import anthropic
import openai
import pytest
from tests.gateway.house import HELLO, House
from tests.gateway.sdk_script import COST, FAR, INCLUDE, SCRIPT, TEXT, body_of, spent

from tokenharbor.kernel.money import Usd

pytestmark = pytest.mark.asyncio(loop_scope="session")


CHAT_TOOLS: Any = [{"type": "function", "function": {"name": "bash", "parameters": {"type": "object"}}}]


@pytest.fixture
def scripted(house: House) -> House:
    house.script(SCRIPT)
    return house


async def texts(stream: Any) -> tuple[str, list[Any]]:
    """What a chat stream said, and its chunks."""
    chunks = [chunk async for chunk in stream]
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices), chunks


# OpenAI's


async def test_openai_whole(scripted: House) -> None:
    raw = await scripted.chats().chat.completions.with_raw_response.create(model="solo", messages=HELLO)
    answer = raw.parse()
    assert answer.choices[0].message.content == TEXT
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.prompt_tokens_details is not None
    assert (answer.usage.prompt_tokens, answer.usage.prompt_tokens_details.cached_tokens) == (147, 40)
    assert (answer.usage.completion_tokens, answer.usage.total_tokens) == (16, 163)
    assert answer._request_id == raw.headers["x-request-id"]
    assert {name: value for name, value in raw.headers.items() if name.startswith("x-tokenharbor")} == {
        "x-tokenharbor-model": "solo",
        "x-tokenharbor-provider": "alpha",
        "x-tokenharbor-attempts": "1",
        "x-tokenharbor-cache": "prefix",
        "x-tokenharbor-cost-usd": str(await spent(scripted)),
    }
    assert not hasattr(answer.usage, "cost")


async def test_openai_stream(scripted: House) -> None:
    raw = await scripted.chats().chat.completions.with_raw_response.create(model="solo", messages=HELLO, stream=True)
    said, chunks = await texts(raw.parse())
    assert said == TEXT
    assert [choice.finish_reason for chunk in chunks for choice in chunk.choices][-1] == "stop"
    assert (raw.headers["x-tokenharbor-model"], raw.headers["x-tokenharbor-provider"]) == ("solo", "alpha")
    assert "x-tokenharbor-cost-usd" not in raw.headers, "a stream's cost stands on its receipt only"
    receipt = await scripted.receipt(raw.headers["x-request-id"])
    assert Usd.parse(receipt["cost_usd"]) == await spent(scripted) > 0
    assert receipt["usage_source"] == "vendor", "we asked for the usage"
    assert (raw.headers["x-tokenharbor-cache"], receipt["cache"]) == ("none", "prefix"), "which nobody knew before"


async def test_openai_usage_comes_in_a_stream_only_if_it_was_asked_for(scripted: House) -> None:
    create = scripted.chats().chat.completions.create
    _, chunks = await texts(await create(model="solo", messages=HELLO, stream=True))
    assert [chunk.usage for chunk in chunks if chunk.usage] == []
    assert all(chunk.choices for chunk in chunks), "the chunk that we asked for is gone"
    options: Any = {"include_usage": True}
    _, chunks = await texts(await create(model="solo", messages=HELLO, stream=True, stream_options=options))
    assert [chunk.usage.total_tokens for chunk in chunks if chunk.usage] == [163]
    assert not hasattr(chunks[-1].usage, "cost")


async def test_openai_cost_where_it_is_asked_for(scripted: House) -> None:
    create = scripted.chats().chat.completions.create
    whole = await create(model="solo", messages=HELLO, extra_body=INCLUDE)
    assert Usd.parse(str(whole.usage.cost)) == await spent(scripted) > 0  # type: ignore[union-attr]
    said, chunks = await texts(await create(model="solo", messages=HELLO, stream=True, extra_body=INCLUDE))
    assert said == TEXT
    (usage,) = [chunk.usage for chunk in chunks if chunk.usage]
    assert Usd.parse(f"{usage.cost:.9f}") * 2 == await spent(scripted)


async def test_openai_agent_runs_a_tool(scripted: House) -> None:
    create = scripted.chats().chat.completions.create
    asked = await create(model="solo", messages=HELLO, tools=CHAT_TOOLS)
    assert asked.choices[0].finish_reason == "tool_calls"
    (call,) = asked.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert (call.function.name, json.loads(call.function.arguments)) == ("bash", {"command": "echo ahoy"})
    result = {"role": "tool", "tool_call_id": call.id, "content": "ahoy\n"}
    history: Any = [*HELLO, asked.choices[0].message.model_dump(exclude_none=True), result]
    final = await create(model="solo", messages=history, tools=CHAT_TOOLS)
    assert final.choices[0].message.content == "The tool ran. It said: ahoy"


async def test_openai_streams_a_tool_call(scripted: House) -> None:
    async with scripted.chats().chat.completions.stream(model="solo", messages=HELLO, tools=CHAT_TOOLS) as stream:
        async for _ in stream:
            pass
        final = await stream.get_final_completion()
    assert final.choices[0].message.tool_calls
    assert final.choices[0].message.tool_calls[0].function.arguments == '{"command":"echo ahoy"}'


async def test_openai_choices(scripted: House) -> None:
    create = scripted.chats().chat.completions.create
    whole = await create(model="solo", messages=HELLO, n=3)
    assert [choice.message.content for choice in whole.choices] == [TEXT] * 3
    stream = await create(model="solo", messages=HELLO, n=3, stream=True)
    said = {0: "", 1: "", 2: ""}
    async for chunk in stream:
        for choice in chunk.choices:
            said[choice.index] += choice.delta.content or ""
    assert said == dict.fromkeys(range(3), TEXT)


RESPONSES_TOOLS: Any = [{"type": "function", "name": "bash", "parameters": {"type": "object"}, "strict": False}]


async def test_openai_responses_whole(scripted: House) -> None:
    create = scripted.chats().responses.with_raw_response.create
    raw = await create(model="solo", input="hello", include=["reasoning.encrypted_content"])
    answer = raw.parse()
    assert answer.output_text == TEXT
    assert answer.output[0].type == "reasoning"
    assert answer.output[0].encrypted_content
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.output_tokens, answer.usage.total_tokens) == (147, 16, 163)
    assert answer._request_id == raw.headers["x-request-id"]
    assert raw.headers["x-tokenharbor-cost-usd"] == str(COST)
    assert await spent(scripted) == COST
    assert not hasattr(answer.usage, "cost")
    (record,) = await scripted.seen()
    assert json.loads(record.body or "")["store"] is False, "nothing is stored at vendors"


async def test_openai_responses_stream_with_its_cost(scripted: House) -> None:
    async with scripted.chats().responses.stream(model="solo", input="hello", extra_body=INCLUDE) as stream:
        said = "".join([event.delta async for event in stream if event.type == "response.output_text.delta"])
        final = await stream.get_final_response()
    assert (said, final.status) == (TEXT, "completed")
    assert f"{final.usage.cost:.9f}" == str(COST)  # type: ignore[union-attr]
    assert await spent(scripted) == COST


async def test_openai_responses_agent_runs_a_tool(scripted: House) -> None:
    client = scripted.chats().responses
    asked = await client.create(model="solo", input="hello", tools=RESPONSES_TOOLS, stream=False)
    call = asked.output[-1]
    assert call.type == "function_call"
    assert (call.name, json.loads(call.arguments)) == ("bash", {"command": "echo ahoy"})
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "ahoy"}
    history: Any = [*HELLO, *(item.to_dict() for item in asked.output), result]
    final = await client.create(model="solo", input=history, tools=RESPONSES_TOOLS)
    assert final.output_text == "The tool ran. It said: ahoy"


async def test_openai_responses_refusals(house: House) -> None:
    create = house.chats().responses.create
    with pytest.raises(openai.BadRequestError) as stored:
        await create(model="solo", input="hello", previous_response_id="resp_1")
    assert stored.value.param == "previous_response_id"
    with pytest.raises(openai.NotFoundError) as unknown:
        await create(model="quadd", input="hello")
    assert (unknown.value.code, unknown.value.param) == ("model_not_found", "model")


async def test_a_search_that_a_client_merely_lists_does_not_reach_the_vendor(house: House) -> None:
    listed: Any = [*RESPONSES_TOOLS, {"type": "web_search", "external_web_access": True}]
    answer = await house.chats().responses.create(model="solo", input="hello", tools=listed)
    assert answer.status == "completed"
    (record,) = await house.seen()
    assert json.loads(record.body or "")["tools"] == RESPONSES_TOOLS
    with pytest.raises(openai.BadRequestError, match="alpha") as unpriced:
        await house.chats().responses.create(model="solo", input="hello", tools=listed, max_tool_calls=2)
    assert unpriced.value.param == "tools"


@pytest.mark.parametrize("base", ["/v1", "/v1/"])
async def test_openai_in_its_synchronous_form(scripted: House, base: str) -> None:
    def ask() -> tuple[str | None, str]:
        with openai.OpenAI(base_url=scripted.url + base, api_key=scripted.payer.key, max_retries=0) as client:
            whole = client.chat.completions.create(model="solo", messages=HELLO)
            stream = client.chat.completions.create(model="solo", messages=HELLO, stream=True)
            said = "".join(choice.delta.content or "" for chunk in stream for choice in chunk.choices)
            return whole.choices[0].message.content, said

    assert await asyncio.to_thread(ask) == (TEXT, TEXT)


async def test_openai_models(house: House) -> None:
    client = house.chats()
    listed = [model.id async for model in client.models.list()]
    assert {"solo", "duo", "quad"} <= set(listed)
    for name in ("solo", "solo-2026-01-01", "alpha/solo", "sims/solo"):
        model = await client.models.retrieve(name)
        assert (model.id, model.object, model.owned_by) == ("solo", "model", "sims")
    with pytest.raises(openai.NotFoundError) as missing:
        await client.models.retrieve("sollo")
    assert missing.value.code == "model_not_found"
    assert "solo" in missing.value.message.replace("sollo", "")


async def test_openai_refusals(house: House) -> None:
    create = house.chats().chat.completions.create
    with pytest.raises(openai.NotFoundError) as unknown:
        await create(model="quadd", messages=HELLO)
    assert (unknown.value.code, unknown.value.param) == ("model_not_found", "model")
    assert "quad" in unknown.value.message
    with pytest.raises(openai.BadRequestError) as bad:
        await create(model="solo", messages="hello")  # type: ignore[arg-type]
    assert (bad.value.code, bad.value.type, bad.value.param) == ("invalid_request", "invalid_request_error", "messages")
    with pytest.raises(openai.AuthenticationError) as stranger:
        await house.chat_client.chat.completions.create(model="solo", messages=HELLO)
    assert stranger.value.code == "invalid_api_key"


# Both


@pytest.fixture(params=["authorization", "x-api-key", "x-goog-api-key"])
def signed(request: pytest.FixtureRequest, house: House) -> dict[str, str]:
    """The key in each of its headers."""
    return {request.param: f"Bearer {house.payer.key}" if request.param == "authorization" else house.payer.key}


async def test_the_key_in_each_of_its_headers(house: House, signed: dict[str, str]) -> None:
    assert (await house.chat(headers=signed)).status == 200
    assert (await house.message(headers=signed)).status == 200
    assert (await house.get("/v1/account/balance", signed)).status == 200


async def test_a_callers_own_request_id_is_kept_and_no_more(house: House) -> None:
    said = await house.chat(headers={"x-request-id": "mine-7"})
    assert said.headers["x-request-id"].startswith("req_")
    assert (await house.receipt(said.headers["x-request-id"]))["client_request_id"] == "mine-7"
    raw = await house.messages().messages.with_raw_response.create(
        model="solo", messages=HELLO, max_tokens=9, extra_headers={"x-request-id": "mine-8"}
    )
    assert (await house.receipt(raw.headers["x-request-id"]))["client_request_id"] == "mine-8"


@pytest.mark.parametrize("library", ["openai", "anthropic"])
async def test_a_library_retries_what_may_pass_and_is_billed_once(house: House, library: str) -> None:
    house.script("[[rules]]\nmatch = { nth = [1] }\nfault = { kind = 'status', status = 500 }")
    if library == "openai":
        await house.chats().with_options(max_retries=1).chat.completions.create(model="solo", messages=HELLO)
    else:
        client = house.messages().with_options(max_retries=1)
        await client.messages.create(model="solo", messages=HELLO, max_tokens=50)
    rows = (await house.get("/v1/requests")).json()["data"]
    assert [row["status"] for row in rows] == ["complete", "failed"], "a library's retry is a request of its own"
    assert Usd.parse(rows[0]["cost_usd"]) == await spent(house) > 0


async def test_responses_clients_stop_at_an_empty_purse_too(house: House) -> None:
    house.payer = await house.new_payer("0.000001")
    before = refused(house)
    client = house.chats().with_options(max_retries=3)
    with pytest.raises(openai.RateLimitError) as broke:
        await client.responses.create(model="solo", input="hello")
    assert (broke.value.status_code, broke.value.code) == (429, "insufficient_quota")
    assert broke.value.response.headers["x-should-retry"] == "false"
    assert refused(house) == before + 1


@pytest.mark.parametrize("library", ["openai", "anthropic"])
async def test_a_library_does_not_retry_for_want_of_money(house: House, library: str) -> None:
    house.payer = await house.new_payer("0.000001")
    before = refused(house)
    if library == "openai":
        with pytest.raises(openai.APIStatusError) as broke:
            await house.chats().with_options(max_retries=3).chat.completions.create(model="solo", messages=HELLO)
        assert (broke.value.status_code, broke.value.code, broke.value.type) == (402, *["insufficient_quota"] * 2)
        assert broke.value.response.headers["x-should-retry"] == "false"
        assert re.search(r"balance \$0\.000001, held \$0\.00, needed \$0\.\d{2,9}\. Top up", broke.value.message)
    else:
        client = house.messages().with_options(max_retries=3)
        with pytest.raises(anthropic.APIStatusError) as owing:
            await client.messages.create(model="solo", messages=HELLO, max_tokens=50)
        assert (owing.value.status_code, body_of(owing.value)["type"]) == (402, "billing_error")
    assert refused(house) == before + 1
    assert await house.called() == []


def refused(house: House) -> int:
    return house.parts.metrics._requests["solo", "", "refused"]


@FAR
async def test_openai_over_any_wire(scripted: House, wire: str) -> None:
    client, model = scripted.chats(), f"only-{wire}"
    answer = await client.chat.completions.create(model=model, messages=HELLO)
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == (TEXT, "stop")
    stream = await client.chat.completions.create(model=model, messages=HELLO, stream=True)
    assert (await texts(stream))[0] == TEXT
    answer = await client.chat.completions.create(model=model, messages=HELLO, tools=CHAT_TOOLS)
    call: Any = (answer.choices[0].message.tool_calls or [])[0]
    assert json.loads(call.function.arguments) == {"command": "echo ahoy"}
    results: Any = [
        *HELLO,
        answer.choices[0].message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": "ahoy"},
    ]
    answer = await client.chat.completions.create(model=model, messages=results, tools=CHAT_TOOLS)
    assert "ahoy" in (answer.choices[0].message.content or "")


@FAR
async def test_responses_over_any_wire(scripted: House, wire: str) -> None:
    client, model = scripted.chats(), f"only-{wire}"
    answer = await client.responses.create(model=model, input="hello")
    assert (answer.output_text, answer.status) == (TEXT, "completed")
    async with client.responses.stream(model=model, input="hello") as stream:
        assert (await stream.get_final_response()).output_text == TEXT
