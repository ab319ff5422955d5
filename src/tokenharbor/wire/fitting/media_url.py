"""Media as addresses: `data:` URLs with base64 in them, and addresses elsewhere."""

import re

from tokenharbor.wire.neutral.chat import MediaSource

NO_IMAGE = "[An image, which this API cannot carry.]"
"""Stands for an assistant's picture where a dialect has no place for one."""

_DATA = re.compile(r"data:([^;,]*)(?:;[^;,]*)*;base64,", re.IGNORECASE)


def read_url(url: str) -> MediaSource | None:
    """None if it is a `data:` URL without base64."""
    if match := _DATA.match(url[:512]):
        return MediaSource(media_type=match[1].lower(), data=url[match.end() :])
    return None if url[:5].lower() == "data:" else MediaSource(url=url)


_BEGINNINGS = (
    ("iVBORw0KGgo", "image/png"),
    ("/9j/", "image/jpeg"),
    ("R0lGOD", "image/gif"),
    ("UklGR", "image/webp"),
)  # of pictures in base64


def with_true_type(picture: MediaSource) -> MediaSource:
    """A picture under the type that it has: some vendors look themselves, others refuse one under a wrong name."""
    if picture.url:
        return picture
    usual = "image/jpeg" if picture.media_type == "image/jpg" else picture.media_type
    found = next((kind for beginning, kind in _BEGINNINGS if picture.data.startswith(beginning)), usual)
    return picture if found == picture.media_type else MediaSource(found, picture.data)


def write_url(source: MediaSource) -> str:
    return source.url or f"data:{source.media_type};base64,{source.data}"
