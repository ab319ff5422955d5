"""The console's process: it runs beside a server, and whatever becomes of it, requests are served."""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from tests.e2e.harbor import launch

pytestmark = pytest.mark.slow


def ask(url: str) -> int:
    return httpx.get(url, timeout=10).status_code


def until(reached: Callable[[], bool], seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def console_of(parent: int) -> int | None:
    """The pid of its console."""
    for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        with contextlib.suppress(OSError):
            if b"tokenharbor.app.console" in Path(f"/proc/{child}/cmdline").read_bytes():
                return int(child)
    return None


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_server_keeps_its_console_and_takes_it_along(tmp_path: Path, workers: str) -> None:
    env = {"TOKENHARBOR_CONSOLE_ENABLED": "true", "TOKENHARBOR_SERVER_WORKERS": workers}
    server = launch("serve", "--port", "0", "--home", str(tmp_path / "h"), env=env)
    url = server.wait_for(r"listening on (http://\S+)").group(1)
    until(lambda: ask(f"{url}/api/edition") == 200)
    first = console_of(server.process.pid)
    assert first is not None
    os.kill(first, signal.SIGKILL)
    assert ask(f"{url}/healthz") == 200
    until(lambda: console_of(server.process.pid) not in (None, first))
    until(lambda: ask(f"{url}/api/edition") == 200)
    second = console_of(server.process.pid)
    server.process.send_signal(signal.SIGHUP)
    server.wait_for("reloaded")
    assert ask(f"{url}/api/edition") == 200
    server.process.kill()  # nobody ends the console but the end of its stdin
    server.process.wait()
    until(lambda: not Path(f"/proc/{second}").exists())


def test_a_live_page_keeps_no_server_from_ending(tmp_path: Path) -> None:
    home = tmp_path / "h"
    server = launch("serve", "--port", "0", "--home", str(home), env={"TOKENHARBOR_CONSOLE_ENABLED": "true"})
    link = server.wait_for(r"(http://\S+)/dashboard/operator-sign-in#(\S+)")
    url = server.wait_for(r"listening on (http://\S+)").group(1)
    until(lambda: ask(f"{url}/api/edition") == 200)
    with httpx.Client(base_url=url, timeout=20) as client:
        said = client.post("/api/operator-sign-in", json={"token": link.group(2)})
        assert said.status_code == 201
        headers = {"cookie": f"__Host-th={said.cookies['__Host-th']}"}  # which httpx sends over TLS only
        account = said.json()["accounts"][0]["id"]
        with client.stream("GET", f"/api/accounts/{account}/events", headers=headers) as events:
            lines = events.iter_lines()
            assert "event: balance" in (next(lines) for _ in range(6))
            began = time.monotonic()
            assert server.stop() == 0
            assert time.monotonic() - began < 20  # not the 30 s that open requests get
