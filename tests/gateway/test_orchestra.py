"""Model pools: which pool is asked, in every dialect, who is billed, and what headers and receipts say."""

import asyncio
import json
from typing import Any

import pytest
from tests.editions.derived import derive
from tests.gateway.house import CHAT, HELLO, MESSAGES, RESPONSES, House
from tests.gateway.raw import RawAnswer

from tokenharbor.editions.policy import Policy
from tokenharbor.identity.store import KeyRules
from tokenharbor.kernel.money import Usd
from tokenharbor.ledger.verify import verify

pytestmark = pytest.mark.asyncio(loop_scope="session")

NAME = "th-orchestra"
STAGES = ("plan", "code", "review", "summarise", "general")
POOLS: dict[str, Any] = {
    "plan": ("only-anthropic_messages", "solo"),
    "code": ("duo", "only-gemini", "only-openai_responses"),
    "review": ("blind", "only-openai_responses"),
    "summarise": ("blind", "mute"),
    "general": ("quad", "short"),
    "effort": {"plan": "high", "code": "medium"},
}
GEMINI = "/v1beta/models/{}:generateContent"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
IMAGE: Any = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}


def pooled(**fields: Any) -> Policy:
    return derive("token-harbor", orchestra={**POOLS, **fields})


@pytest.fixture
def harbor(house: House) -> House:
    house.use_policy(pooled())
    return house


async def dry(house: House, model: str = NAME, headers: Any = None, **more: Any) -> Any:
    body = {"model": model, "messages": HELLO, "max_tokens": 100, **more}
    said = await house.post(f"{CHAT}?dry_run=1", body, headers)
    assert said.status == 200, said.body
    return said.json()


async def receipt_of(house: House, said: RawAnswer) -> Any:
    return await house.receipt(said.headers["x-request-id"])


def route(said: Any) -> list[tuple[str, str]]:
    return [(each["model"], each["provider"]) for each in said["route"]]


def drops(said: Any) -> dict[str, str]:
    return {each["model"]: each["code"] for each in said["dropped"]}


@pytest.mark.parametrize("dialect", ["chat", "responses", "messages", "gemini"])
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_th_o1_every_dialect_asks_a_stage_by_its_name(harbor: House, dialect: str, stream: bool) -> None:
    model, text = f"{NAME}/plan", "hello"
    if dialect == "gemini":
        action = "streamGenerateContent?alt=sse" if stream else "generateContent"
        body: Any = {"contents": [{"role": "user", "parts": [{"text": text}]}]}
        said = await harbor.post(f"/v1beta/models/{model}:{action}", body)
    else:
        path = {"chat": CHAT, "responses": RESPONSES, "messages": MESSAGES}[dialect]
        words = "input" if dialect == "responses" else "messages"
        body = {"model": model, words: HELLO, "stream": stream}
        body |= {"max_tokens": 100} if dialect == "messages" else {}
        said = await harbor.post(path, body)
    assert said.status == 200, said.body
    assert said.ended == "complete"
    assert said.headers["x-tokenharbor-model"] == "only-anthropic_messages"
    assert (said.headers["x-tokenharbor-stage"], said.headers["x-tokenharbor-stage-confidence"]) == ("plan", "1.00")
    assert "x-tokenharbor-stage" in said.headers["access-control-expose-headers"]
    receipt = await receipt_of(harbor, said)
    assert (receipt["model_asked"], receipt["model"]) == (model, "only-anthropic_messages")
    assert (receipt["stage"], receipt["confidence"], receipt["why"]) == ("plan", "1.00", "the caller named the stage")
    assert receipt["why_code"] == "asked"
    assert {each["model"] for each in receipt["not_asked"]} == {"solo"}
    [record] = await harbor.seen()
    assert record.path.startswith("/far_anthropic_messages/")


async def test_th_o1_the_header_names_the_stage_and_is_checked(harbor: House) -> None:
    said = await harbor.chat(NAME, headers={"x-tokenharbor-stage": "review"})
    assert (said.headers["x-tokenharbor-stage"], said.headers["x-tokenharbor-model"]) == ("review", "blind")
    wrong = await harbor.chat(NAME, headers={"x-tokenharbor-stage": "revew"})
    assert (wrong.status, wrong.error["param"]) == (400, "x-tokenharbor-stage")
    assert wrong.error["message"].endswith(" must be one of plan, code, review, summarise, general.")
    both = await harbor.chat(f"{NAME}/plan", headers={"x-tokenharbor-stage": "review"})
    assert (both.status, both.error["param"]) == (400, "x-tokenharbor-stage")
    same = await harbor.chat(f"{NAME}/plan", headers={"x-tokenharbor-stage": "plan"})
    assert same.status == 200
    beside = await harbor.chat("solo", headers={"x-tokenharbor-stage": "nonsense"})
    assert (beside.status, "x-tokenharbor-stage" in beside.headers) == (200, False)


async def test_th_o1_an_unknown_stage_is_a_404_that_names_the_known_ones(harbor: House) -> None:
    said = await harbor.chat(f"{NAME}/coding")
    assert (said.status, said.error["code"]) == (404, "model_not_found")
    assert f"{NAME}/code" in said.error["message"]
    assert (await harbor.chat(f"{NAME}/")).status == 404
    harbor.use_edition("relay")
    assert (await harbor.chat(NAME)).status == 404


async def test_th_o2_the_bill_is_that_of_the_model_that_answered(harbor: House) -> None:
    through = await receipt_of(harbor, await harbor.chat(f"{NAME}/code", max_tokens=100_000))
    direct = await receipt_of(harbor, await harbor.chat("duo", max_tokens=100_000, reasoning_effort="medium"))
    assert through["usage"] == direct["usage"]
    assert through["cost_usd"] == direct["cost_usd"] != "0.000000000"
    assert through["service_fee_usd"] == "0.000000000"
    assert through["price"] == direct["price"]


async def test_th_o2_a_volume_discount_counts_as_for_the_model_itself(house: House) -> None:
    house.use_policy(
        derive("token-harbor", orchestra=POOLS, price={"discount_bp": 2500, "service_fee_bp": 300, "markup_bp": 1000})
    )
    through = await receipt_of(house, await house.chat(f"{NAME}/code", max_tokens=100_000))
    direct = await receipt_of(house, await house.chat("duo", max_tokens=100_000, reasoning_effort="medium"))
    assert (through["cost_usd"], through["price"]) == (direct["cost_usd"], direct["price"])


async def test_th_o3_failover_goes_on_to_the_models_providers_and_then_to_the_pools_models(harbor: House) -> None:
    harbor.fail("kind = 'status', status = 500", "kind = 'status', status = 503")
    said = await harbor.chat(f"{NAME}/code")
    assert (said.status, said.headers["x-tokenharbor-model"]) == (200, "only-gemini")
    receipt = await receipt_of(harbor, said)
    assert [(each["model"], each["provider"], each["outcome"]) for each in receipt["attempts"]] == [
        ("duo", "alpha", "server"),
        ("duo", "beta", "server"),
        ("only-gemini", "far_gemini", "ok"),
    ]
    assert [each["model"] for each in receipt["not_asked"]] == ["only-openai_responses"]
    assert Usd.parse(receipt["hold_usd"]) >= Usd.parse(receipt["cost_usd"]) > Usd(0)
    assert (await harbor.money())[1] == "0.000000000"


async def test_th_o3_a_pool_that_fails_altogether_is_refused_unbilled(harbor: House) -> None:
    harbor.script("[[rules]]\nmatch = { path = \"/*\" }\nfault = { kind = 'status', status = 500 }\n")
    said = await harbor.chat(f"{NAME}/code")
    assert said.status == 502, said.body
    assert said.headers["x-tokenharbor-attempts"] == "4"
    assert said.headers["x-tokenharbor-model"] == "only-openai_responses"
    assert await harbor.money() == ("100.000000000", "0.000000000")
    assert (await receipt_of(harbor, said))["model"] == NAME, "nobody has answered"
    async with harbor.harbor.pool.acquire() as conn:
        assert (await verify(conn, [harbor.payer.account_id])).fault is None


async def test_th_o3_the_callers_boundaries_hold_in_every_pool(harbor: House) -> None:
    only = await dry(harbor, f"{NAME}/code", provider={"only": ["beta", "far_gemini"]})
    assert route(only) == [("duo", "beta"), ("only-gemini", "far_gemini")]
    elsewhere = await dry(harbor, f"{NAME}/code", provider={"only": ["delta"]})
    assert route(elsewhere) == [("quad", "delta")], "the general pool has somebody there"
    nobody = await harbor.chat(f"{NAME}/code", provider={"only": ["signed"]})
    assert (nobody.status, nobody.error["code"]) == (503, "no_provider_available")
    assert await harbor.called() == []


@pytest.mark.parametrize("place", ["last", "earlier", "result"])
async def test_th_o4_an_image_anywhere_reaches_a_model_that_sees(harbor: House, place: str) -> None:
    turns: dict[str, Any] = {
        "last": [{"role": "user", "content": [{"type": "text", "text": "hi"}, IMAGE]}],
        "earlier": [
            {"role": "user", "content": [IMAGE]},
            {"role": "assistant", "content": "seen"},
            {"role": "user", "content": "and now?"},
        ],
        "result": [
            {"role": "user", "content": "look"},
            {"role": "assistant", "tool_calls": [_call("c1")]},
            {"role": "tool", "tool_call_id": "c1", "content": [IMAGE]},
        ],
    }
    said = await dry(harbor, f"{NAME}/review", messages=turns[place])
    assert route(said)[0][0] == "only-openai_responses", said
    assert drops(said)["blind"] == "capability"
    beyond = await dry(harbor, f"{NAME}/summarise", messages=turns[place], tools=[TOOL])
    assert route(beyond)[0][0] == "quad", "in this pool one is blind and one has no tools"


def _call(name: str) -> Any:
    return {"id": name, "type": "function", "function": {"name": "look", "arguments": "{}"}}


async def test_an_image_in_other_dialects_reaches_a_model_that_sees(harbor: House) -> None:
    source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
    inline = {"inline_data": {"mime_type": "image/png", "data": PIXEL}}
    bodies: list[tuple[str, Any]] = [
        (MESSAGES, {"messages": [{"role": "user", "content": [{"type": "image", "source": source}]}]}),
        (
            RESPONSES,
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": IMAGE["image_url"]["url"]}]}]},
        ),
        (GEMINI.format(f"{NAME}/review"), {"contents": [{"role": "user", "parts": [inline]}]}),
    ]
    for path, body in bodies:
        more = {"max_tokens": 50} if path == MESSAGES else {}
        model = {} if "models" in path else {"model": f"{NAME}/review"}
        said = await harbor.post(f"{path}?dry_run=1", {**model, **more, **body})
        assert said.status == 200, said.body
        assert route(said.json())[0][0] == "only-openai_responses", path


async def test_tools_and_schemas_are_asked_of_models_that_have_them(harbor: House) -> None:
    tools = await dry(harbor, f"{NAME}/summarise", tools=[TOOL])
    assert (route(tools)[0][0], drops(tools)["mute"]) == ("blind", "capability")
    schema = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
    formed = await dry(harbor, f"{NAME}/summarise", response_format=schema)
    assert route(formed)[0][0] == "quad"


async def test_a_long_conversation_reaches_a_model_that_holds_it(harbor: House) -> None:
    long = [{"role": "user", "content": "word " * 3_000}]
    harbor.use_policy(pooled(general=("short", "quad"), gate_bp=10_000))
    assert route(await dry(harbor))[0][0] == "short"
    said = await dry(harbor, messages=long)
    assert (route(said)[0][0], drops(said)["short"]) == ("quad", "context")
    most = await dry(harbor, max_tokens=2_000)
    assert (route(most)[0][0], drops(most)["short"]) == ("quad", "context")
    everybody = await dry(harbor, messages=[{"role": "user", "content": "word " * 300_000}])
    assert route(everybody)[0][0] == "quad", "too long for all by our estimate: the vendor says so"


@pytest.mark.parametrize(
    ("models", "asked", "served"),
    [
        ((), f"{NAME}/code", "duo"),
        ((NAME,), f"{NAME}/code", "duo"),
        ((NAME,), NAME, None),
        ((f"{NAME}/code",), f"{NAME}/code", "duo"),
        (("only-gemini",), f"{NAME}/code", "only-gemini"),
        (("solo",), f"{NAME}/code", "solo"),
    ],
)
async def test_a_key_gets_what_its_list_allows(
    harbor: House, models: tuple[str, ...], asked: str, served: str | None
) -> None:
    harbor.payer = await harbor.new_payer(rules=KeyRules(models=models))
    said = await harbor.chat(asked)
    assert said.status == 200, said.body
    assert served is None or said.headers["x-tokenharbor-model"] == served


@pytest.mark.parametrize(
    ("models", "asked"),
    [
        (("blackhole",), f"{NAME}/code"),
        (("abroad",), NAME),
        ((f"{NAME}/code",), f"{NAME}/plan"),
        ((f"{NAME}/code",), NAME),
        ((NAME,), "duo"),
    ],
)
async def test_a_key_gets_nothing_else(harbor: House, models: tuple[str, ...], asked: str) -> None:
    harbor.payer = await harbor.new_payer(rules=KeyRules(models=models))
    said = await harbor.chat(asked)
    assert (said.status, said.error["code"]) == (403, "permission_denied"), said.body
    assert await harbor.called() == []


async def test_a_key_of_one_stage_gets_no_model_of_another_that_would_stand_in(harbor: House) -> None:
    seen = {"role": "user", "content": [{"type": "text", "text": "see"}, IMAGE]}
    harbor.use_policy(pooled(summarise=("blind",), general=("quad", "solo")))
    free = await harbor.chat(f"{NAME}/summarise", messages=[seen])
    assert free.headers["x-tokenharbor-model"] == "quad", "nobody of this pool sees"
    harbor.payer = await harbor.new_payer(rules=KeyRules(models=(f"{NAME}/summarise",)))
    assert (await harbor.chat(f"{NAME}/summarise")).headers["x-tokenharbor-model"] == "blind"
    said = await harbor.chat(f"{NAME}/summarise", messages=[seen])
    assert said.status >= 400, said.body
    harbor.payer = await harbor.new_payer(rules=KeyRules(models=(f"{NAME}/summarise", "solo")))
    assert (await harbor.chat(f"{NAME}/summarise", messages=[seen])).headers["x-tokenharbor-model"] == "solo"


async def test_a_keys_providers_hold_in_every_pool(harbor: House) -> None:
    harbor.payer = await harbor.new_payer(rules=KeyRules(providers=("beta", "far_gemini")))
    assert route(await dry(harbor, f"{NAME}/code")) == [("duo", "beta"), ("only-gemini", "far_gemini")]
    harbor.payer = await harbor.new_payer(rules=KeyRules(providers=("signed",)))
    assert (await harbor.chat(f"{NAME}/code")).status == 403


async def test_a_wallet_too_small_for_the_dearest_model_gets_the_cheaper_ones(harbor: House) -> None:
    harbor.use_policy(pooled(code=("quad", "blind")))
    harbor.payer = await harbor.new_payer("0.0007")
    said = await harbor.chat(f"{NAME}/code", max_tokens=400)
    assert (said.status, said.headers["x-tokenharbor-model"]) == (200, "blind"), said.body
    receipt = await receipt_of(harbor, said)
    assert ("quad", "balance") in {(each["model"], each["code"]) for each in receipt["not_asked"]}
    assert Usd.parse(receipt["cost_usd"]) <= Usd.parse(receipt["hold_usd"]) <= Usd.parse("0.0007")
    none = await harbor.chat(f"{NAME}/code", max_tokens=8_000)
    assert (none.status, none.error["code"]) == (402, "insufficient_quota")


async def test_many_at_once_never_spend_more_than_there_is(harbor: House) -> None:
    harbor.payer = await harbor.new_payer("0.002")
    asked = [[{"role": "user", "content": f"hello {number}"}] for number in range(40)]
    said = await asyncio.gather(*(harbor.chat(f"{NAME}/code", max_tokens=400, messages=each) for each in asked))
    served = [each for each in said if each.status == 200]
    assert {each.status for each in said} <= {200, 402}
    assert served
    spent = sum(Usd.parse(each.headers["x-tokenharbor-cost-usd"]) for each in served)
    balance, held = await harbor.money()
    assert Usd.parse(balance) == Usd.parse("0.002") - spent >= Usd(0)
    assert held == "0.000000000"


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        (CHAT, {"messages": HELLO}, lambda body: body["reasoning_effort"]),
        (CHAT, {"messages": HELLO, "reasoning_effort": "low"}, lambda body: body["reasoning_effort"]),
        (CHAT, {"messages": HELLO, "temperature": 0.3}, lambda body: body.get("reasoning_effort")),
        (RESPONSES, {"input": HELLO}, lambda body: body["reasoning"]["effort"]),
        (CHAT, {"messages": HELLO, "max_tokens": 1_366}, lambda body: body["reasoning_effort"]),
    ],
    ids=["open", "stated", "sampling", "responses", "room"],
)
async def test_effort_is_the_stages_where_the_caller_states_none(
    harbor: House, path: str, body: Any, told: Any
) -> None:
    harbor.use_policy(pooled(code=("duo",)))
    said = await harbor.post(path, {"model": f"{NAME}/code", **body})
    assert said.status == 200, said.body
    [record] = await harbor.seen()
    sent = json.loads(record.body or b"")
    expected = body.get("reasoning_effort") or (None if "temperature" in body else "medium")
    assert told(sent) == expected


async def test_a_short_answer_is_not_all_reasoned_away(harbor: House) -> None:
    harbor.use_policy(pooled(code=("duo",)))
    await harbor.chat(f"{NAME}/code", max_tokens=200)
    [record] = await harbor.seen()
    assert json.loads(record.body or b"")["reasoning_effort"] == "low"


_FORCED = {"tools": [{"name": "look", "input_schema": {"type": "object"}}], "tool_choice": {"type": "any"}}


@pytest.mark.parametrize(
    ("more", "thinking"),
    [
        ({}, {"type": "enabled", "budget_tokens": 6_000}),
        ({"temperature": 1}, {"type": "enabled", "budget_tokens": 6_000}),
        ({"thinking": {"type": "disabled"}}, {"type": "disabled"}),
        ({"thinking": {"type": "enabled", "budget_tokens": 2_000}}, {"type": "enabled", "budget_tokens": 2_000}),
        ({"output_config": {"effort": "low"}}, None),
        ({"temperature": 0.3}, None),
        ({"top_k": 4}, None),
        (_FORCED, None),
        ({"max_tokens": 1_000}, None),
    ],
    ids=["open", "the usual", "off", "stated", "effort", "sampling", "top_k", "forced", "no room"],
)
async def test_effort_is_a_budget_where_the_model_takes_one_in_the_callers_dialect(
    harbor: House, more: Any, thinking: Any
) -> None:
    body = {"model": f"{NAME}/plan", "messages": HELLO, "max_tokens": 8_000, **more}
    assert (await harbor.post(MESSAGES, body)).status == 200
    [record] = await harbor.seen()
    sent = json.loads(record.body or b"")
    assert sent.pop("thinking", None) == thinking
    own = body.keys() - {"model", "thinking"}
    assert {name: sent[name] for name in own} == {name: body[name] for name in own}


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({}, {"thinkingBudget": 6_144}),
        ({"thinkingConfig": {"thinkingBudget": 0}}, {"thinkingBudget": 0}),
        ({"thinkingConfig": {"includeThoughts": True}}, {"includeThoughts": True}),
        ({"topP": 0.4}, None),
    ],
    ids=["open", "off", "shown", "sampling"],
)
async def test_effort_is_a_budget_in_geminis_dialect_too(harbor: House, config: Any, told: Any) -> None:
    harbor.use_policy(pooled(code=("only-gemini",)))
    contents = [{"role": "user", "parts": [{"text": "How deep is it?"}]}]
    body = {"contents": contents, "generationConfig": config}
    assert (await harbor.post(GEMINI.format(f"{NAME}/code"), body)).status == 200
    [record] = await harbor.seen()
    assert json.loads(record.body or b"")["generationConfig"].get("thinkingConfig") == told


async def test_effort_is_translated_for_another_dialect_and_not_for_models_that_do_not_reason(harbor: House) -> None:
    harbor.use_policy(pooled(code=("only-openai_responses",), plan=("blind",)))
    assert (await harbor.chat(f"{NAME}/code", max_tokens=2_000)).status == 200
    assert (await harbor.chat(f"{NAME}/plan")).status == 200
    there, here = [json.loads(record.body or b"") for record in await harbor.seen()]
    assert there["reasoning"]["effort"] == "medium"
    assert "reasoning_effort" not in here


async def test_the_dry_run_explains_and_touches_nothing(harbor: House) -> None:
    before = len(harbor.parts.conductor.pins)
    said = await dry(harbor, headers={"x-tokenharbor-stage": "code", "x-session-id": "s-1"})
    assert said["model"] == NAME
    assert (said["stage"], said["confidence"], said["decided_by"]) == ("code", "1.00", "override")
    assert said["why"] == "the caller named the stage"
    assert said["session"].startswith("conv_")
    assert route(said) == [
        ("duo", "alpha"),
        ("duo", "beta"),
        ("only-gemini", "far_gemini"),
        ("only-openai_responses", "far_openai_responses"),
    ]
    assert said["affordable"] is True
    assert await harbor.called() == []
    assert len(harbor.parts.conductor.pins) == before


async def test_counting_counts_by_a_model_of_the_pool(harbor: House) -> None:
    path = f"{MESSAGES}/count_tokens"
    by_name = await harbor.post(path, {"model": f"{NAME}/code", "messages": HELLO})
    assert by_name.status == 200, by_name.body
    assert by_name.json() == (await harbor.post(path, {"model": "duo", "messages": HELLO})).json()
    assert (await harbor.post(path, {"model": f"{NAME}/x", "messages": HELLO})).status == 404
    harbor.payer = await harbor.new_payer(rules=KeyRules(models=("abroad",)))
    assert (await harbor.post(path, {"model": NAME, "messages": HELLO})).status == 403


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/images/generations", "/v1/audio/speech", "/v1/rerank"])
async def test_other_surfaces_say_that_it_is_for_chat(harbor: House, path: str) -> None:
    body = {"model": NAME, "input": "x", "prompt": "x", "query": "x", "documents": ["x"], "voice": "a"}
    fields = {
        "/v1/embeddings": ("input",),
        "/v1/images/generations": ("prompt",),
        "/v1/audio/speech": ("input", "voice"),
    }
    wanted = ("model", *fields.get(path, ("query", "documents")))
    said = await harbor.post(path, {name: body[name] for name in wanted})
    assert (said.status, said.error["param"]) == (400, "model"), said.body
    assert "chat" in said.error["message"]


async def test_nothing_of_it_runs_for_other_models(harbor: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_args: Any) -> Any:
        raise AssertionError("not for this model")

    monkeypatch.setattr("tokenharbor.gateway.conductor.Conductor.plan", never)
    monkeypatch.setattr("tokenharbor.gateway.conductor.chat_of", never)
    assert (await harbor.chat("duo")).status == 200
    assert (await harbor.chat("nobody")).status == 404


async def test_a_large_body_is_read_beside_the_loop(harbor: House, monkeypatch: pytest.MonkeyPatch) -> None:
    here: list[bool] = []
    real = harbor.parts.conductor._classify

    def look(*args: Any) -> Any:
        try:
            asyncio.get_running_loop()
            here.append(True)
        except RuntimeError:
            here.append(False)
        return real(*args)

    monkeypatch.setattr(harbor.parts.conductor, "_classify", look)
    assert (await harbor.chat(f"{NAME}/code")).status == 200
    large = [{"role": "user", "content": "word " * 60_000}]
    assert (await harbor.chat(f"{NAME}/code", messages=large)).status == 200
    assert here == [True, False]


async def test_the_list_of_models_names_the_pools_and_no_price(harbor: House) -> None:
    listed = {each["id"]: each for each in (await harbor.get("/v1/models")).json()["data"]}
    assert {name for name in listed if name.startswith(NAME)} == {NAME, *(f"{NAME}/{stage}" for stage in STAGES)}
    shown = listed[NAME]
    assert shown["pools"] == {stage: list(POOLS[stage]) for stage in STAGES}
    assert (shown["pricing"], shown["context_length"], shown["max_output_tokens"]) == (None, 200_000, 8_192)
    assert shown["capabilities"] == ["tools", "vision"]
    assert listed[f"{NAME}/plan"]["pools"] == {"plan": list(POOLS["plan"])}
    for name in (NAME, f"{NAME}/plan"):
        assert (await harbor.get(f"/v1/models/{name}")).json() == listed[name]
    gemini = await harbor.get(f"/v1beta/models/{NAME}")
    assert gemini.json()["name"] == f"models/{NAME}"
    assert (await harbor.get(f"/v1/models/{NAME}/coding")).status == 404
    harbor.use_edition("relay")
    assert (await harbor.get(f"/v1/models/{NAME}")).status == 404


async def test_the_list_of_models_shows_a_key_what_it_may_ask(harbor: House) -> None:
    harbor.payer = await harbor.new_payer(rules=KeyRules(models=("duo", "blind")))
    assert (await harbor.get(f"/v1/models/{NAME}")).json()["pools"] == {
        "code": ["duo"],
        "review": ["blind"],
        "summarise": ["blind"],
    }
    assert (await harbor.get(f"/v1/models/{NAME}/plan")).status == 404
    harbor.payer = await harbor.new_payer(rules=KeyRules(models=(f"{NAME}/code",), providers=("beta",)))
    listed = [each["id"] for each in (await harbor.get("/v1/models")).json()["data"]]
    assert listed == [f"{NAME}/code"]
    assert (await harbor.get(f"/v1/models/{NAME}/code")).json()["pools"] == {"code": ["duo"]}


async def test_an_identical_request_costs_nothing_and_another_stage_is_another_request(harbor: House) -> None:
    body: Any = {"messages": [{"role": "user", "content": "one and the same"}]}
    first = await harbor.chat(f"{NAME}/code", **body)
    again = await harbor.chat(f"{NAME}/code", **body)
    assert (again.headers["x-tokenharbor-cache"], again.headers["x-tokenharbor-cost-usd"]) == ("exact", "0.000000000")
    assert again.headers["x-tokenharbor-model"] == first.headers["x-tokenharbor-model"] == "duo"
    by_name = await harbor.chat(NAME, headers={"x-tokenharbor-stage": "review"}, **body)
    assert (by_name.headers["x-tokenharbor-cache"], by_name.headers["x-tokenharbor-model"]) == ("none", "blind")
    receipt = await receipt_of(harbor, again)
    assert (receipt["model"], receipt["stage"], receipt["cost_usd"]) == ("duo", "code", "0.000000000")
    harbor.use_policy(pooled(code=("only-gemini",)))
    changed = await harbor.chat(f"{NAME}/code", **body)
    assert (changed.headers["x-tokenharbor-cache"], changed.headers["x-tokenharbor-model"]) == ("none", "only-gemini")


async def test_an_answer_of_another_effort_is_not_given_again(harbor: House) -> None:
    harbor.use_policy(pooled(code=("duo",), review=("duo",)))
    body: Any = {"messages": [{"role": "user", "content": "with much thought"}]}
    stages = [{"x-tokenharbor-stage": stage} for stage in ("code", "review", "code")]
    said = [await harbor.chat(NAME, headers=headers, **body) for headers in stages]
    assert [each.headers["x-tokenharbor-model"] for each in said] == ["duo"] * 3
    assert [each.headers["x-tokenharbor-cache"] for each in said] == ["none", "none", "exact"]
