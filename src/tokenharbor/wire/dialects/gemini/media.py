"""The size of a Gemini request's input, with inlined media counted apart from text."""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from tokenharbor.wire.count.most_tokens import BodyMedia, size_of
from tokenharbor.wire.framing.body import Members
from tokenharbor.wire.framing.fields import wrong_shape
from tokenharbor.wire.framing.json_values import UNREADABLE
from tokenharbor.wire.neutral.request import InputSize

T = TypeVar("T")


class _Media(msgspec.Struct, frozen=True, gc=False):
    """Media, inlined (`data`) or by URI, in either spelling."""

    mimeType: str | None = None  # noqa: N815  this dialect has two spellings
    mime_type: str | None = None
    data: str | None = None


class _Part(msgspec.Struct, frozen=True, gc=False):
    inlineData: _Media | None = None  # noqa: N815  likewise
    inline_data: _Media | None = None
    fileData: _Media | None = None  # noqa: N815  likewise
    file_data: _Media | None = None
    functionResponse: "_Result | None" = None  # noqa: N815  likewise
    function_response: "_Result | None" = None


class _Result(msgspec.Struct, frozen=True, gc=False):
    parts: list[_Part] | _Part | None = None


class _Content(msgspec.Struct, frozen=True, gc=False):
    """A content. The vendor accepts an object for a list of one, here and in any list."""

    parts: list[_Part] | _Part | None = None


_NO_MEDIA = _Part()

_decode_contents = msgspec.json.Decoder(list[_Content] | _Content).decode
_decode_content = msgspec.json.Decoder(_Content | None).decode


def measure(body: bytes, members: Members) -> InputSize:
    """Return the input's size. Raises InvalidRequest for contents of the wrong shape."""
    contents = _read(members, "contents", _decode_contents)
    listed = contents if isinstance(contents, list) else [contents]
    parts = [part for content in listed for part in _parts(content.parts) if part != _NO_MEDIA]
    if "systemInstruction" in members:
        system = _read(members, "systemInstruction", _decode_content)
        parts += [part for part in _parts(system and system.parts) if part != _NO_MEDIA]
    return size_of(body, members, _tally(parts)) if parts else size_of(body, members)


def _parts(said: list[_Part] | _Part | None) -> list[_Part]:
    return [said] if isinstance(said, _Part) else said or []


def _read(members: Members, name: str, decode: Callable[[msgspec.Raw], T]) -> T:
    try:
        return decode(members[name])
    except UNREADABLE as error:
        raise wrong_shape(name, error) from None


def _tally(parts: list[_Part]) -> BodyMedia:
    """Count media in parts, and in the parts of results inside them, at any depth."""
    found = BodyMedia()
    while parts:
        part = parts.pop()
        for result in (part.functionResponse, part.function_response):
            if result is not None:
                parts += _parts(result.parts)
        for media in (part.inlineData, part.inline_data, part.fileData, part.file_data):
            if media is None:
                continue
            kind = (media.mimeType or media.mime_type or "").lower()
            if kind.startswith("image/"):
                found.images += 1
            elif kind.startswith("audio/"):
                found.audios += 1
            else:
                found.files += 1
            found.add(media.data or "", of_file=not kind.startswith("image/"))
    found.inlined.reverse()  # in the body's order
    return found
