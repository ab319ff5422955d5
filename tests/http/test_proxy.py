"""Proxied exchanges: what the server behind receives, and what comes back."""

import asyncio
from pathlib import Path

import pytest
from tests.http.support import NOON, PATIENT, chunked, http_client, make_server, raw_client, serving, upstream

from tokenharbor.http.client import Origin
from tokenharbor.http.exchange import Exchange
from tokenharbor.http.proxy import forward

GET = b"GET /dashboard/usage?from=1 HTTP/1.1\r\nHost: harbor.example\r\n\r\n"


@pytest.fixture
def socket_path(tmp_path: Path) -> str:
    return str(tmp_path / "console.sock")


async def test_a_page_comes_from_the_server_behind_over_a_unix_socket(socket_path: str) -> None:
    async def console(exchange: Exchange) -> None:
        seen = b"\n".join(b"%b: %b" % header for header in exchange.headers)
        line = f"{exchange.method} {exchange.path}?{exchange.query} from {exchange.peer}\n".encode()
        exchange.respond(200, b"content-type: text/html\r\n", line + await exchange.read_body() + b"\n" + seen)

    behind = make_server(console, trusted_proxies=["unix"])
    await behind.start_unix(socket_path)
    console_at = Origin("localhost", 80, unix=socket_path)
    async with http_client() as client:

        async def front(exchange: Exchange) -> None:
            await forward(exchange, client, console_at, PATIENT)

        async with serving(front) as origin, raw_client(origin) as raw:
            await raw.send(
                b"POST /api/keys?page=2 HTTP/1.1\r\nHost: harbor.example\r\nCookie: session=1\r\n"
                b"Connection: keep-alive, X-Private\r\nX-Private: 1\r\nTE: trailers\r\nKeep-Alive: timeout=5\r\n"
                b"X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nContent-Length: 4\r\n\r\nbody"
            )
            status, head, body = await raw.receive_answer()
    await behind.drain(1)
    assert status == 200
    assert head.count(b"\r\ndate: ") == 1
    assert b"\r\ncontent-type: text/html\r\n" in head
    line, sent, *seen = body.split(b"\n")
    assert line == b"POST /api/keys?page=2 from 127.0.0.1"
    assert sent == b"body"
    assert sorted(seen) == [
        b"content-length: 4",
        b"cookie: session=1",
        b"host: harbor.example",
        b"x-forwarded-for: 127.0.0.1",
        b"x-forwarded-host: harbor.example",
        b"x-forwarded-proto: http",
    ]


async def test_a_trusted_proxy_before_us_is_believed() -> None:
    async with upstream() as up, http_client() as client:

        async def front(exchange: Exchange) -> None:
            await forward(exchange, client, up.origin, PATIENT)

        async with serving(front, trusted_proxies=["127.0.0.0/8"]) as origin, raw_client(origin) as raw:
            await raw.send(
                b"GET / HTTP/1.1\r\nHost: inner\r\nX-Forwarded-For: 6.6.6.6, 9.9.9.9\r\n"
                b"X-Forwarded-Proto: https\r\nX-Forwarded-Host: harbor.example\r\n\r\n"
            )
            line = await up.line()
            head = await line.receive(b"\r\n\r\n")
            assert b"\r\nx-forwarded-for: 9.9.9.9\r\n" in head
            assert b"\r\nx-forwarded-proto: https\r\n" in head
            assert b"\r\nx-forwarded-host: harbor.example\r\n" in head
            await line.send(b"HTTP/1.1 204 No Content\r\n\r\n")
            assert (await raw.receive(b"\r\n\r\n")).startswith(b"HTTP/1.1 204 No Content\r\n")


@pytest.mark.parametrize(
    ("request_bytes", "answer", "expected"),
    [
        (
            GET,
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nETag: x\r\nKeep-Alive: a=5\r\nConnection: keep-alive\r\n\r\nabc",
            b"HTTP/1.1 200 OK\r\ndate: D\r\netag: x\r\ncontent-length: 3\r\n\r\nabc",
        ),
        (
            GET,
            b"HTTP/1.1 302 Found\r\nLocation: /\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 0\r\n\r\n",
            (
                b"HTTP/1.1 302 Found\r\ndate: D\r\nlocation: /\r\n"
                b"set-cookie: a\r\nset-cookie: b\r\ncontent-length: 0\r\n\r\n"
            ),
        ),
        (
            GET,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"one"),
            b"HTTP/1.1 200 OK\r\ndate: D\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n",
        ),
        (
            GET,
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8bzz",
            b"HTTP/1.1 200 OK\r\ndate: D\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\n\x1f\x8bzz",
        ),
        (
            b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ndate: D\r\ncontent-length: 12345\r\n\r\n",
        ),
        (
            GET,
            b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n",
            b"HTTP/1.1 304 Not Modified\r\ndate: D\r\netag: x\r\n\r\n",
        ),
    ],
)
async def test_answers_come_back_as_they_are(request_bytes: bytes, answer: bytes, expected: bytes) -> None:
    async with upstream() as up, http_client() as client:

        async def front(exchange: Exchange) -> None:
            await forward(exchange, client, up.origin, PATIENT)

        async with serving(front) as origin, raw_client(origin) as raw:
            for time in range(2):
                await raw.send(request_bytes)
                if time == 0 or request_bytes.startswith(b"HEAD"):
                    line = await up.line()
                await line.receive(b"\r\n\r\n")
                await line.send(answer)
                wanted = expected.replace(b"date: D", b"date: " + NOON.strftime("%a, %d %b %Y %H:%M:%S GMT").encode())
                async with asyncio.timeout(5):
                    assert await raw.reader.readexactly(len(wanted)) == wanted


async def test_an_answer_that_breaks_off_breaks_off_here_too() -> None:
    async with upstream() as up, http_client() as client:

        async def front(exchange: Exchange) -> None:
            await forward(exchange, client, up.origin, PATIENT)

        async with serving(front) as origin, raw_client(origin) as raw:
            await raw.send(GET)
            line = await up.line()
            await line.receive(b"\r\n\r\n")
            await line.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
            await raw.receive(b"half\r\n")
            line.writer.close()
            assert await raw.receive_all() == b""


async def test_a_server_behind_that_is_away_is_a_503() -> None:
    async with http_client() as client:

        async def front(exchange: Exchange) -> None:
            await forward(exchange, client, Origin("localhost", 80, unix="/nowhere.sock"), PATIENT)

        async with serving(front) as origin, raw_client(origin) as raw:
            await raw.send(GET)
            assert (await raw.receive_answer())[0] == 503
