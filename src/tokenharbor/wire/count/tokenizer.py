"""Measures of a text: its o200k tokens, and the kinds of characters on which other tokenizers differ from o200k."""

from collections.abc import Sequence

import msgspec

MOST_CHARACTERS = 256 * 1024
"""Longer text is sampled, because counting blocks the event loop (about 15 ms for this much)."""

_SAMPLES = 64


class CharacterKinds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The number of characters of each kind, or the weight of one of each."""

    lines: float = 0  # line ends
    digits: float = 0
    small: float = 0  # ASCII letters
    capital: float = 0
    latin: float = 0  # other Latin letters
    greek: float = 0  # and Cyrillic
    arabic: float = 0  # and Hebrew, Armenian
    indic: float = 0  # and Thai, Georgian
    han: float = 0  # and kana
    hangul: float = 0
    emoji: float = 0

    def weigh(self, weights: "CharacterKinds") -> float:
        pairs = zip(msgspec.structs.astuple(self), msgspec.structs.astuple(weights), strict=True)
        return float(sum(count * weight for count, weight in pairs))


_NAMES = CharacterKinds.__struct_fields__
_FIRST_BYTES = {
    "lines": b"\n",
    "digits": b"0123456789",
    "small": bytes(range(ord("a"), ord("z") + 1)),
    "capital": bytes(range(ord("A"), ord("Z") + 1)),
    "latin": bytes(range(0xC3, 0xCC)),
    "greek": bytes(range(0xCE, 0xD4)),
    "arabic": bytes(range(0xD4, 0xE0)),
    "indic": b"\xe0\xe1",
    "han": bytes(range(0xE3, 0xEA)),
    "hangul": bytes(range(0xEA, 0xEE)),
    "emoji": bytes(range(0xF0, 0xF5)),
}
"""The kinds, by the first UTF-8 byte of a character."""

_REST = len(_NAMES)
_KIND_OF = bytes(next((i for i, name in enumerate(_NAMES) if byte in _FIRST_BYTES[name]), _REST) for byte in range(256))
_CONTINUATION = bytes(range(0x80, 0xC0))


class TextMeasure(msgspec.Struct, frozen=True):
    """The o200k tokens of a text, and its characters by kind."""

    tokens: float = 0
    kinds: CharacterKinds = CharacterKinds()


def measure(texts: Sequence[str]) -> TextMeasure:
    """Measure each text alone if they are short in total; else measure samples from all over them."""
    length = sum(map(len, texts))
    if length <= MOST_CHARACTERS:
        return _measure(texts, 1)
    whole = "\n".join(texts)
    size, step = MOST_CHARACTERS // _SAMPLES, length / _SAMPLES
    samples = [whole[int(index * step) : int(index * step) + size] for index in range(_SAMPLES)]
    return _measure(samples, length / MOST_CHARACTERS)


def _measure(texts: Sequence[str], factor: float) -> TextMeasure:
    from tokenharbor.wire.count.o200k import O200K  # noqa: PLC0415  the first count loads its tables

    count = O200K.count
    tokens = 0
    for text in texts:
        try:
            tokens += count(text)
        except UnicodeEncodeError:  # half a surrogate pair
            tokens += count(text.encode("utf-8", "replace").decode())
    kinds = "".join(texts).encode("utf-8", "replace").translate(_KIND_OF, _CONTINUATION)
    return TextMeasure(tokens * factor, CharacterKinds(*(kinds.count(index) * factor for index in range(len(_NAMES)))))
