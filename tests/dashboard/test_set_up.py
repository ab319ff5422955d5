"""The set-up of the dashboard: it builds what has changed, and its failure stops nothing else."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.dashboard.conftest import ROOT

NPM = '#!/bin/sh\necho "npm error code ENOTFOUND" >&2\n[ -e "$0.online" ] && mkdir -p node_modules\n'
NODE = '#!/bin/sh\n[ "$1" = -e ] || { echo built >> ../builds; mkdir -p dist.new; touch dist.new/index.html; }\n'


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with stand-ins for npm, which cannot reach its registry until `bin/npm.online` is there, and Node."""
    for folder in ("scripts", "dashboard", "bin"):
        (tmp_path / folder).mkdir()
    shutil.copy(ROOT / "scripts/dashboard.sh", tmp_path / "scripts")
    (tmp_path / "dashboard/package-lock.json").write_text("{}")
    for name, text in (("npm", NPM), ("node", NODE)):
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path


def _set_up(checkout: Path) -> str:
    path = f"{checkout / 'bin'}{os.pathsep}{os.environ['PATH']}"
    script = checkout / "scripts/dashboard.sh"
    done = subprocess.run([script], env={"PATH": path}, capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


def test_a_registry_that_is_away_stops_no_set_up_and_the_next_run_tries_again(checkout: Path) -> None:
    assert "ENOTFOUND" in _set_up(checkout)
    assert "npm ci failed: npm error code ENOTFOUND" in (checkout / "dashboard/dist.failed").read_text()
    assert not (checkout / "dashboard/dist").exists()

    (checkout / "bin/npm.online").touch()
    _set_up(checkout)
    assert (checkout / "dashboard/dist/index.html").exists()
    assert not (checkout / "dashboard/dist.failed").exists()


def test_only_what_has_changed_is_built_again(checkout: Path) -> None:
    (checkout / "bin/npm.online").touch()
    builds = checkout / "builds"
    for source, count in (("a", 1), ("a", 1), ("b", 2)):
        (checkout / "dashboard/page.ts").write_text(source)
        _set_up(checkout)
        assert builds.read_text().count("built") == count
