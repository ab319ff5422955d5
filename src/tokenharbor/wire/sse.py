"""Server-sent events: bytes in, whole events out, each with the very bytes that it came in."""

import re
from typing import NamedTuple

MAX_EVENT = 1 << 20
"""The most bytes that one event may take."""

# A blank line ends an event; a line ends with LF, CR LF or CR. After "\n\r" one more byte tells whether "\n" follows.
# After "\r\r" the event is over: should "\n" follow, it is an empty line before the next one.
_END = re.compile(rb"\r\r|\n(?:\n|\r\n|\r(?=[^\n]))")
_LINE_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"


class Frame(NamedTuple):
    """One event: its name (empty if none was given), its data, and its bytes as they came, blank line included.

    `data` is None where there is none: a comment, or fields that carry nothing. Lines that are no field at all
    are taken for data, so that a body that is no event stream is judged as what it is.
    """

    name: bytes
    data: bytes | None
    raw: bytes


class Framer:
    """Cuts a stream into frames. Any split of the same bytes gives the same frames."""

    __slots__ = ("_fresh", "_pending", "_returns", "overflow")

    def __init__(self) -> None:
        self._pending = bytearray()
        self._returns = False  # a carriage return was seen: the slower, general cut
        self._fresh = True  # nothing was cut yet: a byte order mark may stand here
        self.overflow = False  # an event is larger than MAX_EVENT; nothing more will come

    @property
    def pending(self) -> int:
        """How many bytes wait for their event's end."""
        return len(self._pending)

    def feed(self, data: bytes) -> list[Frame]:
        if not self._returns and b"\r" in data:
            self._returns = True
        pending = self._pending
        if pending:
            start = max(0, len(pending) - 3)
            pending += data
            if pending.find(b"\n\n", start) < 0 and not (self._returns and _END.search(pending, start)):
                self.overflow = self.overflow or len(pending) > MAX_EVENT
                return []
            data = bytes(pending)
            pending.clear()
        return self._cut_any(data) if self._returns else self._cut(data)

    def close(self) -> list[Frame]:
        """The bytes are over: what was left without its blank line, as an event."""
        rest = bytes(self._pending)
        self._pending.clear()
        return [self._parse(rest)] if rest else []

    def _cut(self, data: bytes) -> list[Frame]:
        frames = []
        start = 0
        while (end := data.find(b"\n\n", start)) >= 0:
            end += 2
            frames.append(self._read(data[start:end]))
            start = end
        self._keep(data, start)
        return frames

    def _cut_any(self, data: bytes) -> list[Frame]:
        frames = []
        start = 0
        while match := _END.search(data, start):
            frames.append(self._parse(data[start : match.end()]))
            start = match.end()
        self._keep(data, start)
        return frames

    def _keep(self, data: bytes, start: int) -> None:
        if start < len(data):
            self._pending += data[start:]
            self.overflow = self.overflow or len(self._pending) > MAX_EVENT

    def _read(self, raw: bytes) -> Frame:
        """A frame that ends with two line feeds, in the two shapes that nearly all have."""
        if raw.startswith(b"data: "):
            data = raw[6:-2]
            if b"\n" not in data:
                self._fresh = False
                return Frame(b"", data, raw)
        elif raw.startswith(b"event: "):
            line = raw.find(b"\n")
            data = raw[line + 7 : -2]
            if raw.startswith(b"data: ", line + 1) and b"\n" not in data:
                self._fresh = False
                return Frame(raw[7:line], data, raw)
        return self._parse(raw)

    def _parse(self, raw: bytes) -> Frame:
        text = raw.removeprefix(_BOM) if self._fresh else raw
        self._fresh = False
        name, data, fields, strange = b"", [], False, []
        for line in _LINE_END.split(text):
            field, colon, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if field == b"data":
                data.append(value)
            elif field == b"event":
                name = value
            elif field not in (b"id", b"retry", b"") or (line and not colon and not field):
                strange.append(line)
                continue
            fields = fields or bool(line)
        if strange and not fields:
            return Frame(b"", b"\n".join(strange), raw)
        return Frame(name, b"\n".join(data) if data else None, raw)


def write(data: bytes, name: bytes = b"") -> bytes:
    """One event; `data` must be a single line."""
    return b"event: %b\ndata: %b\n\n" % (name, data) if name else b"data: %b\n\n" % data
