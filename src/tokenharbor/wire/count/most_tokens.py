"""An upper bound on the tokens of text for known tokenizers: a weight for each byte, summed at the speed of C."""

import re
from collections.abc import Sequence
from zlib import adler32

import msgspec

from tokenharbor.wire.framing.body import Members
from tokenharbor.wire.neutral.request import InputSize

_UNIT = 16
_WEIGHTS = {
    b"etaoinshrdlc": 6,  # most of English text: 2.7 bytes per token
    b"bfgjkmpquvwxyz": 12,
    b" \t\n\r": 5,
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZ": 14,
    b"0123456789": 27,  # a token each in some families, and one more between them
    b"',.:_-/(){}[];=": 10,
    b'"': 4,  # within a string it follows a backslash
    b"\\": 12,  # of `\n`, or of `\uABCD`, which may be three tokens
}
"""Sixteenths of a token for ASCII; unlisted bytes have 18. Measured with seven families on text of random letters,
digits, punctuation, base64 and more: docs/decisions/0016-what-a-bound-is-taken-from.md.
"""
_OTHER = 18
_BYTE = 16  # beyond ASCII: tokenizers with byte fallback make at most one token of each byte
_TABLE = bytes(
    _BYTE if byte >= 0x80 else next((weight for bytes_, weight in _WEIGHTS.items() if byte in bytes_), _OTHER)
    for byte in range(256)
)
_PIECE = 2_400  # bytes, whose weights add up to less than the modulus of the checksum, 65521

_REQUEST = 96  # tokens that vendors add around a request
_SHOWN = frozenset({"tools", "functions", "response_format", "output_config", "output_format", "text"})
_TEMPLATE = 768  # and more where there are tools or a format to explain

_SHORT = 256  # characters: media of this size are counted as text
_RUN = re.compile(r"[A-Za-z0-9]{24,64}")  # cannot contain an escape
_TRIES = 4

_decode_text = msgspec.json.Decoder(str).decode


def most_tokens(text: bytes) -> int:
    """Return the bound for UTF-8 text, as JSON or plain. The low half of an Adler-32 is the sum of the bytes."""
    weights = text.translate(_TABLE)
    if len(weights) <= _PIECE:
        return -(-(adler32(weights, 0) & 0xFFFF) // _UNIT)
    view = memoryview(weights)
    total = sum([adler32(view[start : start + _PIECE], 0) & 0xFFFF for start in range(0, len(weights), _PIECE)])
    return -(-total // _UNIT)


def text_size(text: bytes) -> InputSize:
    """Return the size of text alone, without a request around it."""
    return InputSize(len(text), text_tokens=most_tokens(text))


class BodyMedia(msgspec.Struct):
    """The media in a body. `inlined` are its decoded strings; `in_files` counts their characters that belong to files
    and audio.
    """

    images: int = 0
    files: int = 0
    audios: int = 0
    inlined: list[str] = []
    in_files: int = 0

    def add(self, string: str, *, of_file: bool = False) -> None:
        if string:
            self.inlined.append(string)
            self.in_files += len(string) if of_file else 0

    def add_unknown(self, kind: str | None) -> None:
        """Add a part of an unknown kind, whose cost at the vendor is unknown."""
        if kind is not None and "image" in kind:
            self.images += 1
        else:
            self.files += 1


_NONE = BodyMedia()


def size_of(body: bytes, members: Members, media: BodyMedia = _NONE) -> InputSize:
    """Return the size of a request with the top-level fields `members`."""
    around = _REQUEST if _SHOWN.isdisjoint(members) else _REQUEST + _TEMPLATE
    if media is _NONE:
        return InputSize(len(body), text_tokens=most_tokens(body) + around)
    text = without(body, media.inlined) if media.inlined else body
    return InputSize(
        max(0, len(body) - sum(map(len, media.inlined))),
        media.images,
        media.files,
        media.audios,
        media.in_files,
        most_tokens(text) + around,
    )


def without(body: bytes, strings: Sequence[str]) -> bytes:
    """Return a JSON body without these strings. Strings that are not found stay, so nothing else is ever removed."""
    cuts: list[tuple[int, int]] = []
    end = 0
    for string in strings:
        found = _find(body, string, end) or _find(body, string, 0)
        if found is not None and found not in cuts:
            cuts.append(found)
            end = found[1]
    pieces, start = [], 0
    for begin, end in sorted(cuts):
        pieces.append(body[start:begin])
        start = end
    return b"".join((*pieces, body[start:])) if cuts else body


def _find(body: bytes, string: str, start: int) -> tuple[int, int] | None:
    """Return the position of a string between its quotes, however escaped; found by a part that cannot contain an
    escape.
    """
    run = _RUN.search(string) if len(string) > _SHORT else None
    if run is None:
        return None
    key = run[0].encode()
    for _ in range(_TRIES):
        at = body.find(key, start)
        if at < 0:
            return None
        begin, end = body.rfind(b'"', 0, at), body.find(b'"', at)
        if _is(body[begin : end + 1], string):
            return begin + 1, end
        start = max(end, at + 1)
    return None


def _is(raw: bytes, string: str) -> bool:
    if len(raw) == len(string) + 2:
        return raw[1:-1] == string.encode("utf-8", "replace")
    try:
        return len(raw) > len(string) and _decode_text(raw) == string
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
