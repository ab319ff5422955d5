"""One request per dialect with every supported field, and the path of each single value in it."""

import copy
from collections.abc import Callable
from typing import Any

from tests.gateway.house import CHAT, MESSAGES, RESPONSES

SCHEMA = {"type": "object", "properties": {"place": {"type": "string"}}}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def chat() -> dict[str, Any]:
    return {
        "model": "duo",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "See."}, picture("image_url")]},
            {"role": "assistant", "content": "Seen."},
            {"role": "user", "content": "And now?"},
        ],
        "max_tokens": 100,
        "temperature": 0,
        "top_p": 0.9,
        "seed": 1,
        "stop": ["END"],
        "user": "u1",
        "safety_identifier": "s1",
        "tools": [{"type": "function", "function": {"name": "look", "description": "looks", "parameters": SCHEMA}}],
        "tool_choice": "auto",
        "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}},
    }


def picture(kind: str) -> dict[str, Any]:
    url = f"data:image/png;base64,{PIXEL}"
    if kind == "image_url":
        return {"type": kind, "image_url": {"url": url}}
    if kind == "input_image":
        return {"type": kind, "image_url": url}
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}


def plain_chat() -> dict[str, Any]:
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "And now?"}]
    return {"model": "duo", "messages": turns, "max_tokens": 100, "temperature": 0, "top_p": 0.9, "user": "u1"}


def message() -> dict[str, Any]:
    return {
        "model": "duo",
        "system": [{"type": "text", "text": "Be brief."}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "See."}, picture("image")]},
            {"role": "assistant", "content": "Seen."},
            {"role": "user", "content": "And now?"},
        ],
        "max_tokens": 100,
        "temperature": 0,
        "top_p": 0.9,
        "top_k": 5,
        "stop_sequences": ["END"],
        "metadata": {"user_id": "u1"},
        "tools": [{"name": "look", "description": "looks", "input_schema": SCHEMA}],
        "tool_choice": {"type": "auto"},
    }


def response() -> dict[str, Any]:
    return {
        "model": "duo",
        "instructions": "Be brief.",
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "See."}, picture("input_image")]},
            {"role": "assistant", "content": "Seen."},
            {"role": "user", "content": "And now?"},
        ],
        "max_output_tokens": 100,
        "temperature": 0,
        "top_p": 0.9,
        "user": "u1",
        "safety_identifier": "s1",
        "tools": [{"type": "function", "name": "look", "description": "looks", "parameters": SCHEMA, "strict": False}],
        "tool_choice": "auto",
        "text": {"format": {"type": "text"}},
    }


def gemini() -> dict[str, Any]:
    return {
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "See."}, {"inlineData": {"mimeType": "image/png", "data": PIXEL}}]},
            {"role": "model", "parts": [{"text": "Seen."}]},
            {"role": "user", "parts": [{"text": "And now?"}]},
        ],
        "generationConfig": {
            "maxOutputTokens": 100,
            "temperature": 0,
            "topP": 0.9,
            "topK": 5,
            "stopSequences": ["END"],
        },
        "tools": [{"functionDeclarations": [{"name": "look", "description": "looks", "parameters": SCHEMA}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "AUTO"}},
    }


REQUESTS: dict[str, tuple[str, Callable[[], dict[str, Any]]]] = {
    "openai_chat": (CHAT, chat),
    "plain": (CHAT, plain_chat),
    "anthropic_messages": (MESSAGES, message),
    "openai_responses": (RESPONSES, response),
    "gemini": ("/v1beta/models/duo:generateContent", gemini),
}
BOUND = {"only": ["alpha"]}


def facts(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The places of all that a body says."""
    if isinstance(value, dict):
        return [each for name in value for each in facts(value[name], (*path, name))]
    if isinstance(value, list):
        return [each for index, one in enumerate(value) for each in facts(one, (*path, index))]
    return [path]


WORDS = {"role", "type", "mode", "mimeType", "media_type", "model"}
"""What must be one of a few words: changed by hand below."""


def changed(body: dict[str, Any], path: tuple[Any, ...], text: str) -> dict[str, Any] | None:
    """The body with one fact changed; None where another value of it is no valid request."""
    edited = copy.deepcopy(body)
    place = edited
    for step in path[:-1]:
        place = place[step]
    old = place[path[-1]]
    if path[-1] in WORDS or path[-1] == "tool_choice" or (isinstance(old, str) and PIXEL in old):
        return None
    place[path[-1]] = _other(old, text)
    return edited


def _other(old: Any, text: str) -> Any:
    if isinstance(old, str):
        return f"{old}{text}"
    if isinstance(old, bool):
        return not old
    return old / 2 if isinstance(old, float) else old + 1


PLACES = {
    name: [path for path in facts(make()) if changed(make(), path, "x") is not None]
    for name, (_, make) in REQUESTS.items()
}
