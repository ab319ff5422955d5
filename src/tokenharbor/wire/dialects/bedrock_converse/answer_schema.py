"""The shapes of Converse's answers, whole and as events: only the members that the gateway reads."""

import msgspec

from tokenharbor.wire.framing.json_values import NULL


class ReasoningText(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Readable reasoning, whole."""

    text: str = ""
    signature: str | None = None


class ConverseReasoning(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Reasoning: whole (`reasoningText`) or an addition (`text`, `signature`); `redactedContent` is base64."""

    reasoning_text: ReasoningText | None = None
    text: str | None = None
    signature: str | None = None
    redacted_content: str | None = None


class ConverseToolUse(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A call: at its start, an addition (`input` is a string then), or whole (`input` is an object then). `type`, if
    set, distinguishes the vendor's tools from the caller's.
    """

    tool_use_id: str | None = None
    name: str | None = None
    input: msgspec.Raw = NULL
    type: str | None = None


class ConverseImageSource(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """An image's base64."""

    bytes: str | None = None


class ConverseImage(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """An image: at its start (`format`), a piece (`source`), or whole."""

    format: str | None = None
    source: ConverseImageSource | None = None


class ConversePage(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A web page."""

    url: str | None = None


class CitationLocation(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A source's location; those in the caller's own documents stay unread."""

    web: ConversePage | None = None


class CitedText(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """The quoted text of a source, or a piece of text with sources."""

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
    """A block of content: at its start, an addition, or whole; one member is set."""

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
    message: str | None = None  # an exception's


class ConverseMessage(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """The assistant's message, its blocks unread."""

    content: list[msgspec.Raw]


class ConverseOutput(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """The container of a whole answer's message."""

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
    """Return the stop sequence that ended the answer, from the vendor's additional fields that the request asks for."""
    try:
        stopped = _decode_stopped(fields)
    except msgspec.DecodeError:  # the model's own fields may be anything
        return None
    if stopped is None:
        return None
    return stopped.stop_sequence or (stopped.delta.stop_sequence if stopped.delta else None)
