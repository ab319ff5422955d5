"""A provider that rejects the request in the middle of its answer: reported as such in each dialect's stream."""

import json
from typing import Any

import pytest
from tests.gateway.attack import UNTOUCHED
from tests.gateway.house import House
from tests.gateway.raw import RawAnswer
from tests.wire.splits import tape

pytestmark = pytest.mark.asyncio(loop_scope="session")

CONTEXT = "This model's maximum context length is 8192 tokens; see https://vendor.example/help."
PROMPT = "The picture of org-a1b2c3d4 is damaged."
BODIES: dict[str, tuple[str, dict[str, Any]]] = {
    "openai_chat": ("/v1/chat/completions", {"model": "tape", "messages": [{"role": "user", "content": "hi"}]}),
    "openai_responses": ("/v1/responses", {"model": "tape", "input": "hi"}),
    "anthropic_messages": (
        "/v1/messages",
        {"model": "tape", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]},
    ),
    "gemini": ("/v1beta/models/tape:streamGenerateContent?alt=sse", {"contents": [{"parts": [{"text": "hi"}]}]}),
}
SAYS: dict[str, Any] = {
    "openai_chat": lambda message: {"error": {"message": message, "type": "invalid_request_error", "code": None}},
    "openai_responses": lambda message: {
        "type": "error",
        "error": {"message": message, "type": "invalid_request_error", "code": "invalid_prompt"},
    },
    "anthropic_messages": lambda message: {
        "type": "error",
        "error": {"message": message, "type": "invalid_request_error"},
    },
    "gemini": lambda message: {"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}},
}


async def broken_off(house: House, dialect: str, message: str) -> RawAnswer:
    """An answer that has begun, and then this."""
    begun = tape(dialect, "cut_off")
    error = json.dumps(SAYS[dialect](message)).encode()
    house.tape.put(begun.rstrip(b"\n") + b"\n\nevent: error\ndata: " + error + b"\n\n")
    path, body = BODIES[dialect]
    streamed = body if dialect == "gemini" else {**body, "stream": True}
    said = await house.post(path, streamed)
    assert said.status == 200, said.body
    return said


def last_error(said: RawAnswer) -> Any:
    return next(data["error"] for data in reversed(said.data) if data.get("error"))


@pytest.mark.parametrize("dialect", BODIES)
async def test_an_input_that_does_not_fit_is_told_so_in_mid_stream(house: House, dialect: str) -> None:
    error = last_error(await broken_off(house, dialect, CONTEXT))
    reason = error["details"][0]["reason"] if dialect == "gemini" else error["code"]
    assert reason == "context_length_exceeded"
    assert error["message"] == CONTEXT.replace("https://vendor.example/help.", "[url]")
    assert await house.money() == UNTOUCHED


@pytest.mark.parametrize("dialect", BODIES)
async def test_a_request_that_the_vendor_refuses_is_told_so_in_mid_stream(house: House, dialect: str) -> None:
    error = last_error(await broken_off(house, dialect, PROMPT))
    assert error["message"] == "The picture of [account] is damaged."
    if dialect == "gemini":
        assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    else:
        assert error["type"] == "invalid_request_error"
    assert await house.money() == UNTOUCHED


async def test_codex_is_told_so_in_the_event_that_it_reads(house: House) -> None:
    for message, code in ((CONTEXT, "context_length_exceeded"), (PROMPT, "invalid_prompt")):
        said = await broken_off(house, "openai_responses", message)
        assert said.data[-1]["type"] == "response.failed"
        assert said.data[-1]["response"]["error"]["code"] == code
