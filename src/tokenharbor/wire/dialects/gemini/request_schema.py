"""The shapes of a Gemini request, strictly: what it says to other dialects must be known. Whatever stands in it in the
other spelling, or is null, is put right first.
"""

import msgspec

from tokenharbor.wire.dialects.gemini.names import as_list, to_known_spelling
from tokenharbor.wire.framing.json_values import NULL, UNREADABLE
from tokenharbor.wire.framing.known_members import KnownMembers
from tokenharbor.wire.neutral.request import Request
from tokenharbor.wire.neutral.strict_read import UnknownFieldError, decode, untranslatable_field

ABSENT = msgspec.UNSET
Absent = msgspec.UnsetType


class GeminiShape(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True, rename="camel"):
    """The base of all of them."""


class GeminiMedia(GeminiShape, frozen=True):
    """Media inlined (`data`) or elsewhere."""

    mime_type: str = ""
    data: str = ""
    file_uri: str = ""
    display_name: str = ""


class GeminiPastCall(GeminiShape, frozen=True):
    """A call that the model made; its arguments stay as they are."""

    id: str = ""
    name: str = ""
    args: msgspec.Raw = NULL


class FunctionResponse(GeminiShape, frozen=True):
    """What the caller's tool gave; `parts` are media."""

    id: str = ""
    name: str = ""
    response: msgspec.Raw = NULL
    parts: "list[GeminiRequestPart]" = []


class GeminiRequestPart(GeminiShape, frozen=True):
    """A piece of content; one of its members says what it is. The last four are the vendor's own."""

    text: str = ""
    thought: bool = False
    thought_signature: str = ""
    inline_data: GeminiMedia | Absent = ABSENT
    file_data: GeminiMedia | Absent = ABSENT
    function_call: GeminiPastCall | Absent = ABSENT
    function_response: FunctionResponse | Absent = ABSENT
    media_resolution: msgspec.Raw = NULL
    part_metadata: msgspec.Raw = NULL
    executable_code: msgspec.Raw = NULL
    code_execution_result: msgspec.Raw = NULL


class GeminiRequestContent(GeminiShape, frozen=True):
    """What somebody says."""

    role: str = ""
    parts: list[GeminiRequestPart] = []


class SystemText(GeminiShape, frozen=True):
    """A piece of what the system says."""

    text: str = ""


class SystemInstruction(GeminiShape, frozen=True):
    """What the system says."""

    role: msgspec.Raw = NULL
    parts: list[SystemText] = []


class FunctionDeclaration(GeminiShape, frozen=True):
    """A tool that the caller runs."""

    name: str = ""
    description: str = ""
    parameters: msgspec.Raw = NULL
    parameters_json_schema: msgspec.Raw = NULL
    response: msgspec.Raw = NULL
    response_json_schema: msgspec.Raw = NULL
    behavior: str = ""


class GeminiTool(GeminiShape, frozen=True):
    """An entry of `tools`."""

    function_declarations: list[FunctionDeclaration] = []
    computer_use: msgspec.Raw = NULL


class FunctionCallingConfig(GeminiShape, frozen=True):
    """Whether tools are to be called, and which."""

    mode: str | int = ""  # protobuf takes a name or its number
    allowed_function_names: list[str] = []


class ToolConfig(GeminiShape, frozen=True):
    """`toolConfig`."""

    function_calling_config: FunctionCallingConfig | Absent = ABSENT
    retrieval_config: msgspec.Raw = NULL


class ThinkingConfig(GeminiShape, frozen=True):
    """`thinkingConfig`."""

    thinking_budget: msgspec.Raw = NULL
    thinking_level: str = ""
    include_thoughts: bool = False


class GenerationConfig(GeminiShape, frozen=True):
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
    thinking_config: ThinkingConfig | Absent = ABSENT
    media_resolution: msgspec.Raw = NULL
    response_modalities: msgspec.Raw = NULL
    speech_config: msgspec.Raw = NULL
    image_config: msgspec.Raw = NULL
    routing_config: msgspec.Raw = NULL
    model_selection_config: msgspec.Raw = NULL


class GeminiRequest(GeminiShape, frozen=True):
    """A request; what has been looked at before stays unread."""

    contents: list[GeminiRequestContent]
    system_instruction: SystemInstruction | Absent = ABSENT
    tools: list[GeminiTool] = []
    tool_config: ToolConfig | Absent = ABSENT
    generation_config: GenerationConfig = GenerationConfig()
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

    parts: msgspec.Raw = msgspec.Raw(b"[]")


_decode_body = msgspec.json.Decoder(GeminiRequest, strict=False).decode  # protobuf's JSON takes "0.5" for 0.5
_decode_parts = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_unread = msgspec.json.Decoder(list[_Unread]).decode


def read_body(request: Request, unknown: dict[str, str]) -> GeminiRequest:
    """Fields that are not known are left out and put into `unknown`. Raises InvalidRequest for one that has the wrong
    type, and for one that stands in both spellings.
    """
    try:
        return _decode_body(request.body)
    except UNREADABLE:
        pass  # it may be written in the other spelling, or hold nulls or what is not known
    try:
        return decode(
            KnownMembers(unknown, to_known_spelling).write(msgspec.Raw(request.body), GeminiRequest, ""),
            _decode_body,
            "",
        )
    except UnknownFieldError as error:
        raise untranslatable_field(str(error)) from None


def unread_part(request: Request, content: int, part: int) -> bytes:
    """A part as it came."""
    said = _decode_unread(as_list(request.members["contents"]))[content]
    return bytes(_decode_parts(as_list(said.parts))[part])
