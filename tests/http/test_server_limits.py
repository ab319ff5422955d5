"""The server's limits: sizes, connections, and times; and its drain."""

import asyncio
import contextlib

import pytest
from tests.http.support import (
    SOON,
    MemoryTransport,
    chunked,
    echo,
    make_server,
    post,
    raw_client,
    refuse_with_code,
    serving,
    settle,
    until,
)

from tokenharbor.http.exchange import Exchange
from tokenharbor.http.message import ServerLimits

GET = b"GET /hello?a=b HTTP/1.1\r\nHost: harbor\r\n\r\n"


async def test_limits_are_told(caplog: pytest.LogCaptureFixture) -> None:
    limits = ServerLimits(request_line=100, headers=1000, header_count=10, body=1000, buffered=1500)
    cases = [
        (b"GET /" + b"a" * 200 + b" HTTP/1.1\r\nHost: h\r\n\r\n", 413),
        (b"GET /" + b"a" * 200, 413),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 2000 + b"\r\n\r\n", 413),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 2000, 413),
        (b"GET / HTTP/1.1\r\nHost: h\r\n" + b"".join(b"X%d: a\r\n" % n for n in range(10)) + b"\r\n", 413),
        (b"GET / HTTP/1.1\r\nHost: h\r\n" + b"X: a\r\n" * 11 + b"\r\n", 413),
        (post("/", b"b" * 1001), 413),
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"b" * 600, b"b" * 600), 413),
        (post("/", b"b" * 1000), 200),
    ]
    async with serving(echo, limits) as origin:
        for request, status in cases:
            async with raw_client(origin) as raw:
                await raw.send(request)
                assert (await raw.receive_answer())[0] == status, request[:80]
    assert not caplog.records


async def test_all_bodies_together_are_bounded() -> None:
    gate = asyncio.Event()

    read = asyncio.Event()

    async def holds(exchange: Exchange) -> None:
        await exchange.read_body()
        read.set()
        await gate.wait()
        exchange.respond(200, b"", b"")

    async with serving(holds, ServerLimits(body=1000, buffered=1500)) as origin:
        async with raw_client(origin) as first, raw_client(origin) as second:
            await first.send(post("/", b"b" * 900))
            await read.wait()
            await second.send(post("/", b"b" * 900))
            assert (await second.receive_answer())[0] == 503
            gate.set()
            assert (await first.receive_answer())[0] == 200
        async with raw_client(origin) as third:
            await third.send(post("/", b"b" * 900))
            assert (await third.receive_answer())[0] == 200


async def test_a_client_that_is_held_back_waits_and_so_does_a_new_one() -> None:
    async def busy(exchange: Exchange) -> None:
        exchange.respond(503 if exchange.path == "/busy" else 200, b"", await exchange.read_body())
        if exchange.path == "/busy":
            exchange.hold_back(0.1)

    server = make_server(busy)
    other, refused = MemoryTransport(server.accept()), MemoryTransport(server.accept())
    refused.feed(post("/busy") + post("/", b"next"))
    await settle()
    new = MemoryTransport(server.accept())
    other.feed(post("/", b"other"))
    await settle()
    assert other.written.endswith(b"other"), "whoever was here before is served"
    assert not refused.reading
    assert not new.reading
    assert b"next" not in refused.written
    await until(lambda: refused.reading and new.reading)
    new.feed(post("/", b"new"))
    await settle()
    assert refused.written.endswith(b"next")
    assert new.written.endswith(b"new")
    assert MemoryTransport(server.accept()).reading
    assert await server.drain(0) == 0


async def test_when_there_is_room_those_held_back_are_read_in_the_order_in_which_they_came() -> None:
    async def busy(exchange: Exchange) -> None:
        exchange.respond(503 if exchange.path == "/busy" else 200, b"", b"")
        if exchange.path == "/busy":
            exchange.hold_back(3600)

    server = make_server(busy)
    first = MemoryTransport(server.accept())
    first.feed(post("/busy") + post("/", b""))
    await settle()
    held = [first, *(MemoryTransport(server.accept()) for _ in range(3))]
    assert not any(each.reading for each in held)
    held[1].close()
    await settle()
    server.read_held(2)
    await settle()
    assert [each.reading for each in held[2:]] == [True, False], "who is gone takes nobody's turn"
    assert first.written.count(b"200 OK") == 1
    assert MemoryTransport(server.accept()).reading
    server.read_held(2)
    assert held[3].reading
    assert await server.drain(0) == 0


async def test_who_is_held_back_may_be_closed_and_refused_clients_do_not_linger() -> None:
    async def busy(exchange: Exchange) -> None:
        exchange.respond(503, b"", b"")
        exchange.hold_back(0.05)

    server = make_server(busy, ServerLimits(linger_seconds=0.1))
    unfinished, idle = MemoryTransport(server.accept()), MemoryTransport(server.accept())
    unfinished.feed(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc")
    idle.feed(post("/"))
    await until(lambda: unfinished.closed)
    assert not idle.closed
    assert await server.drain(SOON) == 0
    assert idle.closed


async def test_what_cannot_be_served_is_refused_in_the_words_of_whoever_runs_the_server() -> None:
    cases = [
        (b"GET /v1/responses HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n", 426),
        (post("/v1/messages", b"..", b"Content-Encoding: gzip\r\n"), 415),
        (b"BREW /v1 HTTP/1.1\r\nHost: h\r\n\r\n", 405),
        (b"TRACE /v1 HTTP/1.1\r\nHost: h\r\n\r\n", 405),
    ]
    async with serving(echo, refuse=refuse_with_code) as origin:
        for request, status in cases:
            async with raw_client(origin) as raw:
                await raw.send(request)
                answered, head, body = await raw.receive_answer()
                assert answered == status
                assert b"connection: close" in head
                assert body.startswith((b"/v1", b": "))
                assert await raw.receive_all() == b""


async def test_an_upgrade_that_is_only_offered_is_declined_by_serving_the_request() -> None:
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    async with serving(echo) as origin, raw_client(origin) as raw:
        for _ in range(2):
            await raw.send(post("/j", b"java", upgrade))
            assert (await raw.receive_answer())[2] == b"POST /j  java"
        await raw.send(post("/j", b"later"))
        assert (await raw.receive_answer())[2] == b"POST /j  later"


@pytest.mark.parametrize(
    "beginning",
    [b"", b"GET /", b"GET / HTTP/1.1\r\nHost: h\r\n", b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc"],
)
async def test_whoever_goes_on_too_slowly_is_closed(beginning: bytes) -> None:
    limits = ServerLimits(head_seconds=0.1, body_seconds=0.1, idle_seconds=0.1)
    async with serving(echo, limits) as origin, raw_client(origin) as raw:
        await raw.send(beginning)
        assert await raw.receive_all() == b""


async def test_a_dripping_head_is_closed_however_steadily_it_drips() -> None:
    async with serving(echo, ServerLimits(head_seconds=0.2)) as origin, raw_client(origin) as raw:

        async def drip() -> None:
            for letter in b"GET / HTTP/1.1\r\nX: " + b"a" * 1000:
                await raw.send(bytes([letter]))
                await asyncio.sleep(0.02)

        dripping = asyncio.create_task(drip())
        await raw.receive_hang_up()
        dripping.cancel()
        await asyncio.wait([dripping])


async def test_a_dripping_body_is_read() -> None:
    async with serving(echo, ServerLimits(body_seconds=1)) as origin, raw_client(origin) as raw:
        await raw.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 8\r\n\r\n")
        for letter in b"patience":
            await raw.send(bytes([letter]))
            await asyncio.sleep(0.03)
        assert (await raw.receive_answer())[2] == b"POST /  patience"


async def test_the_bodys_timer_ends_with_the_body() -> None:
    async def thorough(exchange: Exchange) -> None:
        body = await exchange.read_body()
        await asyncio.sleep(1.2)
        exchange.respond(200, b"", body)

    async with serving(thorough, ServerLimits(body_seconds=1)) as origin, raw_client(origin) as raw:
        await raw.send(post("/", b"half and half")[:-4])
        await asyncio.sleep(0.02)
        await raw.send(b"half")
        assert (await raw.receive_answer())[2] == b"half and half"


async def test_whoever_reads_nothing_of_an_answer_is_closed() -> None:
    async def large(exchange: Exchange) -> None:
        exchange.respond(200, b"", b"x" * (32 << 20))

    server = make_server(large, ServerLimits(write_seconds=0.1))
    port = await server.start("127.0.0.1", 0)
    _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
    writer.write(GET)
    await until(lambda: server.connections == 1)
    await until(lambda: server.connections == 0)
    writer.close()
    await server.drain(0)


async def test_draining_lets_open_requests_finish_and_closes_what_is_idle() -> None:
    started, gate = asyncio.Event(), asyncio.Event()

    async def waits(exchange: Exchange) -> None:
        started.set()
        await gate.wait()
        await echo(exchange)

    server = make_server(waits)
    port = await server.start("127.0.0.1", 0)
    busy_reader, busy_writer = await asyncio.open_connection("127.0.0.1", port)
    idle_reader, idle_writer = await asyncio.open_connection("127.0.0.1", port)
    busy_writer.write(GET)
    async with asyncio.timeout(SOON):
        await started.wait()
        draining = asyncio.create_task(server.drain(SOON))
        assert await idle_reader.read() == b""
        with pytest.raises(ConnectionError):
            await asyncio.open_connection("127.0.0.1", port)
        assert not draining.done()
        gate.set()
        said = await busy_reader.read()
        assert await draining == 0
    assert b"connection: close\r\n" in said
    assert said.endswith(b"GET /hello a=b ")
    for writer in (busy_writer, idle_writer):
        writer.close()
    await settle()


async def test_draining_closes_a_connection_whose_last_answer_said_nothing_of_it() -> None:
    answered, gate = asyncio.Event(), asyncio.Event()

    async def tidies(exchange: Exchange) -> None:
        await echo(exchange)
        answered.set()
        await gate.wait()

    server = make_server(tidies)
    transport = MemoryTransport(server.accept())
    transport.feed(GET)
    await answered.wait()
    draining = asyncio.create_task(server.drain(SOON))
    await settle()
    gate.set()
    assert await draining == 0
    assert transport.closed


async def test_draining_cuts_what_does_not_finish_in_time() -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def waits(_exchange: Exchange) -> None:
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()

    server = make_server(waits)
    port = await server.start("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(GET)
    await started.wait()
    assert await server.drain(0.05) == 1
    assert cancelled.is_set()
    assert await reader.read() == b""
    writer.close()
    await settle()


async def test_F1_who_is_idle_makes_room_for_who_comes() -> None:
    """The longest idle is closed first; a current request is never cut for a new connection, which is then refused."""
    gate = asyncio.Event()

    async def holds(exchange: Exchange) -> None:
        await gate.wait()
        exchange.respond(200, b"", b"")

    async with serving(holds, ServerLimits(connections=4)) as origin, contextlib.AsyncExitStack() as stack:
        busy = [await stack.enter_async_context(raw_client(origin)) for _ in range(2)]
        for raw in busy:
            await raw.send(GET)
        first, half = [await stack.enter_async_context(raw_client(origin)) for _ in range(2)]
        await half.send(GET[:10])
        await asyncio.sleep(0.05)
        third = await stack.enter_async_context(raw_client(origin))
        await third.send(GET)
        await first.receive_hang_up()
        fourth = await stack.enter_async_context(raw_client(origin))
        await fourth.send(GET)
        await half.receive_hang_up()
        fifth = await stack.enter_async_context(raw_client(origin))
        assert (await fifth.receive_answer())[0] == 503
        gate.set()
        for raw in (*busy, third, fourth):
            assert (await raw.receive_answer())[0] == 200
        async with raw_client(origin) as sixth:
            await sixth.send(GET)
            assert (await sixth.receive_answer())[0] == 200


@pytest.mark.parametrize("holders", [1, 2])
async def test_F13_large_bodies_leave_room_for_others(holders: int) -> None:
    """One caller has a share of the room, and small bodies have its last eighth."""
    gate, free, read = asyncio.Event(), 20_000, 0

    async def holds(exchange: Exchange) -> None:
        nonlocal read
        exchange.buffer_owner = exchange.path
        await exchange.read_body()
        read += 1
        await gate.wait()
        exchange.respond(200, b"", b"")

    large = b"b" * 300_000
    async with (
        serving(holds, ServerLimits(body=400_000, buffered=800_000)) as origin,
        contextlib.AsyncExitStack() as stack,
    ):
        first, second, third, small = [await stack.enter_async_context(raw_client(origin)) for _ in range(4)]
        await first.send(post("/a", large))
        await until(lambda: read == 1)
        await second.send(post("/b" if holders == 2 else "/a", large))
        if holders == 1:
            assert (await second.receive_answer())[0] == 429
            await third.send(post("/b", large))
        else:
            await until(lambda: read == 2)
            await third.send(post("/c", large))
            assert (await third.receive_answer())[0] == 503
        await small.send(post("/d", b"b" * free))
        gate.set()
        assert (await small.receive_answer())[0] == 200
        assert (await first.receive_answer())[0] == 200
        assert (await (third if holders == 1 else second).receive_answer())[0] == 200


async def test_F13_bodies_awaited_of_one_caller_leave_connections_for_others() -> None:
    """For both ways of reading; complete bodies, and those of disconnected callers, are not counted."""

    async def reads(exchange: Exchange) -> None:
        exchange.buffer_owner, _, how = exchange.path.rpartition("/")
        if how == "whole":
            await exchange.read_body()
        else:
            while await exchange.read_piece():
                pass
        exchange.respond(200, b"", b"")

    async with serving(reads, ServerLimits(connections=8)) as origin, contextlib.AsyncExitStack() as stack:
        first, second, third, other = [await stack.enter_async_context(raw_client(origin)) for _ in range(4)]
        for raw, path in ((first, "/a/whole"), (second, "/a/pieces")):
            await raw.send(post(path, b"xy")[:-1])
        await asyncio.sleep(0.05)
        for path in ("/a/whole", "/a/pieces"):
            async with raw_client(origin) as more:
                await more.send(post(path, b"xy")[:-1])
                assert (await more.receive_answer())[0] == 429
        await third.send(post("/a/whole", b"xy"))
        assert (await third.receive_answer())[0] == 200
        await other.send(post("/b/whole", b"xy")[:-1])
        await first.send(b"y")
        assert (await first.receive_answer())[0] == 200
        await third.send(post("/a/whole", b"xy")[:-1])
        for raw in (second, third, other):
            await raw.send(b"y")
            assert (await raw.receive_answer())[0] == 200


async def test_F13_who_was_refused_and_stays_makes_room_for_others() -> None:
    async def reads(exchange: Exchange) -> None:
        exchange.buffer_owner = exchange.path
        await exchange.read_body()
        exchange.respond(200, b"", b"")

    async with serving(reads, ServerLimits(connections=4)) as origin, contextlib.AsyncExitStack() as stack:
        first, *refused = [await stack.enter_async_context(raw_client(origin)) for _ in range(4)]
        await first.send(post("/a", b"xy")[:-1])
        await asyncio.sleep(0.05)
        for raw in refused:
            await raw.send(post("/a", b"xy")[:-1])
            assert (await raw.receive_answer())[0] == 429
        async with raw_client(origin) as other:
            await other.send(post("/b", b"xy"))
            assert (await other.receive_answer())[0] == 200
        await first.send(b"y")
        assert (await first.receive_answer())[0] == 200


async def test_F13_a_drip_is_cut_off_as_silence_is() -> None:
    limits = ServerLimits(body_seconds=1, body_rate=400)
    head = post("/", b"x" * 1_200)[:-1_200]
    async with serving(echo, limits) as origin, raw_client(origin) as drip, raw_client(origin) as steady:
        await drip.send(head)
        cut_off = asyncio.ensure_future(drip.receive_hang_up())
        while not cut_off.done():
            with contextlib.suppress(ConnectionError):
                await drip.send(b"x")
            await asyncio.sleep(0.02)
        await steady.send(head)
        for _ in range(3):  # each time enough for another second
            await asyncio.sleep(0.05)
            await steady.send(b"x" * 400)
        assert (await steady.receive_answer())[0] == 200
