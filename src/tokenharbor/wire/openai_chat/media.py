"""How large a chat request's input is, without counting inlined media as text."""

import re

import msgspec

from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.wire.body import Members
from tokenharbor.wire.request import InputSize

_MARKERS = (b'image_url"', b'"input_audio"', b'"file"', b'video_url"', b'"video"', b'"image"')
HIDDEN = re.compile(rb"\\u00[2-7]")
"""An ASCII letter written as an escape: a marker could hide behind it."""


class _Media(msgspec.Struct, frozen=True, gc=False):
    url: str | None = None
    data: str | None = None
    file_data: str | None = None


class _Part(msgspec.Struct, frozen=True, gc=False):
    type: str | None = None
    image_url: _Media | str | None = None
    video_url: _Media | str | None = None
    input_audio: _Media | None = None
    file: _Media | None = None


class _Message(msgspec.Struct, frozen=True, gc=False):
    content: str | list[_Part] | None = None


_decode = msgspec.json.Decoder(list[_Message]).decode


def measure(body: bytes, members: Members) -> InputSize:
    """Raises InvalidRequest where media have the wrong shape."""
    for marker in _MARKERS:
        if marker in body:
            break
    else:
        if b"\\u00" not in body or not HIDDEN.search(body):
            return InputSize(len(body))
    return _measure_media(len(body), members["messages"])


def _measure_media(length: int, messages: msgspec.Raw) -> InputSize:
    try:
        read = _decode(messages)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"`messages` is not usable: {error}.", param="messages") from None
    images = files = audios = inlined = in_media = 0
    for part in _parts(read):
        if part.image_url is not None:
            images += 1
            inlined += _inlined(part.image_url)
        if part.video_url is not None:
            files += 1
            in_media += _inlined(part.video_url)
        if part.input_audio is not None:
            audios += 1
            in_media += len(part.input_audio.data or "")
        if part.file is not None:
            files += 1
            in_media += len(part.file.file_data or "")
    return InputSize(max(0, length - inlined - in_media), images, files, audios, in_media)


def _parts(messages: list[_Message]) -> list[_Part]:
    return [part for message in messages if isinstance(message.content, list) for part in message.content]


def _inlined(media: _Media | str) -> int:
    """How many bytes a data URL takes; an ordinary address is text."""
    url = media if isinstance(media, str) else media.url or ""
    return len(url) if url.startswith("data:") else 0
