"""The framing of AWS event streams (application/vnd.amazon.eventstream): bytes in, verified messages out.

A message is a prelude (its length, its headers' length, their CRC), headers, a payload and the CRC of all before; all
numbers are big-endian. Source: "Event stream encoding" in the documentation of AWS's streaming services.
"""

import struct
import zlib
from collections.abc import Mapping
from typing import Final

import msgspec

MAX_MESSAGE = 1 << 20
"""The largest message, in bytes. The format allows 16 MiB; no event of a conversation is near that."""

CONTENT_TYPE: Final = "application/vnd.amazon.eventstream"

_PRELUDE = struct.Struct("!II")
_CRC = struct.Struct("!I")
_SHORT = struct.Struct("!H")
_FRONT = 12  # the prelude with its CRC
_LEAST = _FRONT + 4

Value = bool | int | bytes | str
"""A header's value; timestamps are milliseconds since 1970, a UUID is its 16 bytes."""

_BOOLEANS = {0: True, 1: False}
_NUMBERS = {2: struct.Struct("!b"), 3: struct.Struct("!h"), 4: struct.Struct("!i"), 5: struct.Struct("!q")}
_TIME, _UUID, _BYTES, _STRING = 8, 9, 6, 7
_UUID_SIZE = 16


class EventMessage(msgspec.Struct, frozen=True, gc=False):
    """One complete message with valid CRCs."""

    headers: dict[str, Value]
    payload: bytes

    def word(self, name: str) -> str:
        """Return a string header; empty if it is absent."""
        value = self.headers.get(name, "")
        return value if isinstance(value, str) else ""


class EventStreamFramer:
    """Splits a stream into messages. Any split of the same bytes gives the same messages."""

    __slots__ = ("_pending", "broken")

    def __init__(self) -> None:
        self._pending = bytearray()
        self.broken = False  # not an event stream, or a message is too large; no more messages come

    @property
    def pending(self) -> int:
        """The number of bytes of an incomplete message."""
        return len(self._pending)

    def feed(self, data: bytes) -> list[EventMessage]:
        if self.broken:
            return []
        self._pending += data
        messages: list[EventMessage] = []
        start = 0
        while (size := self._size(start)) and len(self._pending) - start >= size:
            message = _read(bytes(self._pending[start : start + size]))
            if message is None:
                self.broken = True
                break
            messages.append(message)
            start += size
        del self._pending[:start]
        return messages

    def _size(self, start: int) -> int:
        """Return the size of the message that starts here; 0 if its prelude is incomplete or invalid."""
        pending = self._pending
        if self.broken or len(pending) - start < _FRONT:
            return 0
        size, headers = _PRELUDE.unpack_from(pending, start)
        (crc,) = _CRC.unpack_from(pending, start + _PRELUDE.size)
        sound = crc == zlib.crc32(pending[start : start + _PRELUDE.size]) and headers + _LEAST <= size <= MAX_MESSAGE
        self.broken = not sound
        return size if sound else 0


def _read(raw: bytes) -> EventMessage | None:
    """Read a message with a valid prelude; None if the rest is invalid."""
    _, length = _PRELUDE.unpack_from(raw)
    end = len(raw) - _CRC.size
    if _CRC.unpack_from(raw, end)[0] != zlib.crc32(raw[:end]):
        return None
    try:
        headers = _read_headers(raw[_FRONT : _FRONT + length])
    except (struct.error, UnicodeDecodeError, ValueError):
        return None
    return EventMessage(headers, raw[_FRONT + length : end])


def _read_headers(raw: bytes) -> dict[str, Value]:
    """Read the headers. Raises ValueError, struct.error or UnicodeDecodeError."""
    headers: dict[str, Value] = {}
    at = 0
    while at < len(raw):
        name, at = _take(raw, at + 1, raw[at])
        if at >= len(raw):
            raise ValueError("a header has no value")
        value, at = _read_value(raw, at + 1, raw[at])
        key = name.decode()
        if key in headers:
            raise ValueError("a header is repeated")
        headers[key] = value
    return headers


def _read_value(raw: bytes, at: int, kind: int) -> tuple[Value, int]:
    if kind in _BOOLEANS:
        return _BOOLEANS[kind], at
    if kind in (_BYTES, _STRING):
        (size,) = _SHORT.unpack_from(raw, at)
        value, at = _take(raw, at + _SHORT.size, size)
        return (value.decode() if kind == _STRING else value), at
    if kind == _UUID:
        return _take(raw, at, _UUID_SIZE)
    number = _NUMBERS.get(5 if kind == _TIME else kind)
    if number is None:
        raise ValueError("a header has an unknown type")
    return number.unpack_from(raw, at)[0], at + number.size


def _take(raw: bytes, at: int, size: int) -> tuple[bytes, int]:
    if at + size > len(raw):
        raise ValueError("a header extends past the end of the headers")
    return raw[at : at + size], at + size


def write(headers: Mapping[str, str], payload: bytes) -> bytes:
    """Return one message; its headers are strings, as in all events."""
    lines = b"".join(_write_header(name.encode(), value.encode()) for name, value in headers.items())
    prelude = _PRELUDE.pack(_LEAST + len(lines) + len(payload), len(lines))
    body = b"%b%b%b%b" % (prelude, _CRC.pack(zlib.crc32(prelude)), lines, payload)
    return body + _CRC.pack(zlib.crc32(body))


def _write_header(name: bytes, value: bytes) -> bytes:
    return b"%c%b%c%b%b" % (len(name), name, _STRING, _SHORT.pack(len(value)), value)
