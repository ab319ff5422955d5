"""Small pieces of Anthropic's JSON that requests and answers share."""

import msgspec

from tokenharbor.wire.framing.body import UnreadableError, edit, scan

_NO_PARAMETERS = msgspec.Raw(b'{"type":"object","properties":{}}')


def cached(cache: str | None) -> dict[str, object]:
    """Return the cache mark as a member of a block."""
    if cache is None:
        return {}
    return {"cache_control": {"type": "ephemeral", "ttl": "1h"} if cache == "1h" else {"type": "ephemeral"}}


def object_of(schema: bytes | None) -> msgspec.Raw:
    """Return a schema with the type that this dialect requires: object."""
    if schema is None:
        return _NO_PARAMETERS
    try:
        members = scan(schema)
    except UnreadableError:
        return msgspec.Raw(schema)
    return msgspec.Raw(schema if "type" in members else edit(schema, members, {"type": b'"object"'}))


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
