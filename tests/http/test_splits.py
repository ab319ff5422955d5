"""Any split into segments reads the same, and any bytes get only valid HTTP as an answer."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.http.support import (
    DATE,
    PATIENT,
    MemoryTransport,
    chunked,
    cut,
    echo,
    make_server,
    places,
    post,
    refuse_with_code,
    settle,
)

from tokenharbor.http.client import Client, Origin
from tokenharbor.http.exchange import Exchange
from tokenharbor.http.message import BrokenAnswer, Headers, ServerLimits
from tokenharbor.http.upstream_connection import UpstreamConnection

calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy
bodies = st.binary(max_size=60)
REQUESTS = {
    b"GET /plain?q=1 HTTP/1.1\r\nHost: h\r\nAccept: */*\r\n\r\n": b"GET /plain q=1 ",
    post("/fixed", b"a body\r\n\r\nwith a blank line"): b"POST /fixed  a body\r\n\r\nwith a blank line",
    b"\r\nPOST /chunked HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    + chunked(b"GET /", b"x" * 40): b"POST /chunked  GET /" + b"x" * 40,
    post("/upgrade", b"offered", b"Connection: Upgrade\r\nUpgrade: h2c\r\n"): b"POST /upgrade  offered",
    b"HEAD /head HTTP/1.1\r\nHost: h\r\nX: a\r\nX: b\r\n\r\n": b"HEAD /head  ",
    b"OPTIONS /options HTTP/1.1\r\nHost: h\r\n\r\n": b"OPTIONS /options  ",
}
"""Each with what `echo` says to it."""

ENDINGS = (
    b"",
    b"GET / HTTP/1.0\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\nmore",
    b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
    b"GET /\xff HTTP/1.1\r\nHost: h\r\n\r\n",
)
ANSWERS = (
    b"HTTP/1.1 200 OK\r\nContent-Type: a\r\nContent-Length: 12\r\n\r\nHTTP/1.1 200",
    b"HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nTransfer-Encoding: chunked\r\nSet-Cookie: b\r\n\r\n"
    + chunked(b"one", b"two"),
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\none\r\n0\r\nContent-Type: late\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: 1\r\n\r\nto the end",
    b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nold",
    b"HTTP/1.1 429 Too Many\r\nRetry-After: 3\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
    b"HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx",
)
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"
INTERIM = (b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 2)


async def converse(
    pieces: Iterable[bytes], handler: Callable[[Exchange], Awaitable[None]] = echo
) -> tuple[bytes, bool]:
    """Return the server's bytes for these segments, and whether it closed the connection."""
    server = make_server(handler, refuse=refuse_with_code)  # a refusal's message may depend on the split
    transport = MemoryTransport(server.accept())
    for piece in pieces:
        transport.feed(piece)
        await settle()
    said, gone = bytes(transport.written), transport.finished or transport.closed
    transport.feed_eof()
    await settle()
    assert transport.closed
    assert server.connections == 0
    assert asyncio.all_tasks() == {asyncio.current_task()}
    return said, gone


def expect(said: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\n" + DATE + b"x-answer: 1\r\ncontent-length: %d\r\n\r\n" % len(said)
    return head if said.startswith(b"HEAD") else head + said


@calm
@given(st.lists(st.sampled_from(tuple(REQUESTS)), min_size=1, max_size=6), places)
def test_each_request_gets_its_answer(requests: list[bytes], at: list[int]) -> None:
    said, gone = asyncio.run(converse(cut(b"".join(requests), at)))
    assert said == b"".join(expect(REQUESTS[request]) for request in requests)
    assert not gone


@calm
@given(st.lists(st.sampled_from(tuple(REQUESTS)), max_size=4), st.sampled_from(ENDINGS), places)
def test_requests_are_the_same_however_they_are_cut(requests: list[bytes], ending: bytes, at: list[int]) -> None:
    data = b"".join(requests) + ending
    assert asyncio.run(converse(cut(data, at))) == asyncio.run(converse([data] if data else []))


@calm
@given(st.sampled_from((*ENDINGS[3:], *REQUESTS)))
def test_requests_byte_by_byte(data: bytes) -> None:
    assert asyncio.run(converse(cut(data, list(range(len(data)))))) == asyncio.run(converse([data]))


def mutate(data: bytes, edits: list[tuple[int, bytes, int]]) -> bytes:
    for where, new, dropped in edits:
        at = where % (len(data) + 1)
        data = data[:at] + new + data[at + dropped :]
    return data


FRAGMENTS = (
    *(b"\r\n", b"\n", b"\r", b" ", b":", b"\x00", b"\xff", b"\r\n\r\n", b"0\r\n\r\n", b"HTTP/1.1", b"HTTP/1.0"),
    *(b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: x\r\n", b"Connection: close\r\n"),
    *(
        b"Upgrade: websocket\r\n",
        b"Expect: 100-continue\r\n",
        b"GET / HTTP/1.1\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"ffffffff",
    ),
)
edits = st.lists(
    st.tuples(st.integers(0, 400), st.sampled_from(FRAGMENTS) | st.binary(max_size=4), st.integers(0, 8)), max_size=6
)


@calm
@given(st.lists(st.sampled_from((*REQUESTS, *ENDINGS)) | bodies, max_size=4), edits, places)
def test_no_bytes_make_the_server_fail(
    parts: list[bytes], changes: list[tuple[int, bytes, int]], at: list[int]
) -> None:
    crashes: list[Exception] = []

    async def scenario() -> bytes:
        server = make_server(
            echo, ServerLimits(headers=300, body=200), report_crash=lambda _path, error: crashes.append(error)
        )
        transport = MemoryTransport(server.accept())
        for piece in cut(mutate(b"".join(parts), changes), at):
            transport.feed(piece)
            await settle()
        said = bytes(transport.written)
        transport.feed_eof()
        await settle()
        assert server.connections == 0
        return said

    said = asyncio.run(scenario())
    assert crashes == []
    assert said == b"" or said.startswith(b"HTTP/1.1 ")


LENGTHS = (
    *(b"3", b"0", b"5", b"12", b"03", b"+3", b"3 ", b"3, 3", b"1_0", b"", b"-1", b"9" * 16, b"9" * 30),
    *(b"3\r\nX: 1", b"3\r\nContent-Length: 3", b"3\r\nTransfer-Encoding: chunked"),
    "\N{ARABIC-INDIC DIGIT THREE}".encode(),
)
HEADS = (
    b"POST /a?b=1 HTTP/1.1\r\nHost: h\r\nContent-Length: %b\r\nX: 3\r\n\r\n",
    b"POST /a HTTP/1.1\r\nX: 3\r\nhost: h\r\nCONTENT-LENGTH:  \t%b\t\r\n\r\n",
    b"PUT /3 HTTP/1.1\r\nX-Content-Length: 3\r\ncontent-length:%b\r\nHost: h\r\nUpgrade: h2c\r\n\r\n",
)


async def echo_all(exchange: Exchange) -> None:
    body = await exchange.read_body()
    said = f"{exchange.method} {exchange.path} {exchange.query} {exchange.headers}".encode()
    exchange.respond(200, b"", said + body)


@calm
@given(st.sampled_from(HEADS), st.sampled_from(LENGTHS), edits, st.booleans())
def test_a_head_like_the_one_before_is_read_as_if_it_came_first(
    head: bytes, length: bytes, changes: list[tuple[int, bytes, int]], mutated: bool
) -> None:
    """The remembered head must not let refused heads pass, nor change what is read."""
    first, second = head % b"3" + b"abc", head % length + b"abc"
    if mutated:
        second = mutate(second, changes)
    before, _ = asyncio.run(converse([first], echo_all))
    alone, gone = asyncio.run(converse([second] if second else [], echo_all))
    assert asyncio.run(converse([first, second] if second else [first], echo_all)) == (before + alone, gone)


class Stub:
    """A connection whose upstream sends given bytes after the request."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.pieces = list(pieces)
        self.transports: list[MemoryTransport] = []

    async def connect(self, _origin: Origin, protocol: Callable[[], UpstreamConnection]) -> UpstreamConnection:
        connection = protocol()
        self.transports.append(MemoryTransport(connection))
        return connection

    async def answer(self) -> None:
        await settle()
        for piece in self.pieces:
            self.transports[-1].feed(piece)
            await asyncio.sleep(0)
        self.transports[-1].feed_eof()


async def ask(pieces: Iterable[bytes], *, stream: bool) -> tuple[int, Headers, bytes] | str:
    stub = Stub(pieces)
    client = Client(connector=stub.connect)
    answering = asyncio.create_task(stub.answer())
    try:
        answer = await client.send(Origin("h", 1), b"POST / HTTP/1.1\r\nhost: h\r\n", b"..", PATIENT, stream=stream)
        return answer.status, answer.headers, await answer.read(1000)
    except BrokenAnswer:
        return "broken"
    finally:
        await answering
        client.close()
        await settle()


@calm
@given(st.sampled_from(ANSWERS), st.sampled_from(INTERIM), places, st.booleans())
def test_answers_are_the_same_however_they_are_cut(answer: bytes, interim: bytes, at: list[int], stream: bool) -> None:
    whole = asyncio.run(ask([answer], stream=stream))
    assert whole != "broken"
    assert asyncio.run(ask(cut(interim + answer, at), stream=stream)) == whole


@calm
@given(st.sampled_from(ANSWERS), st.integers(1, 200), st.booleans())
def test_an_answer_cut_short_is_never_a_whole_one(answer: bytes, missing: int, stream: bool) -> None:
    if b"to the end" in answer:
        return  # the connection's end ends it: unknown
    short = answer[:-missing]
    assert asyncio.run(ask([short] if short else [], stream=stream)) == "broken"


@calm
@given(st.sampled_from((*ANSWERS, SWITCH)) | bodies, edits, places, st.booleans())
def test_no_bytes_make_the_client_fail(
    answer: bytes, changes: list[tuple[int, bytes, int]], at: list[int], stream: bool
) -> None:
    read = asyncio.run(ask(cut(mutate(answer, changes), at), stream=stream))
    assert read == "broken" or isinstance(read, tuple)
