"""Extraction of the message from a provider's error in a format that no dialect's schema matches."""

from typing import Any

import msgspec

from tokenharbor.wire.framing.json_values import UNREADABLE

_decode = msgspec.json.decode

_WORDS = ("message", "Message", "msg", "error_msg", "status_msg", "error_message", "description")
_AROUND = ("error", "errors", "detail", "details", "base_resp", "title")
_LONGEST = 4_000
_DEEPEST = 6


def words(body: bytes) -> str:
    """Return the message; empty if there is none, or if the body is a page for browsers."""
    try:
        return _words(_decode(body), _DEEPEST)[:_LONGEST]
    except UNREADABLE:
        plain = body[:_LONGEST].decode("utf-8", "replace").strip()
        return "" if plain[:1] in ("<", "{", "[") else plain


def _words(value: Any, deep: int) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and deep:
        return "; ".join([said for each in value[:8] if (said := _words(each, deep - 1))])
    if not isinstance(value, dict) or not deep:
        return ""
    for name in (*_WORDS, *_AROUND):
        if name in value and (found := _words(value[name], deep - 1)):
            place = value.get("loc")  # the path of a field, as validators report it
            return f"{'.'.join(map(str, place))}: {found}" if isinstance(place, list) and place else found
    return ""
