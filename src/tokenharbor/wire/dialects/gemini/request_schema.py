"""The strict shapes of a Gemini request: every member must be known before it is translated; other spellings and nulls
are normalised first.
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
    """The base of these shapes."""


class GeminiMedia(GeminiShape, frozen=True):
    """Media, inlined (`data`) or by URI."""

    mime_type: str = ""
    data: str = ""
    file_uri: str = ""
    display_name: str = ""


class GeminiPastCall(GeminiShape, frozen=True):
    """A call that the model made; its arguments stay unread."""

    id: str = ""
    name: str = ""
    args: msgspec.Raw = NULL


class FunctionResponse(GeminiShape, frozen=True):
    """A result of the caller's tool; `parts` are media."""

    id: str = ""
    name: str = ""
    response: msgspec.Raw = NULL
    parts: "list[GeminiRequestPart]" = []


class GeminiRequestPart(GeminiShape, frozen=True):
    """A piece of content; one of its members is set and gives its kind. The last four members are the vendor's own."""

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
    """A content: one role's parts."""

    role: str = ""
    parts: list[GeminiRequestPart] = []


class SystemText(GeminiShape, frozen=True):
    """A part of the system instruction."""

    text: str = ""


class SystemInstruction(GeminiShape, frozen=True):
    """The system instruction."""

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
    """Whether to call tools, and which."""

    mode: str | int = ""  # protobuf accepts a name or its number
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
    """`generationConfig`; members that are checked earlier, or only as a number, stay unread."""

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
    """A request; members that are checked earlier stay unread."""

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
    """A content with unread parts."""

    parts: msgspec.Raw = msgspec.Raw(b"[]")


_decode_body = msgspec.json.Decoder(GeminiRequest, strict=False).decode  # protobuf's JSON accepts "0.5" for 0.5
_decode_parts = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_unread = msgspec.json.Decoder(list[_Unread]).decode


def read_body(request: Request, unknown: dict[str, str]) -> GeminiRequest:
    """Decode the body; unknown fields are removed and noted in `unknown`. Raises InvalidRequest for a wrong type, and
    for a name in both spellings.
    """
    try:
        return _decode_body(request.body)
    except UNREADABLE:
        pass  # it may have the other spelling, nulls or unknown fields
    try:
        return decode(
            KnownMembers(unknown, to_known_spelling).write(msgspec.Raw(request.body), GeminiRequest, ""),
            _decode_body,
            "",
        )
    except UnknownFieldError as error:
        raise untranslatable_field(str(error)) from None


def unread_part(request: Request, content: int, part: int) -> bytes:
    """Return the bytes of a part."""
    said = _decode_unread(as_list(request.members["contents"]))[content]
    return bytes(_decode_parts(as_list(said.parts))[part])
