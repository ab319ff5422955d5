"""What a text holds: its o200k tokens, and the features by which other tokenizers differ from that one."""

from collections.abc import Sequence

import msgspec

MOST_CHARACTERS = 256 * 1024
"""Text beyond this is sampled: the event loop waits while it is counted (about 15 ms for so much)."""

_SAMPLES = 64

# Bytes to classes: letters, digits, the lead bytes of Asian and of other characters. Continuation bytes are left out.
_CLASSES = bytes(
    ord("a")
    if chr(byte).isascii() and chr(byte).isalpha()
    else ord("0")
    if chr(byte).isascii() and chr(byte).isdigit()
    else ord("c")
    if 0xE3 <= byte <= 0xED
    else ord("x")
    if byte >= 0xC2
    else ord(" ")
    for byte in range(256)
)
_CONTINUATION = bytes(range(0x80, 0xC0))


class Measure(msgspec.Struct, frozen=True):
    """What was found: o200k tokens; in Latin words, runs of five and of eight letters; digits; characters of East Asian
    scripts and of other scripts than Latin.
    """

    tokens: float = 0
    fives: float = 0
    eights: float = 0
    digits: float = 0
    asian: float = 0
    foreign: float = 0


def measure(texts: Sequence[str]) -> Measure:
    """Every text by itself while they are small; of much text, samples from all over it."""
    length = sum(map(len, texts))
    if length <= MOST_CHARACTERS:
        return _measure(texts, 1)
    whole = "\n".join(texts)
    size, step = MOST_CHARACTERS // _SAMPLES, length / _SAMPLES
    samples = [whole[int(index * step) : int(index * step) + size] for index in range(_SAMPLES)]
    return _measure(samples, length / MOST_CHARACTERS)


def _measure(texts: Sequence[str], factor: float) -> Measure:
    from tokenharbor.wire.count.o200k import O200K  # noqa: PLC0415  its tables are loaded by whoever counts first

    count = O200K.count
    tokens = 0
    for text in texts:
        try:
            tokens += count(text)
        except UnicodeEncodeError:  # half a surrogate pair
            tokens += count(text.encode("utf-8", "replace").decode())
    classes = "\n".join(texts).encode("utf-8", "replace").translate(_CLASSES, _CONTINUATION)
    return Measure(
        tokens=tokens * factor,
        fives=classes.count(b"aaaaa") * factor,
        eights=classes.count(b"aaaaaaaa") * factor,
        digits=classes.count(b"0") * factor,
        asian=classes.count(b"c") * factor,
        foreign=classes.count(b"x") * factor,
    )
