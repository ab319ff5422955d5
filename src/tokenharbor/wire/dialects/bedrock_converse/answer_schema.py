"""The shapes of Converse's answers, whole and as events: only what is looked at, the rest passes unread."""

import msgspec

from tokenharbor.wire.framing.json_values import NULL


class ReasoningText(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Reasoning in words, whole."""

    text: str = ""
    signature: str | None = None


class ConverseReasoning(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Reasoning, whole (`reasoningText`) or what was added to it (`text`, `signature`); `redactedContent` is base64."""

    reasoning_text: ReasoningText | None = None
    text: str | None = None
    signature: str | None = None
    redacted_content: str | None = None


class ConverseToolUse(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A call, as it starts, what was added to it (`input` is a string then), or whole (`input` is an object then).
    `type` tells the tools that the vendor runs from the caller's, where it is set.
    """

    tool_use_id: str | None = None
    name: str | None = None
    input: msgspec.Raw = NULL
    type: str | None = None


class ConverseImageSource(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A picture's base64."""

    bytes: str | None = None


class ConverseImage(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A picture, as it starts (`format`), a piece of it (`source`), or whole."""

    format: str | None = None
    source: ConverseImageSource | None = None


class ConversePage(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A page."""

    url: str | None = None


class CitationLocation(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Where a source stands; those in the caller's own documents are kept unread."""

    web: ConversePage | None = None


class CitedText(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """The words of a source, or a piece of text that rests on sources."""

    text: str | None = None


class ConverseCitation(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A source."""

    title: str | None = None
    source_content: tuple[CitedText, ...] | None = None
    location: CitationLocation | None = None


class CitationsContent(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Text with its sources, whole."""

    content: tuple[CitedText, ...] | None = None
    citations: tuple[msgspec.Raw, ...] | None = None


class ConverseBlock(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A block of content, as it starts, what was added to it, or whole; one member is set."""

    text: str | None = None
    reasoning_content: ConverseReasoning | None = None
    tool_use: ConverseToolUse | None = None
    image: ConverseImage | None = None
    citation: msgspec.Raw = NULL
    citations_content: CitationsContent | None = None


class ConverseEvent(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Any event of a stream; which members are set depends on its name."""

    content_block_index: int = 0
    start: msgspec.Raw = NULL
    delta: msgspec.Raw = NULL
    stop_reason: str | None = None
    additional_model_response_fields: msgspec.Raw = NULL
    usage: msgspec.Raw = NULL
    message: str | None = None  # of an exception


class ConverseMessage(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """The assistant's message, its blocks unread."""

    content: list[msgspec.Raw]


class ConverseOutput(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Where a whole answer has its message."""

    message: ConverseMessage


class ConverseAnswer(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A whole answer."""

    output: ConverseOutput
    stop_reason: str
    usage: msgspec.Raw = NULL
    additional_model_response_fields: msgspec.Raw = NULL


class _Stopped(msgspec.Struct, frozen=True, gc=False):
    stop_sequence: str | None = None
    delta: "_Stopped | None" = None


decode_event = msgspec.json.Decoder(ConverseEvent).decode
decode_block = msgspec.json.Decoder(ConverseBlock).decode
decode_whole = msgspec.json.Decoder(ConverseAnswer).decode
decode_citation = msgspec.json.Decoder(ConverseCitation).decode
decode_text = msgspec.json.Decoder(str | None).decode
_decode_stopped = msgspec.json.Decoder(_Stopped | None).decode


def stop_sequence(fields: msgspec.Raw) -> str | None:
    """Which stop sequence ended the answer, in the vendor's own fields that we ask for."""
    try:
        stopped = _decode_stopped(fields)
    except msgspec.DecodeError:  # the model's own fields may be anything
        return None
    if stopped is None:
        return None
    return stopped.stop_sequence or (stopped.delta.stop_sequence if stopped.delta else None)
