"""Message heads: those that llhttp accepted are read into plain values, and ambiguous ones are refused.

llhttp has already refused lines that end in a bare LF or CR, folded lines, control characters, spaces before the colon,
lengths that are not all digits or come twice, and a length beside a transfer encoding.
"""

import re

from tokenharbor.http.message import Headers
from tokenharbor.kernel.errors import InvalidRequest, MethodNotAllowed

END = b"\r\n\r\n"

HeaderMap = dict[bytes, bytes]
"""Lower-case name → value; values of a repeated name are joined by LF, which no value can contain."""

RequestLine = tuple[str, str, str, bool]
"""Method, path, query, and whether it is HTTP/1.1 (else 1.0)."""

_HOST = re.compile(rb"(?:(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*|\[[0-9A-Fa-f:.]+\])(?::([0-9]{0,5}))?")
_MOST_PORT = 65_535
_LONGEST_KNOWN = 4 << 10  # bytes; longer heads are not remembered for their connection
_MOST_DIGITS = 15  # of a length that llhttp does not check

_METHODS = {name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")}


class KnownHead:
    """A request head that was read, checked and accepted. On a kept connection, most heads are the same bytes except
    for the digits of the body's length, so that the results for the first head apply to all.
    """

    __slots__ = ("_at", "_headers", "_raw", "_rest", "request_line")

    def __init__(self, raw: bytes, at: int, request_line: RequestLine, headers: HeaderMap) -> None:
        self.request_line = request_line
        self._headers = headers
        self._raw = raw
        self._at = at  # the position of the length
        self._rest = at + len(headers[b"content-length"]) - len(raw)  # the length's end, from the end of the head

    @classmethod
    def of(cls, raw: bytes, request_line: RequestLine, headers: HeaderMap) -> "KnownHead | None":
        """Remember a head; None if it has no length or is too long."""
        length = headers.get(b"content-length")
        if length is None or len(raw) > _LONGEST_KNOWN:
            return None
        name = raw.lower().index(b"\r\ncontent-length:")
        return cls(raw, raw.index(length, name), request_line, headers)

    def headers_of(self, raw: bytes) -> HeaderMap | None:
        """Return the headers of a similar head; None if it must be read."""
        known = self._raw
        if raw == known:
            return self._headers
        at, rest = self._at, self._rest
        length = raw[at:rest]
        if raw[:at] != known[:at] or raw[rest:] != known[rest:] or not length.isdigit():
            return None
        if len(length) > _MOST_DIGITS or length.startswith(b"0"):
            return None
        return self._headers | {b"content-length": length}


def map_headers(head: bytes, *, skip: int = 0) -> HeaderMap:
    """Return the headers of a head that llhttp accepted, after `skip` others; ignores bytes after the blank line."""
    start = 0
    for _ in range(skip):
        start = head.index(END, start) + 4
    headers: HeaderMap = {}
    for line in head[start : head.index(END, start)].split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        name, value = name.lower(), value.strip(b" \t")
        headers[name] = headers[name] + b"\n" + value if name in headers else value
    return headers


def list_headers(headers: HeaderMap) -> Headers:
    """Return one pair for each header line."""
    return [(name, value.rstrip(b" \t")) for name, joined in headers.items() for value in joined.split(b"\n")]


def first_value(headers: HeaderMap, name: bytes) -> bytes | None:
    """Return the first value of a lower-case name; None if absent."""
    value = headers.get(name)
    if value is None:
        return None
    return value.partition(b"\n")[0].rstrip(b" \t")


def refuse_repeated(value: bytes, name: str) -> None:
    """Raise InvalidRequest for the joined values of a header that must not be repeated."""
    if value.find(b"\n") >= 0:
        raise InvalidRequest(f"The header {name} is repeated: send it once.", param=name)


def has_token(headers: HeaderMap, name: bytes, token: bytes) -> bool:
    """Return whether a comma-separated header, in any of its lines, has this lower-case token."""
    value = headers.get(name)
    if value is None:
        return False
    return token in [part.strip(b" \t") for part in value.lower().replace(b"\n", b",").split(b",")]


def is_host(value: bytes) -> bool:
    """Return whether this is a valid Host value: a name or an address, and optionally a port (RFC 9110, 7.2). It may be
    empty, where the target has no host.
    """
    match = _HOST.fullmatch(value.rstrip(b" \t"))
    return match is not None and (not match[1] or int(match[1]) <= _MOST_PORT)


def is_chunked(headers: HeaderMap) -> bool:
    """Return whether chunked is the only transfer encoding."""
    return headers.get(b"transfer-encoding", b"").strip(b" \t").lower() == b"chunked"


def read_request_line(line: bytes) -> RequestLine:
    """Read a request line. Raises InvalidRequest or MethodNotAllowed."""
    parts = line.split(b" ")
    if len(parts) != 3:
        raise InvalidRequest("The request line must be a method, a path and a version, separated by one space.")
    token, target, version = parts
    if version not in (b"HTTP/1.1", b"HTTP/1.0"):
        raise InvalidRequest("Unsupported HTTP version: use HTTP/1.1 or HTTP/1.0.")
    method = _METHODS.get(token)
    if method is None:
        raise MethodNotAllowed("This method is not supported.")
    if not target.startswith(b"/"):
        target = _origin_form(method, target)
    try:
        path, _, query = target.decode("ascii").partition("?")
    except UnicodeDecodeError:
        raise InvalidRequest("The path contains non-ASCII bytes: percent-encode them.") from None
    if b"#" in target:
        raise InvalidRequest("The path contains a fragment (#): remove it.")
    return method, path, query, version == b"HTTP/1.1"


def _origin_form(method: str, target: bytes) -> bytes:
    """Return the path of an absolute target (`http://host/path`), as RFC 9112 requires; `*` of OPTIONS stays."""
    if target == b"*" and method == "OPTIONS":
        return target
    scheme, found, rest = target.partition(b"://")
    if not found or scheme.lower() not in (b"http", b"https"):
        raise InvalidRequest("The request target must be a path or an http URL.")
    cut = min(at for at in (rest.find(b"/"), rest.find(b"?"), len(rest)) if at >= 0)
    if not rest[:cut] or rest.startswith(b":") or not is_host(rest[:cut]):
        raise InvalidRequest("The request target must have a host and optionally a port, and no user.")
    path = rest[cut:]
    return path if path.startswith(b"/") else b"/" + path
