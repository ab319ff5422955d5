"""Unique call ids: some vendors restart their numbering in each answer, others refuse a conversation that repeats an
id.
"""

import msgspec

from tokenharbor.wire.neutral.chat import Message, Part, Role, ToolCall, ToolResult


def unique_call_ids(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """Return the messages with a distinct id for each call, and each result with the id of its call."""
    ids = [part.id for message in messages for part in message.parts if type(part) is ToolCall]
    taken = set(ids)
    if len(taken) == len(ids):
        return messages
    renamer = _Renamer(taken)
    return tuple([renamer.message(message) for message in messages])


class _Renamer:
    """The ids of one conversation, renamed in order. Results answer the calls of the message before them, in their
    order.
    """

    def __init__(self, taken: set[str]) -> None:
        self._taken = taken
        self._seen: dict[str, int] = {}  # number of uses
        self._waiting: dict[str, list[str]] = {}  # new ids of calls without a result, by old id
        self._last: dict[str, str] = {}

    def message(self, message: Message) -> Message:
        if message.role is Role.ASSISTANT:
            for part in message.parts:
                if isinstance(part, ToolCall):
                    self._waiting[part.id] = []
        return msgspec.structs.replace(message, parts=tuple([self._part(part) for part in message.parts]))

    def _part(self, part: Part) -> Part:
        match part:
            case ToolCall():
                new = self._last[part.id] = self._new(part.id)
                self._waiting[part.id].append(new)
                return msgspec.structs.replace(part, id=new)
            case ToolResult():
                waiting = self._waiting.get(part.call_id)
                new = waiting.pop(0) if waiting else self._last.get(part.call_id, part.call_id)
                return msgspec.structs.replace(part, call_id=new)
        return part

    def _new(self, id_: str) -> str:
        """Return the id itself for its first use, then a new id that is the same whenever the
        conversation is repeated.
        """
        count = self._seen[id_] = self._seen.get(id_, 0) + 1
        if count == 1:
            return id_
        while (new := f"{id_}_{count}") in self._taken:
            count += 1
        self._taken.add(new)
        return new
