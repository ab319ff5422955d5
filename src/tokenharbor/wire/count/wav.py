"""How long a WAV recording is: by its header alone, which says how many bytes a second takes."""

import struct

LONGEST_HEAD = 512
"""Bytes of a file in which its header must end."""

_EVEN = frozenset({1, 3, 6, 7, 0xFFFE})  # kinds of samples that all take the same room
_FORMAT = struct.Struct("<HHIIHH")
_CHUNK = struct.Struct("<4sI")


def seconds_of(head: bytes, size: int) -> int:
    """The whole seconds in a file of `size` bytes that begins so; 0 where its header does not tell."""
    if len(head) < 12 or head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return 0
    at, rate = 12, 0
    while at + _CHUNK.size <= min(len(head), LONGEST_HEAD):
        name, length = _CHUNK.unpack_from(head, at)
        at += _CHUNK.size
        if name == b"data":  # its length may be unknown while it is recorded, and then is the largest number
            return min(length, max(size - at, 0)) // rate if rate else 0
        if name == b"fmt " and length >= _FORMAT.size and at + _FORMAT.size <= len(head):
            rate = _rate(head, at)
        at += length + length % 2
    return 0


def _rate(head: bytes, at: int) -> int:
    """Bytes a second; 0 if the header contradicts itself."""
    kind, _, samples, rate, block, _ = _FORMAT.unpack_from(head, at)
    return rate if kind in _EVEN and rate == samples * block else 0
