"""Connections that are reused, and requests that are sent again."""

import asyncio
import socket

import pytest
from tests.http.support import PATIENT, SOON, http_client, settle, upstream

from tokenharbor.http.client import Origin
from tokenharbor.http.message import BrokenAnswer

HEAD = b"POST /v1/x HTTP/1.1\r\nhost: up\r\n"


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


async def test_idle_connections_are_closed_after_a_while() -> None:
    async with upstream() as up, http_client(idle_seconds=0.05) as client:
        asked = asyncio.create_task(client.send(up.origin, HEAD, b"", PATIENT, stream=False))
        line = await up.line()
        await line.receive(b"\r\n\r\n")
        await line.send(OK)
        await asked
        assert await line.receive_all() == b""


async def test_no_more_connections_idle_than_may() -> None:
    async with upstream() as up, http_client(max_idle_per_origin=1) as client:
        asked = [asyncio.create_task(client.send(up.origin, HEAD, b"", PATIENT, stream=False)) for _ in range(2)]
        first, second = await up.line(), await up.line()
        for line in (first, second):
            await line.receive(b"\r\n\r\n")
            await line.send(OK)
        for task in asked:
            await task
        ends = [asyncio.create_task(line.receive_all()) for line in (first, second)]
        done, waiting = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED, timeout=SOON)
        assert (len(done), len(waiting)) == (1, 1)
        client.close()
        await asyncio.wait(ends, timeout=SOON)
        assert all(end.done() for end in ends)


# Stale connections


async def test_a_connection_closed_while_idle_is_not_used() -> None:
    async with upstream() as up, http_client() as client:
        for accepted in (1, 2, 3):
            asked = asyncio.create_task(client.send(up.origin, HEAD, b"", PATIENT, stream=False))
            line = await up.line()
            await line.receive(b"\r\n\r\n")
            await line.send(OK)
            assert await (await asked).read(10) == b"ok"
            line.writer.close()
            await asyncio.sleep(0.02)
            assert up.accepted == accepted


@pytest.mark.parametrize("size", [1, 3_000_000])
async def test_a_request_that_crossed_the_close_is_sent_again(size: int) -> None:
    """The upstream closes and we write before our loop notices it: no program there can have read the request."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        origin = Origin(*listener.getsockname())

        async def serve_once() -> socket.socket:
            line, _ = await loop.sock_accept(listener)
            while (await loop.sock_recv(line, 1 << 20))[-1:] != b"!":
                pass
            await loop.sock_sendall(line, OK)
            return line

        async with http_client() as client:
            serving_once = asyncio.create_task(serve_once())
            answer = await client.send(origin, HEAD, b"!", PATIENT, stream=False)
            assert await answer.read(10) == b"ok"
            line = await serving_once
            line.close()  # at once: the loop has no chance to see it before the next request is written
            serving_once = asyncio.create_task(serve_once())
            answer = await client.send(origin, HEAD, b"x" * size + b"!", PATIENT, stream=False)
            assert await answer.read(10) == b"ok"
            (await serving_once).close()


@pytest.mark.parametrize("reset", [True, False])
async def test_a_request_that_may_have_been_read_is_not_sent_again(reset: bool) -> None:
    async with upstream() as up, http_client() as client:
        asked = asyncio.create_task(client.send(up.origin, HEAD, b"1", PATIENT, stream=False))
        line = await up.line()
        await line.receive(b"\r\n\r\n1")
        await line.send(OK)
        await (await asked).read(10)
        asked = asyncio.create_task(client.send(up.origin, HEAD, b"2", PATIENT, stream=False))
        await line.receive(b"\r\n\r\n2")
        if reset:
            line.hang_up()
        else:
            line.writer.close()
        with pytest.raises(BrokenAnswer):
            await asked
        await settle()
        assert up.accepted == 1


async def test_a_get_is_sent_again() -> None:
    get = b"GET / HTTP/1.1\r\nhost: up\r\n"
    async with upstream() as up, http_client() as client:
        asked = asyncio.create_task(client.send(up.origin, get, b"", PATIENT, stream=False))
        line = await up.line()
        await line.receive(b"\r\n\r\n")
        await line.send(OK)
        await (await asked).read(10)
        asked = asyncio.create_task(client.send(up.origin, get, b"", PATIENT, stream=False))
        await line.receive(b"\r\n\r\n")
        line.writer.close()
        second = await up.line()
        await second.receive(b"\r\n\r\n")
        second.writer.close()  # and not a third time
        with pytest.raises(BrokenAnswer):
            await asked
