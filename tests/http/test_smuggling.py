"""Requests that two readers could interpret as different requests: each is refused and its connection closed, or read
in the only safe way. The refused ones are followed by a request that must never be served.
"""

import pytest
from tests.http.support import MemoryTransport, chunked, echo, make_server, post, raw_client, serving, settle

from tokenharbor.http.exchange import Exchange

H = b"POST /outer HTTP/1.1\r\nHost: h\r\n"
HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n"

REFUSED = {
    "length beside chunked": H + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked beside length": H + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "two lengths that agree": H + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "two lengths that differ": H + b"Content-Length: 3\r\nContent-Length: 5\r\n\r\nabc",
    "two lengths in one line": H + b"Content-Length: 3, 3\r\n\r\nabc",
    "a negative length": H + b"Content-Length: -3\r\n\r\nabc",
    "a length with a sign": H + b"Content-Length: +3\r\n\r\nabc",
    "a length in hexadecimal": H + b"Content-Length: 0x3\r\n\r\nabc",
    "a length with an underscore": H + b"Content-Length: 1_0\r\n\r\nabcabcabca",
    "a length of other digits": H + "Content-Length: ٣\r\n\r\nabc".encode(),
    "a length that overflows 64 bits": H + b"Content-Length: 18446744073709551619\r\n\r\nabc",
    "an empty length": H + b"Content-Length:\r\n\r\n",
    "a length with a space inside": H + b"Content-Length: 3 3\r\n\r\nabc",
    "an encoding other than chunked": H + b"Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
    "an encoding before chunked": H + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "an encoding after chunked": H + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "identity": H + b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "chunked twice": H + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked in two lines": H + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and identity": H + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "almost chunked": H + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "quoted chunked": H + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "chunked with a parameter": H + b"Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
    "chunked after a vertical tab": H + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "an empty encoding": H + b"Transfer-Encoding:\r\n\r\n",
    "chunked in HTTP/1.0": b"POST /outer HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a folded encoding": H + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "a folded header": H + b"X: a\r\n b\r\n\r\n",
    "a folded header with a tab": H + b"X: a\r\n\tContent-Length: 3\r\n\r\n",
    "a space before the colon": H + b"Content-Length : 3\r\n\r\nabc",
    "a tab before the colon": H + b"Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n",
    "a space before the first header": b"POST /outer HTTP/1.1\r\n Host: h\r\n\r\n",
    "a header without a colon": H + b"Content-Length\r\n\r\n",
    "a header without a name": H + b": 3\r\n\r\n",
    "a header name with a parenthesis": H + b"X(y): 3\r\n\r\n",
    "a NUL in a value": H + b"X: a\x00b\r\n\r\n",
    "a NUL in a name": H + b"X\x00: b\r\n\r\n",
    "a control character in a value": H + b"X: a\x01b\r\n\r\n",
    "lines that end in LF": b"GET /outer HTTP/1.1\nHost: h\n\n",
    "one header that ends in LF": H + b"X: a\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a blank line that ends in LF": H + b"X: a\r\n\n",
    "lines that end in CR": b"GET /outer HTTP/1.1\rHost: h\r\r",
    "a CR inside a value": H + b"X: a\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "no host": b"GET /outer HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /outer HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "two spaces in the request line": b"GET  /outer HTTP/1.1\r\nHost: h\r\n\r\n",
    "a tab in the request line": b"GET\t/outer\tHTTP/1.1\r\nHost: h\r\n\r\n",
    "a space in the path": b"GET /out er HTTP/1.1\r\nHost: h\r\n\r\n",
    "a space after the version": b"GET /outer HTTP/1.1 \r\nHost: h\r\n\r\n",
    "a space before the method": b" GET /outer HTTP/1.1\r\nHost: h\r\n\r\n",
    "a method in lower case": b"get /outer HTTP/1.1\r\nHost: h\r\n\r\n",
    "bytes outside ASCII in the path": "GET /öuter HTTP/1.1\r\nHost: h\r\n\r\n".encode(),
    "a NUL in the path": b"GET /out\x00er HTTP/1.1\r\nHost: h\r\n\r\n",
    "a fragment": b"GET /outer#x HTTP/1.1\r\nHost: h\r\n\r\n",
    "an authority": b"CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n",
    "an authority for another method": b"GET h:443 HTTP/1.1\r\nHost: h\r\n\r\n",
    "an absolute target without a host": b"GET http:///outer HTTP/1.1\r\nHost: h\r\n\r\n",
    "an absolute target with a port alone": b"GET http://:80/outer HTTP/1.1\r\nHost: h\r\n\r\n",
    "an absolute target with a user": b"GET http://a@h/outer HTTP/1.1\r\nHost: h\r\n\r\n",
    "an absolute target with a port that is none": b"GET http://h:x/outer HTTP/1.1\r\nHost: h\r\n\r\n",
    "another scheme": b"GET ftp://h/outer HTTP/1.1\r\nHost: h\r\n\r\n",
    "an asterisk for another method": b"GET * HTTP/1.1\r\nHost: h\r\n\r\n",
    "HTTP/0.9": b"GET /outer\r\n",
    "HTTP/0.9 with a version": b"GET /outer HTTP/0.9\r\nHost: h\r\n\r\n",
    "HTTP/1.2": b"GET /outer HTTP/1.2\r\nHost: h\r\n\r\n",
    "HTTP/2": b"GET /outer HTTP/2.0\r\nHost: h\r\n\r\n",
    "HTTP/2's preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "RTSP": b"OPTIONS * RTSP/1.0\r\nHost: h\r\n\r\n",
    "ICE": b"SOURCE /outer ICE/1.0\r\nHost: h\r\n\r\n",
}

CHUNKED = H + b"Transfer-Encoding: chunked\r\n\r\n"
BAD_CHUNKS = {
    "a size with a sign": b"+3\r\nabc\r\n0\r\n\r\n",
    "a negative size": b"-3\r\nabc\r\n0\r\n\r\n",
    "a size with 0x": b"0x3\r\nabc\r\n0\r\n\r\n",
    "a size with an underscore": b"1_0\r\nabc\r\n0\r\n\r\n",
    "no size": b"\r\nabc\r\n0\r\n\r\n",
    "a size that is no number": b"three\r\nabc\r\n0\r\n\r\n",
    "a space before the size": b" 3\r\nabc\r\n0\r\n\r\n",
    "a space after the size": b"3 \r\nabc\r\n0\r\n\r\n",
    "a size that overflows 64 bits": b"10000000000000003\r\nabc\r\n0\r\n\r\n",
    "a size line that ends in LF": b"3\nabc\r\n0\r\n\r\n",
    "a size line with a CR inside": b"3;a\rb\r\nabc\r\n0\r\n\r\n",
    "a chunk longer than its size": b"3\r\nabcd\r\n0\r\n\r\n",
    "a chunk that ends in LF": b"3\r\nabc\n0\r\n\r\n",
    "a chunk without its end": b"3\r\nabc0\r\n\r\n",
    "trailers whose lines end in LF": b"0\r\nX: a\n\r\n",
    "an endless extension": b"3;" + b"a" * 5000 + b"\r\nabc\r\n0\r\n\r\n",
    "endless trailers": b"0\r\n" + b"X: a\r\n" * 5000 + b"\r\n",
    "a NUL in an extension": b"3;\x00\r\nabc\r\n0\r\n\r\n",
}

SERVED = {
    "an absolute target": (b"GET http://other/in/ner?a=b HTTP/1.1\r\nHost: h\r\n\r\n", "/in/ner", "a=b", b""),
    "an absolute target without a path": (b"GET http://other?a HTTP/1.1\r\nHost: h\r\n\r\n", "/", "a", b""),
    "an asterisk for OPTIONS": (b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", "*", "", b""),
    "blank lines before": (b"\r\n\r\nGET /inner HTTP/1.1\r\nHost: h\r\n\r\n", "/inner", "", b""),
    "two slashes": (b"GET //inner HTTP/1.1\r\nHost: h\r\n\r\n", "//inner", "", b""),
    "percent signs": (b"GET /a%2Fb%00 HTTP/1.1\r\nHost: h\r\n\r\n", "/a%2Fb%00", "", b""),
    "a length with spaces around": (
        b"POST /inner HTTP/1.1\r\nHost: h\r\nContent-Length:  3 \r\n\r\nabc",
        "/inner",
        "",
        b"abc",
    ),
    "chunked in capitals": (
        b"POST /inner HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: CHUNKED\r\n\r\n" + chunked(b"abc"),
        "/inner",
        "",
        b"abc",
    ),
    "extensions and trailers": (
        CHUNKED.replace(b"outer", b"inner") + b'3;a=b;c="d e"\r\nabc\r\n000\r\nContent-Length: 9\r\nHost: x\r\n\r\n',
        "/inner",
        "",
        b"abc",
    ),
    "a body that looks like a request": (post("/inner", HIDDEN), "/inner", "", HIDDEN),
}


class Seen:
    """The requests that reached the handler."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, bytes]] = []

    async def handle(self, exchange: Exchange) -> None:
        self.requests.append((exchange.path, exchange.query, await exchange.read_body()))
        assert exchange.header(b"host") in (b"h", b"harbor")
        exchange.respond(200, b"", b"")


async def offer(*pieces: bytes) -> tuple[Seen, MemoryTransport]:
    seen = Seen()
    transport = MemoryTransport(make_server(seen.handle).accept())
    for piece in pieces:
        transport.feed(piece)
        await settle()
    return seen, transport


@pytest.mark.parametrize("shape", REFUSED)
async def test_is_refused(shape: str) -> None:
    for pieces in ([REFUSED[shape] + HIDDEN], [REFUSED[shape], HIDDEN]):
        seen, transport = await offer(*pieces)
        assert seen.requests == [], pieces
        assert transport.written.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 405 ")), pieces
        assert transport.written.count(b"\r\ndate: ") == 1, pieces
        assert b"\r\nconnection: close\r\n" in transport.written, pieces
        assert transport.finished, pieces


@pytest.mark.parametrize("shape", BAD_CHUNKS)
async def test_chunks_are_refused(shape: str) -> None:
    body = BAD_CHUNKS[shape] + HIDDEN
    for pieces in ([CHUNKED + body], [CHUNKED, body]):
        seen, transport = await offer(*pieces)
        assert seen.requests == [], pieces
        assert transport.written.startswith(b"HTTP/1.1 400 "), pieces
        assert transport.written.count(b"\r\ndate: ") == 1, pieces
        assert transport.finished, pieces


@pytest.mark.parametrize("shape", SERVED)
async def test_is_read_in_the_one_safe_way(shape: str) -> None:
    request, path, query, body = SERVED[shape]
    after = b"GET /after HTTP/1.1\r\nHost: h\r\n\r\n"
    seen, transport = await offer(request + after)
    assert seen.requests == [(path, query, body), ("/after", "", b"")]
    assert not transport.finished


@pytest.mark.parametrize(
    "host",
    [
        "a b",
        "a/b",
        "a@b",
        "a,b:x",
        "a:99999",
        "a:80:80",
        "[::1",
        "::1",
        "[::1]x",
        "a%zz",
        "<a>",
        'a"b',
        "a\\b",
        "h\xe4",
        "[x]",
    ],
)
async def test_a_host_that_is_none_is_refused(host: str) -> None:
    async with serving(echo) as origin, raw_client(origin) as raw:
        await raw.send(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode("latin-1"))
        assert (await raw.receive_answer())[0] == 400


@pytest.mark.parametrize(
    "host", ["harbor", "a.b:80", "127.0.0.1:8080", "[::1]:80", "[::1]", "a_b", "", "xn--a-", "a%20b"]
)
async def test_a_host_passes(host: str) -> None:
    async with serving(echo) as origin, raw_client(origin) as raw:
        await raw.send(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert (await raw.receive_answer())[0] == 200


@pytest.mark.parametrize(
    "trailer", [b"a\x00b: 1", b"a b: 1", b"a: \x00", b": 1", b"a", b" a: 1", b"a\x7f: 1", b"a\tb: 1"]
)
async def test_a_trailer_that_is_none_is_refused(trailer: bytes) -> None:
    async with serving(echo) as origin, raw_client(origin) as raw:
        head = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
        await raw.send(head + b"1\r\nx\r\n0\r\nfine: yes\r\n" + trailer + b"\r\n\r\n")
        assert (await raw.receive_answer())[0] == 400
