"""The note cache: keeps vendors' opaque data of tool calls for clients whose dialect cannot carry it."""

from collections import OrderedDict

import msgspec

from tokenharbor.kernel.clock import Clock
from tokenharbor.kernel.ids import UUID
from tokenharbor.wire.fitting.ids import fit_call
from tokenharbor.wire.neutral.chat import Chat, Message, Part, ToolCall
from tokenharbor.wire.neutral.events import Note

_MOST_ENTRIES = 50_000
_MOST_BYTES = 64 << 20
_SECONDS = 3600.0
_OVERHEAD = 400  # bytes of an entry in addition to its notes


class _Entry(msgspec.Struct, frozen=True):
    notes: tuple[Note, ...]
    size: int
    until: float


class NoteCache:
    """Notes by account and call id, in memory only: never in a log, a table or a receipt. The oldest are evicted when
    it is full, and an entry expires an hour after its last use; the vendor then works without its earlier reasoning. A
    call is found by its vendor's id, and by the shortened id that clients of some dialects get instead.
    """

    def __init__(self, clock: Clock, most_entries: int = _MOST_ENTRIES, most_bytes: int = _MOST_BYTES) -> None:
        self._clock = clock
        self._most_entries, self._most_bytes = most_entries, most_bytes
        self._entries: OrderedDict[tuple[UUID, str], _Entry] = OrderedDict()  # the next to expire first
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def bytes(self) -> int:
        """The size of all entries."""
        return self._bytes

    def keep(self, account_id: UUID, call_id: str, notes: tuple[Note, ...]) -> None:
        """Keep all notes of a call, in place of those of an earlier call with its id. Notes so large that they would
        evict many others are not kept.
        """
        key = (account_id, fit_call(call_id))
        self._take(key)
        self._put(key, notes)

    def find(self, account_id: UUID, call_id: str) -> tuple[Note, ...]:
        """Return the notes of a call, and keep them for another hour; () if there are none."""
        key = (account_id, fit_call(call_id))
        notes = self._take(key)
        if notes is None:
            return ()
        self._put(key, notes)
        return notes

    def restore(self, account_id: UUID, chat: Chat) -> Chat:
        """Return the chat with notes added to the tool calls that came back without them."""
        if not self._entries or not any(_lacks(part) for message in chat.messages for part in message.parts):
            return chat
        messages = tuple([self._restored(account_id, message) for message in chat.messages])
        return msgspec.structs.replace(chat, messages=messages)

    def _restored(self, account_id: UUID, message: Message) -> Message:
        if not any(_lacks(part) for part in message.parts):
            return message
        parts: list[Part] = []
        for part in message.parts:
            notes = self.find(account_id, part.id) if isinstance(part, ToolCall) and not part.notes else ()
            parts.append(msgspec.structs.replace(part, notes=notes) if notes else part)
        return msgspec.structs.replace(message, parts=tuple(parts))

    def _take(self, key: tuple[UUID, str]) -> tuple[Note, ...] | None:
        entry = self._entries.pop(key, None)
        if entry is None:
            return None
        self._bytes -= entry.size
        return entry.notes if entry.until > self._clock.monotonic() else None

    def _put(self, key: tuple[UUID, str], notes: tuple[Note, ...]) -> None:
        now = self._clock.monotonic()
        size = _OVERHEAD + len(key[1]) + sum(len(note.raw) for note in notes)
        if size > self._most_bytes // 8:
            return
        self._entries[key] = _Entry(notes, size, now + _SECONDS)
        self._bytes += size
        while self._is_over(now):
            _, gone = self._entries.popitem(last=False)
            self._bytes -= gone.size

    def _is_over(self, now: float) -> bool:
        if not self._entries:
            return False
        if len(self._entries) > self._most_entries or self._bytes > self._most_bytes:
            return True
        return next(iter(self._entries.values())).until <= now


def _lacks(part: Part) -> bool:
    return isinstance(part, ToolCall) and not part.notes
