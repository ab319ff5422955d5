"""The console stands behind the same port while its process runs; until then `/` is one plain page."""

import socket
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tokenharbor.billing.alarms import Alarms
from tokenharbor.catalog.load import load_catalog
from tokenharbor.editions.load import load_edition
from tokenharbor.gateway.console import Console
from tokenharbor.gateway.edge import Edge
from tokenharbor.gateway.metrics import Metrics
from tokenharbor.gateway.snapshot import CurrentSnapshot, build_snapshot
from tokenharbor.http.client import Client
from tokenharbor.http.exchange import Exchange
from tokenharbor.http.message import Deadlines, ServerLimits
from tokenharbor.http.origin import Origin
from tokenharbor.http.server import Server
from tokenharbor.kernel.world import real_world
from tokenharbor.routing.health import Health
from tokenharbor.wire import WIRES


async def stub(exchange: Exchange) -> None:
    """A console that says what it was asked."""
    body = await exchange.read_body()
    said = f"{exchange.method} {exchange.path}?{exchange.query} {body.decode()}"
    exchange.respond(201, b"x-console: yes\r\n", said.encode())


async def _no_keys() -> bytes:
    return b"{}"


@pytest.fixture
async def place() -> AsyncIterator[tuple[Client, Origin, Path]]:
    """The edge on a free port, and where the console's socket belongs."""
    world = real_world()
    snapshot = build_snapshot(load_catalog({}, WIRES), load_edition("token-harbor"), lambda _: None, world.clock)
    health = Health(world.clock)
    client = Client()
    with tempfile.TemporaryDirectory(prefix="th-") as folder:
        path = Path(folder) / "console.sock"
        metrics = Metrics(world.clock, health, Alarms())
        edge = Edge(
            CurrentSnapshot(snapshot), metrics, lambda: True, None, Console(path, client), world.clock, _no_keys
        )
        server = Server(edge.serve, ServerLimits(), world.clock)
        port = await server.start("127.0.0.1", 0)
        yield client, Origin("127.0.0.1", port), path
        client.close()
        await server.drain(1)


async def ask(client: Client, origin: Origin, line: str, body: bytes = b"") -> tuple[int, bytes, bytes | None]:
    answer = await client.send(
        origin, f"{line} HTTP/1.1\r\nhost: x\r\n".encode(), body, Deadlines(total=5), stream=False
    )
    return answer.status, await answer.read(1 << 20), answer.header(b"x-console")


async def test_without_a_console_the_front_page_is_our_own(place: tuple[Client, Origin, Path]) -> None:
    client, origin, _ = place
    status, page, _ = await ask(client, origin, "GET /")
    assert status == 200
    assert b"<title>Token Harbor</title>" in page
    assert b"demo-chat" in page
    assert (await ask(client, origin, "GET /api/keys"))[0] == 404


async def test_a_console_gets_pages_and_api_and_nothing_of_ours(place: tuple[Client, Origin, Path]) -> None:
    client, origin, path = place
    console = Server(stub, ServerLimits(), real_world().clock)
    await console.start_unix(str(path))
    assert await ask(client, origin, "GET /") == (201, b"GET /? ", b"yes")
    assert await ask(client, origin, "POST /api/keys?a=1", b"{}") == (201, b"POST /api/keys?a=1 {}", b"yes")
    assert await ask(client, origin, "GET /healthz") == (200, b"ok\n", None)
    await console.drain(1)


async def test_a_console_that_does_not_answer_is_a_503(place: tuple[Client, Origin, Path]) -> None:
    client, origin, path = place
    with socket.socket(socket.AF_UNIX) as dead:  # the file stays when its process is gone
        dead.bind(str(path))
    status, said, _ = await ask(client, origin, "GET /dashboard")
    assert (status, b"unavailable" in said) == (503, True)
