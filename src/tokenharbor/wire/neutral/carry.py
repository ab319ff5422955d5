"""Notes on their way through a dialect that is not theirs: packed into its own opaque fields, and found again there."""

import base64
import binascii

import msgspec

from tokenharbor.wire.neutral.events import Note

_MARK = "th1."

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[tuple[str, str, bytes]]).decode


def pack(notes: tuple[Note, ...]) -> str:
    """Any dialect's notes as one ASCII word, for a field that clients send back as it came (a thinking block's
    signature, an encrypted reasoning).
    """
    rows = [(note.dialect, note.name, note.raw) for note in notes]
    return _MARK + base64.urlsafe_b64encode(_encode(rows)).decode()


def unpack(word: str) -> tuple[Note, ...] | None:
    """The notes packed in a word; None if it is not ours, or was changed: then it is the vendor's own."""
    if not word.startswith(_MARK):
        return None
    try:
        rows = _decode(base64.urlsafe_b64decode(word[len(_MARK) :]))
    except (binascii.Error, ValueError, msgspec.DecodeError):
        return None
    return tuple(Note(dialect, name, raw) for dialect, name, raw in rows)
