"""The cache reader of the Responses API."""

import re
from typing import Literal

import msgspec

from tokenharbor.wire.framing.json_values import NULL, UNREADABLE
from tokenharbor.wire.framing.restamp import Parts, Seen, restamp
from tokenharbor.wire.neutral.plain import MOST_PLAIN, PlainChat, PlainTool, read_number, schema_of, split_system
from tokenharbor.wire.neutral.request import Request
from tokenharbor.wire.neutral.strict_read import StrictShape

_MEMBERS = frozenset(
    {
        *("model", "input", "instructions", "stream", "max_output_tokens", "temperature", "top_p", "user"),
        *("safety_identifier", "tools", "store", "provider", "cache", "usage"),
    }
)
_REFUSAL = re.compile(rb'"type"\s*:\s*"refusal"')
_COMPLETED = re.compile(rb'"status"\s*:\s*"completed"')
_UNFINISHED = re.compile(rb'"status"\s*:\s*"(?:incomplete|failed|cancelled|queued)"')


class _Part(StrictShape, frozen=True):
    type: Literal["input_text", "output_text"]
    text: str


class _Message(StrictShape, frozen=True):
    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[_Part]
    type: Literal["message"] = "message"


class _Tool(StrictShape, frozen=True):
    type: Literal["function"]
    name: str
    description: str | None = None
    parameters: msgspec.Raw = NULL
    strict: bool | None = None


class _Stamp(msgspec.Struct, frozen=True, gc=False):
    id: str = ""
    created_at: float = 0


class _Begun(msgspec.Struct, frozen=True, gc=False):
    response: _Stamp = _Stamp()
    id: str = ""
    created_at: float = 0


_decode_input = msgspec.json.Decoder(str | list[_Message]).decode
_decode_tools = msgspec.json.Decoder(list[_Tool] | None).decode
_decode_text = msgspec.json.Decoder(str | None).decode
_decode_begun = msgspec.json.Decoder(_Begun).decode


class ResponsesCaching:
    """The `CacheReader` of this dialect. `users` is empty because answers repeat the end user."""

    users: frozenset[str] = frozenset()

    def temperature(self, request: Request) -> float | None:
        return read_number(request.members, "temperature")

    def read_plain(self, request: Request) -> PlainChat | None:
        members = request.members
        if len(request.body) > MOST_PLAIN or not _MEMBERS.issuperset(members):
            return None
        try:
            turns = _turns(members)
            if turns is None:
                return None
            tools = _tools(members["tools"]) if "tools" in members else ()
            if any(tool.strict is None for tool in tools):
                return None  # here tools are strict by default, in other dialects not
            system, rest = split_system(turns)
            return PlainChat(
                system,
                rest,
                tools,
                request.max_output,
                read_number(members, "temperature") if "temperature" in members else None,
                read_number(members, "top_p") if "top_p" in members else None,
                _users(members) if "user" in members or "safety_identifier" in members else (),
            )
        except UNREADABLE:
            return None

    def is_finished(self, ending: bytes) -> bool:
        return _COMPLETED.search(ending) is not None and _UNFINISHED.search(ending) is None

    def is_refusal(self, answer: bytes) -> bool:
        return b'"refusal"' in answer and _REFUSAL.search(answer) is not None

    def restamp(self, parts: Parts, stamp: Seen, *, stream: bool) -> Parts:
        return restamp(parts, _look, ("id", "created_at"), stamp, stream=stream)


def _turns(members: dict[str, msgspec.Raw]) -> list[tuple[str, str]] | None:
    said = _decode_text(members["instructions"]) if "instructions" in members else None
    turns = [] if said is None else [("system", said)]
    found = _decode_input(members["input"])
    if isinstance(found, str):
        return [*turns, ("user", found)]
    for each in found:
        texts = [each.content] if isinstance(each.content, str) else [part.text for part in each.content]
        if len(texts) != 1:
            return None
        turns.append(("system" if each.role == "developer" else each.role, texts[0]))
    return turns


def _tools(raw: msgspec.Raw) -> tuple[PlainTool, ...]:
    return tuple(
        [
            PlainTool(each.name, each.description, schema_of(each.parameters), each.strict)
            for each in _decode_tools(raw) or ()
        ]
    )


def _users(members: dict[str, msgspec.Raw]) -> tuple[str | None, ...]:
    return tuple([_decode_text(members[name]) if name in members else None for name in ("user", "safety_identifier")])


def _look(data: bytes) -> Seen:
    try:
        seen = _decode_begun(data)
    except UNREADABLE:
        return "", 0
    return seen.response.id or seen.id, int(seen.response.created_at or seen.created_at)
