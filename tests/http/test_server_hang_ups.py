"""Crashes, refusals and disconnects during an answer, and slow readers."""

import asyncio
import gc
import logging
from contextlib import suppress

import pytest
from httptools import HttpRequestParser, HttpResponseParser
from tests.http.support import (
    PATIENT,
    SOON,
    MemoryTransport,
    echo,
    http_client,
    make_server,
    post,
    raw_client,
    refuse_with_code,
    serving,
    settle,
    stream,
    until,
)

from tokenharbor.http.answer import HttpAnswer
from tokenharbor.http.exchange import Exchange
from tokenharbor.http.message import Disconnected
from tokenharbor.http.reader import RequestReader
from tokenharbor.http.server_connection import ServerConnection
from tokenharbor.http.upstream_connection import UpstreamConnection
from tokenharbor.kernel.errors import InvalidRequest

GET = b"GET /hello?a=b HTTP/1.1\r\nHost: harbor\r\n\r\n"


async def test_an_answer_cut_short_has_no_terminating_chunk() -> None:
    async def breaks(exchange: Exchange) -> None:
        exchange.start(200, b"")
        await exchange.write(b"half")
        exchange.abort()

    async with serving(breaks) as origin, raw_client(origin) as raw:
        await raw.send(GET)
        assert (await raw.receive_all()).endswith(b"\r\n\r\n4\r\nhalf\r\n")


async def test_an_answer_that_only_the_connection_could_end_is_reset_when_cut_short() -> None:
    gate = asyncio.Event()

    async def breaks(exchange: Exchange) -> None:
        exchange.start(200, b"")
        await exchange.write(b"half")
        await gate.wait()
        exchange.abort()

    async with serving(breaks) as origin, raw_client(origin) as raw:
        await raw.send(b"GET / HTTP/1.0\r\n\r\n")
        await raw.receive(b"half")
        gate.set()
        with pytest.raises(ConnectionResetError):
            await raw.receive_all()


async def test_a_crash_is_a_500_that_says_nothing_and_is_logged_without_content(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def crashes(_exchange: Exchange) -> None:
        raise ValueError("the caller's secret")

    with caplog.at_level(logging.ERROR):
        async with serving(crashes) as origin, raw_client(origin) as raw:
            await raw.send(GET)
            said = await raw.receive_all()
    assert said.startswith(b"HTTP/1.1 500 ")
    assert b"connection: close" in said
    assert b"secret" not in said
    assert "ValueError" in caplog.text
    assert "test_server_hang_ups.py" in caplog.text
    assert "secret" not in caplog.text


async def test_a_crash_in_a_stream_cuts_it(caplog: pytest.LogCaptureFixture) -> None:
    async def crashes(exchange: Exchange) -> None:
        exchange.start(200, b"")
        await exchange.write(b"half")
        raise ValueError

    async with serving(crashes) as origin, raw_client(origin) as raw:
        await raw.send(GET)
        assert (await raw.receive_all()).endswith(b"half\r\n")
    assert "ValueError" in caplog.text


async def test_a_handler_that_forgets_to_answer_is_a_500(caplog: pytest.LogCaptureFixture) -> None:
    async def silent(_exchange: Exchange) -> None:
        return

    async with serving(silent) as origin, raw_client(origin) as raw:
        await raw.send(GET)
        assert (await raw.receive_answer())[0] == 500
    assert "RuntimeError" in caplog.text


async def test_a_refusal_after_a_start_that_was_never_sent_is_still_told() -> None:
    async def hesitant(exchange: Exchange) -> None:
        exchange.start(200, b"content-type: text/event-stream\r\n")
        raise InvalidRequest("No.")

    async with serving(hesitant, refuse=refuse_with_code) as origin, raw_client(origin) as raw:
        await raw.send(GET)
        assert (await raw.receive_answer())[::2] == (400, b"/hello: invalid_request")


@pytest.mark.parametrize("gracefully", [True, False])
async def test_a_hang_up_cancels_the_handler_at_once(gracefully: bool) -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def waits(exchange: Exchange) -> None:
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            assert exchange.disconnected
            cancelled.set()

    async with serving(waits) as origin, raw_client(origin) as raw:
        await raw.send(GET)
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
    kinds = (
        ServerConnection,
        RequestReader,
        HttpRequestParser,
        Exchange,
        UpstreamConnection,
        HttpResponseParser,
        HttpAnswer,
    )

    def alive() -> int:
        return sum(isinstance(thing, kinds) for thing in gc.get_objects())

    async with http_client() as client, serving(stream) as origin:
        gc.collect()
        gc.freeze()  # earlier bytes are not searched again and again
        gc.disable()
        try:
            before = alive()
            for _ in range(3):
                async with raw_client(origin) as raw:
                    await raw.send(GET)
                    await raw.receive_answer()
                    await raw.send(post("/", b"never whole")[:-1])
                    await raw.send(b"")
                async with raw_client(origin) as raw:
                    await raw.send(b"nonsense\r\n\r\n")
                    await raw.receive_all()
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

    async with serving(stubborn) as origin, raw_client(origin) as raw:
        await raw.send(GET)
        await raw.receive(b"x\r\n")
        raw.hang_up()
        async with asyncio.timeout(SOON):
            await answered.wait()


async def test_a_handler_is_not_cancelled_once_its_answer_is_complete() -> None:
    finished = asyncio.Event()

    async def tidies(exchange: Exchange) -> None:
        exchange.respond(200, b"", b"")
        await asyncio.sleep(0.05)
        finished.set()

    async with serving(tidies) as origin, raw_client(origin) as raw:
        await raw.send(GET)
        await raw.receive_answer()
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

    async with serving(gushes) as origin, raw_client(origin) as raw:
        await raw.send(GET)
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

    async with serving(large) as origin, raw_client(origin) as raw:
        await raw.send(GET)
        await asyncio.sleep(0.05)
        assert (await raw.receive_answer())[2] == b"".join(bytes([n]) * 50_000 for n in range(200))


async def test_no_more_requests_are_read_from_a_client_that_reads_no_answers() -> None:
    served = 0

    async def large(exchange: Exchange) -> None:
        nonlocal served
        served += 1
        exchange.respond(200, b"", b"x" * (1 << 20))

    async with serving(large) as origin, raw_client(origin) as raw:
        count = 100
        sending = asyncio.create_task(raw.send(GET * count))
        before = -1
        async with asyncio.timeout(SOON):
            while served != before:
                before = served
                await asyncio.sleep(0.05)
        assert 0 < served < count
        for _ in range(count):
            await raw.receive_answer()
        await sending
        assert served == count
