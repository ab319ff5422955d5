"""The exact cache, from outside: what is cached, how a hit is served and priced, and what is never cached."""

import asyncio
import json
import re
from typing import Any

import pytest
from tests.gateway.across import CLIENTS, SCHEMA, ask
from tests.gateway.house import CHAT, House
from tests.gateway.raw import RawAnswer
from tests.gateway.test_hang_ups import begin, until

from tokenharbor.cache.pace import Pace
from tokenharbor.identity.caller import StatedRates
from tokenharbor.identity.ring import KeyRing
from tokenharbor.identity.store import KeyRules
from tokenharbor.kernel.money import Usd

pytestmark = pytest.mark.asyncio(loop_scope="session")

TEXT = "Seven words said one after the other, and “quotes”.\\nA second line."
ANSWER = f"""
[answer]
text = "{TEXT}"
chunk_chars = 5
[answer.usage]
input = 100
output = 11
"""
CALLS = """
[answer]
text = ""
[[answer.calls]]
name = "bash"
arguments = { command = "echo ahoy", "Odd Key" = [1, 2.5] }
"""
SAID = TEXT.replace("\\n", "\n")
COST = Usd(100 * 1_000 + 11 * 2_000)
FORMS = [(dialect, stream) for dialect in CLIENTS for stream in (False, True)]
FIRST = pytest.mark.parametrize("first", FORMS, ids=lambda form: f"{form[0]}-{'stream' if form[1] else 'whole'}")
SECOND = pytest.mark.parametrize("second", FORMS, ids=lambda form: f"{form[0]}-{'stream' if form[1] else 'whole'}")
QUESTION = [{"role": "user", "content": "What does a sluice do?"}]


@pytest.fixture(autouse=True)
def keeping(house: House) -> None:
    house.keep_answers()
    house.script(ANSWER)


def layer(said: RawAnswer) -> str:
    return str(said.headers["x-tokenharbor-cache"])


def id_of(said: RawAnswer) -> bytes:
    found = re.search(rb'"(?:id|responseId)": ?"([^"]+)"', said.body)
    assert found is not None, said.body
    return found[1]


@FIRST
@SECOND
async def test_an_answer_is_given_again_in_whatever_form(
    house: House, first: tuple[str, bool], second: tuple[str, bool]
) -> None:
    one = await ask(house, first[0], "solo", stream=first[1])
    two = await ask(house, second[0], "solo", stream=second[1])
    assert (layer(one), layer(two)) == ("none", "exact")
    client = CLIENTS[second[0]]
    assert (two.status, client.text(two), client.finished(two)) == (200, SAID, True), two.body
    assert id_of(one) != id_of(two)
    assert len(await house.called()) == 1
    receipt = await house.receipt(two.headers["x-request-id"])
    assert (receipt["cost_usd"], receipt["saved_usd"], receipt["cache"]) == (str(Usd(0)), str(COST), "exact")
    assert (receipt["usage"]["input"], receipt["usage"]["output"]) == (100, 11)
    if second[1]:
        assert two.body.count(b"data:") > 4, "a stream comes in pieces"


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("dialect", CLIENTS)
async def test_calls_of_tools_are_given_again(house: House, dialect: str, stream: bool) -> None:
    house.script(CALLS)
    client = CLIENTS[dialect]
    one = await ask(house, dialect, "solo", stream=stream, tools=client.tools)
    for form in (stream, not stream):
        two = await ask(house, dialect, "solo", stream=form, tools=client.tools)
        assert layer(two) == "exact"
        assert client.calls(two) == client.calls(one) == [("bash", {"command": "echo ahoy", "Odd Key": [1, 2.5]})]


TOOLS: dict[str, Any] = {
    "anthropic_messages": [{"name": "bash", "input_schema": SCHEMA}],
    "gemini": [{"functionDeclarations": [{"name": "bash", "parameters": SCHEMA}]}],
}


@pytest.mark.parametrize("dialect", TOOLS)
async def test_calls_of_tools_are_given_again_in_another_dialect(house: House, dialect: str) -> None:
    house.script(CALLS)
    one = await ask(house, "openai_chat", "solo", stream=True, tools=CLIENTS["openai_chat"].tools)
    for stream in (False, True):
        two = await ask(house, dialect, "solo", stream=stream, tools=TOOLS[dialect])
        assert layer(two) == "exact"
        assert CLIENTS[dialect].calls(two) == CLIENTS["openai_chat"].calls(one)


@pytest.mark.parametrize("priced", [False, True], ids=["plain", "with its cost"])
@pytest.mark.parametrize("wire", ["openai_chat", "openai_responses", "anthropic_messages", "gemini"])
async def test_a_translated_stream_is_given_again_with_all_its_events(house: House, wire: str, priced: bool) -> None:
    more: dict[str, Any] = {"usage": {"include": True}} if priced else {}
    one = await ask(house, "openai_responses", f"only-{wire}", stream=True, **more)
    two = await ask(house, "openai_responses", f"only-{wire}", stream=True)
    assert (layer(one), layer(two)) == ("none", "exact")
    assert [event["type"] for event in two.data] == [event["type"] for event in one.data]
    assert "response.output_item.done" in [event["type"] for event in two.data]
    assert [event["sequence_number"] for event in two.data] == list(range(len(two.data)))


async def test_a_hit_is_an_ordinary_request_that_costs_nothing(house: House) -> None:
    one = await house.chat(messages=QUESTION)
    before = await house.money()
    two = await house.chat(messages=QUESTION, usage={"include": True})
    assert (layer(two), two.headers["x-tokenharbor-cost-usd"]) == ("exact", str(Usd(0)))
    assert (two.headers["x-tokenharbor-provider"], two.headers["x-tokenharbor-attempts"]) == ("alpha", "0")
    first, second = one.json(), two.json()
    assert float(second["usage"].pop("cost")) == 0
    assert (first["choices"], first["usage"]) == (second["choices"], second["usage"])
    assert await house.money() == before, "nothing is charged, nothing stays held"
    receipt = await house.receipt(two.headers["x-request-id"])
    assert (receipt["status"], receipt["attempts"], receipt["hold_usd"]) == ("complete", [], str(Usd(0)))
    async with house.harbor.pool.acquire() as conn:
        spent = await conn.fetchval("SELECT spent FROM wallet WHERE account_id = $1", house.payer.account_id)
    assert spent == COST, "what rewards, referrals and volume look at does not move"


@pytest.mark.parametrize("wanted", [True, False], ids=["asked for", "not asked for"])
async def test_a_stream_has_its_usage_where_this_caller_wants_it(house: House, wanted: bool) -> None:
    options: dict[str, Any] = {"stream_options": {"include_usage": True}}
    await house.chat(messages=QUESTION, stream=True, **({} if wanted else options))
    said = await house.chat(messages=QUESTION, stream=True, **(options if wanted else {}))
    assert layer(said) == "exact"
    assert [chunk["usage"]["prompt_tokens"] for chunk in said.data if chunk.get("usage")] == ([100] if wanted else [])
    priced = await house.chat(messages=QUESTION, stream=True, usage={"include": True})
    assert [float(chunk["usage"]["cost"]) for chunk in priced.data if chunk.get("usage")] == [0]


async def test_hits_count_in_the_rates_of_their_key(house: House) -> None:
    await house.chat(messages=QUESTION)
    house.payer = await house.new_payer(rules=KeyRules(rates=StatedRates(rpm=3)))
    assert [(await house.chat(messages=QUESTION)).status for _ in range(4)] == [200, 200, 200, 429]
    assert len(await house.called()) == 2


async def test_an_account_in_debt_gets_none(house: House) -> None:
    await house.chat(messages=QUESTION)
    async with house.harbor.pool.acquire() as conn:
        await conn.execute("UPDATE wallet SET debt = 1 WHERE account_id = $1", house.payer.account_id)
        try:
            assert (await house.chat(messages=QUESTION)).status == 402
        finally:
            await conn.execute("UPDATE wallet SET debt = 0 WHERE account_id = $1", house.payer.account_id)
    assert layer(await house.chat(messages=QUESTION)) == "exact"


async def test_a_revoked_key_and_a_model_that_it_does_not_allow_get_none(house: House) -> None:
    await house.chat("duo", messages=QUESTION)
    ring = house.parts.ring
    assert isinstance(ring, KeyRing)
    async with house.harbor.pool.acquire() as conn:
        await conn.execute("UPDATE api_key SET models = $2 WHERE id = $1", house.payer.key_id, ["solo"])
    await ring.refresh()
    assert (await house.chat("duo", messages=QUESTION)).status == 403
    async with house.harbor.pool.acquire() as conn:
        await conn.execute("UPDATE api_key SET models = '{}', revoked_at = now() WHERE id = $1", house.payer.key_id)
    await ring.refresh()
    assert (await house.chat("duo", messages=QUESTION)).status == 401


async def test_what_the_plan_no_longer_allows_is_not_given(house: House) -> None:
    await house.chat("duo", messages=QUESTION)
    async with house.harbor.pool.acquire() as conn:
        await conn.execute("UPDATE api_key SET denied_providers = '{alpha}' WHERE id = $1", house.payer.key_id)
    ring = house.parts.ring
    assert isinstance(ring, KeyRing)
    await ring.refresh()
    said = await house.chat("duo", messages=QUESTION)
    assert (layer(said), said.headers["x-tokenharbor-provider"]) == ("none", "beta")


NEVER: dict[str, dict[str, Any]] = {
    "a temperature": {"temperature": 0.7},
    "two answers": {"n": 2},
    "without the cache": {"cache": {"exact": False}},
    "nothing may be kept": {"provider": {"retention": "none"}},
    "nothing may be kept for a day": {"provider": {"retention": "days:0"}},
    "a picture elsewhere": {
        "messages": [
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]}
        ]
    },
}


@pytest.mark.parametrize("why", NEVER)
async def test_what_is_not_to_be_repeated_is_not(house: House, why: str) -> None:
    body = {"messages": QUESTION} | NEVER[why]
    for _ in range(2):
        said = await house.chat(**body)
        assert (said.status, layer(said)) == (200, "none"), said.body
    assert len(await house.called()) == 2
    assert house.parts.caching.exact.counts["kept"] == 0


@pytest.mark.parametrize(
    "address",
    [
        *(r"https:\/\/example.com\/a.png", "HTTPS://example.com/a.png", "oss://bucket/a.png"),
        *(r"https\u003a\u002f/example.com/a.png", r"\u0068ttps://example.com/a.png", r"HTT\u0050S://example.com/a.png"),
    ],
)
async def test_a_picture_elsewhere_is_known_however_its_address_is_spelled(house: House, address: str) -> None:
    picture = {"type": "image_url", "image_url": {"url": "ADDRESS"}}
    body = json.dumps({"model": "solo", "max_tokens": 50, "messages": [{"role": "user", "content": [picture]}]})
    for _ in range(2):
        said = await house.post(CHAT, body.replace("ADDRESS", address).encode())
        assert (said.status, layer(said)) == (200, "none"), said.body


@pytest.mark.parametrize(
    "more", [{"temperature": 0.7, "cache": {"exact": True}}, {"temperature": 1}, {"temperature": 0}]
)
async def test_the_vendors_default_temperature_says_nothing_and_the_caller_may_insist(
    house: House, more: dict[str, Any]
) -> None:
    await house.chat(messages=QUESTION, **more)
    assert layer(await house.chat(messages=QUESTION, **more)) == "exact"


NO_ANSWERS = {
    "an error": "[[rules]]\nfault = { kind = 'status', status = 500 }\n",
    "a refusal of the vendor's": "[[rules]]\nfault = { kind = 'status', status = 400 }\n",
    "garbage": "[[rules]]\nfault = { kind = 'garbage' }\n",
    "broken off": "[[rules]]\nfault = { kind = 'break', after_events = 3 }\n",
    "an error in the stream": "[[rules]]\nfault = { kind = 'error_event', status = 529, after_events = 3 }\n",
    "counts that do not add up": "[[rules]]\nfault = { kind = 'usage', how = 'not_adding_up' }\n",
    "no counts": "[[rules]]\nfault = { kind = 'usage', how = 'none' }\n",
    "cut at the maximum": "finish = 'length'",
    "withheld": "finish = 'refusal'",
}


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("dialect", CLIENTS)
@pytest.mark.parametrize("what", NO_ANSWERS)
async def test_what_is_no_good_answer_is_not_kept(house: House, what: str, dialect: str, stream: bool) -> None:
    how = NO_ANSWERS[what]
    house.script(ANSWER.replace("chunk_chars", f"{how}\nchunk_chars") if how.startswith("finish") else ANSWER + how)
    await ask(house, dialect, "solo", stream=stream)
    assert house.parts.caching.exact.counts["kept"] == 0
    for seen in (house.parts.health._failures, house.parts.health._cooling_until):
        seen.clear()
    house.script(ANSWER)
    said = await ask(house, dialect, "solo", stream=stream)
    assert (layer(said), CLIENTS[dialect].text(said)) == ("none", SAID)


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("dialect", ["openai_chat", "openai_responses"])
async def test_a_refusal_that_ends_like_an_answer_is_not_kept(house: House, dialect: str, stream: bool) -> None:
    house.script(ANSWER.replace(f'text = "{TEXT}"', 'text = ""\nrefusal = "I will not."\nfinish = "stop"'))
    said = await ask(house, dialect, "solo", stream=stream)
    assert (said.status, b"refus" in said.body) == (200, True)
    assert house.parts.caching.exact.counts["kept"] == 0


@pytest.mark.parametrize("dialect", CLIENTS)
async def test_a_cut_answer_that_calls_a_tool_with_the_words_of_a_whole_one_is_not_kept(
    house: House, dialect: str
) -> None:
    told = 'stop_reason = "end_turn", finishReason = "STOP", finish_reason = "stop", status = "completed"'
    call = CALLS.replace('command = "echo ahoy"', told)
    house.script(call.replace('text = ""', 'text = ""\nfinish = "length"'))
    said = await ask(house, dialect, "solo", stream=False, tools=CLIENTS[dialect].tools)
    assert "end_turn" in said.body.decode()
    assert house.parts.caching.exact.counts["kept"] == 0
    house.script(call)
    await ask(house, dialect, "solo", stream=False, tools=CLIENTS[dialect].tools)
    assert house.parts.caching.exact.counts["kept"] == 1


async def test_an_answer_whose_caller_left_is_not_kept(house: House) -> None:
    house.script(ANSWER.replace("chunk_chars", "delay_ms = 20\nchunk_chars"))
    body = {"model": "solo", "messages": QUESTION, "max_tokens": 100, "stream": True}
    reader, writer = await begin(house, CHAT, json.dumps(body).encode())
    await reader.readuntil(b"data:")
    writer.close()
    await until(lambda: bool(house.parts.metrics._requests))
    assert house.parts.caching.exact.counts["kept"] == 0


async def test_an_answer_with_a_maximum_of_ours_is_not_kept(house: House) -> None:
    house.payer = await house.new_payer("0.01")
    for _ in range(2):
        said = await house.post(CHAT, {"model": "solo", "messages": QUESTION})
        assert (layer(said), "x-tokenharbor-max-tokens" in said.headers) == ("none", True)


async def test_an_edition_without_the_cache_keeps_nothing(house: House) -> None:
    house.use_edition("token-hub")
    for _ in range(2):
        assert layer(await house.chat(messages=QUESTION)) == "none"
    assert len(house.parts.caching.exact.memory) == 0


async def test_the_form_of_a_question_does_not_matter(house: House) -> None:
    for text in (
        "What is the capital of Peru?",
        "what is  the capital of peru",
        "What is the capital of Peru, please?",
    ):
        said = await house.chat(messages=[{"role": "user", "content": text}])
    assert layer(said) == "exact"
    assert len(await house.called()) == 1
    for text in ("What is the capital of Chile?", "What is the capital of peru in 1420?"):
        assert layer(await house.chat(messages=[{"role": "user", "content": text}])) == "none"


async def test_replays_keep_their_pace(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[int] = []

    async def wait(_: Pace, size: int) -> None:
        waited.append(size)

    monkeypatch.setattr(Pace, "wait", wait)
    house.script(ANSWER.replace(TEXT, "x " * 10_000).replace("chunk_chars = 5", "chunk_chars = 20"))
    one = await house.chat(messages=QUESTION, stream=True, max_tokens=8000)
    assert waited == []
    two = await house.chat(messages=QUESTION, stream=True, max_tokens=8000)
    assert (layer(two), two.body.count(b"data:")) == ("exact", one.body.count(b"data:"))
    assert sum(waited) > 100_000
    assert max(waited) <= 64 << 10


async def test_who_leaves_a_replay_costs_nobody_anything(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await house.chat(messages=QUESTION, stream=True)
    before, reached = await house.money(), asyncio.Event()

    async def wait(_: Pace, size: int) -> None:
        reached.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(Pace, "wait", wait)
    body = {"model": "solo", "messages": QUESTION, "max_tokens": 100, "stream": True}
    known = len(house.parts.metrics._requests)
    _, writer = await begin(house, CHAT, json.dumps(body).encode())
    await reached.wait()
    writer.close()
    await until(lambda: len(house.parts.metrics._requests) > known)
    await house.harbor.books.drain()
    assert await house.money() == before
    (row, *_) = (await house.get("/v1/requests")).json()["data"]
    assert (await house.receipt(row["id"]))["status"] == "hung_up"
    async with house.harbor.pool.acquire() as conn:
        types = await conn.fetch("SELECT type FROM entry WHERE account_id = $1", house.payer.account_id)
    assert "loss" not in {each["type"] for each in types}, "nobody was asked: nobody is owed anything"


async def test_nothing_of_a_kept_answer_can_be_read_in_memory(house: House) -> None:
    await house.chat(messages=[{"role": "user", "content": "marked-question-7731"}])
    entries = house.parts.caching.exact.memory._entries
    assert len(entries) == 1
    for name, entry in entries.items():
        assert b"marked" not in name + entry.sealed
        assert b"words said" not in entry.sealed
