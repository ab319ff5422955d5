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
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
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
    body = json.dumps(
        {"model": "sim", "temperature": 0.5, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 10}
    )
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
                time.sleep(0.1)
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
        harbor.server.wait_for("postgres_restarted")


# Bodies


def post(harbor: Harbor, key: str, length: int) -> socket.socket:
    """A connection with the head of a request whose body is to come."""
    sock = socket.create_connection(address(harbor), timeout=READY_SECONDS)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\nx-api-key: {key}\r\ncontent-length: {length}\r\n\r\n"
    sock.sendall(head.encode())
    return sock


def status_of(sock: socket.socket) -> int:
    return int(sock.recv(64).split()[1])


def worst_wait(harbor: Harbor, until: Callable[[], bool]) -> float:
    """Of a caller that asks again and again on one connection."""
    worst = 0.0
    connection = http.client.HTTPConnection(*address(harbor), timeout=READY_SECONDS)
    with contextlib.closing(connection):
        while not until():
            began = time.monotonic()
            connection.request("GET", "/healthz")
            connection.getresponse().read()
            worst = max(worst, time.monotonic() - began)
            time.sleep(0.005)
    return worst


def send_all(harbor: Harbor, key: str, bodies: list[bytes]) -> list[int]:
    def send(body: bytes) -> int:
        with contextlib.closing(post(harbor, key, len(body))) as sock:
            with contextlib.suppress(ConnectionError):  # it is refused before it has come
                sock.sendall(body)
            return status_of(sock)

    with ThreadPoolExecutor(len(bodies)) as pool:
        return list(pool.map(send, bodies))


@pytest.mark.parametrize("usd", ["0", "100.00"], ids=["without money", "with money"])
def test_F12_sixteen_hostile_bodies_keep_nobody_else_waiting(usd: str) -> None:
    """As compared with as many bytes in one string: what the machine takes to receive them is not the server's."""
    keys = b",".join(b'"k%07d":1' % number for number in range(900_000))
    hostile = b'{"model":"sim","messages":[{"role":"user","content":"hi"}],' + keys + b"}"
    plain = b'{"model":"nothing","messages":[{"role":"user","content":"' + b"x" * len(keys) + b'"}]}'
    waits: dict[str, float] = {}
    with running() as harbor:
        harbor.start()
        account: str = harbor.cli("accounts", "create", "--email", "hostile@example.com")["id"]
        if usd != "0":
            harbor.cli("credit", account, "--usd", usd, "--pool", "paid", "--reason", "test")
        key = harbor.new_key(account)
        for name, body, statuses in (("plain", plain, {404, 402, 429}), ("hostile", hostile, {400, 402, 429})):
            with ThreadPoolExecutor(1) as pool:
                sent = pool.submit(send_all, harbor, key, [body] * 16)
                waits[name] = worst_wait(harbor, sent.done)
                assert set(sent.result()) <= statuses, name
    assert waits["hostile"] < 0.1 + 2 * waits["plain"], waits


@pytest.mark.takes(40)
@pytest.mark.parametrize("accounts", [1, 3])
def test_F13_three_dripping_bodies_and_others_are_served(accounts: int) -> None:
    with running(TOKENHARBOR_SERVER_MAX_BUFFERED="64000000") as harbor, contextlib.ExitStack() as stack:
        harbor.start()
        keys = [harbor.new_key(harbor.new_account(f"drip{n}@example.com")) for n in range(accounts)]
        drips: list[socket.socket] = []
        for number in range(3):
            sock = stack.enter_context(contextlib.closing(post(harbor, keys[number % accounts], 21_000_001)))
            sock.settimeout(READY_SECONDS)
            with contextlib.suppress(ConnectionError):
                sock.sendall(b"{" + b" " * 20_999_000)
            drips.append(sock)
        for _ in range(5):
            assert ask(harbor) == 200
            for sock in drips:
                with contextlib.suppress(OSError):
                    sock.sendall(b" ")
        refused = status_of(drips[-1])
        assert refused in (429, 503), "the one that no room was left for"
        drips[0].settimeout(READY_SECONDS)
        ends = time.monotonic() + READY_SECONDS
        with contextlib.suppress(OSError):  # a drip is cut off in the end
            while time.monotonic() < ends:
                drips[0].sendall(b" ")
                time.sleep(0.1)
        assert time.monotonic() < ends
