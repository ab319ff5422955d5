"""Thought signatures: Google's own unchanged, and other dialects' notes packed into ours."""

import base64
import binascii
from collections.abc import Iterable

from tokenharbor.wire.neutral import carry
from tokenharbor.wire.neutral.events import Note

DIALECT = "gemini"
SIGNATURE, PART = "thoughtSignature", "part"

SKIP = "skip_thought_signature_validator"
"""Google's documented placeholder for the signature of a call that its models did not make."""


def write_signature(notes: Iterable[Note]) -> str | None:
    """Return the signature for these notes. The field is base64: clients decode it, and may re-encode it URL-safe."""
    kept = tuple(note for note in notes if note.dialect != DIALECT or note.name == SIGNATURE)
    if any(note.dialect != DIALECT for note in kept):
        return base64.b64encode(carry.pack(kept).encode()).decode()
    return kept[-1].raw.decode() if kept else None


def read_signature(word: str | None) -> tuple[Note, ...]:
    """Return the notes packed in a signature of ours, else the vendor's own. The placeholder has none."""
    if not word or word == SKIP:
        return ()
    if word.startswith("dGgxL"):  # "th1." in either base64 alphabet
        padded = word.replace("-", "+").replace("_", "/").rstrip("=")
        try:
            inner = base64.b64decode(padded + "=" * (-len(padded) % 4)).decode()
        except (binascii.Error, ValueError):
            inner = ""
        if (notes := carry.unpack(inner)) is not None:
            return notes
    return (Note(DIALECT, SIGNATURE, word.encode()),)
