"""A conformance check of answers in every dialect, from providers of every wire."""

import asyncio
import dataclasses
from importlib import resources
from typing import Any

import pytest
from llm_comply import config, runner, schema
from llm_comply.tests import get_tests
from tests.gateway.house import PLAYED, House

from tokenharbor.wire import DIALECTS

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning"),  # the tester's own
]

FORMATS = {  # dialect: the tester's name of it, the file of its schemas, the header of the key
    "openai_chat": ("openai-chat", "openai_chat.json", "Authorization"),
    "openai_responses": ("open-responses", "openresponses.json", "Authorization"),
    "anthropic_messages": ("anthropic", "anthropic.json", "x-api-key"),
    "gemini": ("google-genai", None, "x-goog-api-key"),
}
SCRIPT = """
answer = { text = "one two three four", chunk_chars = 4, reasoning = "let us see", calls = [
    { name = "get_weather", arguments = { location = "San Francisco" } },
] }
"""
_RENAMED = {
    f"unknown SSE event type: response.reasoning_summary_text.{end}": "the tester knows an older name of it; "
    "OpenAI's own library knows this one"
    for end in ("delta", "done")
}
_COMPACTING = dict.fromkeys(
    (
        "response.output is missing or empty",
        "expected object containing 'compact', got ''",
        "no output item with type='compaction' (found: [])",
    ),
    "a warning only: compacting is not offered, and the tester takes a 404 for that",
)
_UNCOUNTED = "a warning only: Converse counts reasoning as output, and does not say how much of it was"
EXPLAINED: dict[tuple[str, str], dict[str, dict[str, str]]] = {
    ("openai_responses", ""): {
        "streaming-response": _RENAMED,
        "streaming-usage": _RENAMED,
        "compact-response": _COMPACTING,
    },
    ("openai_chat", "bedrock_converse"): {
        "chat-reasoning-summary": {
            "usage.completion_tokens_details.reasoning_tokens is 0 (model may not support reasoning)": _UNCOUNTED
        }
    },
    ("gemini", "bedrock_converse"): {
        "google-thinking": {
            "usageMetadata.thoughtsTokenCount is missing or 0 (model may not report thinking tokens)": _UNCOUNTED
        }
    },
}
"""By dialect and wire ("" is every wire): the checks that find fault, with each fault and why it is right so."""

MESSAGES_EVENTS = {
    "message_start": "MessageStartEvent",
    "content_block_start": "ContentBlockStartEvent",
    "content_block_delta": "ContentBlockDeltaEvent",
    "content_block_stop": "ContentBlockStopEvent",
    "message_delta": "MessageDeltaEvent",
    "message_stop": "MessageStopEvent",
}


def spec_of(dialect: str) -> schema.SpecLoader:
    file = FORMATS[dialect][1]
    return schema.SpecLoader(str(resources.files("llm_comply") / "specs" / file) if file else None)


def comply(dialect: str, port: int, key: str, model: str) -> dict[str, set[str]]:
    """The checks that find fault or warn, with their words. None is skipped for the name of the model."""
    name, _, header = FORMATS[dialect]
    bearer = header == "Authorization"
    asked = config.ComplianceConfig(
        f"http://127.0.0.1:{port}/v1", key, model, header, use_bearer_prefix=bearer, timeout=20
    )
    cases = [dataclasses.replace(case, skip_reason=None) for case in get_tests(name)]
    results = runner.TestRunner(asked, cases, spec_of(dialect)).run_all().results
    assert [result.id for result in results] == [case.id for case in cases]
    said = {result.id: {*result.errors, *result.warnings} for result in results}
    return {check: words for check, words in said.items() if words}


@pytest.mark.parametrize("wire", PLAYED)
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_every_fault_that_a_tester_finds_is_explained(house: House, dialect: str, wire: str) -> None:
    house.script(SCRIPT)
    found = await asyncio.to_thread(comply, dialect, house.port, house.payer.key, f"only-{wire}")
    explained = EXPLAINED.get((dialect, ""), {}) | EXPLAINED.get((dialect, wire), {})
    assert found == {check: set(faults) for check, faults in explained.items()}


@pytest.mark.parametrize("wire", PLAYED)
async def test_every_event_of_messages_fits_its_schema(house: House, wire: str) -> None:
    house.script(SCRIPT)
    messages = spec_of("anthropic_messages")
    asked: tuple[Any, ...] = ({}, {"tools": [{"name": "get_weather", "input_schema": {"type": "object"}}]})
    for more in asked:
        said = await house.message(f"only-{wire}", stream=True, **more)
        events = [event for event in said.data if event["type"] in MESSAGES_EVENTS]
        assert (events[0]["type"], events[-1]["type"]) == ("message_start", "message_stop")
        assert [messages.validate(event, MESSAGES_EVENTS[event["type"]]) for event in events] == [[]] * len(events)


@pytest.mark.parametrize("wire", PLAYED)
async def test_a_refusal_has_its_details_and_fits_its_schema(house: House, wire: str) -> None:
    house.script('answer = { text = "I had rather", finish = "refusal" }')
    message = (await house.message(f"only-{wire}")).json()
    assert (message["stop_reason"], message["stop_details"]["type"]) == ("refusal", "refusal")
    assert spec_of("anthropic_messages").validate(message, "Message") == []
