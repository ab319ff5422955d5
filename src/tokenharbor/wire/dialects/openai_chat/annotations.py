"""Web citations and images beside the text of OpenAI's answers."""

import msgspec

from tokenharbor.wire.fitting.media_url import read_url
from tokenharbor.wire.framing.json_values import UNREADABLE
from tokenharbor.wire.neutral.chat import MediaSource
from tokenharbor.wire.neutral.events import Citation


class _Page(msgspec.Struct, frozen=True):
    url: str = ""
    title: str | None = None
    content: str | None = None


class _Annotation(msgspec.Struct, frozen=True):
    url_citation: _Page | None = None


class _Address(msgspec.Struct, frozen=True):
    url: str = ""


class _Picture(msgspec.Struct, frozen=True):
    image_url: _Address | None = None


_decode_annotations = msgspec.json.Decoder(list[_Annotation]).decode
_decode_pictures = msgspec.json.Decoder(list[_Picture]).decode


def read_annotations(raw: msgspec.Raw) -> tuple[Citation, ...]:
    """Return the web citations; other annotations and vendor-specific shapes are ignored."""
    if len(raw) <= 4:
        return ()
    try:
        pages = [annotation.url_citation for annotation in _decode_annotations(raw)]
    except UNREADABLE:
        return ()
    return tuple(Citation(page.url, page.title or "", page.content or "") for page in pages if page and page.url)


def write_annotation(citation: Citation, place: int) -> dict[str, object]:
    """Write a citation. `place` is the end of the cited text; its start is unknown."""
    page: dict[str, object] = {"url": citation.url, "title": citation.title}
    if citation.quote:
        page["content"] = citation.quote
    return {"type": "url_citation", "url_citation": {**page, "start_index": place, "end_index": place}}


def read_images(raw: msgspec.Raw) -> tuple[MediaSource, ...]:
    if len(raw) <= 4:
        return ()
    try:
        urls = [picture.image_url.url for picture in _decode_pictures(raw) if picture.image_url]
    except UNREADABLE:
        return ()
    return tuple(source for url in urls if url and (source := read_url(url)) is not None)


def write_image(media_type: str, data: str) -> dict[str, object]:
    return {"type": "image_url", "image_url": {"url": f"data:{media_type};base64,{data}"}}
