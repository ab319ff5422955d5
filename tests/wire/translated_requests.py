"""Requests of one dialect's client for a vendor of another."""

import json
from typing import Any

from tests.wire.conversations import ABLE

from tokenharbor.wire import DIALECTS
from tokenharbor.wire.neutral.chat import Chat, VendorOptions

OPENAI, ANTHROPIC = "openai_chat", "anthropic_messages"


def client_request(dialect: str, body: dict[str, Any] | bytes) -> Chat:
    """Return the request of a dialect's client, with the fields that its path needs."""
    if isinstance(body, dict):
        least: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "?"}]}
        if dialect == ANTHROPIC:
            least["max_tokens"] = 50_000
        body = json.dumps({**least, **body}).encode()
    return DIALECTS[dialect].read_chat(DIALECTS[dialect].read_request(body))


def vendor_request(dialect: str, chat: Chat, *lacking: str, most: int = 50_000) -> dict[str, Any]:
    """Return the body for a vendor of a dialect."""
    order = VendorOptions("up", stream=False, max_output=most, most_output=60_000, capabilities=ABLE - {*lacking})
    body: dict[str, Any] = json.loads(DIALECTS[dialect].write_chat(chat, order))
    return body


BUDGETED = "adaptive_reasoning"  # without it a model takes budgets
CALL = {"id": "c1", "type": "function", "function": {"name": "tide", "arguments": "{}"}}
TIDE = {"type": "function", "function": {"name": "tide", "parameters": {"type": "object"}}}
WIND = {"type": "function", "function": {"name": "wind"}}
LOOP = [
    {"role": "user", "content": "?"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c1", "content": "high"},
]


CHOICES: list[tuple[Any, Any]] = [
    ("auto", {"type": "auto"}),
    ("none", {"type": "none"}),
    ("required", {"type": "any"}),
    ({"type": "function", "function": {"name": "wind"}}, {"type": "tool", "name": "wind"}),
]


def user(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(parts)}]}
