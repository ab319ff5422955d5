"""A whole Token Harbor as a user runs it: the real command, its own HOME, a simulator as the vendors."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import structlog
from click.testing import CliRunner

from tokenharbor.app.cli import cli

READY_SECONDS = 60
_CLOCK_AHEAD = Path(__file__).with_name("clock_ahead.py")


@dataclass
class Program:
    """A started command, its output drained so that it cannot block."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def drain(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                with self._changed:
                    self.lines.append(line.rstrip("\n"))
                    self._changed.notify_all()
        self.process.wait()  # who waits for a line looks whether there can still be one
        with self._changed:
            self._changed.notify_all()

    def wait_for(self, pattern: str) -> re.Match[str]:
        """The first line that matches."""
        found: list[re.Match[str]] = []

        def seen() -> bool:
            found.extend(match for line in self.lines if (match := re.search(pattern, line)))
            return bool(found) or self.process.poll() is not None

        with self._changed:
            self._changed.wait_for(seen, READY_SECONDS)
        assert found, f"no line matches {pattern!r}:\n" + "\n".join(self.lines[-40:])
        return found[0]

    def stop(self, how: signal.Signals = signal.SIGTERM, seconds: float = 40) -> int:
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(seconds)


def launch(
    *arguments: str, env: Mapping[str, str] | None = None, cwd: Path | None = None, through: Sequence[str] = ()
) -> Program:
    """`tokenharbor ARGUMENTS` in a session of its own; `through` is a command that runs it, such as prlimit."""
    process = subprocess.Popen(
        [*through, sys.executable, "-m", "tokenharbor", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "TOKENHARBOR_CONSOLE_ENABLED": "false", **(env or {})},  # its start takes a second of CPU
        cwd=cwd,
        start_new_session=True,
    )
    program = Program(process)
    assert process.stdout is not None
    threading.Thread(target=program.drain, args=(process.stdout,), daemon=True).start()
    return program


def command(home: Path, *words: str, stdin: str = "", env: Mapping[str, str] | None = None) -> Any:
    """A command's JSON. It runs in this process, since a start takes a second of CPU: nobody else may write to stdout
    meanwhile.
    """
    words = (*words, "--home", str(home), "--json")
    with ThreadPoolExecutor(1) as thread:  # a command has an event loop of its own
        done = thread.submit(CliRunner().invoke, cli, words, input=stdin, env=env).result()
    structlog.reset_defaults()
    assert done.exit_code == 0, (words, done.exception, done.output)
    return json.loads(done.stdout)


def start_simulator(script: str, folder: Path) -> tuple[Program, str]:
    """A simulator in its own process, and its URL."""
    path = folder / "script.toml"
    path.write_text(script)
    program = launch("simulator", "--port", "0", "--script", str(path))
    return program, program.wait_for(r"listening on (http://\S+)").group(1).rstrip("/")


CONFIG = """
[providers.simone]
wire = "openai_chat"
base_url = "{url}/v1"
credential = "env:SIM_KEY"
timeouts = {{ connect = 2, first_event = 3, between_events = 3, total = 20 }}

[providers.simtwo]
wire = "openai_chat"
base_url = "{url}/v1"
credential = "env:SIM_KEY_TWO"
timeouts = {{ connect = 2, first_event = 3, between_events = 3, total = 20 }}

[providers.simant]
wire = "anthropic_messages"
base_url = "{url}/v1"
auth = "x-api-key"
credential = "env:SIM_KEY"
timeouts = {{ connect = 2, first_event = 3, between_events = 3, total = 20 }}

[models.sim]
vendor = "sims"
context = 200000
max_output = 8192
capabilities = ["tools"]

[[models.sim.endpoints]]
provider = "simone"
upstream_model = "sim-one"
price = {{ input = "1.00", output = "2.00", cache_read = "0.10", cache_write = "1.25" }}

[[models.sim.endpoints]]
provider = "simtwo"
upstream_model = "sim-two"
price = {{ input = "1.50", output = "3.00", cache_read = "0.15", cache_write = "1.875" }}

[[models.sim.endpoints]]
provider = "simant"
upstream_model = "sim-ant"
price = {{ input = "1.00", output = "2.00", cache_read = "0.10", cache_write = "1.25", cache_write_1h = "2.00" }}
"""


@dataclass
class Harbor:
    """A running server with an account that has money and a key."""

    home: Path
    simulator: str
    env: dict[str, str]
    server: Program | None = None
    url: str = ""
    account: str = ""
    key: str = ""

    def start(self, *more: str, descriptors: str = "") -> None:
        """`descriptors` is prlimit's SOFT:HARD of open files."""
        self._serve(*more, through=["prlimit", f"--nofile={descriptors}"] if descriptors else [])

    def start_ahead(self, hours: int) -> None:
        """With a clock that is so many hours ahead."""
        self._serve(through=[sys.executable, str(_CLOCK_AHEAD), str(hours)])

    def _serve(self, *more: str, through: Sequence[str]) -> None:
        self.server = launch("serve", "--home", str(self.home), "--port", "0", *more, env=self.env, through=through)
        self.url = self.server.wait_for(r"listening on (http://\S+)").group(1).rstrip("/")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        assert self.server is not None
        return self.server.stop(how)

    def cli(self, *arguments: str) -> Any:
        """A command's JSON."""
        return command(self.home, *arguments, env=self.env)

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """A command in a process of its own, for tests of how it ends."""
        return subprocess.run(
            [sys.executable, "-m", "tokenharbor", *arguments, "--home", str(self.home)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env=os.environ | self.env,
        )

    def new_account(self, email: str, usd: str = "100.00") -> str:
        account: str = self.cli("accounts", "create", "--email", email)["id"]
        self.cli("credit", account, "--usd", usd, "--pool", "paid", "--reason", "test")
        return account

    def new_key(self, account: str, *options: str) -> str:
        key: str = self.cli("keys", "create", account, *options)["key"]
        return key


def make_harbor(folder: Path, simulator: str, config: str = CONFIG) -> Harbor:
    """HOME with its configuration; started, with one account and key."""
    home = folder / "home"
    home.mkdir(mode=0o755)
    (home / "tokenharbor.toml").write_text(config.format(url=simulator))
    keys = {"SIM_KEY": "vendor-key-one", "SIM_KEY_TWO": "vendor-key-two", "SIM_KEY_PAIR": "VENDORKEYID:vendor-secret"}
    harbor = Harbor(home, simulator, keys)
    harbor.start()
    harbor.account = harbor.new_account("tester@example.com")
    harbor.key = harbor.new_key(harbor.account)
    return harbor


@contextmanager
def running_harbor() -> Iterator[Harbor]:
    """A server on a simulator without any faults, for as long as the `with` lasts."""
    with tempfile.TemporaryDirectory(prefix="th-e2e-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        simulator, url = start_simulator("", folder)
        harbor = make_harbor(folder, url)
        try:
            yield harbor
        finally:
            harbor.stop()
            simulator.stop()
