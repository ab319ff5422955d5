"""Cached answers rewritten for a client of another dialect."""

import json
from typing import Any

import pytest

from tokenharbor.cache.answers import AnswerSource, CachedAnswer
from tokenharbor.gateway.rewriting import rewrite
from tokenharbor.kernel.usage import Usage
from tokenharbor.wire import DIALECTS
from tokenharbor.wire.neutral.dialect import ReplyContext
from tokenharbor.wire.neutral.events import Note

_CALL = {"functionCall": {"name": "bash", "args": {}}, "thoughtSignature": "c2ln"}
GEMINI = {
    "candidates": [{"content": {"role": "model", "parts": [_CALL, _CALL]}, "finishReason": "STOP", "index": 0}],
    "usageMetadata": {"promptTokenCount": 20, "candidatesTokenCount": 10, "totalTokenCount": 30},
    "modelVersion": "m",
}


def written(dialect: str, request_id: str, kept: dict[str, tuple[Note, ...]]) -> dict[str, Any]:
    source = AnswerSource("p", "m", "")
    answer = CachedAnswer("gemini", False, True, source, Usage(input=20, output=10), json.dumps(GEMINI).encode())
    parts = rewrite(
        answer, DIALECTS[dialect], ReplyContext(id=request_id), kept.__setitem__, stream=False, cost_usd=None
    )
    found: dict[str, Any] = json.loads(b"".join(parts))
    return found


@pytest.mark.parametrize(
    ("dialect", "calls"),
    [
        ("openai_chat", lambda said: said["choices"][0]["message"]["tool_calls"]),
        ("anthropic_messages", lambda said: said["content"]),
    ],
)
def test_calls_without_an_id_get_one_in_dialects_that_need_it(dialect: str, calls: Any) -> None:
    kept: dict[str, tuple[Note, ...]] = {}
    said = [written(dialect, request_id, kept) for request_id in ("req_a1", "req_b2")]
    ids = [call["id"] for each in said for call in calls(each)]
    assert all(ids)
    assert len(set(ids)) == 4, "calls of one conversation are told apart"
    assert set(kept) == set(ids), "what came with a call is found again by the id that its client was told"
    assert all(each["id"] for each in said)
