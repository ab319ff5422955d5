"""Running Claude Code and opencode without a person: a prompt, one tool, an end; each in a HOME of its own."""

import json
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TIMEOUT_SECONDS = 180
MODEL = "sim"
PROMPT = "Say harbor with the shell's echo, then stop."

SCRIPT = """
[answer]
text = "Harbor talk"
after_tools = "The tool ran. It said: {result}"
[[answer.calls]]
name = "bash"
arguments = { command = "echo harbor-42", description = "Say harbor" }
"""
"""What the simulator is told: a shell call when a shell is offered, then its result; a title for who asks for one."""

EXPECTED = "The tool ran. It said: harbor-42"
"""What the client ends with if the shell was really run."""


@dataclass(frozen=True)
class Place:
    """Where and as whom a client runs: an API's address without a path, a key, the commands, a folder of its own."""

    url: str
    key: str
    commands: Path
    folder: Path


@dataclass(frozen=True)
class Ended:
    """How the run ended."""

    code: int
    stdout: str
    stderr: str

    def __str__(self) -> str:
        return f"exit code {self.code}\n{self.stdout[-4000:]}\n{self.stderr[-4000:]}"


def claude_code(place: Place, prompt: str = PROMPT, model: str = MODEL) -> Ended:
    """Claude Code, headless; its answer is one JSON document on stdout."""
    environment = {
        "ANTHROPIC_BASE_URL": place.url,
        "ANTHROPIC_API_KEY": place.key,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
    }
    options = ("--model", model, "--allowedTools", "Bash(echo:*)", "--output-format", "json")
    return _run(place, ("claude", "-p", prompt, *options), environment)


def opencode(place: Place, prompt: str = PROMPT, model: str = MODEL) -> Ended:
    """Opencode, headless, over OpenAI's chat completions; its answer is one JSON document a line."""
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "options": {"baseURL": f"{place.url}/v1", "apiKey": place.key},
        "models": {model: {}},
    }
    config = {"autoupdate": False, "share": "disabled", "provider": {"gw": provider}}
    environment = {
        "OPENCODE_CONFIG_CONTENT": json.dumps(config),
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
    }
    return _run(place, ("opencode", "run", "-m", f"gw/{model}", "--format", "json", prompt), environment)


def documents(ended: Ended) -> list[dict[str, Any]]:
    """The JSON documents on stdout, one a line."""
    return [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]


def _run(place: Place, command: tuple[str, ...], environment: dict[str, str]) -> Ended:
    home, work = place.folder / "home", place.folder / "work"
    home.mkdir(parents=True)
    work.mkdir()
    process = subprocess.Popen(
        [str(place.commands / command[0]), *command[1:]],
        cwd=work,
        env=_surroundings(home) | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        stdout, stderr = process.communicate(timeout=TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        stdout, stderr = process.communicate()
        stderr += f"\nstopped after {TIMEOUT_SECONDS} s"
    return Ended(process.returncode, stdout, stderr)


def _surroundings(home: Path) -> dict[str, str]:
    """Nothing of the user's own settings; and whatever is not loopback meets a proxy that is not there."""
    nobody = "http://127.0.0.1:9"
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), nobody)
    loopback = dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost")
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home), "LANG": "C.UTF-8"} | proxies | loopback
