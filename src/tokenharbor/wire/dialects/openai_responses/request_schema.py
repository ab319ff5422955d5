"""The strict shapes of a Responses request: items, parts, tools, settings."""

import msgspec

from tokenharbor.wire.framing.json_values import NULL
from tokenharbor.wire.neutral.strict_read import StrictShape


class CacheBreakpoint(StrictShape, frozen=True):
    """A mark that the content up to here is worth caching."""

    mode: str | None = None
    ttl: str | None = None


class ResponsesAudio(StrictShape, frozen=True):
    """Inlined audio."""

    data: str = ""
    format: str = ""


class InputPart(StrictShape, frozen=True):
    """A part of a message or of a tool's output. Annotations, log probabilities and SDKs' parsed values come from
    answers and stay unread.
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
    """One item of the input. A message may omit its type. The last members are vendors' own and have no meaning
    elsewhere.
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
    tools: "list[ResponsesTool] | None" = None  # callable from here on
    id: msgspec.Raw = NULL
    status: msgspec.Raw = NULL
    phase: msgspec.Raw = NULL
    action: msgspec.Raw = NULL
    created_by: msgspec.Raw = NULL


class ResponsesTool(StrictShape, frozen=True):
    """A tool; a namespace has nested tools. The members from `defer_loading` on are the vendor's own."""

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
    """The domains of a search."""

    allowed_domains: list[str] | None = None
    blocked_domains: list[str] | None = None


class ResponsesToolChoice(StrictShape, frozen=True):
    """A tool choice that is an object."""

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
    """The settings of the answer's text."""

    format: TextFormat | None = None
    verbosity: str | None = None


class ResponsesReasoning(StrictShape, frozen=True):
    """How much to reason, and whether to show it."""

    effort: str | None = None
    summary: str | None = None
    generate_summary: str | None = None
    context: str | None = None  # which earlier reasoning the vendor uses


decode_item = msgspec.json.Decoder(InputItem).decode
decode_input = msgspec.json.Decoder(str | list[InputItem]).decode
decode_items = msgspec.json.Decoder(str | list[msgspec.Raw]).decode
decode_tools = msgspec.json.Decoder(list[ResponsesTool]).decode
decode_choice = msgspec.json.Decoder(str | ResponsesToolChoice).decode
decode_text = msgspec.json.Decoder(TextSettings).decode
decode_reasoning = msgspec.json.Decoder(ResponsesReasoning).decode

_BETWEEN = "__"


def full_name(name: str, namespace: str | None) -> str:
    """Return a tool's name for dialects without namespaces."""
    return f"{namespace}{_BETWEEN}{name}" if namespace else name
