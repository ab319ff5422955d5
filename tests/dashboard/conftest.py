"""The dashboard as it is built from this checkout."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
DASHBOARD = ROOT / "dashboard"


@pytest.fixture(scope="session")
def built() -> Path:
    """The folder of what is served; built now if its sources have changed."""
    subprocess.run([ROOT / "scripts/dashboard.sh", "--with-checks"], check=True)
    failure = DASHBOARD / "dist.failed"
    assert not failure.exists(), failure.read_text()
    return DASHBOARD / "dist"
