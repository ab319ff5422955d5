"""Google's own library for Gemini, with only its base URL changed, for providers of every wire."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from google import genai
from google.genai import errors, types
from tests.gateway.house import House
from tests.google_sdk import google_client

from tokenharbor.kernel.money import Usd

pytestmark = pytest.mark.asyncio(loop_scope="session")

TEXT = "Fair winds — 顺风 🌊 and following seas."
SCRIPT = f"""
[answer]
text = "{TEXT}"
reasoning = "The harbour is calm today."
chunk_chars = 5
[answer.usage]
input = 100
cache_read = 40
output = 11
reasoning = 5
[[answer.calls]]
name = "bash"
arguments = {{ command = "echo ahoy", "Odd Key" = [1, 2.5] }}
"""
COST = Usd.parse("0.000136000")
"""At 1 USD per million of input, 0.10 of cache reads, 2 of output and reasoning."""

EACH = pytest.mark.parametrize("model", ["solo", "only-gemini", "only-anthropic_messages", "only-openai_responses"])
"""The first two speak Gemini's wire; the others are told in a foreign one."""

BASH = types.FunctionDeclaration(name="bash", parameters_json_schema={"type": "object"})
TOOLS = types.GenerateContentConfig(tools=[types.Tool(function_declarations=[BASH])])


@pytest.fixture
def scripted(house: House) -> House:
    house.script(SCRIPT)
    return house


def library(house: House, key: str) -> genai.Client:
    return google_client(house.url, key)


@pytest_asyncio.fixture(loop_scope="session")
async def models(scripted: House) -> AsyncIterator[Any]:
    async with library(scripted, scripted.payer.key).aio as client:
        yield client.models


def words(answers: list[types.GenerateContentResponse]) -> str:
    return "".join(part.text or "" for answer in answers for part in answer.parts or () if not part.thought)


def thoughts(answers: list[types.GenerateContentResponse]) -> str:
    return "".join(part.text or "" for answer in answers for part in answer.parts or () if part.thought)


async def spent(house: House) -> Usd:
    balance, held = await house.money()
    assert held == "0.000000000"
    return Usd(Usd.parse("100") - Usd.parse(balance))


async def received(models: Any, *, stream: bool, **asked: Any) -> list[types.GenerateContentResponse]:
    if not stream:
        return [await models.generate_content(**asked)]
    return [answer async for answer in await models.generate_content_stream(**asked)]


@EACH
async def test_a_whole_answer(scripted: House, models: Any, model: str) -> None:
    answer = await models.generate_content(model=model, contents="hello")
    assert (answer.text, answer.candidates[0].finish_reason) == (TEXT, types.FinishReason.STOP)
    assert thoughts([answer]) == "The harbour is calm today."
    assert answer.response_id
    usage = answer.usage_metadata
    assert (usage.prompt_token_count, usage.cached_content_token_count) == (140, 40)
    assert (usage.candidates_token_count, usage.thoughts_token_count, usage.total_token_count) == (11, 5, 156)
    assert await spent(scripted) == COST


@EACH
async def test_a_stream(scripted: House, models: Any, model: str) -> None:
    answers = await received(models, stream=True, model=model, contents="hello")
    assert len(answers) > 3
    assert words(answers) == TEXT
    last = answers[-1]
    assert last.candidates is not None
    assert last.candidates[0].finish_reason == types.FinishReason.STOP
    assert last.usage_metadata is not None
    assert last.usage_metadata.total_token_count == 156
    assert await spent(scripted) == COST


@EACH
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_an_agent_runs_a_tool(scripted: House, models: Any, model: str, stream: bool) -> None:
    ask = {"model": model, "config": TOOLS}
    answers = await received(models, stream=stream, contents="hello", **ask)
    parts = [part for answer in answers for part in answer.parts or ()]
    (call,) = [part.function_call for part in parts if part.function_call]
    assert (call.name, call.args) == ("bash", {"command": "echo ahoy", "Odd Key": [1, 2.5]})
    result = types.Part(
        function_response=types.FunctionResponse(id=call.id, name=call.name, response={"output": "ahoy"})
    )
    history = [types.UserContent("hello"), types.ModelContent(parts), types.UserContent([result])]
    final = await models.generate_content(contents=history, **ask)
    assert "ahoy" in final.text


@EACH
async def test_a_chat_remembers_what_was_said(scripted: House, model: str) -> None:
    async with library(scripted, scripted.payer.key).aio as client:
        chat = client.chats.create(model=model)
        await chat.send_message("hello")
        assert (await chat.send_message("and again")).text == TEXT
    last = json.dumps(json.loads((await scripted.seen())[-1].body or ""), ensure_ascii=False)
    assert all(said in last for said in ("hello", TEXT, "and again"))


@EACH
async def test_tokens_are_counted_without_asking_anybody(scripted: House, models: Any, model: str) -> None:
    counted = await models.count_tokens(model=model, contents="hello")
    assert counted.total_tokens > 0
    assert await scripted.called() == []


@EACH
async def test_in_its_synchronous_form(scripted: House, model: str) -> None:
    def ask() -> tuple[str | None, str]:
        with library(scripted, scripted.payer.key) as client:
            whole = client.models.generate_content(model=model, contents="hello")
            stream = client.models.generate_content_stream(model=model, contents="hello")
            return whole.text, words(list(stream))

    assert await asyncio.to_thread(ask) == (TEXT, TEXT)


@pytest.mark.parametrize("version", ["v1", "v1beta"])
async def test_models_are_listed_and_described(scripted: House, version: str) -> None:
    async with google_client(scripted.url, scripted.payer.key, api_version=version).aio as client:
        await check_models(client.models)


async def check_models(models: Any) -> None:
    found = {model.name: model async for model in await models.list()}
    assert {"models/solo", "models/duo"} <= found.keys()
    assert "generateContent" in found["models/solo"].supported_actions
    model = await models.get(model="solo")
    assert (model.name, model.input_token_limit, model.output_token_limit) == ("models/solo", 200_000, 8_192)
    with pytest.raises(errors.ClientError) as unknown:
        await models.get(model="solow")
    assert (unknown.value.code, unknown.value.status) == (404, "NOT_FOUND")


# Errors: the library tells them apart by their class and status


@EACH
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize(
    ("status", "raised", "code", "word"),
    [
        (400, errors.ClientError, 400, "INVALID_ARGUMENT"),
        (429, errors.ClientError, 429, "RESOURCE_EXHAUSTED"),
        (401, errors.ServerError, 502, "UNAVAILABLE"),
        (503, errors.ServerError, 502, "UNAVAILABLE"),
    ],
)
async def test_a_vendors_failure(
    house: House,
    models: Any,
    model: str,
    stream: bool,
    status: int,
    raised: type[errors.APIError],
    code: int,
    word: str,
) -> None:
    house.script(f"[[rules]]\nfault = {{ kind = 'status', status = {status}, message = 'no such luck' }}")
    with pytest.raises(raised) as failed:
        await received(models, stream=stream, model=model, contents="hello")
    assert (failed.value.code, failed.value.status) == (code, word)
    assert await spent(house) == Usd(0)


@EACH
async def test_a_stream_that_breaks_off_is_raised(house: House, models: Any, model: str) -> None:
    house.script(SCRIPT + "[[rules]]\nfault = { kind = 'break', after_content = 1 }\n")
    with pytest.raises(errors.APIError) as failed:
        await received(models, stream=True, model=model, contents="hello")
    assert failed.value.code == 502
    assert await spent(house) == Usd(0)


async def test_our_own_refusals(house: House, models: Any) -> None:
    with pytest.raises(errors.ClientError) as unknown:
        await models.generate_content(model="quadd", contents="hello")
    assert (unknown.value.code, unknown.value.status) == (404, "NOT_FOUND")
    assert "quad" in str(unknown.value.message)
    wrong = types.GenerateContentConfig(max_output_tokens=-5)
    with pytest.raises(errors.ClientError) as bad:
        await models.generate_content(model="solo", contents="hello", config=wrong)
    assert reason_of(bad.value) == ("invalid_request", "generationConfig.maxOutputTokens")
    async with library(house, "nobody").aio as client:
        with pytest.raises(errors.ClientError) as stranger:
            await client.models.generate_content(model="solo", contents="hello")
    assert (stranger.value.code, stranger.value.status) == (401, "UNAUTHENTICATED")
    house.payer = await house.new_payer("0.000001")
    async with library(house, house.payer.key).aio as client:
        with pytest.raises(errors.ClientError) as broke:
            await client.models.generate_content(model="solo", contents="hello")
    assert reason_of(broke.value)[0] == "insufficient_quota"
    assert await house.called() == []


async def test_what_another_dialect_cannot_say_names_the_callers_field(house: House, models: Any) -> None:
    config = types.GenerateContentConfig(candidate_count=2)
    with pytest.raises(errors.ClientError) as many:
        await models.generate_content(model="only-anthropic_messages", contents="hello", config=config)
    assert reason_of(many.value) == ("invalid_request", "generationConfig.candidateCount")
    assert await house.called() == []


def reason_of(error: errors.APIError) -> tuple[str, str | None]:
    info = error.details["error"]["details"][0]
    return info["reason"], info["metadata"].get("param")
