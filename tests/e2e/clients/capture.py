"""What real coding agents send at each stage, without their makers' words: for tests/orchestra/captured.jsonl.

    python -m tests.e2e.clients.capture tests/orchestra/captured.jsonl

Each agent runs in each of its modes against the simulator. Of a text that is not ours only our own anchors stay
(fingerprints.toml), of a tool only its name; roles, parts and their order stay as they came.
"""

import json
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.e2e.clients import repository
from tests.e2e.clients.agents import OPENCODE_PACKAGES
from tests.e2e.clients.place import Place, run
from tests.e2e.clients.toolbox import CORE, install
from tests.e2e.harbor import start_simulator

from tokenharbor.orchestra.fingerprints import load_fingerprints

_SCRIPT = '[answer]\ntext = "Done. The berths are right again."\n'
_HOP_HEADERS = frozenset({"connection", "transfer-encoding", "content-length", "keep-alive", "host", "accept-encoding"})

PROMPTS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "": (
        ("code", "The test in this folder fails. Mend berths.py and run the tests until they pass."),
        ("code", "Add a function price(ships, rate) to berths.py, with a test."),
        ("code", "Rename LENGTH_M to BERTH_LENGTH everywhere."),
        ("plan", "Write an implementation plan for a reservation calendar; do not edit any files."),
        ("review", "Review the uncommitted changes and list problems by severity."),
        ("review", "Is free_berths correct for negative quay lengths? Only tell me what is wrong, change nothing."),
        ("review", "Check this repository for security problems and report them."),
        ("summarise", "Summarise what this project does in three sentences."),
        ("summarise", "Write a commit message for the uncommitted changes."),
        ("summarise", "Give me a changelog entry for the last commit."),
        ("general", "What is the difference between a berth and a quay?"),
        ("general", "Write a short poem about harbours."),
        ("general", "¿Qué hace la función free_berths?"),
    ),
    "plan": (
        ("plan", "How would you let berths have different lengths? Show me your plan first."),
        ("plan", "We want to keep the berths in SQLite."),
    ),
    "compact": (("summarise", ""),),
    "review": (("review", ""),),
}
"""By mode: the stage that is right, and what the user says."""


@dataclass
class Recorder:
    """Between an agent and the simulator: keeps the bodies that pass."""

    to: str
    bodies: list[dict[str, Any]] = field(default_factory=list)

    def start(self) -> str:
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                recorder.pass_on(self)

            do_GET = do_HEAD = do_POST  # noqa: N815  as HTTP has them

            def log_message(self, format: str, *_: object) -> None:  # noqa: A002  its name there
                """Quiet."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}"

    def pass_on(self, asked: BaseHTTPRequestHandler) -> None:
        body = asked.rfile.read(int(asked.headers.get("content-length", 0)))
        if body[:1] == b"{":
            self.bodies.append(json.loads(body))
        headers = {name: value for name, value in asked.headers.items() if name.lower() not in _HOP_HEADERS}
        connection = HTTPConnection(self.to, timeout=60)
        connection.request(asked.command, asked.path, body, headers)
        answer = connection.getresponse()
        said = answer.read()
        connection.close()
        asked.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _HOP_HEADERS:
                asked.send_header(name, value)
        asked.send_header("content-length", str(len(said)))
        asked.end_headers()
        asked.wfile.write(said)


def _claude_code(place: Place, mode: str, prompt: str) -> None:
    environment = {
        "ANTHROPIC_BASE_URL": place.url,
        "ANTHROPIC_API_KEY": place.key,
        "ANTHROPIC_DEFAULT_HAIKU_MODEL": place.model,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
    }
    options = {"plan": ("--permission-mode", "plan"), "compact": ("--continue",)}.get(mode, ())
    said = {"compact": "/compact", "review": "/review"}.get(mode, prompt)
    command = (str(place.commands / "claude"), "-p", said, "--model", place.model, "--output-format", "json", *options)
    if mode == "compact":
        _claude_code(place, "", PROMPTS[""][0][1])
    run(place, command, environment)


def _codex(place: Place, mode: str, prompt: str) -> None:
    provider = f'model_providers.gw={{name="gw",base_url="{place.url}/v1",env_key="GW_KEY",wire_api="responses"}}'
    options = ("--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "--json", "-m", place.model)
    settings = ("-c", "model_provider=gw", "-c", provider, "-c", "analytics.enabled=false")
    (place.home / "codex").mkdir(exist_ok=True)
    rest = {
        "compact": ("-c", "model_auto_compact_token_limit=10", "resume", "--last", "go on"),
        "review": ("review", "--uncommitted"),
    }.get(mode, (prompt,))
    if mode == "compact":
        _codex(place, "", PROMPTS[""][0][1])
    environment = {"GW_KEY": place.key, "CODEX_HOME": str(place.home / "codex")}
    run(place, (str(place.commands / "codex"), "exec", *options, *settings, *rest), environment)


def _opencode(place: Place, mode: str, prompt: str) -> None:
    options = {"baseURL": f"{place.url}/v1", "apiKey": place.key}
    provider = {"npm": OPENCODE_PACKAGES["openai_chat"], "options": options, "models": {place.model: {}}}
    model = f"gw/{place.model}"
    config = {"autoupdate": False, "share": "disabled", "small_model": model, "provider": {"gw": provider}}
    environment = {
        "OPENCODE_CONFIG_CONTENT": json.dumps(config),
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
    }
    rest = {"plan": ("--agent", "plan"), "review": ("--command", "review")}.get(mode, ())
    command = (str(place.commands / "opencode"), "run", "-m", model, "--format", "json", *rest, prompt)
    run(place, command, environment)


def _gemini_cli(place: Place, mode: str, prompt: str) -> None:
    folder = place.home / ".gemini"
    folder.mkdir(exist_ok=True)
    general = {"enableAutoUpdate": False, "disableAutoUpdate": True, "disableUpdateNag": True}
    chosen = {"security": {"auth": {"selectedType": "gemini-api-key"}}, "general": general}
    (folder / "settings.json").write_text(json.dumps(chosen | {"privacy": {"usageStatisticsEnabled": False}}))
    environment = {"GEMINI_API_KEY": place.key, "GOOGLE_GEMINI_BASE_URL": place.url}
    environment["GEMINI_CLI_TRUST_WORKSPACE"] = "true"
    options = ("--approval-mode", "plan") if mode == "plan" else ("-y",)
    run(
        place,
        (str(place.commands / "gemini"), "-m", place.model, *options, "-p", prompt),
        environment,
    )


AGENTS: Mapping[str, tuple[str, Callable[[Place, str, str], None], frozenset[str]]] = {
    "Claude Code": ("anthropic_messages", _claude_code, frozenset({"", "plan", "compact", "review"})),
    "Codex": ("openai_responses", _codex, frozenset({"", "compact", "review"})),
    "opencode": ("openai_chat", _opencode, frozenset({"", "plan", "review"})),
    "Gemini CLI": ("gemini", _gemini_cli, frozenset({"", "plan"})),
}
"""Each agent: its dialect, how it is run, the modes that can be had without a person."""


def commit_repository(folder: Path) -> None:
    """The repository with its fault, as git knows it."""
    repository.write(folder)
    person = ("-c", "user.name=a", "-c", "user.email=a@b")
    for words in (("init", "-q"), ("add", "."), (*person, "commit", "-qm", "Berths")):
        subprocess.run(["git", *words], cwd=folder, check=True)  # noqa: S607  whichever git there is


def _changed_repository(folder: Path) -> None:
    commit_repository(folder)
    source = folder / repository.SOURCE
    source.write_text(source.read_text().replace("LENGTH_M = 32", "LENGTH_M = 30"))


def captured(agent: str, mode: str, prompt: str, simulator: str) -> list[dict[str, Any]]:
    """The bodies of one run, as they came."""
    recorder = Recorder(simulator.removeprefix("http://"))
    with tempfile.TemporaryDirectory() as folder:
        place = Place(recorder.start(), "sim-key", install(CORE), Path(folder)).prepare()
        _changed_repository(place.work)
        AGENTS[agent][1](place, mode, prompt)
    return recorder.bodies


# ---- what is kept


def _anchors() -> Sequence[str]:
    known = load_fingerprints()
    words = {word for prompt in (*known.prompts, *known.reminders) for word in prompt.words}
    words |= {word for agent in known.agents for word in agent.words}
    return sorted(words | set(known.reminder_tags) | set(known.preambles))


def skeleton(value: Any, ours: Sequence[str], anchors: Sequence[str]) -> Any:
    """A body without the agent's own words: texts as their anchors, tools as their names."""
    if isinstance(value, dict):
        kept = {name: each for name, each in value.items() if name not in {"description", "input_schema", "parameters"}}
        return {name: skeleton(each, ours, anchors) for name, each in kept.items() if name not in _LEFT_OUT}
    if isinstance(value, list):
        return [skeleton(each, ours, anchors) for each in value]
    if not isinstance(value, str) or len(value) <= 40:
        return value
    said = value.strip().strip('"')
    if any(said == each for each in ours):
        return value
    found = [anchor for anchor in anchors if anchor in value.lower()]
    found.sort(key=value.lower().find)
    tag = re.match(r"<([\w-]+)>", said)  # what the agent wraps itself stays wrapped
    words = " … ".join(["", *(anchor for anchor in found if not anchor.startswith("<")), ""]).strip()
    return f"<{tag[1]}>{words or '…'}</{tag[1]}>" if tag else " … ".join(found) or "…"


_LEFT_OUT = frozenset(
    {"parametersJsonSchema", "metadata", "prompt_cache_key", "client_metadata", "generationConfig", "safeguards", "id"}
)


def labelled(mode: str, stage: str, bodies: Sequence[dict[str, Any]]) -> Iterator[tuple[str, bool, dict[str, Any]]]:
    """The requests whose stage is known, with whether each stands alone: titles, and the mode's own."""
    turns = [body for body in bodies if body.get("tools")]
    for body in bodies:
        if not body.get("tools") and mode != "compact":
            yield "summarise", True, body
    if mode == "compact":  # between the turn before it and the one after it
        yield stage, True, bodies[1]
    else:
        yield stage, False, turns[0]


def main() -> None:
    """The command line."""
    anchors, kept = _anchors(), []
    ours = [prompt for prompts in PROMPTS.values() for _, prompt in prompts if prompt]
    with tempfile.TemporaryDirectory() as folder:
        program, simulator = start_simulator(_SCRIPT, Path(folder))
        for agent, (dialect, _, modes) in AGENTS.items():
            for mode in sorted(modes):
                for stage, prompt in PROMPTS[mode]:
                    bodies = captured(agent, mode, prompt, simulator)
                    for right, alone, body in labelled(mode, stage, bodies):
                        row = {"agent": agent, "mode": mode, "stage": right, "alone": alone, "dialect": dialect}
                        kept.append(row | {"body": skeleton(body, ours, anchors)})
                    print(agent, mode, prompt, len(kept), flush=True)
        program.process.terminate()
    Path(sys.argv[1]).write_text("".join(f"{json.dumps(each, ensure_ascii=False)}\n" for each in kept), "utf-8")


if __name__ == "__main__":
    main()
