"""Conversations of very many pieces are read for other dialects in linear time."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from tokenharbor.wire import DIALECTS
from tokenharbor.wire.neutral.dialect import ModelInPath

Piece = dict[str, Any]
MANY = 12_000


def items(pieces: Sequence[Piece]) -> tuple[str, Piece]:
    return "openai_responses", {"model": "m", "input": [{"role": "user", "content": "a"}, *pieces]}


def contents(pieces: Sequence[Piece]) -> tuple[str, Piece]:
    return "gemini", {"contents": [{"role": "user", "parts": [{"text": "a"}]}, *pieces]}


def call(number: int) -> Piece:
    return {"type": "function_call", "call_id": f"c{number}", "name": "f", "arguments": "{}"}


def output(number: int) -> Piece:
    return {"type": "function_call_output", "call_id": f"c{number}", "output": "x"}


def called(number: int) -> Piece:
    return {"role": "model", "parts": [{"functionCall": {"name": f"f{number}", "args": {}}}]}


def answered(name: str, **more: str) -> Piece:
    return {"role": "user", "parts": [{"functionResponse": {"name": name, "response": {}, **more}}]}


def said(number: int, **more: object) -> Piece:
    return {"role": "model", "parts": [{"text": "a" * 500, **more}] * number}


LONG: dict[str, Callable[[], tuple[str, Piece]]] = {
    "steps": lambda: items([piece for number in range(MANY) for piece in (call(number), output(number))]),
    "calls at once": lambda: items([*map(call, range(3 * MANY))]),
    "an assistant's messages": lambda: items([{"role": "assistant", "content": "a"}] * 3 * MANY),
    "contents": lambda: contents(
        [piece for number in range(MANY) for piece in (called(number), answered(f"f{number}"))]
    ),
    "results of other calls": lambda: contents([*map(called, range(MANY)), *[answered("q", id="z")] * MANY]),
    "pieces of text": lambda: contents([said(2 * MANY)]),
    "pieces of thoughts": lambda: contents([said(2 * MANY, thought=True)]),
}


@pytest.mark.parametrize("name", LONG)
def test_a_long_conversation_does_not_keep_others_waiting(name: str) -> None:
    dialect, body = LONG[name]()
    request = DIALECTS[dialect].read_request(msgspec.json.encode(body), ModelInPath("m", stream=False))
    began = time.process_time()
    DIALECTS[dialect].read_chat(request)
    assert time.process_time() - began < 3, "about a quarter of a second, against ten and more"
