"""The committed files that are generated are what their generators make."""

import importlib.util
import subprocess
from pathlib import Path

import pytest
from tests.dashboard.conftest import DASHBOARD, ROOT

pytestmark = [pytest.mark.slow, pytest.mark.takes(30)]


def test_words_and_client_are_what_make_generated_makes(built: Path, tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("dashboard_generated", ROOT / "scripts/dashboard_generated.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.generate(tmp_path)
    made = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert made
    for file in made:
        committed = DASHBOARD / "src" / file.relative_to(tmp_path)
        assert committed.read_text() == file.read_text(), f"{committed.name} is old: make generated"


def test_types_are_strict_and_clean(built: Path) -> None:
    tsc = DASHBOARD / "node_modules/.bin/tsc"
    done = subprocess.run([tsc, "--noEmit"], cwd=DASHBOARD, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
