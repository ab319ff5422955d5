"""The server over loopback: what a client on the wire sees."""

import asyncio
import gc
import logging
from contextlib import suppress

import pytest
from httptools import HttpRequestParser, HttpResponseParser
from tests.http.support import (
    DATE,
    PATIENT,
    SOON,
    MemoryTransport,
    asking,
    calling,
    chunked,
    echo,
    make_server,
    post,
    refuse_with_code,
    serving,
    settle,
    until,
)

from tokenharbor.http.answer import Answer
from tokenharbor.http.connection import Connection
from tokenharbor.http.exchange import Exchange
from tokenharbor.http.link import Link
from tokenharbor.http.message import Disconnected
from tokenharbor.http.reader import RequestReader
from tokenharbor.kernel.errors import InvalidApiKey, InvalidRequest

GET = b"GET /hello?a=b HTTP/1.1\r\nHost: harbor\r\n\r\n"


async def test_an_answer_has_length_and_date_and_leaves_the_connection_open() -> None:
    async with serving(echo) as origin, calling(origin) as raw:
        for _ in range(3):
            await raw.say(GET)
            status, head, body = await raw.hear_answer()
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

    async with serving(slow) as origin, calling(origin) as raw:
        await raw.say(b"".join(post(f"/{n}", b"x" * n) for n in range(20)))
        for n in range(20):
            assert (await raw.hear_answer())[2] == f"POST /{n}  ".encode() + b"x" * n


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
    async with serving(echo) as origin, calling(origin) as raw:
        head = b"POST /c HTTP/1.1\r\nHost: harbor\r\nTransfer-Encoding: chunked\r\n\r\n"
        for _ in range(2):
            await raw.say(head + chunked(b"one", b"two" * 1000))
            assert (await raw.hear_answer())[2] == b"POST /c  one" + b"two" * 1000
        await raw.say(GET)
        assert (await raw.hear_answer())[2] == b"GET /hello a=b "


async def test_a_large_body_comes_in_many_segments() -> None:
    async with serving(echo) as origin, calling(origin) as raw:
        body = bytes(range(256)) * 8192
        sending = asyncio.create_task(raw.say(post("/", body)))
        assert (await raw.hear_answer())[2] == b"POST /  " + body
        await sending
        await raw.say(GET)
        assert (await raw.hear_answer())[0] == 200


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
    async with serving(hesitant) as origin, calling(origin) as raw:
        sending = asyncio.create_task(raw.say(request))
        await asyncio.sleep(0.2)
        assert not sending.done()
        gate.set()
        assert (await raw.hear_answer())[2] == b"POST /  " + body
        await sending


async def test_continue_is_said_when_the_body_is_wanted() -> None:
    async with serving(echo) as origin, calling(origin) as raw:
        await raw.say(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert await raw.hear(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await raw.say(b"abc")
        assert (await raw.hear_answer())[2] == b"POST /  abc"


async def test_a_refusal_before_the_body_asks_for_no_body() -> None:
    async def guard(_exchange: Exchange) -> None:
        raise InvalidApiKey("Who are you?")

    async with serving(guard) as origin, calling(origin) as raw:
        await raw.say(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        status, head, body = await raw.hear_answer()
        assert (status, body) == (401, b"Who are you?\n")
        assert b"connection: close\r\n" in head
        assert await raw.hear_all() == b""


async def test_a_refused_upload_can_be_read_by_a_client_that_is_still_sending() -> None:
    async def guard(_exchange: Exchange) -> None:
        raise InvalidApiKey("Who are you?")

    async with serving(guard) as origin, calling(origin) as raw:
        sending = asyncio.create_task(raw.say(post("/", b"z" * (8 << 20))))
        assert (await raw.hear_answer())[0] == 401
        await sending


async def test_a_handler_that_reads_no_body_is_not_followed_by_what_it_did_not_read() -> None:
    async def hasty(exchange: Exchange) -> None:
        exchange.respond(200, b"", b"done")

    async with serving(hasty) as origin, calling(origin) as raw:
        await raw.say(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n")
        await raw.hear_answer()
        await raw.say(GET)
        assert await raw.hear_all() == b""


async def test_head_is_answered_without_a_body() -> None:
    async with serving(echo) as origin, calling(origin) as raw:
        await raw.say(b"HEAD /x HTTP/1.1\r\nHost: h\r\n\r\n" + GET)
        head = await raw.hear(b"\r\n\r\n")
        assert b"content-length: 9\r\n" in head
        assert (await raw.hear_answer())[2] == b"GET /hello a=b "


async def test_no_content_has_no_length() -> None:
    async def preflight(exchange: Exchange) -> None:
        exchange.respond(204, b"allow: POST\r\n", b"")

    async with serving(preflight) as origin, calling(origin) as raw:
        await raw.say(b"OPTIONS /v1 HTTP/1.1\r\nHost: h\r\n\r\n")
        head = await raw.hear(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 204 No Content\r\n")
        assert b"content-length" not in head


async def stream(exchange: Exchange) -> None:
    exchange.start(200, b"content-type: text/event-stream\r\n")
    for piece in (b"one", b"", b"two"):
        await exchange.write(piece)
    exchange.end(b"three")


async def test_a_stream_is_chunked_and_the_connection_stays() -> None:
    async with serving(stream) as origin, calling(origin) as raw:
        for _ in range(2):
            await raw.say(GET)
            status, head, body = await raw.hear_answer()
            assert (status, body) == (200, b"onetwothree")
            assert b"transfer-encoding: chunked\r\n" in head


async def test_http_1_0_gets_an_answer_that_ends_with_the_connection() -> None:
    async with serving(stream) as origin, calling(origin) as raw:
        await raw.say(b"GET / HTTP/1.0\r\n\r\n")
        head, _, body = (await raw.hear_all()).partition(b"\r\n\r\n")
        assert b"transfer-encoding" not in head
        assert b"connection: close" in head
        assert body == b"onetwothree"


async def test_connection_close_is_obeyed_and_said() -> None:
    async with serving(echo) as origin, calling(origin) as raw:
        await raw.say(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: x, Close\r\n\r\n")
        assert b"\r\nconnection: close\r\n" in await raw.hear_all()


async def test_an_answer_cut_short_has_no_terminating_chunk() -> None:
    async def breaks(exchange: Exchange) -> None:
        exchange.start(200, b"")
        await exchange.write(b"half")
        exchange.abort()

    async with serving(breaks) as origin, calling(origin) as raw:
        await raw.say(GET)
        assert (await raw.hear_all()).endswith(b"\r\n\r\n4\r\nhalf\r\n")


async def test_an_answer_that_only_the_connection_could_end_is_reset_when_cut_short() -> None:
    gate = asyncio.Event()

    async def breaks(exchange: Exchange) -> None:
        exchange.start(200, b"")
        await exchange.write(b"half")
        await gate.wait()
        exchange.abort()

    async with serving(breaks) as origin, calling(origin) as raw:
        await raw.say(b"GET / HTTP/1.0\r\n\r\n")
        await raw.hear(b"half")
        gate.set()
        with pytest.raises(ConnectionResetError):
            await raw.hear_all()


async def test_a_crash_is_a_500_that_says_nothing_and_is_logged_without_content(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def crashes(_exchange: Exchange) -> None:
        raise ValueError("the caller's secret")

    with caplog.at_level(logging.ERROR):
        async with serving(crashes) as origin, calling(origin) as raw:
            await raw.say(GET)
            said = await raw.hear_all()
    assert said.startswith(b"HTTP/1.1 500 ")
    assert b"connection: close" in said
    assert b"secret" not in said
    assert "ValueError" in caplog.text
    assert "test_server.py" in caplog.text
    assert "secret" not in caplog.text


async def test_a_crash_in_a_stream_cuts_it(caplog: pytest.LogCaptureFixture) -> None:
    async def crashes(exchange: Exchange) -> None:
        exchange.start(200, b"")
        await exchange.write(b"half")
        raise ValueError

    async with serving(crashes) as origin, calling(origin) as raw:
        await raw.say(GET)
        assert (await raw.hear_all()).endswith(b"half\r\n")
    assert "ValueError" in caplog.text


async def test_a_handler_that_forgets_to_answer_is_a_500(caplog: pytest.LogCaptureFixture) -> None:
    async def silent(_exchange: Exchange) -> None:
        return

    async with serving(silent) as origin, calling(origin) as raw:
        await raw.say(GET)
        assert (await raw.hear_answer())[0] == 500
    assert "RuntimeError" in caplog.text


async def test_a_refusal_after_a_start_that_was_never_sent_is_still_told() -> None:
    async def hesitant(exchange: Exchange) -> None:
        exchange.start(200, b"content-type: text/event-stream\r\n")
        raise InvalidRequest("No.")

    async with serving(hesitant, refuse=refuse_with_code) as origin, calling(origin) as raw:
        await raw.say(GET)
        assert (await raw.hear_answer())[::2] == (400, b"/hello: invalid_request")


@pytest.mark.parametrize("gracefully", [True, False])
async def test_a_hang_up_cancels_the_handler_at_once(gracefully: bool) -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def waits(exchange: Exchange) -> None:
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            assert exchange.gone
            cancelled.set()

    async with serving(waits) as origin, calling(origin) as raw:
        await raw.say(GET)
        async with asyncio.timeout(SOON):
            await started.wait()
            if gracefully:
                raw.writer.close()
            else:
                raw.hang_up()
            await cancelled.wait()


async def test_a_hang_up_before_the_handler_could_begin_leaves_nothing_behind() -> None:
    server = make_server(echo)
    transport = MemoryTransport(server.accept())
    transport.feed(GET)
    transport.abort()
    transport.protocol.connection_lost(None)
    await settle()
    assert server.connections == 0
    assert transport.written == b""
    assert await server.drain(SOON) == 0


async def test_closed_connections_leave_nothing_to_the_garbage_collector() -> None:
    kinds = (Connection, RequestReader, HttpRequestParser, Exchange, Link, HttpResponseParser, Answer)

    def alive() -> int:
        return sum(isinstance(thing, kinds) for thing in gc.get_objects())

    async with asking() as client, serving(stream) as origin:
        gc.collect()
        gc.freeze()  # what was there before need not be looked at again and again
        gc.disable()
        try:
            before = alive()
            for _ in range(3):
                async with calling(origin) as raw:
                    await raw.say(GET)
                    await raw.hear_answer()
                    await raw.say(post("/", b"never whole")[:-1])
                    await raw.say(b"")
                async with calling(origin) as raw:
                    await raw.say(b"nonsense\r\n\r\n")
                    await raw.hear_all()
                head = b"GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n"
                answer = await client.send(origin, head, b"", PATIENT, stream=False)
                assert await answer.read(100) == b"onetwothree"
                del answer
            await until(lambda: alive() == before)
        finally:
            gc.enable()
            gc.unfreeze()


async def test_answering_after_a_hang_up_is_no_error() -> None:
    answered = asyncio.Event()

    async def stubborn(exchange: Exchange) -> None:
        exchange.start(200, b"")
        exchange.send(b"x")
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        with pytest.raises(Disconnected):
            exchange.send(b"x")
        exchange.end(b"x")
        answered.set()

    async with serving(stubborn) as origin, calling(origin) as raw:
        await raw.say(GET)
        await raw.hear(b"x\r\n")
        raw.hang_up()
        async with asyncio.timeout(SOON):
            await answered.wait()


async def test_a_handler_is_not_cancelled_once_its_answer_is_complete() -> None:
    finished = asyncio.Event()

    async def tidies(exchange: Exchange) -> None:
        exchange.respond(200, b"", b"")
        await asyncio.sleep(0.05)
        finished.set()

    async with serving(tidies) as origin, calling(origin) as raw:
        await raw.say(GET)
        await raw.hear_answer()
        raw.hang_up()
        async with asyncio.timeout(SOON):
            await finished.wait()


async def test_writing_waits_for_a_slow_reader_and_ends_with_its_hang_up() -> None:
    written = 0
    ended: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

    async def gushes(exchange: Exchange) -> None:
        nonlocal written
        exchange.start(200, b"")
        try:
            while True:
                await exchange.write(b"x" * 65536)
                written += 65536
        except BaseException as error:
            ended.set_result(error)
            raise

    async with serving(gushes) as origin, calling(origin) as raw:
        await raw.say(GET)
        before = -1
        async with asyncio.timeout(SOON):
            while written != before or not written:
                before = written
                await asyncio.sleep(0.05)
            assert written < 64 << 20  # the rest waits in the handler, not in memory
            raw.hang_up()
            assert isinstance(await ended, asyncio.CancelledError | Disconnected)


async def test_the_slow_reader_gets_every_byte() -> None:
    async def large(exchange: Exchange) -> None:
        exchange.start(200, b"")
        for n in range(200):
            if not exchange.send(bytes([n]) * 50_000):
                await exchange.drained()
        exchange.end()

    async with serving(large) as origin, calling(origin) as raw:
        await raw.say(GET)
        await asyncio.sleep(0.05)
        assert (await raw.hear_answer())[2] == b"".join(bytes([n]) * 50_000 for n in range(200))


async def test_no_more_requests_are_read_from_a_client_that_reads_no_answers() -> None:
    served = 0

    async def large(exchange: Exchange) -> None:
        nonlocal served
        served += 1
        exchange.respond(200, b"", b"x" * (1 << 20))

    async with serving(large) as origin, calling(origin) as raw:
        count = 100
        sending = asyncio.create_task(raw.say(GET * count))
        before = -1
        async with asyncio.timeout(SOON):
            while served != before:
                before = served
                await asyncio.sleep(0.05)
        assert 0 < served < count
        for _ in range(count):
            await raw.hear_answer()
        await sending
        assert served == count
