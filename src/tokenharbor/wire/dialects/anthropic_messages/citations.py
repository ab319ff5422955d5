"""Anthropic's citations: web citations translate to other dialects, the others are this dialect's alone."""

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
    """Return the citation if it names a web page."""
    try:
        location = _decode(raw)
    except UNREADABLE:
        return ()
    if location.type != _WEB or not location.url:
        return ()
    return (Citation(location.url, location.title or "", location.cited_text or ""),)


def write_citation(citation: Citation) -> dict[str, object]:
    """Write a citation. Another vendor's page has no index that this vendor could read."""
    page = {"url": citation.url, "title": citation.title, "cited_text": citation.quote}
    return {"type": _WEB, **page, "encrypted_index": ""}


def is_own(raw: msgspec.Raw) -> bool:
    """Return whether the vendor wrote the citation: those of `write_citation` come back in the next request."""
    try:
        location = _decode(raw)
    except UNREADABLE:
        return False
    return location.type != _WEB or bool(location.encrypted_index)
