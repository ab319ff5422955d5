"""Proxying of an exchange to another server: how the console is served on the gateway's port."""

from tokenharbor.http.answer import HttpAnswer
from tokenharbor.http.client import Client
from tokenharbor.http.exchange import Exchange
from tokenharbor.http.message import BrokenAnswer, ConnectFailed, Deadlines, Headers, TimedOut
from tokenharbor.http.origin import Origin
from tokenharbor.kernel.errors import Unavailable

_HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"content-length",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
_OF_THE_REQUEST = frozenset({b"expect", b"host", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto"})
_OF_THE_ANSWER = frozenset({b"date"})


async def forward(exchange: Exchange, client: Client, origin: Origin, deadlines: Deadlines) -> None:
    """Pass one exchange to `origin` and stream the answer back. Raises Unavailable if it does not answer.

    Hop-by-hop headers are not passed on. `x-forwarded-for` is the client's address as the gateway knows it; host and
    protocol are those that the client, or a trusted proxy, sent. An answer that is cut is cut here, too.
    """
    body = await exchange.read_body()
    try:
        answer = await client.send(origin, _request_head(exchange), body, deadlines, stream=True)
    except (ConnectFailed, TimedOut, BrokenAnswer) as error:
        raise Unavailable("This part of the service is unavailable: try again shortly.", retry_after=1) from error
    try:
        await _relay(exchange, answer)
    finally:
        answer.close()


async def _relay(exchange: Exchange, answer: HttpAnswer) -> None:
    answer.decoder = None  # pass compressed bytes on: the client asked for the coding
    headers = _lines(_passing(answer.headers, _OF_THE_ANSWER))
    length = answer.header(b"content-length")
    if exchange.method == "HEAD" or answer.status in (204, 304):
        exchange.respond(answer.status, headers, b"", length=int(length or 0))
        return
    exchange.start(answer.status, headers, length=None if length is None else int(length))
    try:
        while data := await answer.next():
            answer.content_arrived()
            await exchange.write(data)
    except (TimedOut, BrokenAnswer):
        exchange.abort()
    else:
        exchange.end()


def _request_head(exchange: Exchange) -> bytes:
    method = "GET" if exchange.method == "HEAD" else exchange.method  # only the answer's head goes back
    target = f"{exchange.path}?{exchange.query}" if exchange.query else exchange.path
    trusted = exchange.behind_proxy
    host = exchange.header(b"host") or b""
    forwarded: Headers = [
        (b"host", host),
        (b"x-forwarded-for", exchange.peer.encode()),
        (b"x-forwarded-proto", (trusted and exchange.header(b"x-forwarded-proto")) or b"http"),
        (b"x-forwarded-host", (trusted and exchange.header(b"x-forwarded-host")) or host),
    ]
    passing = _passing(exchange.headers, _OF_THE_REQUEST)
    return f"{method} {target} HTTP/1.1\r\n".encode() + _lines(forwarded) + _lines(passing)


def _passing(headers: Headers, others: frozenset[bytes]) -> Headers:
    """Return the headers without those of one connection: the known ones, those that `connection`
    names, and `others`.
    """
    named = {
        token.strip(b" \t").lower() for name, value in headers if name == b"connection" for token in value.split(b",")
    }
    return [(name, value) for name, value in headers if name not in _HOP_BY_HOP | others | named]


def _lines(headers: Headers) -> bytes:
    return b"".join([b"%b: %b\r\n" % header for header in headers])
