"""What a tester of conformance finds in the answers of every dialect, from vendors of every wire."""

import asyncio
import dataclasses
from importlib import resources
from typing import Any

import pytest
from llm_comply import config, runner, schema
from llm_comply.tests import get_tests
from tests.gateway.house import PLAYED, House

from tokenharbor.wire import WIRES

pytestmark = pytest.mark.asyncio(loop_scope="session")

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
EXPLAINED: dict[tuple[str, str], dict[str, str]] = {}


def comply(dialect: str, port: int, key: str, model: str) -> dict[str, list[str]]:
    """The checks that fail, with their errors. None is skipped for the name of the model."""
    name, file, header = FORMATS[dialect]
    bearer = header == "Authorization"
    asked = config.ComplianceConfig(
        f"http://127.0.0.1:{port}/v1", key, model, header, use_bearer_prefix=bearer, timeout=20
    )
    spec = schema.SpecLoader(str(resources.files("llm_comply") / "specs" / file) if file else None)
    cases = [dataclasses.replace(case, skip_reason=None) for case in get_tests(name)]
    results = runner.TestRunner(asked, cases, spec).run_all().results
    assert [result.id for result in results] == [case.id for case in cases]
    return {result.id: result.errors for result in results if result.errors}


@pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")  # the tester's own
@pytest.mark.parametrize("wire", PLAYED)
@pytest.mark.parametrize("dialect", WIRES)
async def test_every_answer_conforms(house: House, dialect: str, wire: str) -> None:
    house.script(SCRIPT)
    failed: Any = await asyncio.to_thread(comply, dialect, house.port, house.payer.key, f"only-{wire}")
    assert failed.keys() == EXPLAINED.get((dialect, wire), {}).keys(), failed
