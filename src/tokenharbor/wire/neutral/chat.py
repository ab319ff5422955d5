"""The neutral conversation: what a request of any dialect means, so that any other dialect can say it.

A dialect reads its own body into a `Chat` only where a provider of another dialect is to be asked; within one dialect
the body stays bytes. Tool results are parts of a user's message, merged and in the order of their calls, whatever
the dialect makes of them. What only some dialects can say is a `Feature` (a route asks nobody who lacks one) or
`Advice` (who lacks it is asked last, and the caller is told).
"""

from enum import StrEnum
from typing import NamedTuple

import msgspec

from tokenharbor.wire.neutral.events import Note


class Role(StrEnum):
    """Who says a message. A developer's message is the system's; both may stand in mid-conversation."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


class Feature(StrEnum):
    """Meaning that not every dialect can say: without it the answer would be another one."""

    CHOICES = "choices"  # more than one answer
    LOGPROBS = "logprobs"
    TOOLS = "tools"
    FORCED_CALL = "forced_call"  # every dialect can say it, but not every model does it
    CUSTOM_TOOLS = "custom_tools"  # whose input is free text
    GRAMMAR = "grammar"  # that constrains a custom tool's input
    JSON_SCHEMA = "json_schema"
    IMAGE = "image"  # inlined
    IMAGE_URL = "image_url"
    FILE = "file"  # inlined: PDFs and other documents
    FILE_URL = "file_url"
    AUDIO = "audio"
    CITATIONS = "citations"  # asked for of the caller's own documents
    WEB_SEARCH = "web_search"  # run by the vendor
    IMAGES_OUT = "images_out"
    ASSISTANT_PREFIX = "assistant_prefix"  # the last message is the assistant's, to be gone on with


class Advice(StrEnum):
    """What a request recommends: without it the answer is still an answer to the request."""

    TEMPERATURE = "temperature"
    HOT = "hot"  # a temperature above 1
    TOP_P = "top_p"
    TOP_K = "top_k"
    PENALTIES = "penalties"  # frequency and presence
    SEED = "seed"
    REASONING = "reasoning"  # how much
    VERBOSITY = "verbosity"
    PARALLEL_CALLS = "parallel_calls"
    SINGLE_CALL = "single_call"  # one at a time
    STRICT = "strict"  # of a tool: its arguments fit its schema
    NAME = "name"  # of who says a message
    DETAIL = "detail"  # of pictures
    CACHE = "cache"  # marks of what is worth caching
    CACHE_KEY = "cache_key"
    OWN = "own"  # what no other dialect has


SAMPLING = frozenset({Advice.TEMPERATURE, Advice.HOT, Advice.TOP_P, Advice.TOP_K})
"""How tokens are drawn, as far as newer models refuse to be told."""


class GivenAdvice(NamedTuple):
    """A piece of advice, and where the caller gave it first."""

    advice: Advice
    place: str


class MediaSource(msgspec.Struct, frozen=True, gc=False):
    """Where media are: inlined as base64 with their type, or at a public address. One of `data` and `url` is set."""

    media_type: str = ""
    data: str = ""
    url: str = ""


class Text(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Words. `cache` marks that what comes up to here is worth caching: "5m", "1h" or None."""

    text: str
    cache: str | None = None
    notes: tuple[Note, ...] = ()


class Image(msgspec.Struct, frozen=True, gc=False, tag=True):
    """A picture; `detail` is "low", "high", "auto" or what else the caller said."""

    source: MediaSource
    detail: str | None = None
    cache: str | None = None


class File(msgspec.Struct, frozen=True, gc=False, tag=True):
    """A document. Plain text has its words in `text` instead of a source."""

    source: MediaSource | None = None
    text: str = ""
    name: str = ""
    context: str = ""
    citations: bool = False
    cache: str | None = None


class Audio(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Sound; base64 with its media type."""

    source: MediaSource
    cache: str | None = None


class Reasoning(msgspec.Struct, frozen=True, gc=False, tag=True):
    """What the assistant thought: in words, in what only its own dialect can read, or both."""

    text: str
    notes: tuple[Note, ...] = ()


class RefusalText(msgspec.Struct, frozen=True, gc=False, tag=True):
    """The assistant's refusal, in its words."""

    text: str


class ToolCall(msgspec.Struct, frozen=True, gc=False, tag=True):
    """A call that the assistant made. `arguments` are its JSON exactly as given; free text for a custom tool."""

    id: str
    name: str
    arguments: str
    custom: bool = False
    notes: tuple[Note, ...] = ()
    cache: str | None = None


class ToolResult(msgspec.Struct, frozen=True, gc=False, tag=True):
    """What the caller's tool gave for a call: text, images, files."""

    call_id: str
    parts: tuple[Text | Image | File, ...]
    name: str = ""  # of the tool that was called, where the dialect or the conversation says it
    failed: bool = False
    custom: bool = False
    cache: str | None = None


class OpaquePart(msgspec.Struct, frozen=True, gc=False, tag=True):
    """A block that only the dialect of its note understands; others leave it out."""

    note: Note


Part = Text | Image | File | Audio | Reasoning | RefusalText | ToolCall | ToolResult | OpaquePart


class Message(msgspec.Struct, frozen=True, gc=False):
    """One message. `developer`: a system message in the role that newer models of some vendors call so."""

    role: Role
    parts: tuple[Part, ...]
    name: str = ""
    developer: bool = False


class Tool(msgspec.Struct, frozen=True, gc=False):
    """A tool that the caller runs. `schema` is its parameters' JSON schema as given, None where it has none; a custom
    tool takes free text, which `grammar` (the caller's JSON) may constrain.
    """

    name: str
    description: str = ""
    schema: bytes | None = None
    strict: bool | None = None
    custom: bool = False
    grammar: bytes | None = None
    cache: str | None = None


class ToolChoiceMode(StrEnum):
    """Whether the model calls tools."""

    AUTO = "auto"
    NONE = "none"
    REQUIRED = "required"
    NAMED = "named"


class ToolChoice(msgspec.Struct, frozen=True, gc=False):
    """`names` limits AUTO and REQUIRED to these tools; NAMED has one."""

    mode: ToolChoiceMode
    names: tuple[str, ...] = ()


class AnswerFormat(msgspec.Struct, frozen=True, gc=False):
    """The form that the answer must have: any JSON object, or one that fits `schema` (JSON as given)."""

    schema: bytes | None = None
    name: str = ""
    description: str = ""
    strict: bool | None = None


class ReasoningRequest(msgspec.Struct, frozen=True, gc=False):
    """How much to reason. `effort`: none | minimal | low | medium | high | xhigh | max, or None where the caller left
    it open; `budget` in tokens where it named one; `shown`: whether the reasoning (or its summary) is to be sent.
    """

    effort: str | None = None
    budget: int | None = None
    shown: bool | None = None


class Sampling(msgspec.Struct, frozen=True, gc=False):
    """How tokens are drawn."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None


class WebSearch(msgspec.Struct, frozen=True, gc=False):
    """A web search that the vendor runs, at most `uses` times."""

    uses: int
    allowed: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()


class Chat(msgspec.Struct, frozen=True, gc=False):
    """One request's meaning. `features` maps what not every dialect can say to the field in which the caller said it,
    so that whoever cannot be served is told which. `advice` and `unknown` are by the field's name without indices;
    `unknown` fields are the caller's own, which no dialect has, with the place of the first.
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
    logprobs: int | None = None  # how many alternatives beside each token; None: no logprobs at all
    search: WebSearch | None = None
    verbosity: str | None = None  # low | medium | high
    cache_key: str = ""


class VendorOptions(msgspec.Struct, frozen=True, gc=False):
    """What a vendor's body needs beside the chat: its name for the model, whether to stream, the output's maximum (the
    caller's or ours; None if nobody set one), the model's own for dialects that must be told one, what it can do, the
    field for the maximum where a dialect has two (empty: the vendor obeys none), and the largest budget of reasoning
    that it takes, if there is a limit.
    """

    model: str
    stream: bool
    max_output: int | None
    most_output: int
    capabilities: frozenset[str] = frozenset()
    max_field: str | None = None
    max_thinking: int | None = None


def callable_tools(chat: Chat) -> tuple[Tool, ...]:
    """The tools that may be called. Where the choice is limited to some, those alone: every dialect can say that."""
    choice = chat.tool_choice
    if choice is None or not choice.names or choice.mode is ToolChoiceMode.NAMED:
        return chat.tools
    return tuple(tool for tool in chat.tools if tool.name in choice.names)
