"""A release's wheel has every file of the source, and the built pages."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from tests.dashboard.conftest import ROOT, build_dashboard


@pytest.mark.slow
def test_a_wheel_has_the_pages_and_every_file_of_the_source(tmp_path: Path) -> None:
    build_dashboard()
    copy = tmp_path / "harbor"
    copy.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    shutil.copytree(ROOT / "docs", copy / "docs")
    shutil.copytree(ROOT / "dashboard" / "dist", copy / "dashboard" / "dist")
    leave = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "src", copy / "src", symlinks=True, ignore=leave)
    source = {str(file.relative_to(copy / "src")) for file in (copy / "src").rglob("*") if file.is_file()}
    command = (
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        tmp_path,
        copy,
    )
    subprocess.run(command, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    assert source - packed == set()
    pages = {f"tokenharbor/dashboard/{file.name}" for file in (copy / "dashboard" / "dist").iterdir() if file.is_file()}
    assert "tokenharbor/dashboard/index.html" in pages
    assert {page for page in pages if not page.endswith(".made")} <= packed
