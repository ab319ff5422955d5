"""Media as URLs: `data:` URLs with base64 content, and public URLs."""

import re

from tokenharbor.wire.neutral.chat import MediaSource

NO_IMAGE = "[An image, which this API cannot carry.]"
"""The replacement for an assistant's image in a dialect that cannot carry it."""

_DATA = re.compile(r"data:([^;,]*)(?:;[^;,]*)*;base64,", re.IGNORECASE)


def read_url(url: str) -> MediaSource | None:
    """Return the source; None for a `data:` URL without base64."""
    if match := _DATA.match(url[:512]):
        return MediaSource(media_type=match[1].lower(), data=url[match.end() :])
    return None if url[:5].lower() == "data:" else MediaSource(url=url)


_BEGINNINGS = (
    ("iVBORw0KGgo", "image/png"),
    ("/9j/", "image/jpeg"),
    ("R0lGOD", "image/gif"),
    ("UklGR", "image/webp"),
)  # of base64 images


def with_true_type(picture: MediaSource) -> MediaSource:
    """Return an image with its actual media type: some vendors detect it, others refuse a wrong one."""
    if picture.url:
        return picture
    usual = "image/jpeg" if picture.media_type == "image/jpg" else picture.media_type
    found = next((kind for beginning, kind in _BEGINNINGS if picture.data.startswith(beginning)), usual)
    return picture if found == picture.media_type else MediaSource(found, picture.data)


def write_url(source: MediaSource) -> str:
    return source.url or f"data:{source.media_type};base64,{source.data}"
