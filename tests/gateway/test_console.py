"""The console stands behind the same port while its process runs; until then `/` is one plain page."""

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
    assert (await house.ask("GET", "/api/keys")).status == 404


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
