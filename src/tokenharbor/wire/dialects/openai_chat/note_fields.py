"""Foreign notes in OpenAI's dialect: as entries of `reasoning_details`, which clients send back as they came."""

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
    """Foreign notes found again: those of a call have its id, those of reasoning how many characters it had."""

    notes: tuple[Note, ...]
    call_id: str = ""
    length: int | None = None


def write_entry(notes: tuple[Note, ...], call_id: str = "", length: int | None = None) -> dict[str, object]:
    """One entry that carries the notes. All reasoning of an answer is one string in this dialect: the length says
    which piece of it the notes belong to.
    """
    if length is not None:
        notes = (*notes, Note(DIALECT, _LENGTH, b"%d" % length))
    entry: dict[str, object] = {"type": "reasoning.encrypted", "data": carry.pack(notes)}
    return {**entry, "id": call_id} if call_id else entry


def read_entries(entries: Iterable[msgspec.Raw]) -> tuple[list[ForeignNotes], tuple[Note, ...]]:
    """What we carried, and the rest as a note of this dialect."""
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
    """Likewise, of an answer; where it is no array it is kept as it is."""
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
    """The entries of this dialect's own notes, one after the other."""
    raws = [note.raw.strip() for note in notes if note.dialect == DIALECT and note.name == NAME]
    raws = [raw[1:-1].strip() if raw[:1] == b"[" else raw for raw in raws]
    return [msgspec.Raw(raw) for raw in raws if raw]


def foreign_of(notes: Iterable[Note]) -> tuple[Note, ...]:
    return tuple(note for note in notes if note.dialect != DIALECT)


def split(text: str, carried: Iterable[ForeignNotes]) -> list[tuple[str, tuple[Note, ...]]]:
    """All reasoning as it was in pieces, each with the notes that belong to it; if somebody changed the text, none of
    them fits any more.
    """
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
    """The notes that belong to the words of the answer."""
    return tuple(note for one in carried if one.length is None and not one.call_id for note in one.notes)


def of_call(carried: Iterable[ForeignNotes], call_id: str) -> tuple[Note, ...]:
    return tuple(note for one in carried if one.call_id == call_id for note in one.notes)
