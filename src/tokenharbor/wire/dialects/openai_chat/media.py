"""The size of a chat request's input, with inlined media counted apart from text."""

import msgspec

from tokenharbor.wire.count.most_tokens import BodyMedia, size_of
from tokenharbor.wire.framing.body import Members
from tokenharbor.wire.framing.fields import wrong_shape
from tokenharbor.wire.framing.json_values import UNREADABLE
from tokenharbor.wire.neutral.request import InputSize


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


_SEEN = frozenset({None, "text", "refusal", "thinking", "image_url", "video_url", "video", "input_audio", "file"})
"""Part types that are counted or are text; other vendors have more, such as `document_url`."""

_decode = msgspec.json.Decoder(list[_Message]).decode


def measure(body: bytes, members: Members) -> InputSize:
    """Return the input's size. Raises InvalidRequest for messages of the wrong shape."""
    if body.find(b"[", body.find(b"[") + 1) < 0:
        return size_of(body, members)  # only one array, the messages: no content in parts
    try:
        messages = _decode(members["messages"])
    except UNREADABLE as error:
        raise wrong_shape("messages", error) from None
    parts = [part for message in messages if isinstance(message.content, list) for part in message.content]
    return size_of(body, members, _tally(parts)) if parts else size_of(body, members)


def _tally(parts: list[_Part]) -> BodyMedia:
    media = BodyMedia()
    for part in parts:
        if part.image_url is not None:
            disguised = _is_disguised(part.image_url)
            media.images += not disguised
            media.files += disguised
            _inline(media, part.image_url, of_file=disguised)
        if part.video_url is not None:
            media.files += 1
            _inline(media, part.video_url, of_file=True)
        if part.video is not None:  # frames
            frames = [part.video] if isinstance(part.video, str) else part.video
            media.images += len(frames)
            for frame in frames:
                _inline(media, frame)
        if part.input_audio is not None:
            media.audios += 1
            media.add(part.input_audio.data or "", of_file=True)
        if part.file is not None:
            media.files += 1
            media.add(part.file.file_data or "", of_file=True)
        if part.type not in _SEEN:
            media.add_unknown(part.type)
    return media


def _is_disguised(media: _Media | str) -> bool:
    """Return whether another file is in the place of an image: some vendors read it anyway."""
    url = (media if isinstance(media, str) else media.url or "")[:11].lower()
    return url.startswith("data:") and not url.startswith("data:image/")


def _inline(media: BodyMedia, part: _Media | str, *, of_file: bool = False) -> None:
    """Count a data URL; an ordinary URL is text."""
    url = part if isinstance(part, str) else part.url or ""
    if url.startswith("data:"):
        media.add(url, of_file=of_file)
