"""Bodies in pieces: read as they come, sent as fast as they are read, never held whole."""

import asyncio

import pytest
from tests.http.support import (
    PATIENT,
    MemoryTransport,
    chunked,
    http_client,
    make_server,
    serving,
    settle,
    until,
    upstream,
)

from tokenharbor.http.client import Upload
from tokenharbor.http.exchange import Exchange
from tokenharbor.http.message import BrokenAnswer, ServerLimits
from tokenharbor.kernel.errors import InvalidRequest

HEAD = b"POST /v1/x HTTP/1.1\r\nhost: up\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SEGMENT = 65_536


async def take_all(exchange: Exchange) -> None:
    pieces = []
    while piece := await exchange.read_piece():
        pieces.append(piece)
    assert await exchange.read_piece() == b""
    exchange.respond(200, b"", b"".join(pieces))


def pieces_of(*pieces: bytes, length: int | None = None) -> Upload:
    rest = list(pieces[1:])

    async def more() -> bytes:
        await asyncio.sleep(0)
        return rest.pop(0) if rest else b""

    return Upload(pieces[0], more, length)


@pytest.mark.parametrize("length", [5, None])
async def test_what_is_sent_in_pieces_arrives_whole(length: int | None) -> None:
    async with serving(take_all) as origin, http_client() as client:
        for _ in range(2):
            head = HEAD.replace(b"up", origin.authority.encode())
            answer = await client.upload(origin, head, pieces_of(b"ab", b"c", b"de", length=length), PATIENT)
            assert (answer.status, await answer.read(10)) == (200, b"abcde")


async def test_a_body_waits_in_the_socket_until_it_is_wanted() -> None:
    wanted = asyncio.Event()
    taken = 0

    async def slow(exchange: Exchange) -> None:
        nonlocal taken
        await wanted.wait()
        while piece := await exchange.read_piece():
            taken += len(piece)
            wanted.clear()
            await wanted.wait()
        exchange.respond(200, b"", b"done")

    server = make_server(slow, ServerLimits(body=10 * SEGMENT))
    transport = MemoryTransport(server.accept())
    transport.feed(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % (8 * SEGMENT))
    fed = 0
    while fed < 8 * SEGMENT:
        if transport.reading:
            transport.feed(bytes(SEGMENT))
            fed += SEGMENT
            assert fed - taken <= 3 * SEGMENT, "what is not wanted is not taken"
        else:
            wanted.set()
        await asyncio.sleep(0)
    for _ in range(50):
        wanted.set()
        await asyncio.sleep(0)
    await until(lambda: b"done" in transport.written)
    assert taken == 8 * SEGMENT
    assert server._shared.buffered == 0, "nothing of it was held"


async def test_a_body_in_pieces_is_bounded_like_any() -> None:
    async with serving(take_all, limits=ServerLimits(body=10)) as origin, http_client() as client:
        for length in (11, None):
            head = HEAD.replace(b"up", origin.authority.encode())
            answer = await client.upload(origin, head, pieces_of(b"x" * 6, b"x" * 5, length=length), PATIENT)
            assert answer.status == 413


async def test_the_sender_waits_for_a_slow_upstream() -> None:
    sent = 0

    async def more() -> bytes:
        nonlocal sent
        sent += 1
        return bytes(SEGMENT) if sent <= 1_000 else b""

    async with upstream() as up, http_client() as client:
        asked = asyncio.create_task(client.upload(up.origin, HEAD, Upload(b"", more, 1_000 * SEGMENT), PATIENT))
        line = await up.line()
        await line.receive(b"\r\n\r\n")
        last = -1
        while sent != last:
            last = sent
            await settle()
        assert sent < 900, "most of it is still with the sender"
        asked.cancel()


async def test_an_early_answer_ends_the_sending_and_the_connection() -> None:
    more = asyncio.Event()

    async def next_piece() -> bytes:
        await more.wait()
        return b"x" * 10

    async with upstream() as up, http_client() as client:
        asked = asyncio.create_task(client.upload(up.origin, HEAD, Upload(b"ab", next_piece, 100), PATIENT))
        line = await up.line()
        await line.receive(b"ab")
        await line.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        await settle()
        more.set()
        answer = await asked
        assert (answer.status, await answer.read(10)) == (413, b"no")
        again = asyncio.create_task(client.send(up.origin, HEAD, b"", PATIENT, stream=False))
        await (await up.line()).send(OK)
        assert (await again).status == 200
        assert up.accepted == 2, "a connection with half a request on it is not used again"


async def test_what_goes_wrong_with_the_pieces_ends_the_request() -> None:
    async def fail() -> bytes:
        raise InvalidRequest("the second half is wrong")

    async with upstream() as up, http_client() as client:
        asked = asyncio.create_task(client.upload(up.origin, HEAD, Upload(b"ab", fail, 100), PATIENT))
        with pytest.raises(InvalidRequest):
            await asked


async def test_an_upstream_that_goes_away_ends_the_sending() -> None:
    async def more() -> bytes:
        await asyncio.sleep(0)
        return bytes(SEGMENT)

    async with upstream() as up, http_client() as client:
        asked = asyncio.create_task(client.upload(up.origin, HEAD, Upload(b"", more, 10**9), PATIENT))
        line = await up.line()
        await line.receive(b"\r\n\r\n")
        line.writer.transport.abort()
        with pytest.raises(BrokenAnswer):
            await asked


async def test_a_chunked_body_comes_in_pieces_too() -> None:
    async with serving(take_all) as origin:
        reader, writer = await asyncio.open_connection(origin.host, origin.port)
        writer.write(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"ab", b"cd"))
        assert (await reader.readuntil(b"abcd")).startswith(b"HTTP/1.1 200")
        writer.close()
