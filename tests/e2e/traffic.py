"""Random traffic from a seed: what vendors sell at odd prices, how they answer and fail, and what clients ask."""

import json
import random
from collections.abc import Mapping, Sequence
from typing import Any

from tests.e2e.raw_client import CHAT, MESSAGES, PATHS, ClientRequest

OWN_TERMS: Mapping[str, Mapping[str, object]] = {
    "price": {"service_fee_bp": 325, "markup_bp": 1234, "markup_bp_by_model": {"stepped": 77}},
    "failover": {"max_providers": 2},
}

_TIMEOUTS = "timeouts = { connect = 2, first_event = 1, between_events = 1, total = 4 }"

_CONFIG = """
edition = "EDITION"

[providers.one]
wire = "openai_chat"
base_url = "URL/v1"
credential = "env:SIM_KEY"
TIMEOUTS

[providers.two]
wire = "openai_chat"
base_url = "URL/v1"
credential = "env:SIM_KEY_TWO"
TIMEOUTS

[providers.three]
wire = "anthropic_messages"
base_url = "URL/v1"
auth = "x-api-key"
credential = "env:SIM_KEY"
TIMEOUTS

[providers.four]
wire = "anthropic_messages"
base_url = "URL/v1"
auth = "x-api-key"
credential = "env:SIM_KEY_TWO"
TIMEOUTS

[models.plain]
vendor = "sims"
context = 200000
max_output = 8192

[[models.plain.endpoints]]
provider = "one"
price = { input = "0.283117", output = "0.420019", cache_read = "0.028003", cache_write = "0.353897" }

[[models.plain.endpoints]]
provider = "two"
price = { input = "1.5", output = "3.000007", cache_read = "0.15", cache_write = "1.875", reasoning = "4.1" }

[[models.plain.endpoints]]
provider = "three"
price = { input = "1", output = "2", cache_read = "0.1", cache_write = "1.25", cache_write_1h = "2" }

[[models.plain.endpoints]]
provider = "four"
price = { input = "1.000001", output = "2.999999", cache_read = "0.123457", cache_write_1h = "2.718281" }

[models.stepped]
vendor = "sims"
context = 200000
max_output = 8192

[[models.stepped.endpoints]]
provider = "two"
price = { input = "2.000003", output = "9.7", reasoning = "11.3", cache_read = "0.2", cache_write = "2.5", steps = [
    { above_input = 300, input = "3.1", output = "13.000011" },
    { above_input = 1200, input = "4.7", cache_read = "0.400009" } ] }

[[models.stepped.endpoints]]
provider = "four"
price = { input = "3", output = "15", cache_write = "3.75", cache_write_1h = "6", steps = [
    { above_input = 500, input = "6.000001", output = "22.5", reasoning = "23.456789" } ] }

[models.bare]
vendor = "sims"
context = 200000
max_output = 8192

[[models.bare.endpoints]]
provider = "one"
price = { input = "0.07", output = "0.000001" }

[[models.bare.endpoints]]
provider = "three"
price = { input = "0.000001", output = "75.000001" }
"""

MODELS = ("plain", "stepped", "bare")
_SCENARIOS = 60
_FAULTS: Sequence[dict[str, Any]] = (
    {"kind": "refuse"},
    {"kind": "refuse", "how": "reset"},
    {"kind": "status", "status": 400},
    {"kind": "status", "status": 401},
    {"kind": "status", "status": 404},
    {"kind": "status", "status": 429, "retry_after": 1},
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 529},
    {"kind": "stall", "where": "before_head"},
    {"kind": "stall", "where": "before_content"},
    {"kind": "stall", "where": "before_content", "ms": 40},
    {"kind": "stall", "where": "mid"},
    {"kind": "stall", "where": "mid", "ms": 60, "after_content": 3},
    {"kind": "break", "after_events": 1},
    {"kind": "break", "after_content": 2},
    {"kind": "break", "how": "close", "after_content": 4},
    {"kind": "error_event", "after_events": 0},
    {"kind": "error_event", "after_content": 3},
    {"kind": "no_terminator"},
    {"kind": "no_terminator", "finish": True},
    {"kind": "usage", "how": "none"},
    {"kind": "usage", "how": "negative"},
    {"kind": "usage", "how": "not_adding_up"},
    {"kind": "usage", "how": "huge"},
    {"kind": "usage", "how": "text"},
    {"kind": "drip", "bytes": 97, "ms": 1},
    {"kind": "garbage", "how": "html"},
    {"kind": "garbage", "how": "broken_json"},
    {"kind": "garbage", "how": "bad_utf8"},
    {"kind": "truncated"},
    {"kind": "huge_event", "bytes": 70_000, "where": "before_content"},
    {"kind": "huge_event", "bytes": 20_000},
)
_WORDS = ("Hafen", "quay", "mer", "港口", "пирс", "bollard", "κύμα", "tide", "🛳")


def config(url: str, edition: str) -> str:
    return _CONFIG.replace("URL", url).replace("EDITION", edition).replace("TIMEOUTS", _TIMEOUTS)


def script(seed: int) -> str:
    """As JSON. A request names its scenario; some hold for the first provider of each wire only, so that the next
    one answers in its stead.
    """
    dice = random.Random(seed)
    rules = []
    for number in range(_SCENARIOS):
        rule: dict[str, Any] = {"match": {"contains": f"[{number}]"}, "answer": _answer(dice)}
        if number < len(_FAULTS):
            rule["fault"] = _FAULTS[number]
            if dice.random() < 0.7:
                rule["match"]["credential"] = dice.choice(("vendor-key-one", "vendor-key-one", "vendor-key-two"))
        rules.append(rule)
    return json.dumps({"seed": seed, "answer": _answer(dice), "rules": rules})


def _answer(dice: random.Random) -> dict[str, Any]:
    """Something said, in pieces, at some pace, with usage of every kind; never none, which is not believed."""
    usage: dict[str, Any] = {"input": _some(dice, 900), "output": _some(dice, 400)}
    for kind in ("cache_read", "cache_write_5m", "cache_write_1h", "reasoning"):
        if dice.random() < 0.5:
            usage[kind] = _some(dice, 900)
    answer = {
        "tokens": dice.randrange(8, 200),
        "usage": usage,
        "chunk_chars": dice.choice((3, 16, 50)),
        "delay_ms": dice.choice((0, 1, 5)),
        "first_ms": dice.choice((0, 0, 20)),
    }
    if dice.random() < 0.3:
        answer["reasoning"] = " ".join(dice.choices(_WORDS, k=dice.randrange(1, 30)))
    if dice.random() < 0.3:
        answer["text"] = " ".join(dice.choices(_WORDS, k=dice.randrange(1, 60)))
    if dice.random() < 0.2:
        arguments = {"at": " ".join(dice.choices(_WORDS, k=20))}
        answer["calls"] = [{"name": "look", "arguments": arguments, "always": True}]
    if dice.random() < 0.1:
        answer |= {"text": "", "refusal": "I would rather not, " * dice.randrange(1, 9)}
    return answer


_MUCH = "tide " * 2400
"""Room for what the vendors here say that they have read: more than a quote's bound is none of these tests."""


def _some(dice: random.Random, most: int) -> list[int]:
    return sorted((dice.randrange(1, most), dice.randrange(1, most)))


def questions(seed: int, keys: Sequence[str], count: int) -> Sequence[ClientRequest]:
    dice = random.Random(seed)
    return [_question(dice, keys, f"n{number}") for number in range(count)]


def _question(dice: random.Random, keys: Sequence[str], name: str) -> ClientRequest:
    path, stream = dice.choice(PATHS), dice.random() < 0.6
    words = " ".join(dice.choices(_WORDS, k=dice.randrange(200)))
    scenario = dice.randrange(_SCENARIOS)
    body: dict[str, Any] = {
        "model": dice.choice(("plain", *MODELS)),
        "messages": [{"role": "user", "content": f"[{scenario}] {words} {_MUCH}"}],
    }
    if path == MESSAGES or dice.random() < 0.5:
        body["max_tokens"] = dice.choice((1400, 2000, 4000))  # no vendor here goes beyond: what then, test_lies asks
    if stream:
        body["stream"] = True
        if path == CHAT and dice.random() < 0.5:
            body["stream_options"] = {"include_usage": True}
    if path == CHAT and dice.random() < 0.15:
        body["n"] = 2
    if dice.random() < 0.25:
        body["usage"] = {"include": True}
    encoded = json.dumps(body, ensure_ascii=dice.random() < 0.5).encode()
    return ClientRequest(path, dice.choice(keys), encoded, name, **_patience(dice))


def _patience(dice: random.Random) -> dict[str, Any]:
    chance = dice.random()
    if chance < 0.25:
        return {"leave_bytes": dice.randrange(1, 6000)}
    if chance < 0.4:
        return {"leave_seconds": dice.random() * 0.15}
    return {}
