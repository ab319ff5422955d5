"""The console is served on the gateway's port while its process runs; until then `/` is a plain page."""

import json
import socket
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.gateway.house import House

from tokenharbor.gateway.console import Console
from tokenharbor.http.client import Client
from tokenharbor.http.exchange import Exchange
from tokenharbor.http.message import ServerLimits
from tokenharbor.http.server import Server
from tokenharbor.kernel.world import real_world

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def stub(exchange: Exchange) -> None:
    """A console that says what it was asked."""
    body = await exchange.read_body()
    said = f"{exchange.method} {exchange.path}?{exchange.query} {body.decode()}"
    exchange.respond(201, b"x-console: yes\r\n", said.encode())


@pytest_asyncio.fixture(loop_scope="session")
async def place(house: House, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Path]:
    """Where the console's socket belongs."""
    client = Client()
    with tempfile.TemporaryDirectory(prefix="th-") as folder:
        path = Path(folder) / "console.sock"
        house.change_system(monkeypatch, console=Console(path, client, has_pages=True))
        yield path
        client.close()


@pytest.mark.usefixtures("place")
async def test_without_a_console_the_front_page_is_our_own(house: House) -> None:
    said = await house.ask("GET", "/")
    assert said.status == 200
    assert b"<title>Token Harbor</title>" in said.body
    assert b"demo-chat" in said.body


CONSOLES = (("GET", "/api/keys"), ("POST", "/api/keys"), ("GET", "/dashboard/"), ("GET", "/models/some/model"))


@pytest.mark.usefixtures("place")
async def test_a_console_that_is_starting_says_come_again(house: House) -> None:
    for method, path in CONSOLES:
        said = await house.ask(method, path)
        assert (said.status, said.headers["retry-after"]) == (503, "1"), path
        error = json.loads(said.body)["error"]
        assert (error["code"], error["param"]) == ("unavailable", None), path
        assert said.headers["x-request-id"].startswith("req_"), path


async def test_a_server_without_a_console_has_none_of_its_paths(house: House) -> None:
    for method, path in CONSOLES:
        assert (await house.ask(method, path)).status == 404, path


async def test_a_console_gets_pages_and_api_and_nothing_of_ours(house: House, place: Path) -> None:
    console = Server(stub, ServerLimits(), real_world().clock)
    await console.start_unix(str(place))
    for path in ("/", "/models", "/dashboard"):
        said = await house.ask("GET", path)
        assert (said.status, said.headers["x-console"], said.body) == (201, "yes", f"GET {path}? ".encode())
    said = await house.post("/api/keys?a=1", b"{}")
    assert (said.status, said.headers["x-console"], said.body) == (201, "yes", b"POST /api/keys?a=1 {}")
    for method, path, status in (("GET", "/healthz", 200), ("GET", "/docs", 200), ("POST", "/messages", 404)):
        said = await house.ask(method, path)
        assert (said.status, "x-console" in said.headers) == (status, False), path
    await console.drain(1)


async def test_keys_by_api_are_the_consoles_and_say_by_which_methods(house: House, place: Path) -> None:
    said = await house.ask("GET", "/v1/keys")
    assert (said.status, said.headers["retry-after"]) == (503, "1")
    console = Server(stub, ServerLimits(), real_world().clock)
    await console.start_unix(str(place))
    for method, path in (
        *(("GET", "/v1/keys?offset=100"), ("POST", "/v1/keys")),
        *((method, "/v1/keys/key_1") for method in ("GET", "PATCH", "DELETE")),
    ):
        said = await house.ask(method, path)
        asked = path if "?" in path else f"{path}?"
        assert (said.status, said.body) == (201, f"{method} {asked} ".encode()), (method, path)
    said = await house.ask("HEAD", "/v1/keys")
    assert (said.status, said.body, said.headers["x-console"]) == (201, b"", "yes")
    for path, methods in (
        ("/v1/keys", "GET, HEAD, POST, OPTIONS"),
        ("/v1/keys/key_1", "GET, HEAD, PATCH, DELETE, OPTIONS"),
    ):
        assert (await house.ask("OPTIONS", path)).headers["allow"] == methods
        said = await house.ask("PUT", path)
        assert (said.status, said.headers["allow"]) == (405, methods)
    await console.drain(1)


async def test_without_a_console_there_are_no_keys_by_api(house: House) -> None:
    said = await house.ask("GET", "/v1/keys")
    assert (said.status, "no console" in json.loads(said.body)["error"]["message"]) == (404, True)


async def test_without_a_dashboard_the_front_page_is_our_own_and_the_api_the_consoles(
    house: House, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = Server(stub, ServerLimits(), real_world().clock)
    await console.start_unix(str(place))
    client = Client()
    house.change_system(monkeypatch, console=Console(place, client))
    assert b"<title>Token Harbor</title>" in (await house.ask("GET", "/")).body
    assert (await house.ask("GET", "/api/edition")).status == 201
    client.close()
    await console.drain(1)


async def test_a_console_that_does_not_answer_is_a_503(house: House, place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:  # the file stays when its process is gone
        dead.bind(str(place))
    said = await house.ask("GET", "/dashboard")
    assert (said.status, b"unavailable" in said.body) == (503, True)
