"""Stop sequences, JSON and small maxima that a provider does not support: applied by the gateway, over sockets."""

import json
from typing import Any

import pytest
from tests.gateway.across import CLIENTS, ask
from tests.gateway.house import PLAYED, House

from tokenharbor.wire import DIALECTS

pytestmark = pytest.mark.asyncio(loop_scope="session")

STREAM = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
COUNTING = 'answer = { text = "one two three four five", chunk_chars = 2 }\n'
STOPS: dict[str, Any] = {
    "openai_chat": lambda stops: {"stop": stops},
    "anthropic_messages": lambda stops: {"stop_sequences": stops},
    "gemini": lambda stops: {"generationConfig": {"maxOutputTokens": 100, "stopSequences": stops}},
}
MOST: dict[str, Any] = {
    "openai_chat": lambda most: {"max_tokens": most},
    "anthropic_messages": lambda most: {"max_tokens": most},
    "gemini": lambda most: {"generationConfig": {"maxOutputTokens": most}},
}


def ending(client: str, said: Any) -> str:
    """The reason that the client reads."""
    if client == "anthropic_messages":
        found = [event["delta"] for event in said.data if event["type"] == "message_delta"] if said.data else []
        last = found[-1] if found else said.json()
        return f"{last['stop_reason']} {last['stop_sequence']}"
    if client == "gemini":
        chunks = said.data or [said.json()]
        return str(
            next(
                chunk["candidates"][0]["finishReason"]
                for chunk in chunks
                if b"finishReason" in said.body and "finishReason" in chunk["candidates"][0]
            )
        )
    reasons = [choice["finish_reason"] for chunk in (said.data or [said.json()]) for choice in chunk["choices"]]
    return str(reasons[-1])


@STREAM
@pytest.mark.parametrize("client", sorted(STOPS))
async def test_C5_an_answer_ends_at_a_stop_sequence_that_the_vendor_does_not_know(
    house: House, client: str, stream: bool
) -> None:
    house.script(COUNTING)
    said = await ask(house, client, "only-openai_responses", stream=stream, **STOPS[client](["hre"]))
    assert said.status == 200, said.body
    assert CLIENTS[client].text(said) == "one two t"
    assert CLIENTS[client].finished(said)
    assert ending(client, said) == {"openai_chat": "stop", "anthropic_messages": "stop_sequence hre"}.get(
        client, "STOP"
    )
    (record,) = await house.seen()
    assert "hre" not in (record.body or "")
    receipt = await house.receipt(said.headers["x-request-id"])
    assert receipt["status"] == "complete"
    assert receipt["usage_source"] == ("estimated" if stream else "vendor")
    if stream:
        assert receipt["usage"]["output"] == -(-len("one two t") // 4)


@pytest.mark.parametrize("client", sorted(STOPS))
async def test_C5_the_vendor_is_left_at_once(house: House, client: str) -> None:
    house.script(f'answer = {{ text = "one two {"three " * 200}", chunk_chars = 4, delay_ms = 20 }}\n')
    said = await ask(house, client, "only-openai_responses", stream=True, **STOPS[client](["two"]))
    assert CLIENTS[client].text(said) == "one "
    (record,) = await house.seen()
    assert record.hung_up


@STREAM
async def test_C5_more_sequences_than_a_vendor_takes(house: House, stream: bool) -> None:
    house.script(COUNTING)
    many = ["V", "W", "X", "Y", "Z", "four"]
    for wire, told in (("gemini", 5), ("openai_chat", 4)):
        said = await ask(house, "anthropic_messages", f"only-{wire}", stream=stream, stop_sequences=many)
        assert (said.status, CLIENTS["anthropic_messages"].text(said)) == (200, "one two three ")
        body = json.loads((await house.seen())[-1].body or "")
        sent = body["generationConfig"]["stopSequences"] if wire == "gemini" else body["stop"]
        assert sent == many[:told]


async def test_C5_sequences_of_nothing_but_space(house: House) -> None:
    house.script('answer = { text = "one\n\ntwo" }\n'.replace("\n\n", "\\n\\n"))
    said = await ask(house, "openai_chat", "only-anthropic_messages", stream=False, stop=["\n\n"])
    assert (said.status, CLIENTS["openai_chat"].text(said)) == (200, "one")


@pytest.mark.parametrize("wire", PLAYED)
async def test_C2_any_json_object_is_asked_for_in_words_where_the_vendor_has_no_such_mode(
    house: House, wire: str
) -> None:
    said = await house.chat(f"only-{wire}", response_format={"type": "json_object"})
    assert (said.status, "x-tokenharbor-left-out" in said.headers) == (200, False), said.body
    body = (await house.seen())[-1].body or ""
    assert "json" in body.lower()
    words = "JSON object" in body
    assert words is (wire in ("openai_responses", "anthropic_messages", "bedrock_converse"))


@pytest.mark.parametrize("client", ["openai_responses", "gemini"])
async def test_C2_whatever_dialect_asks_for_it(house: House, client: str) -> None:
    forms: dict[str, dict[str, Any]] = {
        "openai_responses": {"text": {"format": {"type": "json_object"}}},
        "gemini": {"generationConfig": {"responseMimeType": "application/json"}},
    }
    more = forms[client]
    for wire in ("anthropic_messages", "bedrock_converse"):
        said = await ask(house, client, f"only-{wire}", stream=False, **more)
        assert said.status == 200, said.body
        assert "JSON object" in ((await house.seen())[-1].body or "")


@STREAM
@pytest.mark.parametrize("client", sorted(MOST))
@pytest.mark.parametrize("most", [1, 15, 16])
async def test_R6_a_maximum_below_the_vendors_least(house: House, client: str, stream: bool, most: int) -> None:
    house.script('answer = { text = "one two three four five six seven eight nine ten", chunk_chars = 3 }\n')
    said = await ask(house, client, "only-openai_responses", stream=stream, **MOST[client](most))
    assert said.status == 200, said.body
    (record,) = await house.seen()
    assert json.loads(record.body or "")["max_output_tokens"] == 16
    receipt = await house.receipt(said.headers["x-request-id"])
    assert receipt["usage"]["output"] + receipt["usage"]["reasoning"] <= most
    assert receipt["usage_source"] == "vendor"
    assert len(CLIENTS[client].text(said)) <= 4 * most if most < 16 else True
    if most == 1:
        reason = {"openai_chat": "length", "anthropic_messages": "max_tokens None", "gemini": "MAX_TOKENS"}[client]
        assert ending(client, said) == reason


async def test_R6_the_least_stands_in_the_catalogue(house: House) -> None:
    catalog = house.parts.snapshots.current.catalog
    least = {provider.wire: provider.least_output for provider in (*catalog.providers.values(), *catalog.other_wires)}
    assert {wire: least[wire] for wire in DIALECTS} == {
        wire: 16 if wire == "openai_responses" else 1 for wire in DIALECTS
    }


async def test_R6_within_one_dialect_the_vendor_decides(house: House) -> None:
    said = await house.respond("only-openai_responses", max_output_tokens=1)
    assert said.status == 400


HIDDEN = """
[answer]
text = "one two END"
reasoning = "hidden"
chunk_chars = 4
usage = { reasoning = 90, output = 9 }
"""


@pytest.mark.parametrize("client", sorted(STOPS))
async def test_F4_a_stop_sequence_at_the_very_end_does_not_hide_what_the_vendor_counts(
    house: House, client: str
) -> None:
    """All answers end so where the caller asks for it: reasoning that no words show would be free."""
    house.script(HIDDEN)
    said = await ask(house, client, "only-openai_responses", stream=True, **STOPS[client](["END"]))
    assert CLIENTS[client].text(said) == "one two "
    assert CLIENTS[client].finished(said)
    receipt = await house.receipt(said.headers["x-request-id"])
    assert (receipt["status"], receipt["usage_source"]) == ("complete", "vendor")
    assert receipt["usage"]["reasoning"] == 90


async def test_F4_usage_that_does_not_come_is_not_waited_for(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tokenharbor.gateway.relay._USAGE_SECONDS", 0.05)
    for fault in ("kind = 'stall', where = 'mid'", "kind = 'break'"):
        house.script(f"{HIDDEN}[[rules]]\nfault = {{ {fault}, after_content = 5 }}\n")
        said = await ask(house, "openai_chat", "only-openai_responses", stream=True, stop=["END"])
        assert CLIENTS["openai_chat"].text(said) == "one two ", fault
        assert CLIENTS["openai_chat"].finished(said), fault
        assert (await house.receipt(said.headers["x-request-id"]))["usage_source"] == "estimated", fault
