"""The dashboard as it is built from this checkout."""

import fcntl
import subprocess
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
DASHBOARD = ROOT / "dashboard"


@pytest.fixture(scope="session")
def built() -> Path:
    """The folder of what is served; built now if its sources have changed."""
    return build_dashboard()


def build_dashboard() -> Path:
    with Path(tempfile.gettempdir(), "tokenharbor-dashboard.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several processes of tests ask for it
        subprocess.run([ROOT / "scripts/dashboard.sh", "--with-checks"], check=True)
    failure = DASHBOARD / "dist.failed"
    assert not failure.exists(), failure.read_text()
    return DASHBOARD / "dist"
