"""The console's process: it runs beside a server, and its failure does not affect requests."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import asyncpg
import httpx
import pytest
from tests.e2e.books import database_url
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
    """Return the pid of the server's console."""
    for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        with contextlib.suppress(OSError):
            if b"tokenharbor.app.console" in Path(f"/proc/{child}/cmdline").read_bytes():
                return int(child)
    return None


async def console_logins(home: Path) -> set[str]:
    """Return the database roles of the console's connections."""
    conn = await asyncpg.connect(database_url(home))
    query = "select usename from pg_stat_activity where application_name like 'tokenharbor-console%'"
    try:
        return {row["usename"] for row in await conn.fetch(query)}
    finally:
        await conn.close()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_server_keeps_its_console_and_takes_it_along(tmp_path: Path, workers: str) -> None:
    env = {"TOKENHARBOR_CONSOLE_ENABLED": "true", "TOKENHARBOR_SERVER_WORKERS": workers}
    server = launch("serve", "--port", "0", "--home", str(tmp_path / "h"), env=env)
    url = server.wait_for(r"listening on (http://\S+)").group(1)
    until(lambda: ask(f"{url}/api/edition") == 200)
    first = console_of(server.process.pid)
    assert first is not None
    assert asyncio.run(console_logins(tmp_path / "h")) == {"tokenharbor_console"}  # which cannot change an entry
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


def test_a_management_key_makes_keys_through_the_port_of_the_api(tmp_path: Path) -> None:
    env = {"TOKENHARBOR_CONSOLE_ENABLED": "true"}
    server = launch("serve", "--port", "0", "--home", str(tmp_path / "h"), env=env)
    link = server.wait_for(r"(http://\S+)/dashboard/operator-sign-in#(\S+)")
    url = server.wait_for(r"listening on (http://\S+)").group(1)
    until(lambda: ask(f"{url}/api/edition") == 200)
    with httpx.Client(base_url=url, timeout=20) as client:
        said = client.post("/api/operator-sign-in", json={"token": link.group(2)})
        person = {"cookie": f"__Host-th={said.cookies['__Host-th']}", "sec-fetch-site": "same-origin"}
        base = f"/api/accounts/{said.json()['accounts'][0]['id']}"
        role = {"name": "terraform", "role": "developer"}
        issued = client.post(f"{base}/management-keys", json=role, headers=person).json()
        program = {"authorization": f"Bearer {issued['secret']}"}
        made = client.post("/v1/keys", json={"name": "customer", "limit": 0.1}, headers=program)
        assert (made.status_code, made.json()["data"]["limit"]) == (201, 0.1), made.text
        path, own = f"/v1/keys/{made.json()['data']['hash']}", {"authorization": f"Bearer {made.json()['key']}"}
        until(lambda: client.get("/v1/key", headers=own).status_code == 200, 5)
        assert client.get("/v1/key", headers=own).json()["data"]["limit"] == 0.1
        assert client.get("/v1/keys", headers=own).status_code == 401
        assert client.head("/v1/keys", headers=program).status_code == 200
        assert client.delete(path, headers=program).json() == {"deleted": True}
        until(lambda: client.get("/v1/key", headers=own).status_code == 401, 5)
        assert client.get(path, headers=program).json()["error"]["code"] == 404
    assert server.stop() == 0


async def test_without_the_right_to_make_roles_the_console_logs_in_as_the_server(
    empty_database_url: str, tmp_path: Path
) -> None:
    owner = await asyncpg.connect(empty_database_url)
    name = await owner.fetchval("select current_database()")
    await owner.execute(f"create role {name}_owner login; alter database {name} owner to {name}_owner")
    url = empty_database_url.replace("//tokenharbor@", f"//{name}_owner@")
    env = {"TOKENHARBOR_CONSOLE_ENABLED": "true", "TOKENHARBOR_DATABASE_URL": url}
    server = await asyncio.to_thread(launch, "serve", "--port", "0", "--home", str(tmp_path / "h"), env=env)
    await asyncio.to_thread(server.wait_for, "console_shares_login")
    answers = (await asyncio.to_thread(server.wait_for, r"listening on (http://\S+)")).group(1)
    await asyncio.to_thread(until, lambda: ask(f"{answers}/api/edition") == 200)
    assert await asyncio.to_thread(server.stop) == 0
    await owner.close()
