"""Foreign notes in OpenAI's dialect: entries of `reasoning_details`, which clients send back unchanged."""

from collections.abc import Iterable

import msgspec

from tokenharbor.wire.dialects.openai_chat.request_schema import decode_entries, decode_entry
from tokenharbor.wire.framing.json_values import UNREADABLE
from tokenharbor.wire.neutral import carry
from tokenharbor.wire.neutral.events import Note

DIALECT = "openai_chat"

NAME = "reasoning_details"
_LENGTH = "length"


class ForeignNotes(msgspec.Struct, frozen=True):
    """Foreign notes from an entry: a call's have its id, reasoning's have its length in characters."""

    notes: tuple[Note, ...]
    call_id: str = ""
    length: int | None = None


def write_entry(notes: tuple[Note, ...], call_id: str = "", length: int | None = None) -> dict[str, object]:
    """Return one entry with the notes. This dialect joins all reasoning of an answer into one string: the length tells
    which piece the notes belong to.
    """
    if length is not None:
        notes = (*notes, Note(DIALECT, _LENGTH, b"%d" % length))
    entry: dict[str, object] = {"type": "reasoning.encrypted", "data": carry.pack(notes)}
    return {**entry, "id": call_id} if call_id else entry


def read_entries(entries: Iterable[msgspec.Raw]) -> tuple[list[ForeignNotes], tuple[Note, ...]]:
    """Return our foreign notes, and the other entries as a note of this dialect."""
    found: list[ForeignNotes] = []
    own: list[bytes] = []
    for raw in entries:
        carried = _read(raw)
        if carried is None:
            own.append(bytes(raw))
        else:
            found.append(carried)
    return found, (Note(DIALECT, NAME, b"[" + b",".join(own) + b"]"),) if own else ()


def read_details(raw: msgspec.Raw) -> tuple[list[ForeignNotes], tuple[Note, ...]]:
    """Likewise for an answer; anything but an array is kept unchanged."""
    if len(raw) <= 4:
        return [], ()
    try:
        return read_entries(decode_entries(raw))
    except UNREADABLE:
        return [], (Note(DIALECT, NAME, bytes(raw)),)


def _read(raw: msgspec.Raw) -> ForeignNotes | None:
    try:
        entry = decode_entry(raw)
    except UNREADABLE:
        return None
    notes = carry.unpack(entry.data or "")
    if notes is None:
        return None
    lengths = [int(note.raw) for note in notes if note.name == _LENGTH and note.dialect == DIALECT]
    kept = tuple(note for note in notes if note.name != _LENGTH or note.dialect != DIALECT)
    return ForeignNotes(kept, entry.id or "", lengths[0] if lengths else None)


def joined(notes: Iterable[Note]) -> list[msgspec.Raw]:
    """Return the entries of this dialect's own notes, in order."""
    raws = [note.raw.strip() for note in notes if note.dialect == DIALECT and note.name == NAME]
    raws = [raw[1:-1].strip() if raw[:1] == b"[" else raw for raw in raws]
    return [msgspec.Raw(raw) for raw in raws if raw]


def foreign_of(notes: Iterable[Note]) -> tuple[Note, ...]:
    return tuple(note for note in notes if note.dialect != DIALECT)


def split(text: str, carried: Iterable[ForeignNotes]) -> list[tuple[str, tuple[Note, ...]]]:
    """Split reasoning into its original pieces, each with its notes; without notes if the text was altered."""
    pieces = [one for one in carried if one.length is not None]
    if not pieces or sum(piece.length or 0 for piece in pieces) != len(text):
        return [(text, ())] if text else []
    whole, start = [], 0
    for piece in pieces:
        end = start + (piece.length or 0)
        whole.append((text[start:end], piece.notes))
        start = end
    return whole


def of_text(carried: Iterable[ForeignNotes]) -> tuple[Note, ...]:
    """Return the notes on the answer's text."""
    return tuple(note for one in carried if one.length is None and not one.call_id for note in one.notes)


def of_call(carried: Iterable[ForeignNotes], call_id: str) -> tuple[Note, ...]:
    return tuple(note for one in carried if one.call_id == call_id for note in one.notes)
