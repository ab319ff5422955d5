"""`orchestra explain`: the stage of a request's body, in any dialect."""

import json
from pathlib import Path

from tests.app.conftest import Cli

BODIES = {
    "openai_chat": {
        "model": "m",
        "messages": [
            {"role": "developer", "content": "You are opencode."},
            {"role": "user", "content": "Review the diff for vulnerabilities and list findings by severity."},
        ],
    },
    "openai_responses": {
        "model": "m",
        "instructions": "# Review guidelines: you are acting as a reviewer for a proposed code change.",
        "input": [{"role": "user", "content": [{"type": "input_text", "text": "Go on."}]}],
    },
    "anthropic_messages": {
        "model": "m",
        "max_tokens": 100,
        "system": [{"type": "text", "text": "You are a senior code reviewer who reports findings."}],
        "messages": [{"role": "user", "content": "Review this.\n\n@@ -1 +1 @@\n-a\n+b\n"}],
    },
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "Review my pull request and list the problems."}]}]},
}


def test_a_body_of_any_dialect_is_explained(bare: Cli, tmp_path: Path) -> None:
    for dialect, body in BODIES.items():
        file = tmp_path / f"{dialect}.json"
        file.write_text(json.dumps(body))
        outcome = bare("orchestra", "explain", str(file), "--json")
        assert outcome.code == 0, outcome
        found = json.loads(outcome.out)
        assert (found["dialect"], found["stage"]) == (dialect, "review")
        assert found["because"]
        assert 0 <= found["confidence"] <= 1


def test_people_are_told_the_stage_and_why(bare: Cli, tmp_path: Path) -> None:
    file = tmp_path / "body.json"
    reminder = "<system-reminder>Plan mode is active.</system-reminder>"
    file.write_text(json.dumps({"model": "m", "messages": [{"role": "user", "content": f"{reminder} Add prices."}]}))
    outcome = bare("orchestra", "explain", str(file))
    assert outcome.code == 0, outcome
    lines = dict(line.split(None, 1) for line in outcome.out.splitlines() if line[0].isalpha())
    assert lines["stage"] == "plan"
    assert "plan mode" in lines["because"]


def test_what_is_no_request_is_refused_in_one_line(bare: Cli, tmp_path: Path) -> None:
    for text in ("", "[]", "{}", '{"model": 1}', "\x00", "x" * 100):
        file = tmp_path / "body.json"
        file.write_text(text)
        outcome = bare("orchestra", "explain", str(file))
        assert (outcome.code, outcome.out) == (1, ""), text
        assert outcome.err.count("\n") == 1
    assert bare("orchestra", "explain", str(tmp_path / "none.json")).code == 2


def test_what_is_no_request_is_said_once(bare: Cli, tmp_path: Path) -> None:
    file = tmp_path / "request.json"
    file.write_text("[1]")
    outcome = bare("orchestra", "explain", str(file))
    assert outcome.code == 1
    assert outcome.err.strip().endswith("no chat request of any dialect (Invalid body: it must be a JSON object)")
