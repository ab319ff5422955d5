"""What outsiders can do to a running server by load alone: others are served all the same."""

import contextlib
import http.client
import json
import os
import resource
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.e2e.harbor import READY_SECONDS, Harbor, make_harbor, start_simulator

pytestmark = pytest.mark.slow


@contextlib.contextmanager
def running(**environ: str) -> Iterator[Harbor]:
    """A server of its own, stopped: a test starts it as it needs it."""
    with tempfile.TemporaryDirectory(prefix="th-e2e-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        simulator, url = start_simulator("", folder)
        harbor = make_harbor(folder, url)
        harbor.env |= environ
        harbor.stop()
        try:
            yield harbor
        finally:
            harbor.stop()
            simulator.stop()


def address(harbor: Harbor) -> tuple[str, int]:
    parts = urlsplit(harbor.url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


def ask(harbor: Harbor, seconds: float = READY_SECONDS) -> int:
    """The status of one billed request on a new connection."""
    connection = http.client.HTTPConnection(*address(harbor), timeout=seconds)
    body = json.dumps({"model": "sim", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 10})
    with contextlib.closing(connection):
        connection.request("POST", "/v1/chat/completions", body, {"x-api-key": harbor.key})
        response = connection.getresponse()
        response.read()
        return response.status


# Connections


@pytest.mark.parametrize("descriptors", ["1024:1024", "256:256", "1024:4096"])
def test_F1_idle_connections_beyond_the_limit_of_open_files_end_nothing(descriptors: str) -> None:
    """With no descriptor to spare anywhere, and where the soft limit can be raised."""
    with running() as harbor, contextlib.ExitStack() as stack:
        harbor.start(descriptors=descriptors)
        assert harbor.server is not None
        process = harbor.server.process
        ends = time.monotonic() + 10
        opened = 0
        while time.monotonic() < ends:  # for longer than the database is watched for
            if opened < 1_100:
                idle = stack.enter_context(socket.socket())
                idle.setblocking(False)
                idle.connect_ex(address(harbor))
                opened += 1
            else:
                assert ask(harbor) == 200
            assert process.poll() is None, harbor.server.lines[-5:]
        assert opened == 1_100
        assert not any("postgres_died" in line or "database_lost" in line for line in harbor.server.lines)
    assert process.returncode == 0


def test_F1_a_server_without_any_descriptor_waits_until_there_are_some(tmp_path: Path) -> None:
    """Neither its database nor its listener is given up for dead, and all of it goes on by itself."""
    with running() as harbor:
        harbor.start()
        assert harbor.server is not None
        process, lines = harbor.server.process, harbor.server.lines
        assert ask(harbor) == 200
        usual = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (3, usual[1]))
        harbor.server.wait_for("background_work_failed")
        refused = 0
        for _ in range(20):
            try:
                refused += ask(harbor, 0.1) == 503
            except OSError:
                refused += 1
        assert refused == 20
        assert process.poll() is None
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, usual)
        assert ask(harbor) == 200
        assert sum("background_work_failed" in line for line in lines) == 1, "once for each change"
        assert not any("postgres_died" in line or "cooling" in line for line in lines)
        postmaster = int((harbor.home / "postgres/data/postmaster.pid").read_text().split()[0])
        os.kill(postmaster, signal.SIGKILL)
        harbor.server.wait_for("postgres_runs_again")
