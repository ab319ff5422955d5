"""The length of a WAV recording, by the byte rate in its header alone."""

import struct

LONGEST_HEAD = 512
"""The header must end within this many bytes."""

_EVEN = frozenset({1, 3, 6, 7, 0xFFFE})  # sample formats with a constant size
_FORMAT = struct.Struct("<HHIIHH")
_CHUNK = struct.Struct("<4sI")


def seconds_of(head: bytes, size: int) -> int:
    """Return the whole seconds of a file of `size` bytes with this beginning; 0 if its header does not tell."""
    if len(head) < 12 or head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return 0
    at, rate = 12, 0
    while at + _CHUNK.size <= min(len(head), LONGEST_HEAD):
        name, length = _CHUNK.unpack_from(head, at)
        at += _CHUNK.size
        if name == b"data":  # while recording, the length may be unknown: the largest number
            return min(length, max(size - at, 0)) // rate if rate else 0
        if name == b"fmt " and length >= _FORMAT.size and at + _FORMAT.size <= len(head):
            rate = _rate(head, at)
        at += length + length % 2
    return 0


def _rate(head: bytes, at: int) -> int:
    """Return bytes per second; 0 if the header is inconsistent."""
    kind, _, samples, rate, block, _ = _FORMAT.unpack_from(head, at)
    return rate if kind in _EVEN and rate == samples * block else 0
