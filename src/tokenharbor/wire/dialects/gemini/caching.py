"""The cache reader of Gemini's API."""

from typing import Literal

import msgspec

from tokenharbor.wire.dialects.gemini.names import name_in
from tokenharbor.wire.framing.json_values import NULL, UNREADABLE
from tokenharbor.wire.framing.restamp import Parts, Seen, restamp
from tokenharbor.wire.neutral.plain import MOST_PLAIN, PlainChat, PlainTool, ends_with, schema_of, split_system
from tokenharbor.wire.neutral.request import Request
from tokenharbor.wire.neutral.strict_read import StrictShape

_MEMBERS = frozenset(
    {"contents", "systemInstruction", "generationConfig", "tools", "model", "provider", "cache", "usage"}
)
_FINISHED = frozenset({b"STOP"})


class _Part(StrictShape, frozen=True):
    text: str


class _Content(StrictShape, frozen=True):
    parts: list[_Part]
    role: Literal["user", "model"] = "user"


class _Config(StrictShape, frozen=True, rename="camel"):
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None


class _Function(StrictShape, frozen=True):
    name: str
    description: str | None = None
    parameters: msgspec.Raw = NULL


class _Tools(StrictShape, frozen=True, rename="camel"):
    function_declarations: list[_Function]


class _Warmth(msgspec.Struct, frozen=True, gc=False):
    temperature: float | None = None


class _Stamp(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    response_id: str = ""


_NO_CONFIG = _Config()
_COLD = _Warmth()
_decode_contents = msgspec.json.Decoder(list[_Content] | _Content).decode
_decode_system = msgspec.json.Decoder(_Content | None).decode
_decode_config = msgspec.json.Decoder(_Config | None).decode
_decode_warmth = msgspec.json.Decoder(_Warmth | None).decode
_decode_tools = msgspec.json.Decoder(list[_Tools] | None).decode
_decode_stamp = msgspec.json.Decoder(_Stamp).decode


class GeminiCaching:
    """The `CacheReader` of this dialect."""

    users: frozenset[str] = frozenset()

    def temperature(self, request: Request) -> float | None:
        raw = request.members.get(name_in(request.members, "generationConfig"), NULL)
        try:
            return (_decode_warmth(raw) or _COLD).temperature
        except UNREADABLE:
            return float("inf")

    def read_plain(self, request: Request) -> PlainChat | None:
        members = request.members
        if len(request.body) > MOST_PLAIN or not _MEMBERS.issuperset(members):
            return None
        try:
            turns = _turns(members)
            if turns is None:
                return None
            system, rest = split_system(turns)
            config = _decode_config(members["generationConfig"]) if "generationConfig" in members else None
            config = config or _NO_CONFIG
            return PlainChat(
                system,
                rest,
                _tools(members["tools"]) if "tools" in members else (),
                request.max_output,
                config.temperature,
                config.top_p,
            )
        except UNREADABLE:
            return None

    def is_finished(self, ending: bytes) -> bool:
        return ends_with(_FINISHED, b'"finishReason"', ending)

    def is_refusal(self, answer: bytes) -> bool:  # noqa: ARG002  its stop reason shows refusals
        return False

    def restamp(self, parts: Parts, stamp: Seen, *, stream: bool) -> Parts:
        return restamp(parts, _look, ("responseId", ""), stamp, stream=stream)


def _turns(members: dict[str, msgspec.Raw]) -> list[tuple[str, str]] | None:
    said = _decode_system(members["systemInstruction"]) if "systemInstruction" in members else None
    turns = [] if said is None else [("system", part.text) for part in said.parts]
    found = _decode_contents(members["contents"])
    for each in [found] if isinstance(found, _Content) else found:
        if len(each.parts) != 1:
            return None
        turns.append(("user" if each.role == "user" else "assistant", each.parts[0].text))
    return turns


def _tools(raw: msgspec.Raw) -> tuple[PlainTool, ...]:
    return tuple(
        [
            PlainTool(each.name, each.description, schema_of(each.parameters))
            for tools in _decode_tools(raw) or ()
            for each in tools.function_declarations
        ]
    )


def _look(data: bytes) -> Seen:
    try:
        return _decode_stamp(data).response_id, 0
    except UNREADABLE:
        return "", 0
