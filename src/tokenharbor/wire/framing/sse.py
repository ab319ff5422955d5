"""Server-sent events: bytes in, complete events out, each with its original bytes."""

import re

from tokenharbor.wire.framing.surrogates import replace_lone

MAX_EVENT = 1 << 20
"""The default size limit of one event, in bytes; some dialects need more."""

# A blank line ends an event; a line ends with LF, CR LF or CR. After "\n\r" one more byte tells whether "\n" follows.
# After "\r\r" the event is over: a following "\n" is an empty line before the next one.
_END = re.compile(rb"\r\r|\n(?:\n|\r\n|\r(?=[^\n]))")
_LINE_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"


Frame = tuple[bytes, bytes | None, bytes]
"""One event: its name (empty if none was given), its data, and its original bytes, blank line included.

The data is None if there is none: a comment, or fields without content. Lines that are no valid field count as data, so
that a body that is not an event stream is recognised. Lone surrogates are replaced in the data and stay in the bytes.
"""


class SseFramer:
    """Splits a stream into frames. Any split of the same bytes gives the same frames."""

    __slots__ = ("_fresh", "_most", "_pending", "_returns", "overflow")

    def __init__(self, most: int = MAX_EVENT) -> None:
        self._most = most
        self._pending = bytearray()
        self._returns = False  # a carriage return was seen: use the slower, general path
        self._fresh = True  # no frame yet: a byte order mark may come
        self.overflow = False  # an event is larger than `most`; no more frames come

    @property
    def pending(self) -> int:
        """The number of bytes of an incomplete event."""
        return len(self._pending)

    def feed(self, data: bytes) -> list[Frame]:
        if self._pending or self._returns or self.overflow or data.find(b"\r") >= 0:
            return self._feed_any(data)
        size = len(data)
        if (
            data.find(b"\n") == size - 2
            and data.startswith(b"data: ")
            and data.endswith(b"\n\n")
            and size <= self._most
            and data.find(b"\\u") < 0
        ):
            self._fresh = False
            return [(b"", data[6:-2], data)]  # the usual piece: one event with one data line
        return self._cut(data)

    def _feed_any(self, data: bytes) -> list[Frame]:
        if self.overflow:
            return []
        if not self._returns and b"\r" in data:
            self._returns = True
        pending = self._pending
        if pending:
            start = max(0, len(pending) - 3)
            pending += data
            if pending.find(b"\n\n", start) < 0 and not (self._returns and _END.search(pending, start)):
                self.overflow = len(pending) > self._most
                return []
            data = bytes(pending)
            pending.clear()
        return self._cut_any(data) if self._returns else self._cut(data)

    def close(self) -> list[Frame]:
        """End the bytes; a rest without its blank line is an event."""
        rest = bytes(self._pending)
        self._pending.clear()
        return _readable([self._parse(rest)], rest) if rest and not self.overflow else []

    def _cut(self, data: bytes) -> list[Frame]:
        """Return the frames that end with two line feeds; the two usual shapes are parsed inline."""
        frames: list[Frame] = []
        find, startswith = data.find, data.startswith
        start = 0
        while (end := find(b"\n\n", start)) >= 0:
            raw = data[start : end + 2]
            if len(raw) > self._most:
                self.overflow = True
                return frames
            line = find(b"\n", start)
            if line == end and startswith(b"data: ", start):
                frames.append((b"", data[start + 6 : end], raw))
                self._fresh = False
            elif startswith(b"event: ", start) and startswith(b"data: ", line + 1) and find(b"\n", line + 1) == end:
                frames.append((data[start + 7 : line], data[line + 7 : end], raw))
                self._fresh = False
            else:
                frames.append(self._parse(raw))
            start = end + 2
        self._keep(data, start)
        return _readable(frames, data)

    def _cut_any(self, data: bytes) -> list[Frame]:
        frames: list[Frame] = []
        start = 0
        while match := _END.search(data, start):
            raw = data[start : match.end()]
            if len(raw) > self._most:
                self.overflow = True
                return frames
            frames.append(self._parse(raw))
            start = match.end()
        self._keep(data, start)
        return _readable(frames, data)

    def _keep(self, data: bytes, start: int) -> None:
        if start < len(data):
            self._pending += data[start:]
            self.overflow = self.overflow or len(self._pending) > self._most

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
            return b"", b"\n".join(strange), raw
        return name, b"\n".join(data) if data else None, raw


def _readable(frames: list[Frame], whole: bytes) -> list[Frame]:
    if whole.find(b"\\u") < 0:
        return frames
    return [(name, data and replace_lone(data), raw) for name, data, raw in frames]


def write(data: bytes, name: bytes = b"") -> bytes:
    """Return one event; `data` must be a single line."""
    return b"event: %b\ndata: %b\n\n" % (name, data) if name else b"data: %b\n\n" % data
