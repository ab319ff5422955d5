"""The client against all kinds of upstreams, over loopback."""

import asyncio
import contextlib
import gc
import ssl
from pathlib import Path

import pytest
from tests.http.support import PATIENT, SOON, chunked, echo, http_client, serving, settle, upstream

from tokenharbor.http.client import Client, HttpAnswer, Origin, connect_by_sockets
from tokenharbor.http.exchange import Exchange
from tokenharbor.http.message import AnswerTooLarge, BrokenAnswer, ConnectFailed

HEAD = b"POST /v1/x HTTP/1.1\r\nhost: up\r\n"


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


async def test_a_request_is_one_write_with_its_length() -> None:
    async with upstream() as up, http_client() as client:
        asked = asyncio.create_task(client.send(up.origin, HEAD, b"body", PATIENT, stream=False))
        line = await up.line()
        assert await line.receive(b"body") == HEAD + b"content-length: 4\r\n\r\nbody"
        await line.send(OK)
        answer = await asked
        assert (answer.status, answer.header(b"content-length"), await answer.read(10)) == (200, b"2", b"ok")
        assert answer.headers == [(b"content-length", b"2")]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_request_without_a_body_has_no_length(method: str) -> None:
    async with upstream() as up, http_client() as client:
        head = f"{method} / HTTP/1.1\r\nhost: up\r\n".encode()
        asked = asyncio.create_task(client.send(up.origin, head, b"", PATIENT, stream=False))
        line = await up.line()
        assert await line.receive(b"\r\n\r\n") == head + b"\r\n"
        await line.send(OK)
        assert await (await asked).read(10) == (b"ok" if method == "GET" else b"")


async def test_a_connection_is_used_again() -> None:
    async with upstream() as up, http_client() as client:
        asked = asyncio.create_task(client.send(up.origin, HEAD, b"", PATIENT, stream=False))
        line = await up.line()
        for _ in range(3):
            await line.receive(b"\r\n\r\n")
            await line.send(OK)
            assert await (await asked).read(10) == b"ok"
            asked = asyncio.create_task(client.send(up.origin, HEAD, b"", PATIENT, stream=True))
        await line.receive(b"\r\n\r\n")
        await line.send(STREAM + chunked(b"a", b"b"))
        assert await (await asked).read(10) == b"ab"
        assert up.accepted == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        OK + b"HTTP/1.1 200 OK\r\n",
        OK + b"x",
    ],
)
async def test_a_connection_that_may_not_stay_is_not_used_again(answer: bytes) -> None:
    async with upstream() as up, http_client() as client:
        for accepted in (1, 2):
            asked = asyncio.create_task(client.send(up.origin, HEAD, b"", PATIENT, stream=False))
            line = await up.line()
            await line.receive(b"\r\n\r\n")
            await line.send(answer)
            assert await (await asked).read(10) == b"ok"
            assert up.accepted == accepted


async def test_a_connection_with_an_unsent_request_is_not_used_again() -> None:
    async with upstream() as up, http_client() as client:
        asked = asyncio.create_task(client.send(up.origin, HEAD, b"x" * (16 << 20), PATIENT, stream=False))
        line = await up.line()
        await line.receive(b"\r\n\r\n")
        await line.send(OK)  # early: most of the request is still being sent
        assert await (await asked).read(10) == b"ok"
        asked = asyncio.create_task(client.send(up.origin, HEAD, b"", PATIENT, stream=False))
        second = await up.line()
        assert await second.receive(b"\r\n\r\n") == HEAD + b"content-length: 0\r\n\r\n"
        await second.send(OK)
        assert await (await asked).read(10) == b"ok"


async def test_what_comes_unasked_is_no_answer_to_the_next_request() -> None:
    async with upstream() as up, http_client() as client:
        asked = asyncio.create_task(client.send(up.origin, HEAD, b"", PATIENT, stream=False))
        line = await up.line()
        await line.receive(b"\r\n\r\n")
        await line.send(OK)
        await (await asked).read(10)
        await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfalse")
        assert await line.receive_all() == b""
        asked = asyncio.create_task(client.send(up.origin, HEAD, b"", PATIENT, stream=False))
        second = await up.line()
        await second.receive(b"\r\n\r\n")
        await second.send(OK)
        assert await (await asked).read(10) == b"ok"


async def test_pieces_come_as_they_are_sent() -> None:
    async with upstream() as up, http_client() as client:
        asked = asyncio.create_task(client.send(up.origin, HEAD, b"", PATIENT, stream=True))
        line = await up.line()
        await line.receive(b"\r\n\r\n")
        await line.send(STREAM)
        answer = await asked
        assert answer.header(b"content-type") == b"text/event-stream"
        for piece in (b"one", b"two"):
            await line.send(b"%x\r\n%b\r\n" % (len(piece), piece))
            assert await answer.next() == piece
        await line.send(b"0\r\n\r\n")
        assert await answer.next() == b""
        assert await answer.next() == b""


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfour",
        STREAM + b"5\r\nfour",
        STREAM + b"4\r\nfour\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nzip",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        STREAM + b"zz\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000,
        b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
        b"HTTP/1.1 102 Processing\r\n\r\n" * 20 + OK,
        b"HTTP/2 200\r\n\r\n",
        b"220 smtp ready\r\n",
        b"\x15\x03\x01\x00\x02\x02",
    ],
)
async def test_what_is_no_whole_answer_is_broken(answer: bytes) -> None:
    for stream in (True, False):
        async with upstream() as up, http_client() as client:
            asked = asyncio.create_task(client.send(up.origin, HEAD, b"", PATIENT, stream=stream))
            line = await up.line()
            await line.receive(b"\r\n\r\n")
            await line.send(answer)
            line.writer.write_eof()
            with pytest.raises(BrokenAnswer):
                await (await asked).read(1000)
            assert up.accepted == 1, stream  # never sent again


async def test_a_reset_in_the_middle_is_broken_after_what_had_come() -> None:
    async with upstream() as up, http_client() as client:
        asked = asyncio.create_task(client.send(up.origin, HEAD, b"", PATIENT, stream=True))
        line = await up.line()
        await line.receive(b"\r\n\r\n")
        await line.send(STREAM + b"4\r\nhalf\r\n")
        answer = await asked
        assert await answer.next() == b"half"
        line.hang_up()
        with pytest.raises(BrokenAnswer):
            await answer.next()


async def test_a_broken_answer_leaves_nothing_to_the_collector() -> None:
    """Garbage collection is rare, and until then such an answer would keep all its buffers."""
    gc.collect()
    gc.disable()
    try:
        for stream in (True, False):
            async with upstream() as up, http_client() as client:
                asked = asyncio.create_task(client.send(up.origin, HEAD, b"", PATIENT, stream=stream))
                line = await up.line()
                await line.receive(b"\r\n\r\n")
                await line.send(STREAM + b"4\r\nhalf\r\n")
                if stream:
                    assert await (await asked).next() == b"half"
                line.hang_up()
                with pytest.raises(BrokenAnswer):
                    await (await asked).next()
                del asked
            assert not any(isinstance(each, HttpAnswer | BrokenAnswer) for each in gc.get_objects()), stream
    finally:
        gc.enable()


async def test_a_long_answer_is_bounded() -> None:
    async with upstream() as up, http_client() as client:
        asked = asyncio.create_task(client.send(up.origin, HEAD, b"", PATIENT, stream=False))
        line = await up.line()
        await line.receive(b"\r\n\r\n")
        saying = asyncio.create_task(
            line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n" + b"x" * 50_000_000)
        )
        with pytest.raises(AnswerTooLarge):
            await (await asked).read(1_000_000)
        with pytest.raises(ConnectionError):
            await saying


async def test_a_long_answer_within_the_limit_is_read_whole() -> None:
    body = bytes(range(256)) * 20_000
    async with upstream() as up, http_client() as client:
        asked = asyncio.create_task(client.send(up.origin, HEAD, b"", PATIENT, stream=False))
        line = await up.line()
        await line.receive(b"\r\n\r\n")
        saying = asyncio.create_task(line.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body))
        assert await (await asked).read(len(body)) == body
        await saying


async def test_a_fast_upstream_waits_for_a_slow_reader() -> None:
    async with upstream() as up, http_client() as client:
        asked = asyncio.create_task(client.send(up.origin, HEAD, b"", PATIENT, stream=True))
        line = await up.line()
        await line.receive(b"\r\n\r\n")
        chunk, count = b"x" * 65_536, 400
        saying = asyncio.create_task(line.send(STREAM + chunked(*[chunk] * count)))
        answer = await asked
        before = -1
        while before != answer.unread:
            before = answer.unread
            await asyncio.sleep(0.05)
        assert not saying.done()
        assert answer.unread <= 768 << 10
        assert await answer.read(100_000_000) == chunk * count
        await saying


@pytest.mark.parametrize("how", ["close", "cancel"])
async def test_giving_up_is_seen_by_the_upstream_at_once(how: str) -> None:
    async with upstream() as up, http_client() as client:
        asked = asyncio.create_task(client.send(up.origin, HEAD, b"", PATIENT, stream=True))
        line = await up.line()
        await line.receive(b"\r\n\r\n")
        if how == "cancel":
            asked.cancel()
        else:
            await line.send(STREAM)
            (await asked).close()
        assert await line.receive_all() == b""


async def test_a_client_that_hangs_up_is_passed_upstream() -> None:
    async with upstream() as up, http_client() as client:

        async def relay(exchange: Exchange) -> None:
            answer = await client.send(up.origin, HEAD, b"", PATIENT, stream=True)
            try:
                exchange.start(answer.status, b"")
                while data := await answer.next():
                    await exchange.write(data)
                exchange.end()
            finally:
                answer.close()

        async with serving(relay) as origin:
            reader, writer = await asyncio.open_connection(origin.host, origin.port)
            writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            line = await up.line()
            await line.receive(b"\r\n\r\n")
            await line.send(STREAM + b"4\r\nhalf\r\n")
            async with asyncio.timeout(SOON):
                await reader.readuntil(b"half\r\n")
            writer.close()
            assert await line.receive_all() == b""


async def test_no_listener_is_a_failed_connection() -> None:
    async with upstream() as up, http_client() as client:
        pass
    async with http_client() as client:
        with pytest.raises(ConnectFailed):
            await client.send(up.origin, HEAD, b"", PATIENT, stream=False)
        with pytest.raises(ConnectFailed):
            await client.send(Origin("no-such-host.invalid", 80), HEAD, b"", PATIENT, stream=False)


# Other transports


async def test_a_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "s")

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await writer.drain()
        writer.close()

    listener = await asyncio.start_unix_server(accept, path)
    async with http_client() as client:
        answer = await client.send(Origin("localhost", 80, unix=path), HEAD, b"", PATIENT, stream=False)
        assert await answer.read(10) == b"ok"
    listener.close()


async def test_tls_is_verified(tls: tuple[ssl.SSLContext, str]) -> None:
    context, authority = tls

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):  # a client that does not trust the server sends nothing
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK)
            await writer.drain()
        writer.close()

    listener = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    port = listener.sockets[0].getsockname()[1]
    async with http_client(connector=connect_by_sockets(authority)) as client:
        answer = await client.send(Origin("localhost", port, tls=True), HEAD, b"", PATIENT, stream=False)
        assert await answer.read(10) == b"ok"
        with pytest.raises(ConnectFailed):  # the certificate is another host's
            await client.send(Origin("127.0.0.1", port, tls=True), HEAD, b"", PATIENT, stream=False)
    async with http_client() as client:
        with pytest.raises(ConnectFailed):  # no authority signed it
            await client.send(Origin("localhost", port, tls=True), HEAD, b"", PATIENT, stream=False)
    listener.close()
    await settle()


async def test_server_and_client_understand_each_other() -> None:
    async with serving(echo) as origin, http_client() as client:
        bodies = [b"x" * size for size in (0, 1, 2048, 65_536, 300_000, 3_000_000)] * 3

        async def ask(body: bytes) -> bytes:
            answer = await client.send(origin, HEAD, body, PATIENT, stream=len(body) % 2 == 0)
            return await answer.read(10_000_000)

        assert await asyncio.gather(*map(ask, bodies)) == [b"POST /v1/x  " + body for body in bodies]


async def test_a_client_needs_a_loop_and_leaves_nothing_behind() -> None:
    client = Client()
    client.close()
    assert client.sweeper.due == float("inf")
