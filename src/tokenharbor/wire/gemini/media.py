"""How large a Gemini request's input is, without counting inlined media as text."""

import msgspec

from tokenharbor.wire.body import Members
from tokenharbor.wire.fields import is_null, wrong_shape
from tokenharbor.wire.request import InputSize


class _Media(msgspec.Struct, frozen=True, gc=False):
    """Media inlined (`data`) or elsewhere, in either spelling."""

    mimeType: str | None = None  # noqa: N815  the dialect's own two spellings
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
    parts: list[_Part] | None = None


class _Content(msgspec.Struct, frozen=True, gc=False):
    parts: list[_Part] | None = None


_NO_MEDIA = _Part()

_decode_contents = msgspec.json.Decoder(list[_Content]).decode
_decode_content = msgspec.json.Decoder(_Content | None).decode


class _Tally:
    def __init__(self) -> None:
        self.images = self.files = self.audios = 0
        self.inlined = self.in_media = 0  # bytes

    def add(self, parts: list[_Part] | None) -> None:
        waiting = [parts or []]
        while waiting:
            for part in waiting.pop():
                if part == _NO_MEDIA:
                    continue
                for media in (part.inlineData, part.inline_data, part.fileData, part.file_data):
                    if media is not None:
                        self._add_media(media)
                results = (part.functionResponse, part.function_response)
                waiting += [result.parts for result in results if result is not None and result.parts]

    def _add_media(self, media: _Media) -> None:
        kind, size = (media.mimeType or media.mime_type or "").lower(), len(media.data or "")
        if kind.startswith("image/"):
            self.images += 1
            self.inlined += size
            return
        self.in_media += size
        if kind.startswith("audio/"):
            self.audios += 1
        else:
            self.files += 1


def measure(body: bytes, members: Members) -> InputSize:
    """Raises InvalidRequest where contents have the wrong shape."""
    tally = _Tally()
    for name, decode in (("contents", _decode_contents), ("systemInstruction", _decode_content)):
        raw = members.get(name)
        if raw is None or is_null(raw):
            continue
        try:
            read = decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise wrong_shape(name, error) from None
        for content in read if isinstance(read, list) else [read]:
            if content is not None:
                tally.add(content.parts)
    rest = max(0, len(body) - tally.inlined - tally.in_media)
    return InputSize(rest, tally.images, tally.files, tally.audios, tally.in_media)
