"""The neutral conversation: the meaning of a request in any dialect, in a form that any other dialect can write.

A dialect reads a body into a `Chat` only if a provider of another dialect is to be asked; within one dialect the body
stays bytes. Tool results are parts of a user's message, merged and in the order of their calls, whatever the dialect's
own form. Meaning that only some dialects can express is either a `Feature` (the route excludes endpoints without it) or
`Advice` (the route asks endpoints without it last, and tells the caller).
"""

from enum import StrEnum
from typing import NamedTuple

import msgspec

from tokenharbor.wire.neutral.events import Note


class Role(StrEnum):
    """The author of a message. A developer's message counts as the system's; both may appear in mid-conversation."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


class Feature(StrEnum):
    """Meaning that some dialects cannot express; without it the request would get a different answer."""

    CHOICES = "choices"  # more than one answer
    LOGPROBS = "logprobs"
    TOOLS = "tools"
    FORCED_CALL = "forced_call"  # every dialect can express it, but not every model obeys it
    CUSTOM_TOOLS = "custom_tools"  # tools with free-text input
    GRAMMAR = "grammar"  # a constraint on a custom tool's input
    JSON_SCHEMA = "json_schema"
    IMAGE = "image"  # inlined
    IMAGE_URL = "image_url"
    FILE = "file"  # inlined: PDFs and other documents
    FILE_URL = "file_url"
    AUDIO = "audio"
    CITATIONS = "citations"  # of the caller's own documents
    WEB_SEARCH = "web_search"  # run by the vendor
    IMAGES_OUT = "images_out"
    ASSISTANT_PREFIX = "assistant_prefix"  # the last message is the assistant's, to be continued


class Advice(StrEnum):
    """A preference of the request; without it the answer is still an answer to the request."""

    TEMPERATURE = "temperature"
    HOT = "hot"  # a temperature above 1
    TOP_P = "top_p"
    TOP_K = "top_k"
    PENALTIES = "penalties"  # frequency and presence
    SEED = "seed"
    REASONING = "reasoning"  # an effort or a budget
    VERBOSITY = "verbosity"
    PARALLEL_CALLS = "parallel_calls"
    SINGLE_CALL = "single_call"  # no parallel calls
    STRICT = "strict"  # a tool's arguments must match its schema
    NAME = "name"  # of a message's author
    DETAIL = "detail"  # of images
    CACHE = "cache"  # marks of content worth caching
    CACHE_KEY = "cache_key"
    OWN = "own"  # a field that no other dialect has


SAMPLING = frozenset({Advice.TEMPERATURE, Advice.HOT, Advice.TOP_P, Advice.TOP_K})
"""The sampling settings that newer models refuse."""


class GivenAdvice(NamedTuple):
    """A piece of advice, and the field in which the caller gave it first."""

    advice: Advice
    place: str


class MediaSource(msgspec.Struct, frozen=True, gc=False):
    """The location of media: inlined as base64 with a type, or at a public URL. Exactly one of
    `data` and `url` is set.
    """

    media_type: str = ""
    data: str = ""
    url: str = ""


class Text(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Text. `cache` marks the content up to here as worth caching, for "5m" or "1h"."""

    text: str
    cache: str | None = None
    notes: tuple[Note, ...] = ()


class Image(msgspec.Struct, frozen=True, gc=False, tag=True):
    """An image; `detail` is "low", "high", "auto" or any other value that the caller gave."""

    source: MediaSource
    detail: str | None = None
    cache: str | None = None


class File(msgspec.Struct, frozen=True, gc=False, tag=True):
    """A document. Plain text is in `text`, without a source."""

    source: MediaSource | None = None
    text: str = ""
    name: str = ""
    context: str = ""
    citations: bool = False
    cache: str | None = None


class Audio(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Audio, in base64 with its media type."""

    source: MediaSource
    cache: str | None = None


class Reasoning(msgspec.Struct, frozen=True, gc=False, tag=True):
    """The assistant's reasoning: as text, as notes that only its own dialect can read, or both."""

    text: str
    notes: tuple[Note, ...] = ()


class RefusalText(msgspec.Struct, frozen=True, gc=False, tag=True):
    """The text of the assistant's refusal."""

    text: str


class ToolCall(msgspec.Struct, frozen=True, gc=False, tag=True):
    """A call that the assistant made. `arguments` is its JSON exactly as given; free text for a custom tool."""

    id: str
    name: str
    arguments: str
    custom: bool = False
    notes: tuple[Note, ...] = ()
    cache: str | None = None


class ToolResult(msgspec.Struct, frozen=True, gc=False, tag=True):
    """The result of the caller's tool for one call: text, images, files."""

    call_id: str
    parts: tuple[Text | Image | File, ...]
    name: str = ""  # the called tool's, if the dialect or the conversation gives it
    failed: bool = False
    custom: bool = False
    cache: str | None = None


class OpaquePart(msgspec.Struct, frozen=True, gc=False, tag=True):
    """A block that only its note's dialect understands; other dialects omit it."""

    note: Note


Part = Text | Image | File | Audio | Reasoning | RefusalText | ToolCall | ToolResult | OpaquePart


class Message(msgspec.Struct, frozen=True, gc=False):
    """One message. `developer` marks a system message in the developer role of some vendors' newer models."""

    role: Role
    parts: tuple[Part, ...]
    name: str = ""
    developer: bool = False


class Tool(msgspec.Struct, frozen=True, gc=False):
    """A tool that the caller runs. `schema` is the JSON schema of its parameters as given, None if it has none. A
    custom tool takes free text, which `grammar` (the caller's JSON) may constrain.
    """

    name: str
    description: str = ""
    schema: bytes | None = None
    strict: bool | None = None
    custom: bool = False
    grammar: bytes | None = None
    cache: str | None = None


class ToolChoiceMode(StrEnum):
    """Whether the model may, must or must not call tools."""

    AUTO = "auto"
    NONE = "none"
    REQUIRED = "required"
    NAMED = "named"


class ToolChoice(msgspec.Struct, frozen=True, gc=False):
    """The caller's choice of tools. `names` limits AUTO and REQUIRED to these tools; NAMED has exactly one."""

    mode: ToolChoiceMode
    names: tuple[str, ...] = ()


class AnswerFormat(msgspec.Struct, frozen=True, gc=False):
    """The required form of the answer: any JSON object, or one that matches `schema` (JSON as given)."""

    schema: bytes | None = None
    name: str = ""
    description: str = ""
    strict: bool | None = None


class ReasoningRequest(msgspec.Struct, frozen=True, gc=False):
    """How much to reason. `effort` is none | minimal | low | medium | high | xhigh | max, or None if the caller left it
    open; `budget` is in tokens, if the caller set one; `shown`: whether to send the reasoning (or its summary).
    """

    effort: str | None = None
    budget: int | None = None
    shown: bool | None = None


class Sampling(msgspec.Struct, frozen=True, gc=False):
    """The sampling settings."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None


class WebSearch(msgspec.Struct, frozen=True, gc=False):
    """A web search that the vendor runs, at most `uses` times; `allowed` and `blocked` are domains."""

    uses: int
    allowed: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()


class Chat(msgspec.Struct, frozen=True, gc=False):
    """The meaning of one request. `features` maps each feature to the field that asks for it, so that an error can name
    that field. `advice` and `unknown` are keyed by the field's name without indices; `unknown` maps fields that no
    dialect has to the place of their first use.
    """

    messages: tuple[Message, ...]
    features: dict[Feature, str] = {}
    advice: dict[str, GivenAdvice] = {}
    unknown: dict[str, str] = {}
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_calls: bool | None = None
    format: AnswerFormat | None = None
    thinking: ReasoningRequest | None = None
    sampling: Sampling = Sampling()
    stop: tuple[str, ...] = ()
    choices: int = 1
    logprobs: int | None = None  # alternatives for each token; None: no logprobs
    search: WebSearch | None = None
    verbosity: str | None = None  # low | medium | high
    cache_key: str = ""


class VendorOptions(msgspec.Struct, frozen=True, gc=False):
    """Facts that a vendor's body needs beside the chat: the vendor's name for the model; whether to stream; the maximum
    output (the caller's or ours; None if neither is set); the model's own maximum, for dialects that require one; the
    model's capabilities; the field for the maximum, in dialects with two (empty: the vendor obeys neither); and the
    largest reasoning budget, if limited.
    """

    model: str
    stream: bool
    max_output: int | None
    most_output: int
    capabilities: frozenset[str] = frozenset()
    max_field: str | None = None
    max_thinking: int | None = None


def callable_tools(chat: Chat) -> tuple[Tool, ...]:
    """Return the tools that may be called. A choice that is limited to some tools leaves only those, which every
    dialect can express.
    """
    choice = chat.tool_choice
    if choice is None or not choice.names or choice.mode is ToolChoiceMode.NAMED:
        return chat.tools
    return tuple(tool for tool in chat.tools if tool.name in choice.names)
