"""Repeated answers: the same bytes with another id and another time."""

import re
from collections.abc import Callable

from tokenharbor.wire.framing.sse import SseFramer

_PREFIX = re.compile(r"[A-Za-z]{1,16}[-_]")
_SLICE = 1 << 10
_LOOKED_AT = 64 << 10  # bytes of a stream searched for its first event


Seen = tuple[str, int]
"""An answer's id and its time (Unix seconds); empty and 0 if absent."""

Parts = tuple[bytes, ...]
"""An answer in the pieces in which it is sent."""


def _first_data(stream: bytes) -> bytes:
    """Return the data of a stream's first event that has data."""
    framer = SseFramer(_LOOKED_AT + 1)
    for start in range(0, min(len(stream), _LOOKED_AT), _SLICE):
        for _, data, _ in framer.feed(stream[start : start + _SLICE]):
            if data:
                return data
    return next((data for _, data, _ in framer.close() if data), b"")


def _replace_text(parts: Parts, name: str, old: str, new: str) -> Parts:
    """Replace the text of every member with that name and text. Quotes inside strings are escaped, so string contents
    are never changed.
    """
    pattern = re.compile(rb'"%b"\s*:\s*"%b"' % (name.encode(), re.escape(old.encode())))
    for part in parts:
        found = pattern.search(part)
        if found is not None:
            member = found[0]
            begun = member[: -len(old.encode()) - 1] + new.encode() + b'"'
            return tuple([each.replace(member, begun) for each in parts])
    return parts


def _replace_number(parts: Parts, name: str, old: int, new: int) -> Parts:
    """Likewise for a whole number, as its first member is written."""
    pattern = re.compile(rb'("%b"\s*:\s*)%d([,}\s])' % (name.encode(), old))
    for part in parts:
        found = pattern.search(part)
        if found is not None:
            member, begun = found[0], found[1] + b"%d" % new + found[2]
            return tuple([each.replace(member, begun) for each in parts])
    return parts


def _id_like(old: str, suffix: str) -> str:
    """Return a new id with the old one's prefix, such as `msg_` or `chatcmpl-`."""
    kind = _PREFIX.match(old)
    return (kind[0] if kind else "") + suffix


def restamp(parts: Parts, look: Callable[[bytes], Seen], names: tuple[str, str], stamp: Seen, *, stream: bool) -> Parts:
    """Return an answer with the stamp's time and an id that ends in the stamp's text. `look` reads the old id and time
    from the answer, or from a stream's first event; `names` are the names of their members.
    """
    begin = parts[0] or parts[-1]
    old, then = look(_first_data(begin) if stream else begin)
    if old and old.isascii():
        parts = _replace_text(parts, names[0], old, _id_like(old, stamp[0]))
    return _replace_number(parts, names[1], then, stamp[1]) if then else parts
