"""A request's body as it arrives, with a known length or chunked. Strict: ambiguous framing is refused."""

import re

from tokenharbor.kernel.errors import InvalidRequest

_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;[\t\x20-\x7e\x80-\xff]*)?")
_TRAILER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*")
_LONGEST_LINE = 4096  # bytes of a chunk's size with its extensions, or of one trailer
_LONGEST_TRAILERS = 16 << 10
_FREE_CHUNKS = 1024  # after these, chunks must have the average size: each costs as much as a short request
_AVERAGE_CHUNK = 32


class FixedBody:
    """A body with a content-length."""

    __slots__ = ("_missing", "done", "expected", "pieces", "size")

    def __init__(self, length: int) -> None:
        self.pieces: list[bytes] = []
        self.size = 0
        self.expected = length
        self.done = length == 0
        self._missing = length

    def feed(self, data: bytes) -> int:
        """Take the bytes that belong to the body; return their number."""
        piece = data[: self._missing]
        self.pieces.append(piece)
        self.size += len(piece)
        self._missing -= len(piece)
        self.done = self._missing == 0
        return len(piece)


class ChunkedBody:
    """A chunked body; its extensions and trailers are read and dropped."""

    __slots__ = ("_chunks", "_held", "_missing", "_trailer_bytes", "_where", "done", "expected", "pieces", "size")

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.size = 0
        self.expected = 0  # unknown
        self.done = False
        self._chunks = 0
        self._held = b""  # an incomplete line
        self._missing = 0  # of the chunk being read
        self._trailer_bytes = 0
        self._where = "size"

    def feed(self, data: bytes) -> int:
        """Take the bytes that belong to the body; return their number. Raises InvalidRequest."""
        at = 0
        while at < len(data) and not self.done:
            at = self._feed_data(data, at) if self._where == "data" else self._feed_line(data, at)
        return at

    def _feed_data(self, data: bytes, at: int) -> int:
        piece = data[at : at + self._missing]
        self.pieces.append(piece)
        self.size += len(piece)
        self._missing -= len(piece)
        if self._missing == 0:
            self._where = "data end"
        return at + len(piece)

    def _feed_line(self, data: bytes, at: int) -> int:
        """Read one line up to its LF; hold an incomplete line."""
        end = data.find(b"\n", at) + 1
        line = self._held + (data[at:end] if end else data[at:])
        if len(line) > _LONGEST_LINE:
            raise InvalidRequest("A chunk header of the body is too long.")
        if not end:
            self._held = line
            return len(data)
        self._held = b""
        if not line.endswith(b"\r\n"):
            raise InvalidRequest("A chunk header of the body must end in CRLF.")
        self._read_line(line[:-2])
        return end

    def _read_line(self, line: bytes) -> None:
        if self._where == "size":
            self._read_size(line)
        elif self._where == "data end":
            if line:
                raise InvalidRequest("A chunk of the body is longer than its stated size.")
            self._where = "size"
        elif line:
            if not _TRAILER.fullmatch(line):
                raise InvalidRequest("A trailer of the body is not a valid header line.")
            self._trailer_bytes += len(line)
            if self._trailer_bytes > _LONGEST_TRAILERS:
                raise InvalidRequest("The body's trailers are too long.")
        else:
            self.done = True

    def _read_size(self, line: bytes) -> None:
        match = _SIZE_LINE.fullmatch(line)
        if match is None:
            raise InvalidRequest("A chunk size must be a hexadecimal number.")
        self._chunks += 1
        if self._chunks > _FREE_CHUNKS and self._chunks * _AVERAGE_CHUNK > self.size:
            raise InvalidRequest("The body has too many small chunks: send larger chunks.")
        self._missing = int(match[1], 16)
        self._where = "data" if self._missing else "trailers"


Body = FixedBody | ChunkedBody
