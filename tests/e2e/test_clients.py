"""Claude Code and opencode work through the gateway: each runs a tool and finishes."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.clients.agents import EXPECTED, SCRIPT, Place, claude_code, documents, opencode
from tests.e2e.clients.toolbox import ToolboxError, install
from tests.e2e.harbor import Harbor

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def commands() -> Path:
    """The clients' commands. What cannot be installed is a failure of one line, never a skip."""
    try:
        return install()
    except ToolboxError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
def place(gateway: Harbor, commands: Path, tmp_path: Path) -> Iterator[Place]:
    """A client's place at the gateway, the simulator told to ask for a shell; the script is taken back after."""
    _call(gateway.simulator, "POST", "/simulator/script", SCRIPT)
    _call(gateway.simulator, "DELETE", "/simulator/requests")
    yield Place(gateway.url, gateway.key, commands, tmp_path)
    _call(gateway.simulator, "POST", "/simulator/script", "")


def _call(url: str, method: str, path: str, body: str | None = None) -> Any:
    data = None if body is None else body.encode()
    headers = {"content-type": "application/toml"}
    request = urllib.request.Request(url + path, data=data, method=method, headers=headers)  # noqa: S310  loopback
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  likewise
        return json.loads(answer.read() or b"null")


def _seen(gateway: Harbor) -> list[dict[str, Any]]:
    """What reached the provider, each answered in full and with our credential, not the caller's key."""
    seen: list[dict[str, Any]] = _call(gateway.simulator, "GET", "/simulator/requests")
    assert all(record["completed"] and record["stream"] for record in seen)
    assert all(record["credential"] != gateway.key for record in seen)
    return seen


def test_claude_code_runs_a_tool_and_finishes(place: Place, gateway: Harbor) -> None:
    ended = claude_code(place)
    assert ended.code == 0, ended
    (answer,) = documents(ended)
    assert (answer["is_error"], answer["result"]) == (False, EXPECTED), ended
    seen = _seen(gateway)
    assert len(seen) >= 2
    assert {record["wire"] for record in seen} == {"anthropic_messages"}


def test_opencode_runs_a_tool_and_finishes(place: Place, gateway: Harbor) -> None:
    ended = opencode(place)
    assert ended.code == 0, ended
    steps = documents(ended)
    tools = [step["part"]["state"] for step in steps if step["type"] == "tool_use"]
    assert [(tool["status"], tool["output"].strip()) for tool in tools] == [("completed", "harbor-42")], ended
    assert [step["part"]["text"] for step in steps if step["type"] == "text"] == [EXPECTED], ended
    seen = _seen(gateway)
    assert len(seen) >= 3, "an answer with a call, one after it, and a title"
    assert {record["wire"] for record in seen} == {"openai_chat"}
