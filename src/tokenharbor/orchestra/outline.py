"""The outline of a conversation's system prompt and tools, by which a change to another agent is recognised."""

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nsmallest

from tokenharbor.wire.neutral.chat import Chat, Role, Text

_LINES = 16  # digests kept: the smallest ones, so that similar prompts keep the same ones
_BITS = (1 << 29) - 1  # of a digest: what fits into Python's smallest int
_ALIKE = 0.5  # the least share of common lines in prompts of one agent: some lines hold the time or an id
_MOST = 200_000  # characters of the system prompt that are read


@dataclass(frozen=True, slots=True)
class Outline:
    """Digests of some lines of the system prompt, and of the names of all tools. It takes half a kilobyte, since one is
    kept for each session, and is valid only in the process that made it.
    """

    lines: tuple[int, ...] = ()
    tools: int = 0

    def differs(self, other: "Outline") -> bool:
        """Return whether the other outline is of another agent."""
        return self.tools != other.tools or _alike(self.lines, other.lines) < _ALIKE


def outline_of(chat: Chat) -> Outline:
    """Return the outline of a conversation, from its system prompt and tools."""
    lines: list[int] = []
    room = _MOST
    for message in chat.messages:
        if message.role is not Role.SYSTEM or room <= 0:
            break
        for part in message.parts:
            if isinstance(part, Text):
                lines += [hash(line) & _BITS for line in part.text[:room].splitlines() if line]
                room -= len(part.text)
    return Outline(tuple(nsmallest(_LINES, set(lines))), hash(frozenset(tool.name for tool in chat.tools)))


def _alike(one: Sequence[int], other: Sequence[int]) -> float:
    """Estimate the share of lines in common: the share of the smallest digests of both that both have (MinHash)."""
    if not one and not other:
        return 1.0
    smallest = nsmallest(_LINES, {*one, *other})
    return sum(each in one and each in other for each in smallest) / len(smallest)
