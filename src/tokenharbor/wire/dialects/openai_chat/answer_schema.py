"""The shapes of OpenAI's answers, whole and in chunks: only what is looked at, the rest passes unread."""

from contextlib import suppress

import msgspec

from tokenharbor.kernel.usage import Usage
from tokenharbor.wire.dialects.openai_chat.usage import read_usage
from tokenharbor.wire.framing.json_values import NULL, UNREADABLE, text_size
from tokenharbor.wire.neutral import unseen
from tokenharbor.wire.neutral.usage import BadUsageError


class ChatFunctionCall(msgspec.Struct, frozen=True, gc=False):
    """A call's name and its arguments, or a piece of them."""

    name: str | None = None
    arguments: str | None = None


class ChatToolCall(msgspec.Struct, frozen=True, gc=False):
    """A call, or a piece of one. `custom` tools take free text where functions take JSON."""

    index: int | None = None
    id: str | None = None
    function: ChatFunctionCall | None = None
    custom: "ChatCustomCall | None" = None
    extra_content: msgspec.Raw = NULL


class ChatCustomCall(msgspec.Struct, frozen=True, gc=False):
    """A custom tool's call."""

    name: str | None = None
    input: str | None = None


class ThinkingText(msgspec.Struct, frozen=True, gc=False):
    """A part of thinking."""

    text: str | None = None


class ChatPart(msgspec.Struct, frozen=True, gc=False):
    """Content in parts, as some vendors send it: text, or thinking with parts of its own."""

    text: str | None = None
    thinking: list[ThinkingText] | str | None = None


class ReasoningDetail(msgspec.Struct, frozen=True, gc=False):
    """An entry of `reasoning_details`: in words, summed up, or encrypted."""

    text: str | None = None
    summary: str | None = None
    data: str | None = None


class ChatAudio(msgspec.Struct, frozen=True, gc=False):
    """Sound in base64, and the words that are spoken."""

    data: str | None = None
    transcript: str | None = None


class ChatDelta(msgspec.Struct, frozen=True, gc=False):
    """A message, or what was added to it. Reasoning has two names in the field, and two rarer ones."""

    content: str | list[ChatPart] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[ChatToolCall] | None = None
    function_call: ChatFunctionCall | None = None
    reasoning_text: msgspec.Raw = NULL
    thinking: msgspec.Raw = NULL
    reasoning_details: msgspec.Raw = NULL
    annotations: msgspec.Raw = NULL
    images: msgspec.Raw = NULL
    audio: msgspec.Raw = NULL


class ChoiceEnd(msgspec.Struct, frozen=True, gc=False):
    """How a choice ended."""

    finish_reason: str | None = None
    error: msgspec.Raw = NULL


class ChatChoice(ChoiceEnd, frozen=True, gc=False):
    """One choice of a chunk (`delta`) or of a whole answer (`message`)."""

    index: int = 0
    delta: ChatDelta | None = None
    message: ChatDelta | None = None
    usage: msgspec.Raw = NULL


class ChatChunk(msgspec.Struct, frozen=True, gc=False):
    """A chunk of a stream, or a whole answer."""

    id: str | None = None
    model: str | None = None
    choices: list[ChatChoice] | None = None
    usage: msgspec.Raw = NULL
    error: msgspec.Raw = NULL
    object: str | None = None
    message: str | None = None
    code: str | int | None = None
    type: str | None = None  # of an event that is no chunk
    base_resp: msgspec.Raw = NULL  # a status beside the choices, as some vendors say it


PINGS = frozenset({"ping", "keepalive"})
"""Events that some vendors send so that the connection lives."""
_HEAD = frozenset({"id", "object", "created", "model", "system_fingerprint", "service_tier"})


decode_chunk = msgspec.json.Decoder(ChatChunk).decode
_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw] | None).decode
_decode_details = msgspec.json.Decoder(list[ReasoningDetail]).decode
_decode_audio = msgspec.json.Decoder(ChatAudio).decode
_decode_text = msgspec.json.Decoder(str | None).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode


def is_idle(data: bytes) -> bool:
    """Whether a chunk says nothing: `null`, or an object with no more than the head that all chunks have."""
    try:
        members = _decode_members(data) or {}
    except UNREADABLE:
        return False
    return all(name in _HEAD or raw == NULL for name, raw in members.items())


def usage_of(chunk: ChatChunk) -> msgspec.Raw | None:
    """The usage object, wherever the vendor puts it."""
    if len(chunk.usage) > 4:
        return chunk.usage
    for choice in chunk.choices or ():
        if len(choice.usage) > 4:
            return choice.usage
    return None


def try_usage(raw: msgspec.Raw) -> Usage | None:
    """The vector, or None if it does not add up."""
    try:
        return read_usage(raw)
    except BadUsageError:
        return None


def delta_size(words: ChatDelta) -> int:
    """How many bytes of text, reasoning and arguments were generated."""
    content = words.content
    if type(content) is str and content:
        size = len(content) if content.isascii() else text_size(content)
    else:
        size = parts_size(content) if isinstance(content, list) else 0
    thought = 0
    if reasoning := words.reasoning_content or words.reasoning:
        thought = text_size(reasoning)
    elif words.reasoning_text is not NULL or words.thinking is not NULL:
        thought = text_size(other_reasoning(words))
    size += thought
    if words.refusal:
        size += text_size(words.refusal)
    if words.tool_calls or words.function_call:
        size += _calls_size(words)
    if words.reasoning_details is not NULL or words.images is not NULL or words.audio is not NULL:
        size += _beside_size(words, thought)
    return size


def other_reasoning(words: ChatDelta) -> str:
    """Reasoning by its two rarer names, if it is text."""
    if words.reasoning_text is NULL and words.thinking is NULL:
        return ""
    return max(_said(words.reasoning_text), _said(words.thinking), key=len)


def _said(raw: msgspec.Raw) -> str:
    try:
        return _decode_text(raw) or ""
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


def _beside_size(words: ChatDelta, reasoning: int) -> int:
    """Of what is no text, and of reasoning that stands in its details alone. What has a shape of its vendor's own
    counts for nothing.
    """
    size = 0
    with suppress(msgspec.DecodeError):
        if len(words.reasoning_details) > 4:
            size += max(sum(map(_detail_size, _decode_details(words.reasoning_details))) - reasoning, 0)
        if len(words.images) > 4:
            size += unseen.IMAGE * len(_decode_list(words.images))
        if len(words.audio) > 4:
            audio = _decode_audio(words.audio)
            size += max(text_size(audio.transcript or ""), unseen.sound(len(audio.data or "")))
    return size


def _detail_size(detail: ReasoningDetail) -> int:
    return text_size(detail.text or detail.summary or "") + unseen.sealed(len(detail.data or ""))


def _calls_size(words: ChatDelta) -> int:
    size = _function_size(words.function_call)
    for call in words.tool_calls or ():
        size += _function_size(call.function)
        if call.custom is not None:
            size += text_size(call.custom.input or "")
    return size


def _function_size(function: ChatFunctionCall | None) -> int:
    return text_size(function.arguments or "") if function else 0


def parts_size(parts: list[ChatPart]) -> int:
    return sum(text_size(part.text or "") + _thinking_size(part.thinking) for part in parts)


def _thinking_size(thinking: list[ThinkingText] | str | None) -> int:
    if thinking is None or isinstance(thinking, str):
        return text_size(thinking or "")
    return sum(text_size(thought.text or "") for thought in thinking)
