"""Small pieces of Gemini's JSON that requests and answers share."""

import msgspec

from tokenharbor.wire.framing.body import UnreadableError, scan


def arguments(text: str) -> object:
    """Return a call's arguments as an object, which this dialect requires. Other output of a model (which may be cut
    off) is kept as text, under a name that no tool has.
    """
    if not text.strip():
        return {}
    raw = text.encode("utf-8", "replace")
    try:
        scan(raw)
    except UnreadableError:
        return {"_unreadable": text}
    return msgspec.Raw(raw)
