"""The server over loopback, as a client sees it."""

import asyncio

import pytest
from tests.http.support import (
    DATE,
    MemoryTransport,
    chunked,
    echo,
    make_server,
    post,
    raw_client,
    serving,
    stream,
    until,
)

from tokenharbor.http.exchange import Exchange
from tokenharbor.kernel.errors import InvalidApiKey

GET = b"GET /hello?a=b HTTP/1.1\r\nHost: harbor\r\n\r\n"


async def test_an_answer_has_length_and_date_and_leaves_the_connection_open() -> None:
    async with serving(echo) as origin, raw_client(origin) as raw:
        for _ in range(3):
            await raw.send(GET)
            status, head, body = await raw.receive_answer()
            assert (status, body) == (200, b"GET /hello a=b ")
            assert head == b"HTTP/1.1 200 OK\r\n" + DATE + b"x-answer: 1\r\ncontent-length: 15\r\n\r\n"


async def test_pipelined_requests_are_answered_in_order_and_one_at_a_time() -> None:
    running = 0

    async def slow(exchange: Exchange) -> None:
        nonlocal running
        running += 1
        assert running == 1
        await asyncio.sleep(0.001)
        running -= 1
        await echo(exchange)

    async with serving(slow) as origin, raw_client(origin) as raw:
        await raw.send(b"".join(post(f"/{n}", b"x" * n) for n in range(20)))
        for n in range(20):
            assert (await raw.receive_answer())[2] == f"POST /{n}  ".encode() + b"x" * n


async def test_more_pipelined_bytes_than_are_kept_are_left_in_the_socket() -> None:
    request, segment = post("/", b"y" * 10_000), 65_536
    served = 0

    async def count(_exchange: Exchange) -> None:
        nonlocal served
        await asyncio.sleep(0)
        served += 1
        await echo(_exchange)

    transport = MemoryTransport(make_server(count).accept())
    data = request * 300
    fed = 0
    while fed < len(data):
        while transport.reading and fed < len(data):
            transport.feed(data[fed : fed + segment])
            fed += segment
            assert fed - served * len(request) < 4 * segment
        await asyncio.sleep(0)
    await until(lambda: served == 300)
    assert transport.written.count(b"POST /") == 300


async def test_a_chunked_request_is_read_whole() -> None:
    async with serving(echo) as origin, raw_client(origin) as raw:
        head = b"POST /c HTTP/1.1\r\nHost: harbor\r\nTransfer-Encoding: chunked\r\n\r\n"
        for _ in range(2):
            await raw.send(head + chunked(b"one", b"two" * 1000))
            assert (await raw.receive_answer())[2] == b"POST /c  one" + b"two" * 1000
        await raw.send(GET)
        assert (await raw.receive_answer())[2] == b"GET /hello a=b "


async def test_a_large_body_comes_in_many_segments() -> None:
    async with serving(echo) as origin, raw_client(origin) as raw:
        body = bytes(range(256)) * 8192
        sending = asyncio.create_task(raw.send(post("/", body)))
        assert (await raw.receive_answer())[2] == b"POST /  " + body
        await sending
        await raw.send(GET)
        assert (await raw.receive_answer())[0] == 200


@pytest.mark.parametrize("framing", ["content-length", "chunked"])
async def test_a_body_that_nobody_wants_yet_waits_in_the_socket(framing: str) -> None:
    gate = asyncio.Event()

    async def hesitant(exchange: Exchange) -> None:
        await gate.wait()
        await echo(exchange)

    body = b"z" * (16 << 20)
    request = post("/", body)
    if framing == "chunked":
        request = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(body)
    async with serving(hesitant) as origin, raw_client(origin) as raw:
        sending = asyncio.create_task(raw.send(request))
        await asyncio.sleep(0.2)
        assert not sending.done()
        gate.set()
        assert (await raw.receive_answer())[2] == b"POST /  " + body
        await sending


async def test_continue_is_said_when_the_body_is_wanted() -> None:
    async with serving(echo) as origin, raw_client(origin) as raw:
        await raw.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert await raw.receive(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await raw.send(b"abc")
        assert (await raw.receive_answer())[2] == b"POST /  abc"


async def test_a_refusal_before_the_body_asks_for_no_body() -> None:
    async def guard(_exchange: Exchange) -> None:
        raise InvalidApiKey("Who are you?")

    async with serving(guard) as origin, raw_client(origin) as raw:
        await raw.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        status, head, body = await raw.receive_answer()
        assert (status, body) == (401, b"Who are you?\n")
        assert b"connection: close\r\n" in head
        assert await raw.receive_all() == b""


async def test_a_refused_upload_can_be_read_by_a_client_that_is_still_sending() -> None:
    async def guard(_exchange: Exchange) -> None:
        raise InvalidApiKey("Who are you?")

    async with serving(guard) as origin, raw_client(origin) as raw:
        sending = asyncio.create_task(raw.send(post("/", b"z" * (8 << 20))))
        assert (await raw.receive_answer())[0] == 401
        await sending


async def test_a_handler_that_reads_no_body_is_not_followed_by_what_it_did_not_read() -> None:
    async def hasty(exchange: Exchange) -> None:
        exchange.respond(200, b"", b"done")

    async with serving(hasty) as origin, raw_client(origin) as raw:
        await raw.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n")
        await raw.receive_answer()
        await raw.send(GET)
        assert await raw.receive_all() == b""


async def test_head_is_answered_without_a_body() -> None:
    async with serving(echo) as origin, raw_client(origin) as raw:
        await raw.send(b"HEAD /x HTTP/1.1\r\nHost: h\r\n\r\n" + GET)
        head = await raw.receive(b"\r\n\r\n")
        assert b"content-length: 9\r\n" in head
        assert (await raw.receive_answer())[2] == b"GET /hello a=b "


async def test_no_content_has_no_length() -> None:
    async def preflight(exchange: Exchange) -> None:
        exchange.respond(204, b"allow: POST\r\n", b"")

    async with serving(preflight) as origin, raw_client(origin) as raw:
        await raw.send(b"OPTIONS /v1 HTTP/1.1\r\nHost: h\r\n\r\n")
        head = await raw.receive(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 204 No Content\r\n")
        assert b"content-length" not in head


async def test_a_stream_is_chunked_and_the_connection_stays() -> None:
    async with serving(stream) as origin, raw_client(origin) as raw:
        for _ in range(2):
            await raw.send(GET)
            status, head, body = await raw.receive_answer()
            assert (status, body) == (200, b"onetwothree")
            assert b"transfer-encoding: chunked\r\n" in head


async def test_http_1_0_gets_an_answer_that_ends_with_the_connection() -> None:
    async with serving(stream) as origin, raw_client(origin) as raw:
        await raw.send(b"GET / HTTP/1.0\r\n\r\n")
        head, _, body = (await raw.receive_all()).partition(b"\r\n\r\n")
        assert b"transfer-encoding" not in head
        assert b"connection: close" in head
        assert body == b"onetwothree"


async def test_connection_close_is_obeyed_and_said() -> None:
    async with serving(echo) as origin, raw_client(origin) as raw:
        await raw.send(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: x, Close\r\n\r\n")
        assert b"\r\nconnection: close\r\n" in await raw.receive_all()
