"""Requests of the three dialects in one form, for tests of how they are read."""

import json
from typing import Any

import pytest

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire import DIALECTS
from tokenharbor.wire.neutral.request import Edit, Request

OPENAI, RESPONSES, ANTHROPIC = "openai_chat", "openai_responses", "anthropic_messages"


MESSAGES = [{"role": "user", "content": "Is the harbour open?"}]


NEEDED: dict[str, dict[str, Any]] = {ANTHROPIC: {"max_tokens": 100}, RESPONSES: {"store": False}}


THEIRS = {RESPONSES: {"messages": "input", "max_tokens": "max_output_tokens", "Max_Tokens": "Max_Output_Tokens"}}


def theirs(dialect: str, name: str) -> str:
    """Return a dialect's name of a field, or of a place in it."""
    for known, own in THEIRS.get(dialect, {}).items():
        if name == known or name.startswith(f"{known}["):
            return name.replace(known, own, 1)
    return name


def body_of(dialect: str, **fields: Any) -> bytes:
    given = {"model": "m", "messages": MESSAGES, **NEEDED.get(dialect, {}), **fields}
    own = {theirs(dialect, name): value for name, value in given.items()}
    return json.dumps(own, separators=(",", ":")).encode()


def read(dialect: str, **fields: Any) -> Request:
    return DIALECTS[dialect].read_request(body_of(dialect, **fields))


def written(dialect: str, edit: Edit, **fields: Any) -> dict[str, Any]:
    wire = DIALECTS[dialect]
    result: dict[str, Any] = json.loads(wire.write_request(read(dialect, **fields), edit))
    return result


def refusal(dialect: str, **fields: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        read(dialect, **fields)
    return caught.value
