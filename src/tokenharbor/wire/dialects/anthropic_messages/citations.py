"""Anthropic's citations: those of the web are all dialects', the others its own."""

import msgspec

from tokenharbor.wire.framing.json_values import UNREADABLE
from tokenharbor.wire.neutral.events import Citation

_WEB = "web_search_result_location"


class _Location(msgspec.Struct, frozen=True):
    type: str = ""
    url: str | None = None
    title: str | None = None
    cited_text: str | None = None
    encrypted_index: str | None = None


_decode = msgspec.json.Decoder(_Location).decode


def read_citation(raw: msgspec.Raw) -> tuple[Citation, ...]:
    """One if it names a page on the web."""
    try:
        location = _decode(raw)
    except UNREADABLE:
        return ()
    if location.type != _WEB or not location.url:
        return ()
    return (Citation(location.url, location.title or "", location.cited_text or ""),)


def write_citation(citation: Citation) -> dict[str, object]:
    """Of another vendor's page there is no index that this one could read."""
    page = {"url": citation.url, "title": citation.title, "cited_text": citation.quote}
    return {"type": _WEB, **page, "encrypted_index": ""}


def is_own(raw: msgspec.Raw) -> bool:
    """Whether the vendor wrote it: what `write_citation` wrote comes back in the next request."""
    try:
        location = _decode(raw)
    except UNREADABLE:
        return False
    return location.type != _WEB or bool(location.encrypted_index)
