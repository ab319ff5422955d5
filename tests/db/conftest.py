"""Homes for the embedded PostgreSQL, removed after the test with all that runs in them."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.db.harbor import AM_ROOT, NOBODY, Harbor


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not AM_ROOT:
        terminalreporter.write_line(
            "NOT TESTED HERE: the embedded PostgreSQL as root (these tests run as an ordinary user); "
            "run them as root too, for example in a container"
        )


@pytest.fixture
def make_harbor() -> Iterator[Callable[..., Harbor]]:
    """Makes a HOME that is private to its user, and for root under a parent that is private to root."""
    made: list[tuple[Path, Harbor]] = []

    def make(role: str, name: str = "home") -> Harbor:
        parent = Path(tempfile.mkdtemp(prefix="th-")).resolve()
        home = parent / name
        home.mkdir(parents=True, mode=0o700)
        if AM_ROOT and role == "ordinary":
            for folder in (parent, home, *home.parents):
                if parent in folder.parents or folder == parent:
                    os.chown(folder, NOBODY.pw_uid, NOBODY.pw_gid)
        harbor = Harbor(home, role)
        made.append((parent, harbor))
        return harbor

    yield make
    for parent, harbor in made:
        harbor.clear()
        shutil.rmtree(parent)
