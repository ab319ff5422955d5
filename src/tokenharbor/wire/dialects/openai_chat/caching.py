"""The cache reader of OpenAI's chat completions."""

import re
from typing import Literal

import msgspec

from tokenharbor.wire.framing.json_values import NULL, UNREADABLE
from tokenharbor.wire.framing.restamp import Parts, Seen, restamp
from tokenharbor.wire.neutral.plain import (
    MOST_PLAIN,
    PlainChat,
    PlainTool,
    ends_with,
    read_number,
    schema_of,
    split_system,
)
from tokenharbor.wire.neutral.request import Request
from tokenharbor.wire.neutral.strict_read import StrictShape

_MEMBERS = frozenset(
    {
        *("model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "temperature"),
        *("top_p", "user", "safety_identifier", "tools", "provider", "cache", "usage"),
    }
)
_REFUSAL = re.compile(rb'"refusal"\s*:\s*"')
_FINISHED = frozenset(
    {b"stop", b"tool_calls", b"function_call", b"eos", b"eos_token", b"end_turn", b"stop_sequence", b"tool_use"}
)


class _Message(StrictShape, frozen=True):
    role: Literal["system", "developer", "user", "assistant"]
    content: str


class _Function(StrictShape, frozen=True):
    name: str
    description: str | None = None
    parameters: msgspec.Raw = NULL
    strict: bool | None = None


class _Tool(StrictShape, frozen=True):
    type: Literal["function"]
    function: _Function


class _Stamp(msgspec.Struct, frozen=True, gc=False):
    id: str = ""
    created: int = 0


_decode_messages = msgspec.json.Decoder(list[_Message]).decode
_decode_tools = msgspec.json.Decoder(list[_Tool] | None).decode
_decode_text = msgspec.json.Decoder(str | None).decode
_decode_stamp = msgspec.json.Decoder(_Stamp).decode


class OpenAICaching:
    """The `CacheReader` of this dialect."""

    users = frozenset({"user", "safety_identifier"})

    def temperature(self, request: Request) -> float | None:
        return read_number(request.members, "temperature")

    def read_plain(self, request: Request) -> PlainChat | None:
        members = request.members
        if len(request.body) > MOST_PLAIN or not _MEMBERS.issuperset(members):
            return None
        try:
            turns: list[tuple[str, str]] = [
                ("system" if each.role == "developer" else each.role, each.content)
                for each in _decode_messages(members["messages"])
            ]
            system, rest = split_system(turns)
            return PlainChat(
                system,
                rest,
                _tools(members["tools"]) if "tools" in members else (),
                request.max_output,
                read_number(members, "temperature") if "temperature" in members else None,
                read_number(members, "top_p") if "top_p" in members else None,
                _users(members) if "user" in members or "safety_identifier" in members else (),
                request.max_unsure,
            )
        except UNREADABLE:
            return None

    def is_finished(self, ending: bytes) -> bool:
        return ends_with(_FINISHED, b'"finish_reason"', ending)

    def is_refusal(self, answer: bytes) -> bool:
        return b'"refusal"' in answer and _REFUSAL.search(answer) is not None

    def restamp(self, parts: Parts, stamp: Seen, *, stream: bool) -> Parts:
        return restamp(parts, _look, ("id", "created"), stamp, stream=stream)


def _tools(raw: msgspec.Raw) -> tuple[PlainTool, ...]:
    return tuple(
        [
            PlainTool(
                each.function.name,
                each.function.description,
                schema_of(each.function.parameters),
                each.function.strict,
            )
            for each in _decode_tools(raw) or ()
        ]
    )


def _users(members: dict[str, msgspec.Raw]) -> tuple[str | None, ...]:
    return tuple([_decode_text(members[name]) if name in members else None for name in ("user", "safety_identifier")])


def _look(data: bytes) -> Seen:
    try:
        seen = _decode_stamp(data)
    except UNREADABLE:
        return "", 0
    return seen.id, seen.created
