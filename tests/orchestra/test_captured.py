"""Requests of real coding agents (tests/e2e/clients/capture.py) and in six languages, none of them training data."""

import json
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

from tests.orchestra.chats import chat, said

from tokenharbor.orchestra.classifier import StageClassifier
from tokenharbor.orchestra.stage import Stage
from tokenharbor.wire import DIALECTS
from tokenharbor.wire.neutral.chat import Chat
from tokenharbor.wire.neutral.dialect import ModelInPath

HERE = Path(__file__).parent
CAPTURED = [json.loads(line) for line in (HERE / "captured.jsonl").read_text("utf-8").splitlines()]
LANGUAGES = tomllib.loads((HERE / "languages.toml").read_text("utf-8"))


def read(row: dict[str, Any]) -> Chat:
    dialect = DIALECTS[row["dialect"]]
    place = None if "model" in row["body"] else ModelInPath("sim", stream=True)
    return dialect.read_chat(dialect.read_request(json.dumps(row["body"]).encode(), place))


def test_sixty_requests_of_four_agents_are_there() -> None:
    agents = Counter(row["agent"] for row in CAPTURED)
    assert len(agents) == 4
    assert agents.total() >= 60
    assert {row["stage"] for row in CAPTURED} == set(Stage)


def test_what_an_agent_declares_or_does_alone_is_always_right(orchestra: StageClassifier) -> None:
    for row in CAPTURED:
        if row["mode"] or row["alone"]:
            decision = orchestra.classify(read(row))
            assert (decision.stage, decision.alone) == (row["stage"], row["alone"]), row


def test_what_a_user_asks_of_an_agent_is_seen(orchestra: StageClassifier) -> None:
    asked = [row for row in CAPTURED if not row["mode"] and not row["alone"]]
    wrong = [row for row in asked if orchestra.classify(read(row)).stage != row["stage"]]
    assert len(wrong) <= 0.2 * len(asked), [(row["agent"], row["stage"]) for row in wrong]


def test_a_request_is_of_the_same_stage_in_every_agent_and_dialect(orchestra: StageClassifier) -> None:
    stages: dict[str, set[Stage]] = {}
    for row in CAPTURED:
        if not row["mode"] and not row["alone"]:
            read_chat = read(row)
            words = [part.text for message in read_chat.messages for part in message.parts if hasattr(part, "text")]
            stages.setdefault(words[-1] if words else "", set()).add(orchestra.classify(read_chat).stage)
    assert sum(len(found) > 1 for found in stages.values()) <= 2, stages


def test_each_language_is_understood(orchestra: StageClassifier) -> None:
    for language, stages in LANGUAGES.items():
        requests = [(stage, words) for stage, each in stages.items() for words in each]
        assert len(requests) == 20
        wrong = [words for stage, words in requests if orchestra.classify(chat(said(words))).stage != stage]
        assert len(wrong) <= 6, (language, wrong)
