"""How large a chat request's input is, without counting inlined media as text."""

import msgspec

from tokenharbor.wire.body import Members
from tokenharbor.wire.fields import wrong_shape
from tokenharbor.wire.request import InputSize


class _Media(msgspec.Struct, frozen=True, gc=False):
    url: str | None = None
    data: str | None = None
    file_data: str | None = None


class _Part(msgspec.Struct, frozen=True, gc=False):
    type: str | None = None
    image_url: _Media | str | None = None
    video_url: _Media | str | None = None
    input_audio: _Media | None = None
    video: list[str] | str | None = None
    file: _Media | None = None


class _Message(msgspec.Struct, frozen=True, gc=False):
    content: str | list[_Part] | None = None


_decode = msgspec.json.Decoder(list[_Message]).decode


def measure(body: bytes, members: Members) -> InputSize:
    """Raises InvalidRequest where messages have the wrong shape."""
    if body.find(b"[", body.find(b"[") + 1) < 0:
        return InputSize(len(body))  # the array of messages is the only one: no content in parts
    try:
        messages = _decode(members["messages"])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise wrong_shape("messages", error) from None
    parts = [part for message in messages if isinstance(message.content, list) for part in message.content]
    return _tally(len(body), parts) if parts else InputSize(len(body))


def _tally(length: int, parts: list[_Part]) -> InputSize:
    images = files = audios = inlined = in_media = 0
    for part in parts:
        if part.image_url is not None:
            if _is_disguised(part.image_url):
                files += 1
                in_media += _inlined(part.image_url)
            else:
                images += 1
                inlined += _inlined(part.image_url)
        if part.video_url is not None:
            files += 1
            in_media += _inlined(part.video_url)
        if part.video is not None:  # frames
            frames = [part.video] if isinstance(part.video, str) else part.video
            images += len(frames)
            inlined += sum(map(_inlined, frames))
        if part.input_audio is not None:
            audios += 1
            in_media += len(part.input_audio.data or "")
        if part.file is not None:
            files += 1
            in_media += len(part.file.file_data or "")
    return InputSize(max(0, length - inlined - in_media), images, files, audios, in_media)


def _is_disguised(media: _Media | str) -> bool:
    """Whether it is no picture in the place of one: some vendors read it all the same."""
    url = (media if isinstance(media, str) else media.url or "")[:11].lower()
    return url.startswith("data:") and not url.startswith("data:image/")


def _inlined(media: _Media | str) -> int:
    """How many bytes a data URL takes; an ordinary address is text."""
    url = media if isinstance(media, str) else media.url or ""
    return len(url) if url.startswith("data:") else 0
