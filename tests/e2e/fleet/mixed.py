"""Mixed traffic from a seed: every dialect, streams, tools, media, hang-ups, slow readers, and what is refused."""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tests.e2e.fleet.gateways import Fleet
from tests.e2e.harbor import CONFIG as HARBOR_CONFIG
from tests.e2e.raw_client import CHAT, GEMINI, GEMINI_STREAM, MESSAGES, RESPONSES, ClientRequest

CONFIG = HARBOR_CONFIG.replace("max_output = 8192", "max_output = 400000").replace(
    "context = 200000", "context = 900000"
)
FAULTS = """
[[rules]]
match = { probability = 0.02 }
fault = { kind = "status", status = 500 }
[[rules]]
match = { probability = 0.02 }
fault = { kind = "status", status = 529 }
[[rules]]
match = { probability = 0.02 }
fault = { kind = "refuse", how = "reset" }
[[rules]]
match = { probability = 0.02 }
fault = { kind = "break", after_content = 2 }
[[rules]]
match = { probability = 0.01 }
fault = { kind = "stall", where = "mid", ms = 300 }
[[rules]]
match = { probability = 0.002 }
fault = { kind = "stall", where = "mid" }
[[rules]]
match = { probability = 0.01 }
fault = { kind = "garbage", how = "broken_json" }
"""
"""What a vendor does wrong, now and then; a script ends with it."""
SCRIPT = f"""
seed = 11
keep_records = 1000000
[answer]
tokens = [10, 120]
chunk_chars = 24
delay_ms = 4
usage = {{ input = [10, 900], output = [1, 90] }}
calls = [{{ name = "look", arguments = {{ at = "the quay" }} }}]

[[rules]]
match = {{ contains = "[long]" }}
answer = {{ tokens = 250000, chunk_chars = 16384, usage = {{ input = 20, output = 250000 }} }}
{FAULTS}"""
_PATIENCE_SECONDS = 60
_TOOL = {"type": "object", "properties": {"at": {"type": "string"}}}


@dataclass(frozen=True)
class Callers:
    """Keys: of who can pay, without limits and with narrow ones; of who cannot; of who asks for media."""

    payer: str
    limited: str
    poor: str
    media: str

    @property
    def payers(self) -> tuple[str, str]:
        """Of the one account that an auditor looks at."""
        return self.payer, self.limited


def new_callers(fleet: Fleet) -> tuple[str, Callers]:
    """The account that pays, and the keys of all."""
    payer, poor, media = fleet.new_account("100000.00"), fleet.new_account("0.000001"), fleet.new_account()
    limited = fleet.new_key(payer, "--rpm", "90", "--concurrency", "3", "--tpm", "200000")
    return payer, Callers(fleet.new_key(payer), limited, fleet.new_key(poor), fleet.new_key(media))


def draw(dice: random.Random, callers: Callers) -> ClientRequest:
    """One request. What is asked for media goes by a key of its own, since an auditor of tokens cannot price it."""
    chance = dice.random()
    if chance < 0.08:
        return _media(dice, callers.media)
    if chance < 0.18:
        return _refused(dice, callers)
    if chance < 0.19:
        long = _chat(dice, callers.payer, "[long] tell me all")
        body = json.loads(long.body) | {"stream": True}
        return replace(long, body=json.dumps(body).encode(), pause_seconds=0.02)
    key = callers.limited if dice.random() < 0.15 else callers.payer
    asked = dice.choice(_DIALECTS)(dice, key, "hello " * dice.randrange(1, 300))
    if chance < 0.3:
        return replace(asked, leave_bytes=dice.randrange(1, 3000))
    if chance < 0.35:
        return replace(asked, leave_seconds=dice.random() * 0.2)
    return asked


def _chat(dice: random.Random, key: str, text: str) -> ClientRequest:
    body: dict[str, Any] = {"model": "sim", "temperature": 0.5, "messages": [{"role": "user", "content": text}]}
    if dice.random() < 0.2:
        body["tools"] = [{"type": "function", "function": {"name": "look", "parameters": _TOOL}}]
    return _request(CHAT, key, body | _streamed(dice))


def _messages(dice: random.Random, key: str, text: str) -> ClientRequest:
    body: dict[str, Any] = {
        "model": "sim",
        "temperature": 0.5,
        "max_tokens": 4000,
        "messages": [{"role": "user", "content": text}],
    }
    if dice.random() < 0.2:
        body["tools"] = [{"name": "look", "input_schema": _TOOL}]
    return _request(MESSAGES, key, body | _streamed(dice))


def _responses(dice: random.Random, key: str, text: str) -> ClientRequest:
    body: dict[str, Any] = {"model": "sim", "input": text, "store": False}
    if dice.random() < 0.2:
        body["tools"] = [{"type": "function", "name": "look", "parameters": _TOOL}]
    return _request(RESPONSES, key, body | _streamed(dice))


def _gemini(dice: random.Random, key: str, text: str) -> ClientRequest:
    path = dice.choice((GEMINI, GEMINI_STREAM))
    return _request(path, key, {"contents": [{"role": "user", "parts": [{"text": text}]}]})


_DIALECTS: tuple[Callable[[random.Random, str, str], ClientRequest], ...] = (_chat, _messages, _responses, _gemini)


def _media(dice: random.Random, key: str) -> ClientRequest:
    asked: Mapping[str, Mapping[str, Any]] = {
        "embeddings": {"model": "demo-embedding", "input": "ahoy"},
        "images/generations": {"model": "demo-image", "prompt": "ahoy"},
        "audio/speech": {"model": "demo-speech", "voice": "alloy", "input": "ahoy"},
        "rerank": {"model": "demo-rerank", "query": "ahoy", "documents": ["a", "b"]},
    }
    path, body = dice.choice([*asked.items()])
    return _request(f"/v1/{path}", key, body)


def _refused(dice: random.Random, callers: Callers) -> ClientRequest:
    plain = _chat(dice, callers.payer, "hello")
    return dice.choice(
        (
            replace(plain, key=callers.poor),
            replace(plain, key=callers.payer[:-4] + "AAAA"),
            replace(plain, body=b'{"model": "nothing", "messages": []}'),
            replace(plain, body=b'{"model": "sim", "messages": 5}'),
        )
    )


def _streamed(dice: random.Random) -> dict[str, Any]:
    return {"stream": True} if dice.random() < 0.6 else {}


def _request(path: str, key: str, body: Mapping[str, Any]) -> ClientRequest:
    return ClientRequest(path, key, json.dumps(body).encode(), leave_seconds=_PATIENCE_SECONDS)
