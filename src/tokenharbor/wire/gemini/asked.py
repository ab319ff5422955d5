"""The shapes of a Gemini request, strictly: what it says to other dialects must be known. Whatever stands in it in the
other spelling, or is null, is put right first.
"""

from collections.abc import Mapping
from types import GenericAlias
from typing import NamedTuple, get_args

import msgspec

from tokenharbor.wire.across import UNREADABLE, decode, no_meaning
from tokenharbor.wire.body import Members
from tokenharbor.wire.fields import NULL
from tokenharbor.wire.gemini.names import spelled
from tokenharbor.wire.request import Request

ABSENT = msgspec.UNSET
Absent = msgspec.UnsetType

_SHOWN = 60


class Asked(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True, rename="camel"):
    """The base of all of them."""


class Media(Asked, frozen=True):
    """Media inlined (`data`) or elsewhere."""

    mime_type: str = ""
    data: str = ""
    file_uri: str = ""
    display_name: str = ""


class Call(Asked, frozen=True):
    """A call that the model made; its arguments stay as they are."""

    id: str = ""
    name: str = ""
    args: msgspec.Raw = NULL


class Result(Asked, frozen=True):
    """What the caller's tool gave; `parts` are media."""

    id: str = ""
    name: str = ""
    response: msgspec.Raw = NULL
    parts: "list[Part]" = []


class Part(Asked, frozen=True):
    """A piece of content; one of its members says what it is. The last four are the vendor's own."""

    text: str = ""
    thought: bool = False
    thought_signature: str = ""
    inline_data: Media | Absent = ABSENT
    file_data: Media | Absent = ABSENT
    function_call: Call | Absent = ABSENT
    function_response: Result | Absent = ABSENT
    media_resolution: msgspec.Raw = NULL
    part_metadata: msgspec.Raw = NULL
    executable_code: msgspec.Raw = NULL
    code_execution_result: msgspec.Raw = NULL


class Content(Asked, frozen=True):
    """What somebody says."""

    role: str = ""
    parts: list[Part] = []


class Words(Asked, frozen=True):
    """A piece of what the system says."""

    text: str = ""


class System(Asked, frozen=True):
    """What the system says."""

    role: msgspec.Raw = NULL
    parts: list[Words] = []


class Declaration(Asked, frozen=True):
    """A tool that the caller runs."""

    name: str = ""
    description: str = ""
    parameters: msgspec.Raw = NULL
    parameters_json_schema: msgspec.Raw = NULL
    response: msgspec.Raw = NULL
    response_json_schema: msgspec.Raw = NULL
    behavior: str = ""


class Tools(Asked, frozen=True):
    """An entry of `tools`."""

    function_declarations: list[Declaration] = []


class Calling(Asked, frozen=True):
    """Whether tools are to be called, and which."""

    mode: str = ""
    allowed_function_names: list[str] = []


class ToolConfig(Asked, frozen=True):
    """`toolConfig`."""

    function_calling_config: Calling | Absent = ABSENT
    retrieval_config: msgspec.Raw = NULL


class Thinking(Asked, frozen=True):
    """`thinkingConfig`."""

    thinking_budget: msgspec.Raw = NULL
    thinking_level: str = ""
    include_thoughts: bool = False


class Config(Asked, frozen=True):
    """`generationConfig`; what has been looked at before, or is no more than a number to check, stays unread."""

    max_output_tokens: msgspec.Raw = NULL
    temperature: float | None = None
    top_p: float | None = None
    top_k: float | None = None
    stop_sequences: list[str] = []
    candidate_count: msgspec.Raw = NULL
    response_mime_type: str = ""
    response_schema: msgspec.Raw = NULL
    response_json_schema: msgspec.Raw = NULL
    seed: msgspec.Raw = NULL
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    response_logprobs: bool = False
    logprobs: msgspec.Raw = NULL
    thinking_config: Thinking | Absent = ABSENT
    media_resolution: msgspec.Raw = NULL
    response_modalities: msgspec.Raw = NULL
    speech_config: msgspec.Raw = NULL
    image_config: msgspec.Raw = NULL
    routing_config: msgspec.Raw = NULL
    model_selection_config: msgspec.Raw = NULL


class Body(Asked, frozen=True):
    """A request; what has been looked at before stays unread."""

    contents: list[Content]
    system_instruction: System | Absent = ABSENT
    tools: list[Tools] = []
    tool_config: ToolConfig | Absent = ABSENT
    generation_config: Config = Config()
    safety_settings: msgspec.Raw = NULL
    labels: msgspec.Raw = NULL
    model: msgspec.Raw = NULL
    cached_content: msgspec.Raw = NULL
    service_tier: msgspec.Raw = NULL
    store: msgspec.Raw = NULL
    provider: msgspec.Raw = NULL
    cache: msgspec.Raw = NULL
    usage: msgspec.Raw = NULL


class _Unread(msgspec.Struct, frozen=True):
    """Contents whose parts are as they came."""

    parts: list[msgspec.Raw] = []


_decode_body = msgspec.json.Decoder(Body).decode
_decode_members = msgspec.json.Decoder(Members).decode
_decode_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_unread = msgspec.json.Decoder(list[_Unread]).decode
_encode = msgspec.json.Encoder().encode


def read_body(request: Request) -> Body:
    """Raises InvalidRequest that names the field which is not known, or has the wrong type."""
    try:
        return _decode_body(request.body)
    except UNREADABLE:
        pass  # it may be written in the other spelling, or hold nulls
    return decode(_Tidy().write(msgspec.Raw(request.body), Body, ""), _decode_body, "")


def unread_part(request: Request, content: int, part: int) -> bytes:
    """A part as it came."""
    return bytes(_decode_unread(request.members["contents"])[content].parts[part])


class _Tidy:
    """Writes objects anew: their members in this dialect's first spelling, and none that is null."""

    def __init__(self) -> None:
        self._shapes: dict[type[Asked], _Shape] = {}  # those that were met

    def write(self, raw: msgspec.Raw, shape: type[Asked], place: str) -> msgspec.Raw:
        """Raises InvalidRequest for a member that the shape does not have, and for one in both spellings."""
        found = self._shapes.get(shape)
        if found is None:
            found = self._shapes[shape] = _shape_of(shape)
        before = f"{place}." if place else ""
        kept: Members = {}
        for name, each in spelled(decode(raw, _decode_members, place or "body"), found.known, before).items():
            if each == NULL:
                continue
            if name not in found.known:
                raise no_meaning(before + name[:_SHOWN])
            inner = found.inner.get(name)
            kept[name] = each if inner is None else self._within(each, inner, before + name)
        return msgspec.Raw(_encode(kept))

    def _within(self, raw: msgspec.Raw, inner: "_Inner", place: str) -> msgspec.Raw:
        if not inner.listed:
            return self.write(raw, inner.shape, place)
        items = decode(raw, _decode_items, place)
        return msgspec.Raw(_encode([self.write(item, inner.shape, f"{place}[{at}]") for at, item in enumerate(items)]))


class _Inner(NamedTuple):
    """What shape a member has; `listed`: each item of it."""

    shape: type[Asked]
    listed: bool


class _Shape(NamedTuple):
    """The names of a shape's members, and those that are objects."""

    known: frozenset[str]
    inner: Mapping[str, _Inner]


def _shape_of(shape: type[Asked]) -> _Shape:
    inner: dict[str, _Inner] = {}
    for field in msgspec.structs.fields(shape):
        for one in (field.type, *get_args(field.type)):
            if isinstance(one, type) and issubclass(one, Asked):
                inner[field.encode_name] = _Inner(one, isinstance(field.type, GenericAlias))
    return _Shape(frozenset(shape.__struct_encode_fields__), inner)
