"""Notes carried through a foreign dialect: packed into its opaque fields, and unpacked from them again."""

import base64
import binascii

import msgspec

from tokenharbor.wire.neutral.events import Note

_MARK = "th1."

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[tuple[str, str, bytes]]).decode


def pack(notes: tuple[Note, ...]) -> str:
    """Pack notes of any dialect into one ASCII string, for a field that clients return unchanged (a thinking block's
    signature, encrypted reasoning).
    """
    rows = [(note.dialect, note.name, note.raw) for note in notes]
    return _MARK + base64.urlsafe_b64encode(_encode(rows)).decode()


def unpack(word: str) -> tuple[Note, ...] | None:
    """Return the notes packed in a string; None if the string is not ours or was altered, and so is
    the vendor's own.
    """
    if not word.startswith(_MARK):
        return None
    try:
        rows = _decode(base64.urlsafe_b64decode(word[len(_MARK) :]))
    except (binascii.Error, ValueError, msgspec.DecodeError):
        return None
    return tuple(Note(dialect, name, raw) for dialect, name, raw in rows)
