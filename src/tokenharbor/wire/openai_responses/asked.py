"""The shapes of a Responses request as other dialects must understand it: items, parts, tools, settings."""

import msgspec

from tokenharbor.wire.openai_responses.shapes import NULL


class Breakpoint(msgspec.Struct, frozen=True):
    """A mark that what comes up to here is worth caching."""

    mode: str | None = None
    ttl: str | None = None


class Sound(msgspec.Struct, frozen=True):
    """Inlined audio."""

    data: str = ""
    format: str = ""


class Part(msgspec.Struct, frozen=True):
    """A part of a message or of a tool's output."""

    type: str = ""
    text: str = ""
    refusal: str = ""
    image_url: str | None = None
    detail: str | None = None
    file_id: str | None = None
    file_data: str | None = None
    file_url: str | None = None
    filename: str | None = None
    input_audio: Sound | None = None
    prompt_cache_breakpoint: Breakpoint | None = None


class Item(msgspec.Struct, frozen=True):
    """One item of the input. A message may leave out its type."""

    type: str | None = None
    role: str = ""
    content: str | list[Part] | None = None
    summary: list[Part] | None = None
    encrypted_content: str | None = None
    call_id: str = ""
    name: str = ""
    namespace: str | None = None
    arguments: str = ""
    input: str = ""
    output: str | list[Part] | None = None


class Tool(msgspec.Struct, frozen=True):
    """A tool; a namespace has tools of its own."""

    type: str = ""
    name: str = ""
    description: str | None = None
    parameters: msgspec.Raw = NULL
    strict: bool | None = None
    format: msgspec.Raw = NULL
    tools: "list[Tool] | None" = None
    filters: "Filters | None" = None


class Filters(msgspec.Struct, frozen=True):
    """Where a search may look."""

    allowed_domains: list[str] | None = None
    blocked_domains: list[str] | None = None


class Choice(msgspec.Struct, frozen=True):
    """A tool choice that is no single word."""

    type: str = ""
    name: str = ""
    namespace: str | None = None
    mode: str = "auto"
    tools: "list[Choice] | None" = None


class Form(msgspec.Struct, frozen=True):
    """The form of the answer's text."""

    type: str = "text"
    name: str = ""
    schema: msgspec.Raw = NULL
    description: str | None = None
    strict: bool | None = None


class TextSettings(msgspec.Struct, frozen=True):
    """How the answer's text is to be."""

    format: Form | None = None
    verbosity: str | None = None


class Reasoning(msgspec.Struct, frozen=True):
    """How much to reason, and whether to tell of it."""

    effort: str | None = None
    summary: str | None = None
    generate_summary: str | None = None


class Settings(msgspec.Struct, frozen=True):
    """The request's fields beside its input and tools."""

    instructions: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_logprobs: int | None = None
    tool_choice: str | Choice | None = None
    parallel_tool_calls: bool | None = None
    max_tool_calls: int | None = None
    text: TextSettings | None = None
    reasoning: Reasoning | None = None
    user: str | None = None
    prompt_cache_key: str | None = None


decode_item = msgspec.json.Decoder(Item).decode
decode_items = msgspec.json.Decoder(str | list[msgspec.Raw]).decode
decode_tools = msgspec.json.Decoder(list[Tool] | None).decode
decode_settings = msgspec.json.Decoder(Settings).decode

SEPARATOR = "__"
_LONGEST_NAME = 64


def full_name(name: str, namespace: str | None) -> str:
    """A tool's name in dialects without namespaces; where both are too long together, its own alone."""
    joined = f"{namespace}{SEPARATOR}{name}" if namespace else name
    return joined if len(joined) <= _LONGEST_NAME else name
