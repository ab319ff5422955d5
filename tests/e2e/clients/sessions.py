"""Sessions of real coding agents that plan, edit, run, review and compact, each in one process without a person."""

import json
import os
import re
import signal
import subprocess
import threading
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from tests.e2e.clients.agents import OPENCODE_PACKAGES
from tests.e2e.clients.place import Place, end_leftovers, surroundings
from tests.e2e.clients.repository import RIGHT, SOURCE, TEST_COMMAND, WRONG

PLAN = "Free berths are counted wrong. How would you mend that? Plan first."
BUILD = "The plan is good. Mend it, and run the test."
GO_ON = "Go on."
_CLAUDE_CODE_CACHED, _OPENCODE_CACHED = 13_000, 7_000
"""Tokens that the vendor has in its cache at each turn: nearly all of the agent's prompt."""


class AgentSession(Protocol):
    """What a session does, one after the other; each returns when the agent has done it."""

    def plan(self) -> None: ...
    def build(self) -> None: ...
    def review(self) -> None: ...
    def go_on(self) -> None: ...
    def compact(self) -> None: ...


@contextmanager
def _running(place: Place, command: Sequence[str], environment: Mapping[str, str]) -> Iterator["subprocess.Popen[str]"]:
    """A process in the place; it is ended with all that it started, if need be after so many seconds."""
    process = subprocess.Popen(
        command,
        cwd=place.work,
        env={**surroundings(place), **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    late = threading.Timer(place.seconds, lambda: os.killpg(process.pid, signal.SIGKILL))
    late.start()
    try:
        yield process
    finally:
        late.cancel()
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        end_leftovers(place)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


# ---- Claude Code


@dataclass
class ClaudeCode:
    """Led as its SDK leads it, so that somebody answers when it asks whether the plan is good."""

    process: "subprocess.Popen[str]"

    def plan(self) -> None:
        """The plan is approved inside the tool loop, which then goes on to edit and run."""
        self._say(PLAN)

    def build(self) -> None:
        """It has done that already."""

    def review(self) -> None:
        self._say("/review")

    def go_on(self) -> None:
        self._say(GO_ON)

    def compact(self) -> None:
        self._say("/compact")

    def _say(self, text: str) -> None:
        self._send({"type": "user", "message": {"role": "user", "content": text}})
        assert self.process.stdout is not None
        heard = []
        for line in self.process.stdout:
            heard.append(line)
            told = json.loads(line) if line.startswith("{") else {}
            if told.get("type") == "control_request":
                self._allow(told)
            elif told.get("type") == "result":
                assert not told["is_error"], told
                return
        raise AssertionError("".join(heard[-10:]))

    def _allow(self, asked: dict[str, Any]) -> None:
        said = {"behavior": "allow", "updatedInput": asked["request"]["input"]}
        answer = {"subtype": "success", "request_id": asked["request_id"], "response": said}
        self._send({"type": "control_response", "response": answer})

    def _send(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()


@contextmanager
def claude_code(place: Place) -> Iterator[ClaudeCode]:
    environment = {
        "ANTHROPIC_BASE_URL": place.url,
        "ANTHROPIC_API_KEY": place.key,
        "ANTHROPIC_DEFAULT_HAIKU_MODEL": place.model,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
    }
    streams = ("--input-format", "stream-json", "--output-format", "stream-json", "--verbose")
    asked = ("--permission-prompt-tool", "stdio", "--permission-mode", "plan")
    command = (str(place.commands / "claude"), "-p", "--model", place.model, *streams, *asked)
    with _running(place, command, environment) as process:
        yield ClaudeCode(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(place.seconds) == 0


def claude_code_script(place: Place) -> dict[str, Any]:
    """What the model says: plan, edit and run in one loop, since the plan's end is a call of it."""
    path, cached = str(place.work / SOURCE), _CLAUDE_CODE_CACHED
    calls = [
        _call(1, "Read", file_path=path),
        _call(2, "ToolSearch", query="select:ExitPlanMode", max_results=1),
        _call(3, "ExitPlanMode"),
        _call(4, "Edit", file_path=path, old_string=WRONG, new_string=RIGHT),
        _call(5, "Bash", command=TEST_COMMAND, description="Run the test"),
    ]
    return {
        "answer": {"text": "Done.", "calls": calls, "after_tools": "It said: {result}", "usage": _warm(cached)},
        "rules": [
            _rule(cached, "our task is to create a detailed summary", "<summary>The berths are right again.</summary>"),
            _rule(
                cached,
                "inline angles",
                "No findings.",
                _call(1, "Bash", command="git diff", description="What changed"),
            ),
        ],
    }


# ---- opencode


@dataclass
class Opencode:
    """Its server, led by its own API, as its terminal leads it."""

    url: str
    model: str
    session: str = ""

    def plan(self) -> None:
        self.session = self._post("/session", {})["id"]
        self._say("plan", PLAN)

    def build(self) -> None:
        self._say("build", BUILD)

    def review(self) -> None:
        self._ask("command", {"command": "review", "arguments": "", "model": f"gw/{self.model}"})

    def go_on(self) -> None:
        self._say("build", GO_ON)

    def compact(self) -> None:
        self._ask("summarize", self._model)

    @property
    def _model(self) -> dict[str, str]:
        return {"providerID": "gw", "modelID": self.model}

    def _say(self, agent: str, text: str) -> None:
        self._ask("message", {"agent": agent, "model": self._model, "parts": [{"type": "text", "text": text}]})

    def _ask(self, what: str, body: dict[str, Any]) -> None:
        said = self._post(f"/session/{self.session}/{what}", body)
        assert said is True or "error" not in said["info"], said

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), headers)  # noqa: S310  loopback
        with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310  likewise
            return json.loads(answer.read())


@contextmanager
def opencode(place: Place) -> Iterator[Opencode]:
    options = {"baseURL": f"{place.url}/v1", "apiKey": place.key}
    provider = {"npm": OPENCODE_PACKAGES["openai_chat"], "options": options, "models": {place.model: {}}}
    model = f"gw/{place.model}"
    config = {"autoupdate": False, "share": "disabled", "model": model, "small_model": model}
    environment = {
        "OPENCODE_CONFIG_CONTENT": json.dumps(config | {"provider": {"gw": provider}}),
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
    }
    command = (str(place.commands / "opencode"), "serve", "--hostname", "127.0.0.1", "--port", "0")
    with _running(place, command, environment) as process:
        assert process.stdout is not None
        heard = []
        for line in process.stdout:
            heard.append(line)
            if found := re.search(r"listening on (http://\S+)", line):
                yield Opencode(found[1], place.model)  # it says nothing more
                return
        raise AssertionError("".join(heard))


def opencode_script(place: Place) -> dict[str, Any]:
    """What the model says: it looks while it plans; once it may, it edits and runs."""
    path, cached = str(place.work / SOURCE), _OPENCODE_CACHED
    look = _call(1, "read", filePath=path)
    calls = [
        _call(2, "edit", filePath=path, oldString=WRONG, newString=RIGHT),
        _call(3, "bash", command=TEST_COMMAND, description="Run the test"),
    ]
    return {
        "answer": {"text": "A title"},
        "rules": [
            {"match": {"contains": "title generator"}, "answer": {"text": "The count of berths"}},
            _rule(
                cached,
                "You are a code reviewer",
                "No findings.",
                _call(1, "bash", command="git diff", description="Look"),
            ),
            _rule(cached, BUILD, "Done.", *calls),
            _rule(cached, PLAN, "Count ships out, and run the test.", look),
        ],
    }


def _call(turn: int, name: str, **arguments: Any) -> dict[str, Any]:
    return {"turn": turn, "name": name, "arguments": arguments}


def _rule(cached: int, contains: str, text: str, *calls: dict[str, Any]) -> dict[str, Any]:
    answer = {"text": text, "calls": list(calls), "after_tools": f"{text} It said: {{result}}"}
    return {"match": {"contains": contains}, "answer": answer | {"usage": _warm(cached)}}


def _warm(cached: int) -> dict[str, int]:
    return {"cache_read": cached, "output": 400}
