"""The coding agents: how each is run unattended, and how a model would fix the repository with its tools."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tests.e2e.clients import repository
from tests.e2e.clients.place import Ended, Place, run
from tests.e2e.clients.repository import RIGHT, SOURCE, TEST_COMMAND, WRONG

Call = tuple[int, str, Mapping[str, Any]]
"""A tool call of the model: in which of its turns, the tool, its arguments."""

CLOSING = "The berths are right again."
PROSE = f"I looked at it, and mend it so:\n\n{SOURCE}\n```\n{repository.BERTHS_MENDED}```\n"
"""For a client without tools."""


Home = Literal[
    "clients",
    "more",
    "aider",
    "langchain",
    "crewai",
    "autogen",
    "openai-agents",
    "litellm",
    "pydantic-ai",
    "instructor",
    "sdks",
]
"""What installs a client: a set of npm's, or a Python environment of its own."""


@dataclass(frozen=True)
class Client:
    """A client: the dialect that it speaks, what installs it, how it is run, and the model's calls in a folder."""

    name: str
    dialect: str
    package: str
    home: Home
    run: Callable[[Place, str], Ended]
    calls: Callable[[Path], tuple[Call, ...]]

    def __str__(self) -> str:
        return f"{self.name} ({self.dialect})"


def claude_code(place: Place, prompt: str) -> Ended:
    environment = {
        "ANTHROPIC_BASE_URL": place.url,
        "ANTHROPIC_API_KEY": place.key,
        "ANTHROPIC_DEFAULT_HAIKU_MODEL": place.model,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
    }
    options = ("--model", place.model, "--allowedTools", "Bash,Edit,Read", "--output-format", "json")
    return run(place, (str(place.commands / "claude"), "-p", prompt, *options), environment)


def _claude_code_calls(work: Path) -> tuple[Call, ...]:
    path = str(work / SOURCE)
    return (
        (1, "Read", {"file_path": path}),
        (1, "Read", {"file_path": str(work / "test_berths.py")}),
        (2, "Edit", {"file_path": path, "old_string": WRONG, "new_string": RIGHT}),
        (3, "Bash", {"command": TEST_COMMAND, "description": "Run the test"}),
    )


def codex(place: Place, prompt: str) -> Ended:
    provider = f'model_providers.gw={{name="gw",base_url="{place.url}/v1",env_key="GW_KEY",wire_api="responses"}}'
    options = ("--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "--json", "-m", place.model)
    settings = ("-c", "model_provider=gw", "-c", provider, "-c", "analytics.enabled=false")
    environment = {"GW_KEY": place.key, "CODEX_HOME": str(place.home / "codex")}
    place.prepare()
    (place.home / "codex").mkdir(exist_ok=True)
    return run(place, (str(place.commands / "codex"), "exec", *options, *settings, prompt), environment)


def _codex_calls(work: Path) -> tuple[Call, ...]:
    lines = [f"-{line}" for line in WRONG.splitlines()] + [f"+{line}" for line in RIGHT.splitlines()]
    patch = "\n".join(["*** Begin Patch", f"*** Update File: {SOURCE}", "@@", *lines, "*** End Patch"])
    return (
        (1, "exec_command", {"cmd": f"cat {SOURCE}"}),
        (1, "exec_command", {"cmd": "cat test_berths.py"}),
        (2, "exec_command", {"cmd": f"apply_patch <<'EOF'\n{patch}\nEOF"}),
        (3, "exec_command", {"cmd": TEST_COMMAND}),
    )


OPENCODE_PACKAGES = {  # the dialect: package of the AI SDK
    "openai_chat": "@ai-sdk/openai-compatible",
    "openai_responses": "@ai-sdk/openai",
    "anthropic_messages": "@ai-sdk/anthropic",
}


def opencode(dialect: str) -> Callable[[Place, str], Ended]:
    """Opencode over one of its three dialects."""

    def start(place: Place, prompt: str) -> Ended:
        options = {"baseURL": f"{place.url}/v1", "apiKey": place.key}
        provider = {"npm": OPENCODE_PACKAGES[dialect], "options": options, "models": {place.model: {}}}
        config = {
            "autoupdate": False,
            "share": "disabled",
            "small_model": f"gw/{place.model}",
            "provider": {"gw": provider},
        }
        environment = {
            "OPENCODE_CONFIG_CONTENT": json.dumps(config),
            "OPENCODE_DISABLE_MODELS_FETCH": "1",
            "OPENCODE_DISABLE_AUTOUPDATE": "1",
        }
        command = (str(place.commands / "opencode"), "run", "-m", f"gw/{place.model}", "--format", "json", prompt)
        return run(place, command, environment)

    return start


def _opencode_calls(work: Path) -> tuple[Call, ...]:
    path = str(work / SOURCE)
    return (
        (1, "read", {"filePath": path}),
        (1, "read", {"filePath": str(work / "test_berths.py")}),
        (2, "edit", {"filePath": path, "oldString": WRONG, "newString": RIGHT}),
        (3, "bash", {"command": TEST_COMMAND, "description": "Run the test"}),
    )


def gemini_cli(place: Place, prompt: str) -> Ended:
    settings = place.prepare().home / ".gemini"
    settings.mkdir(exist_ok=True)
    off = {"usageStatisticsEnabled": False}
    general = {"enableAutoUpdate": False, "disableAutoUpdate": True, "disableUpdateNag": True}
    chosen = {"security": {"auth": {"selectedType": "gemini-api-key"}}, "privacy": off, "general": general}
    (settings / "settings.json").write_text(json.dumps(chosen))
    environment = {
        "GEMINI_API_KEY": place.key,
        "GOOGLE_GEMINI_BASE_URL": place.url,
        "GEMINI_CLI_TRUST_WORKSPACE": "true",
    }
    return run(place, (str(place.commands / "gemini"), "-m", place.model, "-y", "-p", prompt), environment)


def _gemini_cli_calls(work: Path) -> tuple[Call, ...]:
    path = str(work / SOURCE)
    edit = {"file_path": path, "instruction": "Mend it", "old_string": WRONG, "new_string": RIGHT}
    return (
        (1, "read_file", {"file_path": path}),
        (1, "read_file", {"file_path": str(work / "test_berths.py")}),
        (2, "replace", edit),
        (3, "run_shell_command", {"command": TEST_COMMAND, "description": "Run the test"}),
    )


def qwen_code(place: Place, prompt: str) -> Ended:
    settings = place.prepare().home / ".qwen"
    settings.mkdir(exist_ok=True)
    off = {"usageStatisticsEnabled": False}
    general = {"enableAutoUpdate": False, "disableAutoUpdate": True, "disableUpdateNag": True}
    (settings / "settings.json").write_text(json.dumps({"privacy": off, "general": general}))
    environment = {
        "OPENAI_API_KEY": place.key,
        "OPENAI_BASE_URL": f"{place.url}/v1",
        "OPENAI_MODEL": place.model,
        "QWEN_CODE_SUPPRESS_YOLO_WARNING": "1",
    }
    return run(place, (str(place.commands / "qwen"), "--auth-type", "openai", "-y", "-p", prompt), environment)


def _qwen_code_calls(work: Path) -> tuple[Call, ...]:
    path = str(work / SOURCE)
    return (
        (1, "read_file", {"file_path": path}),
        (1, "read_file", {"file_path": str(work / "test_berths.py")}),
        (2, "edit", {"file_path": path, "old_string": WRONG, "new_string": RIGHT}),
        (3, "run_shell_command", {"command": TEST_COMMAND, "is_background": False}),
    )


def cline(place: Place, prompt: str) -> Ended:
    command, environment = str(place.commands / "cline"), {"CLINE_TELEMETRY_DISABLED": "1"}
    who = ("auth", "-p", "openai", "-k", place.key, "-m", place.model, "-b", f"{place.url}/v1")
    ended = run(place, (command, *who), environment)
    if ended.code:
        return ended
    return run(place, (command, "-P", "openai", "-m", place.model, "-t", str(place.seconds), prompt), environment)


def _cline_calls(work: Path) -> tuple[Call, ...]:
    path = str(work / SOURCE)
    return (
        (1, "read_files", {"files": [{"path": path}]}),
        (1, "read_files", {"files": [{"path": str(work / "test_berths.py")}]}),
        (2, "editor", {"path": path, "old_text": WRONG, "new_text": RIGHT}),
        (3, "run_commands", {"commands": [TEST_COMMAND]}),
    )


def continue_cli(place: Place, prompt: str) -> Ended:
    model = {
        "name": place.model,
        "provider": "openai",
        "model": place.model,
        "apiBase": f"{place.url}/v1",
        "apiKey": place.key,
        "roles": ["chat", "edit", "apply"],
        "capabilities": ["tool_use"],
    }
    config = place.prepare().folder / "continue.yaml"  # JSON is YAML
    config.write_text(json.dumps({"name": "gw", "version": "1.0.0", "schema": "v1", "models": [model]}))
    command = (str(place.commands / "cn"), "-p", "--config", str(config), "--auto", prompt)
    return run(place, command, {"CONTINUE_TELEMETRY_ENABLED": "0", "CONTINUE_CLI_ENABLE_TELEMETRY": "0"})


def _continue_calls(work: Path) -> tuple[Call, ...]:
    path = str(work / SOURCE)
    return (
        (1, "Read", {"filepath": path}),
        (1, "Read", {"filepath": str(work / "test_berths.py")}),
        (2, "Edit", {"file_path": path, "old_string": WRONG, "new_string": RIGHT}),
        (3, "Bash", {"command": TEST_COMMAND}),
    )


def aider(place: Place, prompt: str) -> Ended:
    """It has no tools: the model answers with the whole file, and aider runs the test."""
    command = (str(place.commands / "python"), "-m", "aider", "--model", f"openai/{place.model}", "--message", prompt)
    options = ("--no-git", "--yes-always", "--no-show-model-warnings", "--no-check-update", "--analytics-disable")
    test = ("--auto-test", "--test-cmd", TEST_COMMAND, "--no-show-release-notes", "--edit-format", "whole", SOURCE)
    environment = {
        "OPENAI_API_BASE": f"{place.url}/v1",
        "OPENAI_API_KEY": place.key,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }
    return run(place, (*command, *options, *test), environment)


def _no_calls(_: Path) -> tuple[Call, ...]:
    return ()


CLAUDE_CODE = Client(
    "Claude Code", "anthropic_messages", "@anthropic-ai/claude-code", "clients", claude_code, _claude_code_calls
)
CODEX = Client("Codex", "openai_responses", "@openai/codex", "clients", codex, _codex_calls)
OPENCODE = {
    dialect: Client("opencode", dialect, "opencode-ai", "clients", opencode(dialect), _opencode_calls)
    for dialect in OPENCODE_PACKAGES
}
GEMINI_CLI = Client("Gemini CLI", "gemini", "@google/gemini-cli", "clients", gemini_cli, _gemini_cli_calls)
QWEN_CODE = Client("Qwen Code", "openai_chat", "@qwen-code/qwen-code", "more", qwen_code, _qwen_code_calls)
CLINE = Client("Cline", "openai_chat", "cline", "more", cline, _cline_calls)
CONTINUE = Client("Continue", "openai_chat", "@continuedev/cli", "more", continue_cli, _continue_calls)
AIDER = Client("aider", "openai_chat", "aider-chat", "aider", aider, _no_calls)

AGENTS = (CLAUDE_CODE, CODEX, *OPENCODE.values(), GEMINI_CLI, QWEN_CODE, CLINE, CONTINUE, AIDER)
