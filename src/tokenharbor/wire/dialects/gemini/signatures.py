"""Thought signatures: Google's own as they came, and other dialects' notes inside of ones that we make."""

import base64
import binascii
from collections.abc import Iterable

from tokenharbor.wire.neutral import carry
from tokenharbor.wire.neutral.events import Note

DIALECT = "gemini"
SIGNATURE, PART = "thoughtSignature", "part"

SKIP = "skip_thought_signature_validator"
"""What Google documents to stand for the signature of a call that its models did not make."""


def write_signature(notes: Iterable[Note]) -> str | None:
    """The field is base64 by its type: its clients decode it, and may write it in the other alphabet."""
    kept = tuple(note for note in notes if note.dialect != DIALECT or note.name == SIGNATURE)
    if any(note.dialect != DIALECT for note in kept):
        return base64.b64encode(carry.pack(kept).encode()).decode()
    return kept[-1].raw.decode() if kept else None


def read_signature(word: str | None) -> tuple[Note, ...]:
    """The notes that a signature of ours carries; else the vendor's own. The placeholder is nobody's."""
    if not word or word == SKIP:
        return ()
    if word.startswith("dGgxL"):  # "th1." in base64, in either alphabet
        padded = word.replace("-", "+").replace("_", "/").rstrip("=")
        try:
            inner = base64.b64decode(padded + "=" * (-len(padded) % 4)).decode()
        except (binascii.Error, ValueError):
            inner = ""
        if (notes := carry.unpack(inner)) is not None:
            return notes
    return (Note(DIALECT, SIGNATURE, word.encode()),)
