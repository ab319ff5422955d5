"""The cache reader of Anthropic's dialect."""

from typing import Literal

import msgspec

from tokenharbor.wire.framing.json_values import UNREADABLE
from tokenharbor.wire.framing.restamp import Parts, Seen, restamp
from tokenharbor.wire.neutral.plain import MOST_PLAIN, PlainChat, PlainTool, ends_with, read_number, split_system
from tokenharbor.wire.neutral.request import Request
from tokenharbor.wire.neutral.strict_read import CacheControl, StrictShape

_MEMBERS = frozenset(
    {
        *("model", "messages", "stream", "system", "max_tokens", "temperature", "top_p", "metadata", "tools"),
        *("provider", "cache", "usage"),
    }
)
_FINISHED = frozenset({b"end_turn", b"tool_use", b"stop_sequence", b"stop", b"tool_calls"})


class _Block(StrictShape, frozen=True):
    type: Literal["text"]
    text: str
    cache_control: CacheControl | None = None


class _Message(StrictShape, frozen=True):
    role: Literal["user", "assistant"]
    content: str | list[_Block]


class _Tool(StrictShape, frozen=True):
    name: str
    input_schema: msgspec.Raw
    description: str | None = None
    type: Literal["custom"] | None = None
    cache_control: CacheControl | None = None
    strict: bool | None = None


class _Metadata(StrictShape, frozen=True):
    user_id: str | None = None


class _Stamp(msgspec.Struct, frozen=True, gc=False):
    id: str = ""


class _Begun(msgspec.Struct, frozen=True, gc=False):
    message: _Stamp = _Stamp()
    id: str = ""


_decode_messages = msgspec.json.Decoder(list[_Message]).decode
_decode_system = msgspec.json.Decoder(str | list[_Block] | None).decode
_decode_tools = msgspec.json.Decoder(list[_Tool] | None).decode
_decode_metadata = msgspec.json.Decoder(_Metadata | None).decode
_decode_begun = msgspec.json.Decoder(_Begun).decode


class AnthropicCaching:
    """The `CacheReader` of this dialect."""

    users = frozenset({"metadata"})

    def temperature(self, request: Request) -> float | None:
        return read_number(request.members, "temperature")

    def read_plain(self, request: Request) -> PlainChat | None:
        members = request.members
        if len(request.body) > MOST_PLAIN or not _MEMBERS.issuperset(members):
            return None
        try:
            said = _texts(_decode_system(members["system"])) if "system" in members else []
            turns = [("system", text) for text in said]
            for each in _decode_messages(members["messages"]):
                texts = _texts(each.content)
                if len(texts) != 1:
                    return None
                turns.append((each.role, texts[0]))
            system, rest = split_system(turns)
            return PlainChat(
                system,
                rest,
                _tools(members["tools"]) if "tools" in members else (),
                request.max_output,
                read_number(members, "temperature") if "temperature" in members else None,
                read_number(members, "top_p") if "top_p" in members else None,
                _users(members["metadata"]) if "metadata" in members else (),
            )
        except UNREADABLE:
            return None

    def is_finished(self, ending: bytes) -> bool:
        return ends_with(_FINISHED, b'"stop_reason"', ending)

    def is_refusal(self, answer: bytes) -> bool:  # noqa: ARG002  its stop reason shows refusals
        return False

    def restamp(self, parts: Parts, stamp: Seen, *, stream: bool) -> Parts:
        return restamp(parts, _look, ("id", ""), stamp, stream=stream)


def _texts(content: str | list[_Block] | None) -> list[str]:
    if content is None:
        return []
    return [content] if isinstance(content, str) else [block.text for block in content]


def _tools(raw: msgspec.Raw) -> tuple[PlainTool, ...]:
    return tuple(
        [
            PlainTool(each.name, each.description, bytes(each.input_schema), each.strict)
            for each in _decode_tools(raw) or ()
        ]
    )


def _users(raw: msgspec.Raw) -> tuple[str | None, ...]:
    metadata = _decode_metadata(raw)
    return () if metadata is None or metadata.user_id is None else (metadata.user_id, None)


def _look(data: bytes) -> Seen:
    try:
        seen = _decode_begun(data)
    except UNREADABLE:
        return "", 0
    return seen.message.id or seen.id, 0
