"""The shapes of a Gemini request, strictly: what it says to other dialects must be known. Whatever stands in it in the
other spelling, or is null, is put right first.
"""

from typing import get_args, get_origin

import msgspec

from tokenharbor.wire.across import UNREADABLE, decode, no_meaning
from tokenharbor.wire.body import Members
from tokenharbor.wire.fields import NULL, is_null
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
        self._shapes: dict[type[Asked], dict[str, object]] = {}  # each one's members and their types

    def write(self, raw: msgspec.Raw, shape: type[Asked], place: str) -> msgspec.Raw:
        """Raises InvalidRequest for a member that the shape does not have, and for one in both spellings."""
        if shape not in self._shapes:
            self._shapes[shape] = {field.encode_name: field.type for field in msgspec.structs.fields(shape)}
        types, before = self._shapes[shape], f"{place}." if place else ""
        members = spelled(decode(raw, _decode_members, place or "body"), frozenset(types), before)
        kept: Members = {}
        for name, each in members.items():
            if is_null(each):
                continue
            if name not in types:
                raise no_meaning(before + name[:_SHOWN])
            kept[name] = self._member(each, types[name], before + name)
        return msgspec.Raw(_encode(kept))

    def _member(self, raw: msgspec.Raw, type_: object, place: str) -> msgspec.Raw:
        """Of objects, and arrays of them."""
        shape = next(
            (one for one in (type_, *get_args(type_)) if isinstance(one, type) and issubclass(one, Asked)), None
        )
        if shape is None:
            return raw
        if get_origin(type_) is not list:
            return self.write(raw, shape, place)
        items = decode(raw, _decode_items, place)
        return msgspec.Raw(_encode([self.write(item, shape, f"{place}[{at}]") for at, item in enumerate(items)]))
