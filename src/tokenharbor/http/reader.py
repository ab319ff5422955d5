"""Reader of one client's bytes into requests, one at a time; without socket, clock or await."""

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from tokenharbor.http.body import Body, ChunkedBody, FixedBody
from tokenharbor.http.exchange import Exchange, ExchangeConnection
from tokenharbor.http.head import END, HeaderMap, KnownHead, has_token, is_chunked
from tokenharbor.http.server_state import ServerState
from tokenharbor.kernel.errors import (
    InvalidRequest,
    Refusal,
    RequestTooLarge,
    UnsupportedEncoding,
    UpgradeRequired,
)


class RequestReader:
    """Reads requests. llhttp reads the heads and gets exactly the bytes of one message, so it never runs into the next.
    Bodies are framed here: after a refusal, the start of the next request is never guessed.
    """

    __slots__ = (
        "_fed",
        "_follows",
        "_headers",
        "_known",
        "_largest_body",
        "_parser",
        "_shared",
        "body",
        "expects_continue",
        "rest",
    )

    def __init__(self, shared: ServerState) -> None:
        self.rest = b""  # an incomplete head, or bytes after the current request
        self.body: Body | None = None  # a body that did not come completely with its head
        self.expects_continue = False  # the sender of that body waits for 100 Continue
        self._shared = shared
        self._parser = HttpRequestParser(self)
        self._headers: HeaderMap = {}
        self._known: KnownHead | None = None  # the last head, if it can be compared
        self._fed = 0  # bytes of the incomplete head that the parser has seen
        self._follows = True  # the parser also gets the bytes that `body` takes
        self._largest_body = shared.limits.body

    def begin(self, line: ExchangeConnection, data: bytes) -> Exchange | None:
        """Read a request; None while its head is incomplete. Raises Refusal, after which the reader is finished.

        `data` must start where the request does: prepend `rest` to new bytes. A complete body goes to the exchange;
        otherwise `body` takes the next bytes. Bytes after the request go to `rest`.
        """
        fed, known = self._fed, self._known
        end = data.find(END) + 4
        if end < 4:
            self._hold(data.lstrip(b"\r\n"), fed)
            return None
        raw = data[:end]
        headers = None if known is None or fed else known.headers_of(raw)
        if known is not None and headers is not None:  # the parser saw nothing of it and need not see its body
            exchange, follows = Exchange(line, known.request_line, headers), False
        elif data[0] in b"\r\n":  # RFC 9112: blank lines before a request are ignored
            return self.begin(line, data.lstrip(b"\r\n"))
        else:
            exchange, headers, follows = self._read_head(line, raw, fed)
        stop = end + int(headers.get(b"content-length", 0))
        if stop > len(data) or stop - end > self._largest_body or b"transfer-encoding" in headers:
            self._take_body(exchange, headers, data[end:], follows=follows)
            return exchange
        exchange.body = body = data[end:stop]
        self.rest = data[stop:]
        if body and follows:
            self._parser.feed_data(body)
        return exchange

    def path_of(self, data: bytes) -> str:
        """Return the path of the request that these bytes begin, "" if unknown; for refusals."""
        data = data.lstrip(b"\r\n")
        try:
            return self._shared.read_request_line(data)[1] if b"\r\n" in data else ""
        except Refusal:
            return ""

    def feed_body(self, body: Body, data: bytes) -> None:
        """Add bytes of the current request. Raises InvalidRequest."""
        used = body.feed(data)
        if self._follows:
            self._parser.feed_data(data[:used])
        self.rest += data[used:]

    def close(self) -> None:
        """Free the parser: it and its reader reference each other."""
        del self._parser

    # Called by the parser

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        headers = self._headers
        if name in headers:
            value = headers[name] + b"\n" + value
            if value.count(b"\n") >= self._shared.limits.header_count:
                raise RequestTooLarge("The request has too many headers, or they are too long.")
        headers[name] = value

    # Heads

    def _read_head(self, line: ExchangeConnection, raw: bytes, fed: int) -> tuple[Exchange, HeaderMap, bool]:
        """Read a head of which the parser has seen `fed` bytes; return also whether the parser must see the body."""
        request_line = self._shared.request_lines.get(raw[: raw.find(b"\r")])
        if request_line is None:
            request_line = self._shared.read_request_line(raw)
        headers, follows = self._headers, True
        try:
            self._parser.feed_data(raw[fed:] if fed else raw)
        except (HttpParserError, HttpParserUpgrade) as error:
            self._explain(error)
            follows = False
        self._fed = 0
        self._headers = {}
        exchange = Exchange(line, request_line, headers)
        self._check(exchange, headers, len(raw))
        self._known = KnownHead.of(raw, request_line, headers) if exchange.keep_alive else None
        return exchange, headers, follows

    def _hold(self, data: bytes, fed: int) -> None:
        """Hold an incomplete head; its bytes are checked now, so that invalid ones do not wait for its end."""
        limits = self._shared.limits
        end = data.find(b"\r\n")
        if len(data) > limits.headers or (end < 0 and len(data) > limits.request_line):
            raise RequestTooLarge("The request has too many headers, or they are too long.")
        if end >= 0:
            self._shared.read_request_line(data)
        try:
            self._parser.feed_data(data[fed:])
        except (HttpParserError, HttpParserUpgrade) as error:
            self._explain(error)
        self.rest = data
        self._fed = len(data)

    def _explain(self, error: HttpParserError | HttpParserUpgrade) -> None:
        """Raise the error of llhttp or of our callback. An upgrade is no error, but needs a new parser."""
        if isinstance(error, HttpParserUpgrade):
            self._replace_parser()  # it would take the body for another protocol
            return
        if isinstance(error.__context__, Refusal):
            raise error.__context__
        raise InvalidRequest(f"Invalid HTTP/1.1: {error}.")

    def _replace_parser(self) -> None:
        """Use a new parser for the next head; the current body is framed here alone."""
        self._parser = HttpRequestParser(self)

    def _check(self, exchange: Exchange, headers: HeaderMap, size: int) -> None:
        """Refuse requests that cannot be served."""
        limits = self._shared.limits
        if len(headers) > limits.header_count or size > limits.headers:
            raise RequestTooLarge("The request has too many headers, or they are too long.")
        host = headers.get(b"host")
        if exchange.http11 if host is None else host not in self._shared.hosts:
            self._shared.check_host(host)
        connection = headers.get(b"connection", b"keep-alive")
        if connection != b"keep-alive" and has_token(headers, b"connection", b"close"):
            exchange.keep_alive = False
        if b"upgrade" in headers and has_token(headers, b"upgrade", b"websocket"):
            raise UpgradeRequired("WebSocket is not supported: use HTTP, with server-sent events for streams.")
        if b"content-encoding" in headers and headers[b"content-encoding"].lower() != b"identity":
            raise UnsupportedEncoding("Compressed request bodies are not supported: send the body uncompressed.")

    # Bodies

    def _take_body(self, exchange: Exchange, headers: HeaderMap, data: bytes, *, follows: bool) -> None:
        """Begin a body that is incomplete or chunked."""
        body: Body
        if b"transfer-encoding" in headers:
            if not exchange.http11 or not is_chunked(headers):
                raise InvalidRequest("Unsupported transfer encoding: only chunked is supported, and only in HTTP/1.1.")
            body = ChunkedBody()
            self._replace_parser()
            follows = False
        else:
            body = FixedBody(int(headers[b"content-length"]))
        self.rest = b""
        self._follows = follows
        self.expects_continue = exchange.http11 and has_token(headers, b"expect", b"100-continue")
        if data:
            self.feed_body(body, data)
        if body.done and body.size <= self._shared.limits.body:
            exchange.body = b"".join(body.pieces)
        else:
            self.body = body
