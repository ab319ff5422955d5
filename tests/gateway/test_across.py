"""Any client at any provider: answers are whole, bills match the provider's count, failures never look like success."""

import asyncio
import itertools
import json
import re
from datetime import timedelta
from typing import Any

import pytest
from tests.gateway.across import CLIENTS, ask
from tests.gateway.house import PLAYED, House, provider_of_wire
from tests.gateway.raw import PATIENCE

from tokenharbor.kernel.money import Usd
from tokenharbor.kernel.usage import Usage
from tokenharbor.wire import DIALECTS

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAIRS = pytest.mark.parametrize(
    ("client", "wire"), [(client, wire) for client in DIALECTS for wire in PLAYED if client != wire]
)
STREAM = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
UNTOUCHED = ("100.000000000", "0.000000000")

TEXT = "Fair winds, 顺风 🌊 and following seas."
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


def cost_of(usage: Usage) -> Usd:
    """At the one price of these models' dearer provider, or their only one."""
    return Usd(usage.input * 1_000 + usage.cache_read * 100 + (usage.output + usage.reasoning) * 2_000)


async def test_every_dialect_is_asked_here() -> None:
    assert CLIENTS.keys() == DIALECTS.keys()


@PAIRS
@STREAM
async def test_the_answer_arrives_and_costs_what_the_vendor_counted(
    house: House, client: str, wire: str, stream: bool
) -> None:
    house.script(ANSWER)
    said = await ask(house, client, f"only-{wire}", stream=stream)
    assert (said.status, said.ended) == (200, "complete"), said.body
    assert CLIENTS[client].text(said) == TEXT
    assert CLIENTS[client].finished(said)
    (seen,) = await house.seen()
    assert (seen.wire, seen.stream) == (wire, stream)
    assert seen.usage is not None
    receipt = await house.receipt(said.headers["x-request-id"])
    assert (receipt["status"], receipt["usage_source"], receipt["dialect"]) == ("complete", "vendor", client)
    assert Usd.parse(receipt["cost_usd"]) == cost_of(seen.usage) > 0
    assert await house.money() == (str(Usd(Usd.parse("100") - cost_of(seen.usage))), "0.000000000")


@PAIRS
@STREAM
async def test_a_receipt_tells_counts_that_do_not_add_up_from_none(
    house: House, client: str, wire: str, stream: bool
) -> None:
    for how in ("none", "not_adding_up"):
        house.script(ANSWER + f"[[rules]]\nfault = {{ kind = 'usage', how = '{how}' }}\n")
        said = await ask(house, client, f"only-{wire}", stream=stream)
        assert (said.status, CLIENTS[client].text(said)) == (200, TEXT), how
        receipt = await house.receipt(said.headers["x-request-id"])
        assert (receipt["usage_source"], receipt["usage_quarantined"]) == ("estimated", how != "none"), how


@PAIRS
@STREAM
async def test_every_answer_has_an_id_of_its_own(house: House, client: str, wire: str, stream: bool) -> None:
    """Clients join answers of one id into one, and ask on for ever."""
    house.script(ANSWER)
    ids = set()
    for _ in range(2):
        said = await ask(house, client, f"only-{wire}", stream=stream)
        found = re.search(rb'"(?:id|responseId)": ?"([^"]+)"', said.body)
        assert found is not None, said.body
        ids.add(found[1])
    assert len(ids) == 2


@PAIRS
@STREAM
async def test_tools_are_called_with_their_arguments_as_given(
    house: House, client: str, wire: str, stream: bool
) -> None:
    house.script(CALLS)
    said = await ask(house, client, f"only-{wire}", stream=stream, tools=CLIENTS[client].tools)
    assert said.status == 200, said.body
    assert CLIENTS[client].calls(said) == [("bash", {"command": "echo ahoy", "Odd Key": [1, 2.5]})]


@PAIRS
async def test_the_cost_is_told_where_it_is_asked_for(house: House, client: str, wire: str) -> None:
    for stream in (True, False):
        said = await ask(house, client, f"only-{wire}", stream=stream, usage={"include": True})
        receipt = await house.receipt(said.headers["x-request-id"])
        assert f'"cost":{receipt["cost_usd"]}'.encode() in said.body.replace(b'"cost": ', b'"cost":')


FAULTS = (
    ("kind = 'status', status = 429", 429, "rate_limit_exceeded"),
    ("kind = 'status', status = 401", 502, "upstream_error"),
    ("kind = 'status', status = 503", 502, "upstream_error"),
    ("kind = 'garbage'", 502, "upstream_error"),
    ("kind = 'break', after_events = 0", 502, "upstream_error"),
)


@PAIRS
@STREAM
async def test_a_vendors_fault_is_an_error_of_the_callers_dialect(
    house: House, client: str, wire: str, stream: bool
) -> None:
    for fault, status, code in FAULTS:
        await house.begin()
        house.script(ANSWER + f"[[rules]]\nfault = {{ {fault} }}\n")
        said = await ask(house, client, f"only-{wire}", stream=stream)
        assert (said.status, CLIENTS[client].code(said)) == (status, code), fault
        assert not said.body.startswith(b"data:"), fault
        assert await house.money() == UNTOUCHED, fault


@PAIRS
async def test_a_vendors_own_refusal_names_none_of_its_fields(house: House, client: str, wire: str) -> None:
    fault = "kind = 'status', status = 400, message = 'no such thing', param = 'vendor_field', code = 'vendor_code'"
    house.script(ANSWER + f"[[rules]]\nfault = {{ {fault} }}\n")
    said = await ask(house, client, f"only-{wire}", stream=False)
    assert said.status == 400
    assert "no such thing" in said.error["message"]
    assert b"vendor_field" not in said.body
    assert b"vendor_code" not in said.body


@PAIRS
@pytest.mark.parametrize("fault", ["kind = 'break', after_content = 1", "kind = 'error_event', after_events = 5"])
async def test_a_stream_that_breaks_off_never_looks_complete(house: House, client: str, wire: str, fault: str) -> None:
    house.script(ANSWER + f"[[rules]]\nfault = {{ {fault} }}\n")
    said = await ask(house, client, f"only-{wire}", stream=True)
    if said.status == 200:
        assert not CLIENTS[client].finished(said)
        assert b"error" in said.body
    assert await house.money() == UNTOUCHED


@PAIRS
@STREAM
async def test_a_provider_of_ones_own_dialect_is_followed_by_one_of_another(
    house: House, client: str, wire: str, stream: bool
) -> None:
    house.fail("kind = 'status', status = 500")
    said = await ask(house, client, f"then-{wire}", stream=stream)
    assert (said.status, said.headers["x-tokenharbor-provider"]) == (200, provider_of_wire(wire))
    assert CLIENTS[client].text(said) == "one two three four"
    assert [record.wire for record in await house.seen()][-1] == wire


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_an_answer_of_responses_says_when_it_ended(
    house: House, stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not when it began: here every look at the clock is a minute later than the one before."""
    clock = house.parts.world.clock
    looks, now = itertools.count(), clock.now()
    monkeypatch.setattr(type(clock), "now", lambda _: now + timedelta(minutes=next(looks)))
    said = await ask(house, "openai_responses", "only-anthropic_messages", stream=stream)
    response = said.data[-1]["response"] if stream else said.json()
    assert response["completed_at"] > response["created_at"]


async def test_more_than_one_answer_is_asked_only_of_who_can_give_it(house: House) -> None:
    said = await ask(house, "openai_chat", "only-anthropic_messages", stream=False, n=2)
    assert (said.status, said.error["param"]) == (400, "n")


async def test_a_picture_is_not_shown_to_a_model_that_cannot_see(house: House) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    messages = [{"role": "user", "content": [picture]}]
    said = await ask(house, "openai_chat", "only-anthropic_messages", stream=False, messages=messages)
    assert said.status == 200, said.body
    sound = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    messages = [{"role": "user", "content": [sound]}]
    said = await ask(house, "openai_chat", "only-openai_responses", stream=False, messages=messages)
    assert said.status == 400


@PAIRS
async def test_who_hangs_up_pays_for_what_was_delivered_and_no_more(house: House, client: str, wire: str) -> None:
    house.script(f'answer = {{ text = "one {"two " * 30}", chunk_chars = 4, delay_ms = 50 }}\n')
    body = json.dumps(CLIENTS[client].body(f"only-{wire}", True)).encode()
    path = CLIENTS[client].path(f"only-{wire}", True)
    head = f"POST {path} HTTP/1.1\r\nhost: h\r\nx-api-key: {house.payer.key}\r\ncontent-length: {len(body)}\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    writer.write(head.encode() + body)
    async with asyncio.timeout(PATIENCE):
        heard = await reader.readuntil(b"one")
    assert b"200 OK" in heard
    writer.close()
    (record,) = await house.seen()
    assert record.hung_up, "the vendor is left"
    async with asyncio.timeout(PATIENCE):
        while not house.parts.metrics._requests:  # noqa: ASYNC110  what is waited for is a fact, no event
            await asyncio.sleep(0.005)
    await house.harbor.books.drain()
    (row,) = (await house.get("/v1/requests")).json()["data"]
    receipt = await house.receipt(row["id"])
    assert (receipt["status"], receipt["usage_source"]) == ("hung_up", "estimated")
    assert 3 <= receipt["delivered_bytes"] <= record.text_bytes


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
async def test_a_conversation_of_too_many_pieces_is_not_translated(house: House, dialect: str) -> None:
    wire = next(wire for wire in PLAYED if wire != dialect)
    house.payer = await house.new_payer("0")
    many: dict[str, Any] = {"user": [{}] * 50_001}
    said = await ask(house, dialect, f"only-{wire}", stream=False, **many)
    assert said.status == 400, said.body
    assert "more than 50000 objects" in said.error["message"]
    assert await house.called() == []


TOOL: Any = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
FORCED: dict[str, dict[str, Any]] = {
    "openai_chat": {"tools": [TOOL], "tool_choice": "required"},
    "openai_responses": {"tools": [{"type": "function", **TOOL["function"]}], "tool_choice": "required"},
    "gemini": {
        "tools": [{"functionDeclarations": [{"name": "look"}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
    },
}


@pytest.mark.parametrize("client", FORCED)
async def test_a_model_that_refuses_forced_calls_is_not_asked_for_one(house: House, client: str) -> None:
    said = await ask(house, client, "refusing", stream=False, **FORCED[client])
    assert said.status == 400
    assert "tool" in said.error["message"]
    assert "forced_call" in said.error["message"]
    assert await house.called() == []
    said = await ask(house, client, "only-anthropic_messages", stream=False, **FORCED[client])
    assert said.status == 200, said.body


async def test_a_model_that_goes_on_from_no_beginning_is_not_given_one(house: House) -> None:
    messages = [{"role": "user", "content": "Count."}, {"role": "assistant", "content": "One, two"}]
    said = await ask(house, "openai_chat", "refusing", stream=False, messages=messages)
    assert (said.status, said.error["param"]) == (400, "messages[1]")
    assert (await ask(house, "openai_chat", "only-anthropic_messages", stream=False, messages=messages)).status == 200


async def test_a_model_that_draws_tokens_in_its_own_way_is_not_told_how(house: House) -> None:
    """Values that change no meaning: clients say them to whatever model."""
    for model, told in (("only-anthropic_messages", True), ("refusing", False)):
        said = await ask(house, "openai_chat", model, stream=False, temperature=0.5, top_p=0.5)
        assert said.status == 200, said.body
        body = json.loads((await house.seen())[-1].body or "")
        assert ("temperature" in body or "top_p" in body) is told
    said = await ask(house, "openai_chat", "refusing", stream=False, temperature=2)
    assert said.status == 200, "which its dialect could not even say"
