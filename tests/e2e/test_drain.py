"""SIGTERM drains: open streams finish, nobody new is let in, and the program ends with 0."""

import contextlib
import http.client
import json
import os
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.e2e.harbor import CONFIG, READY_SECONDS, Harbor, make_harbor, start_simulator

pytestmark = pytest.mark.slow

SCRIPT = """
answer = { text = "one two three four five six seven eight", chunk_chars = 1, delay_ms = 40 }
[[rules]]
match = { contains = "for ever" }
fault = { kind = "stall", where = "mid" }
"""
PATHS = {"/v1/chat/completions": b"data: [DONE]", "/v1/messages": b'data: {"type":"message_stop"}'}


@pytest.fixture(scope="module")
def harbor() -> Iterator[Harbor]:
    with tempfile.TemporaryDirectory(prefix="th-e2e-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        simulator, url = start_simulator(SCRIPT, folder)
        harbor = make_harbor(folder, url, CONFIG.replace("between_events = 3", "between_events = 60"))
        try:
            yield harbor
        finally:
            harbor.stop()
            simulator.stop()


def connect(harbor: Harbor) -> http.client.HTTPConnection:
    parts = urlsplit(harbor.url)
    assert parts.hostname is not None
    return http.client.HTTPConnection(parts.hostname, parts.port, timeout=READY_SECONDS)


@contextlib.contextmanager
def streaming(harbor: Harbor, path: str, text: str) -> Iterator[http.client.HTTPResponse]:
    """A stream whose first content has come."""
    connection = connect(harbor)
    body: dict[str, Any] = {
        "model": "sim",
        "temperature": 0.5,
        "messages": [{"role": "user", "content": text}],
        "stream": True,
    }
    connection.request("POST", path, json.dumps(body | {"max_tokens": 100}), {"x-api-key": harbor.key})
    response = connection.getresponse()
    assert response.status == 200
    while b'"o"' not in response.readline():
        pass
    try:
        yield response
    finally:
        connection.close()


def terminate(harbor: Harbor) -> None:
    assert harbor.server is not None
    os.kill(harbor.server.process.pid, signal.SIGTERM)


def refused(harbor: Harbor) -> bool:
    """Whether new connections are, before long."""
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        try:
            with contextlib.closing(connect(harbor)) as connection:
                connection.connect()
        except ConnectionRefusedError:
            return True
        except ConnectionResetError:  # it had just come when the listener closed
            continue
        time.sleep(0.01)
    return False


def test_open_streams_finish_and_nobody_new_is_let_in(harbor: Harbor) -> None:
    assert harbor.server is not None
    with contextlib.ExitStack() as stack:
        idle = stack.enter_context(contextlib.closing(connect(harbor)))
        idle.request("GET", "/healthz")
        assert idle.getresponse().read() == b"ok\n"
        streams = {path: stack.enter_context(streaming(harbor, path, "hello")) for path in PATHS}
        terminate(harbor)
        assert refused(harbor)
        assert idle.sock is not None
        assert idle.sock.recv(1) == b"", "an idle connection is closed"
        assert harbor.server.process.poll() is None, "it waits for its streams"
        for path, stream in streams.items():
            assert PATHS[path] in stream.read(), "to the very end"
    assert harbor.stop() == 0
    check_books(harbor, "complete", *streams.values())


def check_books(harbor: Harbor, status: str, *streams: http.client.HTTPResponse) -> None:
    for stream in streams:
        receipt = harbor.cli("receipt", stream.headers["x-request-id"])
        assert receipt["status"] == status
        assert receipt["cost_usd"] > "0.000000000"
    assert harbor.cli("balance", harbor.account)["held_usd"] == "0.000000000"
    assert harbor.cli("ledger", "verify")["ok"]


def test_what_does_not_finish_in_time_is_told_so_and_is_not_billed(harbor: Harbor) -> None:
    harbor.stop()
    harbor.env["TOKENHARBOR_SERVER_DRAIN_SECONDS"] = "1"
    harbor.start()
    with streaming(harbor, "/v1/chat/completions", "for ever") as stream:
        terminate(harbor)
        rest = stream.read()
        assert b'"code":"unavailable"' in rest
        assert PATHS["/v1/chat/completions"] not in rest
        assert harbor.stop() == 0
    receipt = harbor.cli("receipt", stream.headers["x-request-id"])
    assert (receipt["status"], receipt["cost_usd"]) == ("failed", "0.000000000")
    assert harbor.cli("balance", harbor.account)["held_usd"] == "0.000000000"
    assert harbor.cli("ledger", "verify")["ok"]


def test_a_port_that_is_taken_is_one_line(harbor: Harbor) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = harbor.run("serve", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr
