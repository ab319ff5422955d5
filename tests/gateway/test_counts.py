"""Token counts: free, made without a provider, in each dialect's form."""

import asyncio
import threading
from typing import Any

import pytest
from tests.gateway.house import HELLO, House

from tokenharbor.identity.store import KeyRules
from tokenharbor.wire import DIALECTS
from tokenharbor.wire.neutral.chat import Chat
from tokenharbor.wire.neutral.request import Request

pytestmark = pytest.mark.asyncio(loop_scope="session")

MESSAGES, RESPONSES = "/v1/messages/count_tokens", "/v1/responses/input_tokens"
GEMINI = "/v1beta/models/solo:countTokens"
ASKED: Any = {
    MESSAGES: {"model": "solo", "messages": HELLO, "system": "Be brief.", "thinking": {"type": "adaptive"}},
    RESPONSES: {"model": "solo", "input": HELLO, "instructions": "Be brief."},
}
PATHS = pytest.mark.parametrize("path", ASKED, ids=["messages", "responses"])


@PATHS
async def test_a_count_is_free_marked_and_asks_nobody(house: House, path: str) -> None:
    house.payer = await house.new_payer("0")
    said = await house.post(path, ASKED[path])
    assert said.status == 200, said.body
    count = said.json()["input_tokens"]
    assert 5 < count < 60
    assert said.json() == {"input_tokens": count} | ({"object": "response.input_tokens"} if path == RESPONSES else {})
    assert said.headers["x-tokenharbor-estimated"] == "true"
    assert said.headers["x-request-id"].startswith("req_")
    assert await house.called() == []
    assert (await house.get("/v1/requests")).json()["data"] == []
    metrics = (await house.ask("GET", "/metrics")).body.decode()
    assert 'tokenharbor_token_counts_total{model="solo"}' in metrics
    assert "tokenharbor_requests_total{" not in metrics


@PATHS
async def test_a_count_needs_a_key_a_model_and_a_sound_body(house: House, path: str) -> None:
    assert (await house.ask("POST", path)).status == 401
    assert (await house.post(path, ASKED[path] | {"model": "solow"})).error["code"] == "model_not_found"
    assert (await house.post(path, b"{")).status == 400
    house.payer = await house.new_key(house.payer.account_id, KeyRules(models=("duo",)))
    assert (await house.post(path, ASKED[path])).status == 403
    assert (await house.get(path)).status == 405


async def test_a_longer_conversation_counts_for_more(house: House) -> None:
    long = {"role": "user", "content": "all hands on deck " * 500}
    said = await house.post(MESSAGES, ASKED[MESSAGES] | {"messages": [long]})
    assert 2_000 < said.json()["input_tokens"] < 3_000


async def test_what_a_vendor_adds_in_one_of_its_apis_is_counted_for_the_models_that_are_asked_in_it(
    house: House,
) -> None:
    tool = {"name": "get_weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
    counts = {}
    for wire in ("openai_chat", "openai_responses"):
        said = await house.post(MESSAGES, ASKED[MESSAGES] | {"model": f"only-{wire}", "tools": [tool]})
        counts[wire] = said.json()["input_tokens"]
    assert 80 < counts["openai_chat"] - counts["openai_responses"] < 90


async def test_a_websocket_is_told_to_use_http_in_the_words_of_its_path(house: House) -> None:
    headers = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
    said = await house.get("/v1/responses", headers | {"sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ=="})
    assert (said.status, said.error["code"]) == (426, "upgrade_required")


async def test_models_are_listed_for_geminis_clients(house: House) -> None:
    said = await house.ask("GET", "/v1beta/models")
    assert "models/solo" in [each["name"] for each in said.json()["models"]]
    assert (await house.ask("GET", "/v1beta/models/solo")).json()["name"] == "models/solo"
    assert (await house.ask("GET", "/v1beta/models/solow")).status == 404


async def test_others_are_served_while_a_long_conversation_is_counted(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, may_end = threading.Event(), threading.Event()
    dialect = DIALECTS["openai_responses"]
    read_chat = dialect.read_chat

    def read_slowly(request: Request) -> Chat:
        began.set()
        assert may_end.wait(20)
        return read_chat(request)

    monkeypatch.setattr(type(dialect), "read_chat", staticmethod(read_slowly))
    counting = asyncio.create_task(house.post(RESPONSES, ASKED[RESPONSES]))
    try:
        await asyncio.to_thread(began.wait, 20)
        other = await asyncio.wait_for(house.post(MESSAGES, ASKED[MESSAGES]), 10)
    finally:
        may_end.set()
    assert other.status == 200
    assert (await counting).status == 200


async def test_F12_a_count_of_very_many_objects_is_refused(house: House) -> None:
    """However they are written; a long history of an agent has few of them."""
    house.payer = await house.new_payer("0")
    for spaced in ("", "\n\t "):
        turns = ",".join([f'{{{spaced}"role": "user", "content": "x"}}'] * 50_001)
        for path, field in ((MESSAGES, "messages"), (RESPONSES, "input"), (GEMINI, "contents")):
            model = "" if path == GEMINI else '"model":"solo",'
            said = await house.post(path, f'{{{model}"{field}":[{turns}]}}'.encode())
            assert (said.status, b"50000" in said.body) == (400, True), path
    history = [{"role": ("user", "assistant")[n % 2], "content": '{"a": {x}}' * 40} for n in range(5_001)]
    assert (await house.post(MESSAGES, {"model": "solo", "messages": history})).status == 200


async def test_R7_a_request_to_count_may_be_wrapped_in_either_spelling(house: House) -> None:
    inner = {"contents": [{"parts": [{"text": "How high is the tide?"}]}]}
    path = "/v1beta/models/solo:countTokens"
    plain = await house.post(path, inner)
    assert plain.status == 200
    for name in ("generateContentRequest", "generate_content_request"):
        said = await house.post(path, {name: inner | {"model": "models/solo"}})
        assert (said.status, said.json()) == (200, plain.json()), name
