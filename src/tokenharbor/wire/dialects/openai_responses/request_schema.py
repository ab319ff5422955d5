"""The shapes of a Responses request as other dialects must understand it: items, parts, tools, settings."""

import msgspec

from tokenharbor.wire.framing.json_values import NULL
from tokenharbor.wire.neutral.strict_read import StrictShape


class CacheBreakpoint(StrictShape, frozen=True):
    """A mark that what comes up to here is worth caching."""

    mode: str | None = None
    ttl: str | None = None


class ResponsesAudio(StrictShape, frozen=True):
    """Inlined audio."""

    data: str = ""
    format: str = ""


class InputPart(StrictShape, frozen=True):
    """A part of a message or of a tool's output. Annotations, log probabilities and what an SDK read for its caller are
    an answer's, not read again.
    """

    type: str = ""
    text: str = ""
    annotations: msgspec.Raw = NULL
    logprobs: msgspec.Raw = NULL
    parsed: msgspec.Raw = NULL
    refusal: str = ""
    image_url: str | None = None
    detail: str | None = None
    file_id: str | None = None
    file_data: str | None = None
    file_url: str | None = None
    filename: str | None = None
    input_audio: ResponsesAudio | None = None
    prompt_cache_breakpoint: CacheBreakpoint | None = None


class InputItem(StrictShape, frozen=True):
    """One item of the input. A message may leave out its type. The last ones are notes of vendors, which say nothing
    to others.
    """

    type: str | None = None
    role: str = ""
    content: str | list[InputPart] | None = None
    summary: list[InputPart] | None = None
    encrypted_content: str | None = None
    call_id: str = ""
    name: str = ""
    namespace: str | None = None
    arguments: str = ""
    input: str = ""
    output: str | list[InputPart] | None = None
    tools: "list[ResponsesTool] | None" = None  # that may be called from here on
    id: msgspec.Raw = NULL
    status: msgspec.Raw = NULL
    phase: msgspec.Raw = NULL
    action: msgspec.Raw = NULL
    created_by: msgspec.Raw = NULL


class ResponsesTool(StrictShape, frozen=True):
    """A tool; a namespace has tools of its own. The last four are the vendor's own ways with tools."""

    type: str = ""
    name: str = ""
    description: str | None = None
    parameters: msgspec.Raw = NULL
    strict: bool | None = None
    format: msgspec.Raw = NULL
    tools: "list[ResponsesTool] | None" = None
    filters: "SearchFilters | None" = None
    execution: str | None = None
    external_web_access: bool | None = None
    search_context_size: str | None = None
    search_content_types: msgspec.Raw = NULL
    user_location: msgspec.Raw = NULL
    defer_loading: bool | None = None
    allowed_callers: msgspec.Raw = NULL
    output_schema: msgspec.Raw = NULL
    is_async: bool | None = msgspec.field(default=None, name="async")


class SearchFilters(StrictShape, frozen=True):
    """Where a search may look."""

    allowed_domains: list[str] | None = None
    blocked_domains: list[str] | None = None


class ResponsesToolChoice(StrictShape, frozen=True):
    """A tool choice that is no single word."""

    type: str = ""
    name: str = ""
    namespace: str | None = None
    mode: str = "auto"
    tools: "list[ResponsesToolChoice] | None" = None


class TextFormat(StrictShape, frozen=True):
    """The form of the answer's text."""

    type: str = "text"
    name: str = ""
    schema: msgspec.Raw = NULL
    description: str | None = None
    strict: bool | None = None


class TextSettings(StrictShape, frozen=True):
    """How the answer's text is to be."""

    format: TextFormat | None = None
    verbosity: str | None = None


class ResponsesReasoning(StrictShape, frozen=True):
    """How much to reason, and whether to tell of it."""

    effort: str | None = None
    summary: str | None = None
    generate_summary: str | None = None
    context: str | None = None  # which of its own earlier reasoning a vendor looks at


decode_item = msgspec.json.Decoder(InputItem).decode
decode_input = msgspec.json.Decoder(str | list[InputItem]).decode
decode_items = msgspec.json.Decoder(str | list[msgspec.Raw]).decode
decode_tools = msgspec.json.Decoder(list[ResponsesTool]).decode
decode_choice = msgspec.json.Decoder(str | ResponsesToolChoice).decode
decode_text = msgspec.json.Decoder(TextSettings).decode
decode_reasoning = msgspec.json.Decoder(ResponsesReasoning).decode

_BETWEEN = "__"


def full_name(name: str, namespace: str | None) -> str:
    """A tool's name in dialects without namespaces."""
    return f"{namespace}{_BETWEEN}{name}" if namespace else name
