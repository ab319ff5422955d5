"""The outline of a conversation's frame: its system prompt and tools, as far as a change of them is another agent."""

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nsmallest

from tokenharbor.wire.neutral.chat import Chat, Role, Text

_LINES = 16  # whose digests are kept: the smallest, so that two prompts alike keep the same
_BITS = (1 << 29) - 1  # of a digest: as many as the smallest whole number of Python has
_ALIKE = 0.5  # the share of lines that one agent's prompts have in common: some hold the time, or a number of their own
_MOST = 200_000  # characters of system prompt that are looked at


@dataclass(frozen=True, slots=True)
class Outline:
    """Digests of some lines of the system prompt, and of the names of all tools: half a kilobyte, since one is kept for
    each session. Only of use in the process that made it.
    """

    lines: tuple[int, ...] = ()
    tools: int = 0

    def differs(self, other: "Outline") -> bool:
        """Whether the client has become another agent."""
        return self.tools != other.tools or _alike(self.lines, other.lines) < _ALIKE


def outline_of(chat: Chat) -> Outline:
    """The outline of what stands before the first turn."""
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
    """The share of the smallest digests of both together that both have: an estimate of the lines in common."""
    if not one and not other:
        return 1.0
    smallest = nsmallest(_LINES, {*one, *other})
    return sum(each in one and each in other for each in smallest) / len(smallest)
