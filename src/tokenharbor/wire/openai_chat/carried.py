"""Foreign notes in OpenAI's dialect: as entries of `reasoning_details`, which clients send back as they came."""

from collections.abc import Iterable

import msgspec

from tokenharbor.wire import carry
from tokenharbor.wire.across import UNREADABLE
from tokenharbor.wire.events import Note
from tokenharbor.wire.openai_chat.asked import decode_entry

DIALECT = "openai_chat"

_LENGTH = "length"


class Carried(msgspec.Struct, frozen=True):
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


def read_entries(entries: Iterable[msgspec.Raw]) -> tuple[list[Carried], tuple[Note, ...]]:
    """What we carried, and the rest as notes of this dialect."""
    found: list[Carried] = []
    own: list[bytes] = []
    for raw in entries:
        carried = _read(raw)
        if carried is None:
            own.append(bytes(raw))
        else:
            found.append(carried)
    return found, (Note(DIALECT, "reasoning_details", b"[" + b",".join(own) + b"]"),) if own else ()


def _read(raw: msgspec.Raw) -> Carried | None:
    try:
        entry = decode_entry(raw)
    except UNREADABLE:
        return None
    notes = carry.unpack(entry.data or "")
    if notes is None:
        return None
    lengths = [int(note.raw) for note in notes if note.name == _LENGTH and note.dialect == DIALECT]
    kept = tuple(note for note in notes if note.name != _LENGTH or note.dialect != DIALECT)
    return Carried(kept, entry.id or "", lengths[0] if lengths else None)


def joined(notes: Iterable[Note]) -> list[msgspec.Raw]:
    """The entries of this dialect's own notes, one after the other."""
    raws = [note.raw.strip()[1:-1].strip() for note in notes if note.dialect == DIALECT and note.name == NAME]
    return [msgspec.Raw(raw) for raw in raws if raw]


NAME = "reasoning_details"
