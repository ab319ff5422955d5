"""Plain conversations: only text and tools, nothing else that could change the answer; the same in every dialect.

Most requests are plain. Two plain requests with the same content compare equal in any dialect, so one can get the
other's cached answer. A dialect reads a request into a `PlainChat` only if it knows every field of it; a request with
any other field, part or role is not plain and is compared by its bytes.
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
"""The largest body, in bytes, that is read as plain: a larger one takes longer to read than to compare by its bytes."""


class PlainTool(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A tool that the caller runs; `schema` is the JSON schema of its parameters as given."""

    name: str
    description: str | None = None
    schema: bytes | None = None
    strict: bool | None = None


class PlainChat(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """`system` holds the system's texts before the first turn; `turns` are pairs of a role (`user`, `assistant`,
    `system`) and a text. `users`: the end users that the caller names. `max_unsure`: the maximum is in a field that not
    every vendor obeys, so an answer may be longer.
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
        """The text, if the whole conversation is one message of the user's without tools; else None."""
        alone = len(self.turns) == 1 and not self.system and not self.tools
        return self.turns[0][1] if alone and self.turns[0][0] == "user" else None


class CacheReader(Protocol):
    """A dialect's side of the caches: reads its requests and answers for them."""

    @property
    def users(self) -> frozenset[str]:
        """The members that name an end user, unless answers repeat them."""

    def temperature(self, request: Request) -> float | None:
        """Return the caller's temperature; None if unset."""

    def read_plain(self, request: Request) -> PlainChat | None:
        """Return a request as a plain conversation, or None if it is not plain."""

    def is_finished(self, ending: bytes) -> bool:
        """Return whether an answer ended by itself, by its stop reason: neither cut at a maximum nor withheld."""

    def is_refusal(self, answer: bytes) -> bool:
        """Return whether an answer (of a stream, with its ending) has refusal content, which no stop reason shows."""

    def restamp(self, parts: Parts, stamp: Seen, *, stream: bool) -> Parts:
        """Return an answer of this dialect with the stamp's time and an id that ends in the stamp's text."""


_TEXT_VALUE = re.compile(rb'\s*:\s*"([^"]*)"')
_decode_number = msgspec.json.Decoder(float | None).decode


def read_number(members: Mapping[str, msgspec.Raw], name: str) -> float | None:
    """Read a member that is a number or null. A value of another type counts as infinite; the vendor will refuse it."""
    raw = members.get(name)
    if raw is None:
        return None
    try:
        number: float | None = _decode_number(raw)
    except UNREADABLE:
        return float("inf")
    return number


def ends_with(reasons: Container[bytes], field: bytes, answer: bytes) -> bool:
    """Return whether an answer has stop reasons in `field` (a name with its quotes), all of them in `reasons`. A tool's
    arguments may contain such a field, too, but cannot turn a cut answer into a finished one.
    """
    found, at = False, answer.find(field)  # several times as fast as one regular expression over the whole answer
    while at >= 0:
        at += len(field)
        if (reason := _TEXT_VALUE.match(answer, at)) is not None:
            if reason[1] not in reasons:
                return False
            found = True
        at = answer.find(field, at)
    return found


def schema_of(raw: msgspec.Raw) -> bytes | None:
    """Return a tool's parameters as given, or None."""
    return None if is_null(raw) else bytes(raw)


def split_system(turns: list[tuple[str, str]]) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Return the system's texts before the first turn, and the remaining turns."""
    first = 0
    for role, _ in turns:
        if role != "system":
            break
        first += 1
    return tuple([text for _, text in turns[:first]]), tuple(turns[first:])
