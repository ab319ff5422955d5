"""Plain conversations: words and tools, and nothing else that could change the answer; the same in every dialect.

Most requests are plain. Two that say the same are equal here whatever dialect they came in, so that one can be given
the other's answer. A dialect reads a request into a `PlainChat` only where it knows every field of it; one with any
other field, part or role is not plain, and compared by its bytes.
"""

import re
from collections.abc import Container, Mapping
from typing import Protocol

import msgspec

from tokenharbor.wire.framing.fields import is_null
from tokenharbor.wire.framing.json_values import UNREADABLE
from tokenharbor.wire.framing.restamp import Parts, Seen
from tokenharbor.wire.neutral.request import Request

MOST_PLAIN = 16 << 10
"""Bytes of a body that is read for this: what takes longer to read than to compare is compared by its bytes."""


class PlainTool(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A tool that the caller runs; `schema` is its parameters' JSON as given."""

    name: str
    description: str | None = None
    schema: bytes | None = None
    strict: bool | None = None


class PlainChat(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """`system` are the system's texts before the first turn; `turns` are roles (`user`, `assistant`, `system`) and
    texts. `users`: whom the caller says that it asks for. `max_unsure`: the maximum stands in a field that not every
    vendor obeys, so that an answer may be longer.
    """

    system: tuple[str, ...]
    turns: tuple[tuple[str, str], ...]
    tools: tuple[PlainTool, ...] = ()
    max_output: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    users: tuple[str | None, ...] = ()
    max_unsure: bool = False

    @property
    def question(self) -> str | None:
        """The only thing that is said, where it is the user's; None where there is more, or a tool."""
        alone = len(self.turns) == 1 and not self.system and not self.tools
        return self.turns[0][1] if alone and self.turns[0][0] == "user" else None


class CacheReader(Protocol):
    """A dialect's side of the cache: what of its requests and answers a cache must know."""

    @property
    def users(self) -> frozenset[str]:
        """The members that name an end user, where answers do not repeat them."""

    def temperature(self, request: Request) -> float | None:
        """What the caller set; None: nothing."""

    def read_plain(self, request: Request) -> PlainChat | None:
        """A request as a plain conversation, if it is one."""

    def is_finished(self, ending: bytes) -> bool:
        """Whether an answer came to its own end, by its stop reason: neither cut at a maximum nor withheld."""

    def is_refusal(self, answer: bytes) -> bool:
        """Whether an answer, a stream's with its ending, refuses in words of their own kind, which no stop reason
        tells of.
        """

    def restamp(self, parts: Parts, stamp: Seen, *, stream: bool) -> Parts:
        """An answer of this dialect with an id that ends in the stamp's text, and of its time."""


_TEXT_VALUE = re.compile(rb'\s*:\s*"([^"]*)"')
_decode_number = msgspec.json.Decoder(float | None).decode


def read_number(members: Mapping[str, msgspec.Raw], name: str) -> float | None:
    """A member that is a number or null; what is none is the vendor's to refuse: it counts as a number above 0."""
    raw = members.get(name)
    if raw is None:
        return None
    try:
        number: float | None = _decode_number(raw)
    except UNREADABLE:
        return float("inf")
    return number


def ends_with(reasons: Container[bytes], field: bytes, answer: bytes) -> bool:
    """Whether an answer has stop reasons in `field`, a name with its quotes, and none but `reasons`. What a tool is
    called with may have such a field, too: then it takes more than that to make a cut answer a whole one.
    """
    found, at = False, answer.find(field)  # several times as fast as one expression over the whole
    while at >= 0:
        at += len(field)
        if (reason := _TEXT_VALUE.match(answer, at)) is not None:
            if reason[1] not in reasons:
                return False
            found = True
        at = answer.find(field, at)
    return found


def schema_of(raw: msgspec.Raw) -> bytes | None:
    """A tool's parameters as given, if they are."""
    return None if is_null(raw) else bytes(raw)


def split_system(turns: list[tuple[str, str]]) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """The system's texts before the first turn, and what follows."""
    first = 0
    for role, _ in turns:
        if role != "system":
            break
        first += 1
    return tuple([text for _, text in turns[:first]]), tuple(turns[first:])
