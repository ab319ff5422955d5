"""The client's four timers, and what counts as progress for each."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest
from tests.http.support import PATIENT, RawPeer, chunked, http_client, upstream

from tokenharbor.http.answer import HttpAnswer
from tokenharbor.http.client import Origin
from tokenharbor.http.message import TimedOut
from tokenharbor.http.upstream_connection import UpstreamConnection

HEAD = b"POST /v1/x HTTP/1.1\r\nhost: up\r\n"


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


# Timers


@asynccontextmanager
async def dripping(line: RawPeer, piece: bytes) -> AsyncIterator[None]:
    """The upstream repeats this until it is disconnected."""

    async def drip() -> None:
        with suppress(ConnectionError):
            while True:
                await line.send(b"%x\r\n%b\r\n" % (len(piece), piece))
                await asyncio.sleep(0.02)

    task = asyncio.create_task(drip())
    yield
    task.cancel()
    await asyncio.wait([task])


async def read_on(answer: HttpAnswer, *, as_content: bool) -> None:
    while await answer.next():
        if as_content:
            answer.content_arrived()


async def test_connecting_has_its_timer() -> None:
    async def never(_origin: Origin, _protocol: Callable[[], UpstreamConnection]) -> UpstreamConnection:
        await asyncio.sleep(60)
        raise AssertionError

    async with http_client(connector=never) as client:
        with pytest.raises(TimedOut) as raised:
            await client.send(Origin("h", 1), HEAD, b"", replace(PATIENT, connect=0.05), stream=False)
        assert raised.value.phase == "connect"


async def test_the_first_event_has_its_timer_and_headers_or_pings_do_not_count() -> None:
    async with upstream() as up, http_client() as client:
        deadlines = replace(PATIENT, first_event=0.3)
        asked = asyncio.create_task(client.send(up.origin, HEAD, b"", deadlines, stream=True))
        line = await up.line()
        await line.receive(b"\r\n\r\n")
        await line.send(STREAM)
        answer = await asked
        async with dripping(line, b": ping"):
            with pytest.raises(TimedOut) as raised:
                await read_on(answer, as_content=False)
        assert raised.value.phase == "first_event"
        await line.receive_hang_up()


async def test_between_events_has_its_timer_and_only_content_resets_it() -> None:
    async with upstream() as up, http_client() as client:
        deadlines = replace(PATIENT, first_event=0.7, between_events=0.7, total=1.6)
        asked = asyncio.create_task(client.send(up.origin, HEAD, b"", deadlines, stream=True))
        line = await up.line()
        await line.receive(b"\r\n\r\n")
        await line.send(STREAM)
        answer = await asked
        async with dripping(line, b"data"):
            with pytest.raises(TimedOut) as raised:
                await read_on(answer, as_content=True)
        assert raised.value.phase == "total"  # content came all the time

        asked = asyncio.create_task(client.send(up.origin, HEAD, b"", replace(deadlines, total=9), stream=True))
        line = await up.line()
        await line.receive(b"\r\n\r\n")
        await line.send(STREAM + b"4\r\ndata\r\n")
        answer = await asked
        await answer.next()
        answer.content_arrived()
        async with dripping(line, b": ping"):
            with pytest.raises(TimedOut) as raised:
                await read_on(answer, as_content=False)
        assert raised.value.phase == "between_events"


async def test_the_total_has_its_timer_where_there_is_no_stream() -> None:
    async with upstream() as up, http_client() as client:
        asked = asyncio.create_task(client.send(up.origin, HEAD, b"", replace(PATIENT, total=0.3), stream=False))
        line = await up.line()
        await line.receive(b"\r\n\r\n")
        await line.send(STREAM)
        async with dripping(line, b"data"):
            with pytest.raises(TimedOut) as raised:
                await asked
        assert raised.value.phase == "total"


async def test_what_is_no_stream_has_no_timer_but_connect_and_total() -> None:
    async with upstream() as up, http_client() as client:
        deadlines = replace(PATIENT, first_event=0.05, between_events=0.05)
        asked = asyncio.create_task(client.send(up.origin, HEAD, b"", deadlines, stream=False))
        line = await up.line()
        await line.receive(b"\r\n\r\n")
        await asyncio.sleep(0.3)
        await line.send(OK)
        assert await (await asked).read(10) == b"ok"


async def test_a_slow_reader_is_not_the_upstreams_silence() -> None:
    async with upstream() as up, http_client() as client:
        deadlines = replace(PATIENT, first_event=1)
        asked = asyncio.create_task(client.send(up.origin, HEAD, b"", deadlines, stream=True))
        line = await up.line()
        await line.receive(b"\r\n\r\n")
        await line.send(STREAM + b"4\r\ndata\r\n")
        answer = await asked
        await asyncio.sleep(1.2)
        assert await answer.next() == b"data"
        await line.send(chunked(b"more"))
        assert await answer.read(10) == b"more"


async def test_a_ping_that_is_unread_when_the_time_is_over_gives_little_more_of_it() -> None:
    async with upstream() as up, http_client() as client:
        deadlines = replace(PATIENT, first_event=0.2)
        asked = asyncio.create_task(client.send(up.origin, HEAD, b"", deadlines, stream=True))
        line = await up.line()
        await line.receive(b"\r\n\r\n")
        await line.send(STREAM + b"6\r\n: ping\r\n")
        answer = await asked
        await asyncio.sleep(0.6)  # nobody reads when the timer looks
        assert b": ping" in await answer.next()
        with pytest.raises(TimedOut) as raised:
            async with asyncio.timeout(10):
                await answer.next()
        assert raised.value.phase == "first_event"
