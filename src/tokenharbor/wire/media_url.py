"""Media as addresses: `data:` URLs with base64 in them, and addresses elsewhere."""

import re

from tokenharbor.wire.chat import Source

NO_IMAGE = "[An image, which this API cannot carry.]"
"""Stands for an assistant's picture where a dialect has no place for one."""

_DATA = re.compile(r"data:([^;,]*)(?:;[^;,]*)*;base64,", re.IGNORECASE)


def read_url(url: str) -> Source | None:
    """None if it is a `data:` URL without base64."""
    if match := _DATA.match(url[:512]):
        return Source(media_type=match[1].lower(), data=url[match.end() :])
    return None if url[:5].lower() == "data:" else Source(url=url)


def write_url(source: Source) -> str:
    return source.url or f"data:{source.media_type};base64,{source.data}"
