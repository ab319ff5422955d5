"""The second turn of clients that send the assistant's message back with its notes."""

from typing import Any

import pytest
from tests.gateway.across import CLIENTS, ask
from tests.gateway.house import CHAT, HELLO, PLAYED, House

pytestmark = pytest.mark.asyncio(loop_scope="session")

TOOLS = CLIENTS["openai_chat"].tools
THOUGHT = """
[answer]
text = ""
reasoning = "Let me look."
[[answer.calls]]
name = "bash"
arguments = { command = "ls" }
"""


def noted(message: dict[str, Any]) -> dict[str, Any]:
    """As LiteLLM sends it: what its own message has no field for stands in one (seen on the wire of 1.9x)."""
    known = ("role", "content", "tool_calls", "reasoning_content", "annotations", "images")
    rest = {name: value for name, value in message.items() if name not in known}
    return {name: message[name] for name in known if name in message} | {"provider_specific_fields": rest}


@pytest.mark.parametrize("wire", PLAYED)
async def test_C1_the_second_turn_of_litellm(house: House, wire: str) -> None:
    house.script(THOUGHT)
    said = await house.chat(f"only-{wire}", tools=TOOLS, reasoning_effort="low", max_tokens=8_000)
    assert said.status == 200, said.body
    message = said.json()["choices"][0]["message"]
    result = {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "a.txt"}
    turns = [*HELLO, message, result]
    told = []
    for form in (message, noted(message)):
        turns = [*HELLO, form, result]
        said = await house.post(CHAT, {"model": f"only-{wire}", "messages": turns, "tools": TOOLS, "max_tokens": 8_000})
        assert (said.status, "x-tokenharbor-left-out" in said.headers) == (200, False), said.body
        told.append((await house.seen())[-1].body)
    if wire != "openai_chat":
        assert told[0] == told[1], "reasoning comes back the same, wherever the client kept it"


async def test_C1_the_rest_of_what_it_noted_is_left_out(house: House) -> None:
    message = {
        "role": "assistant",
        "content": "Hm.",
        "provider_specific_fields": {"refusal": None, "citations": [1]},
        "thinking_blocks": [{"type": "thinking", "thinking": "x", "signature": "s"}],
    }
    said = await house.chat("only-anthropic_messages", messages=[*HELLO, message, *HELLO])
    assert said.status == 200, said.body
    left = said.headers["x-tokenharbor-left-out"].split(", ")
    assert sorted(left) == ["messages.provider_specific_fields.citations", "messages.thinking_blocks"]


async def test_C1_other_clients_notes_on_the_assistants_message(house: House) -> None:
    """Of LangChain, the AI SDK, Open WebUI and LibreChat."""
    for extra in (
        {"additional_kwargs": {}, "response_metadata": {"a": 1}},
        {"providerOptions": {"a": {}}, "experimental_x": 1},
        {"sources": [], "done": True, "info": {"usage": 1}, "model": "m"},
        {"messageId": "m", "parentMessageId": "p", "isCreatedByUser": False},
    ):
        message = {"role": "assistant", "content": "Hm.", **extra}
        for wire in ("anthropic_messages", "openai_responses", "gemini", "bedrock_converse"):
            said = await house.chat(f"only-{wire}", messages=[*HELLO, message, *HELLO])
            assert said.status == 200, said.body


@pytest.mark.parametrize("wire", sorted(set(PLAYED) - {"anthropic_messages"}))
async def test_C6_a_stream_begins_with_our_estimate_of_the_input(house: House, wire: str) -> None:
    house.script('[answer]\ntext = "one two"\n[answer.usage]\ninput = 123\noutput = 2\n')
    words: Any = [{"role": "user", "content": "word " * 400}]
    said = await ask(house, "anthropic_messages", f"only-{wire}", stream=True, messages=words)
    first = next(event["message"]["usage"] for event in said.data if event["type"] == "message_start")
    last = next(event["usage"] for event in said.data if event["type"] == "message_delta")
    assert 400 <= first["input_tokens"] <= 800
    assert last["input_tokens"] + last["cache_read_input_tokens"] + last["cache_creation_input_tokens"] == 123


async def test_C6_where_the_vendor_never_counts_the_estimate_stays(house: House) -> None:
    house.script("answer = { text = 'one' }\n[[rules]]\nfault = { kind = 'usage', how = 'none' }\n")
    said = await ask(house, "anthropic_messages", "only-openai_chat", stream=True)
    counts = [event["usage"]["input_tokens"] for event in said.data if event["type"] == "message_delta"]
    first = next(event["message"]["usage"] for event in said.data if event["type"] == "message_start")
    assert counts == [first["input_tokens"]]
    assert counts[0] > 0


async def test_C6_a_vendor_that_counts_at_the_beginning_is_believed(house: House) -> None:
    """Within one dialect nothing is added."""
    said = await ask(house, "anthropic_messages", "only-anthropic_messages", stream=True)
    (record,) = await house.seen()
    first = next(event["message"]["usage"] for event in said.data if event["type"] == "message_start")
    assert record.usage is not None
    assert first["input_tokens"] == record.usage.input
