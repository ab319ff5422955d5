"""Fixtures that run the command line, and return its exit code, stdout and stderr."""

import io
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog

from tokenharbor.app.cli import run


@dataclass(frozen=True)
class Outcome:
    """The exit code and output of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)


Cli = Callable[..., Outcome]


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("TOKENHARBOR_"):
            monkeypatch.delenv(name)


@pytest.fixture
def bare(
    tmp_path: Path,
    clean_environment: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Cli:
    """Run commands in a fresh HOME without a database."""
    monkeypatch.setenv("TOKENHARBOR_HOME", str(tmp_path / "home"))

    def call(*words: str, stdin: str = "") -> Outcome:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        capsys.readouterr()
        try:
            code = run(words)
        finally:
            structlog.reset_defaults()
        said = capsys.readouterr()
        return Outcome(code, said.out, said.err)

    return call


@pytest.fixture
def cli(bare: Cli, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run commands on a fresh database."""
    monkeypatch.setenv("TOKENHARBOR_DATABASE_URL", database_url)
    return bare
