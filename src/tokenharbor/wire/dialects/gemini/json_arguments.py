"""Small pieces of Gemini's JSON that requests and answers share."""

import msgspec

from tokenharbor.wire.framing.body import UnreadableError, scan


def arguments(text: str) -> object:
    """This dialect's arguments are an object. What a model wrote that is none (it may be cut off) is shown as it is,
    under a name that no tool has.
    """
    if not text.strip():
        return {}
    raw = text.encode("utf-8", "replace")
    try:
        scan(raw)
    except UnreadableError:
        return {"_unreadable": text}
    return msgspec.Raw(raw)
