"""Small pieces of Anthropic's JSON that requests and answers share."""

import msgspec

from tokenharbor.wire.framing.body import UnreadableError, edit, scan

_NO_PARAMETERS = msgspec.Raw(b'{"type":"object","properties":{}}')


def cached(cache: str | None) -> dict[str, object]:
    """The mark for the cache, as a member of a block."""
    if cache is None:
        return {}
    return {"cache_control": {"type": "ephemeral", "ttl": "1h"} if cache == "1h" else {"type": "ephemeral"}}


def object_of(schema: bytes | None) -> msgspec.Raw:
    """A schema as this dialect wants it: it must say that it is an object's."""
    if schema is None:
        return _NO_PARAMETERS
    try:
        members = scan(schema)
    except UnreadableError:
        return msgspec.Raw(schema)
    return msgspec.Raw(schema if "type" in members else edit(schema, members, {"type": b'"object"'}))


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
