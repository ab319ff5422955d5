"""One question in every client dialect, and the content that its answer must have in each of them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.gateway.house import CHAT, HELLO, MESSAGES, RESPONSES, House
from tests.gateway.raw import RawAnswer

SCHEMA: Any = {"type": "object", "properties": {"command": {"type": "string"}}}


@dataclass(frozen=True)
class Client:
    """`path` and `body` ask; `text`, `calls` and `finished` are what was heard of a stream or of a whole answer."""

    path: Callable[[str, bool], str]
    body: Callable[[str, bool], dict[str, Any]]
    tools: Any
    text: Callable[[RawAnswer], str]
    calls: Callable[[RawAnswer], list[tuple[str, Any]]]
    finished: Callable[[RawAnswer], bool]
    unknown: dict[str, Any]  # a field that only this dialect could have
    code: Callable[[RawAnswer], str] = lambda said: said.error["code"]
    cost: str = "cost"


async def ask(house: House, dialect: str, model: str, *, stream: bool, **more: Any) -> RawAnswer:
    client = CLIENTS[dialect]
    return await house.post(client.path(model, stream), {**client.body(model, stream), **more})


def _whole(said: RawAnswer) -> bool:
    return said.headers["content-type"] == "application/json"


# Chat completions


def _chat_deltas(said: RawAnswer) -> list[Any]:
    if _whole(said):
        return [said.json()["choices"][0]["message"]]
    return [choice["delta"] for chunk in said.data for choice in chunk.get("choices", ())]


def _chat_calls(said: RawAnswer) -> list[tuple[str, Any]]:
    found: dict[int, list[str]] = {}
    for delta in _chat_deltas(said):
        for place, call in enumerate(delta.get("tool_calls") or ()):
            row = found.setdefault(call.get("index", place), ["", ""])
            row[0] += call["function"].get("name") or ""
            row[1] += call["function"].get("arguments") or ""
    return [(name, json.loads(arguments)) for name, arguments in found.values()]


def _chat_finished(said: RawAnswer) -> bool:
    if _whole(said):
        return bool(said.json()["choices"][0]["finish_reason"])
    reasons = [choice.get("finish_reason") for chunk in said.data for choice in chunk.get("choices", ())]
    return any(reasons) or b"[DONE]" in said.body


# Responses


def _responses_done(said: RawAnswer) -> Any:
    if _whole(said):
        return said.json()
    return next((event["response"] for event in said.data if event["type"] == "response.completed"), None)


def _responses_text(said: RawAnswer) -> str:
    if _whole(said):
        items = [item for item in said.json()["output"] if item["type"] == "message"]
        return "".join(part["text"] for item in items for part in item["content"])
    return "".join(event["delta"] for event in said.data if event["type"] == "response.output_text.delta")


def _responses_calls(said: RawAnswer) -> list[tuple[str, Any]]:
    items = [item for item in _responses_done(said)["output"] if item["type"] == "function_call"]
    return [(item["name"], json.loads(item["arguments"])) for item in items]


# Messages


def _message_text(said: RawAnswer) -> str:
    if _whole(said):
        return "".join(block.get("text", "") for block in said.json()["content"])
    return "".join(event["delta"].get("text", "") for event in said.data if event["type"] == "content_block_delta")


def _message_calls(said: RawAnswer) -> list[tuple[str, Any]]:
    if _whole(said):
        return [(block["name"], block["input"]) for block in said.json()["content"] if block["type"] == "tool_use"]
    rows: dict[int, list[str]] = {}
    for event in said.data:
        if event["type"] == "content_block_start" and event["content_block"]["type"] == "tool_use":
            rows[event["index"]] = [event["content_block"]["name"], ""]
        elif event["type"] == "content_block_delta" and event["index"] in rows:
            rows[event["index"]][1] += event["delta"].get("partial_json", "")
    return [(name, json.loads(arguments)) for name, arguments in rows.values()]


def _message_finished(said: RawAnswer) -> bool:
    if _whole(said):
        return bool(said.json()["stop_reason"])
    return any(event["type"] in ("message_delta", "message_stop") for event in said.data)


# Gemini


def _gemini_parts(said: RawAnswer) -> list[Any]:
    chunks = [said.json()] if _whole(said) else said.data
    contents = [each["content"] for chunk in chunks for each in chunk.get("candidates", ()) if "content" in each]
    return [part for content in contents for part in content.get("parts", ()) if not part.get("thought")]


def _gemini_path(model: str, stream: bool) -> str:
    return f"/v1beta/models/{model}:" + ("streamGenerateContent?alt=sse" if stream else "generateContent")


CLIENTS: Mapping[str, Client] = {
    "openai_chat": Client(
        lambda _model, _stream: CHAT,
        lambda model, stream: {"model": model, "stream": stream, "messages": HELLO, "max_tokens": 100},
        [{"type": "function", "function": {"name": "bash", "parameters": SCHEMA}}],
        lambda said: "".join(delta.get("content") or "" for delta in _chat_deltas(said)),
        _chat_calls,
        _chat_finished,
        {"chat_only": 1},
    ),
    "openai_responses": Client(
        lambda _model, _stream: RESPONSES,
        lambda model, stream: {"model": model, "stream": stream, "input": HELLO, "max_output_tokens": 100},
        [{"type": "function", "name": "bash", "parameters": SCHEMA}],
        _responses_text,
        _responses_calls,
        lambda said: _responses_done(said) is not None,
        {"responses_only": 1},
    ),
    "anthropic_messages": Client(
        lambda _model, _stream: MESSAGES,
        lambda model, stream: {"model": model, "stream": stream, "messages": HELLO, "max_tokens": 100},
        [{"name": "bash", "input_schema": SCHEMA}],
        _message_text,
        _message_calls,
        _message_finished,
        {"messages_only": 1},
    ),
    "gemini": Client(
        _gemini_path,
        lambda _model, _stream: {
            "contents": [{"role": "user", "parts": [{"text": "hello"}]}],
            "generationConfig": {"maxOutputTokens": 100},
        },
        [{"functionDeclarations": [{"name": "bash", "parametersJsonSchema": SCHEMA}]}],
        lambda said: "".join(part.get("text", "") for part in _gemini_parts(said)),
        lambda said: [
            (part["functionCall"]["name"], part["functionCall"]["args"])
            for part in _gemini_parts(said)
            if "functionCall" in part
        ],
        lambda said: b'"finishReason"' in said.body,
        {"geminiOnly": 1},
        lambda said: str(said.error["details"][0]["reason"]).lower(),
    ),
}
