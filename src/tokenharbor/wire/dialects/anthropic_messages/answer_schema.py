"""The shapes of Anthropic's answers, whole and as events: only the members that the gateway reads."""

import msgspec

from tokenharbor.wire.framing.json_values import NULL, text_size
from tokenharbor.wire.neutral import nontext


class AnthropicDelta(msgspec.Struct, frozen=True, gc=False):
    """An addition to a block, or to the message at its end."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    signature: str | None = None
    citation: msgspec.Raw = NULL
    stop_reason: str | None = None
    stop_sequence: str | None = None


class AnthropicBlock(msgspec.Struct, frozen=True, gc=False):
    """A content block, at its start or whole."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = NULL
    citations: list[msgspec.Raw] | None = None


class MessageStart(msgspec.Struct, frozen=True, gc=False):
    """The message at its start."""

    id: str = ""
    model: str = ""
    usage: msgspec.Raw = NULL


class AnthropicEvent(msgspec.Struct, frozen=True, gc=False):
    """Any event of a stream; which members are set depends on its type."""

    type: str = ""
    index: int = 0
    delta: AnthropicDelta | None = None
    content_block: AnthropicBlock | None = None
    message: MessageStart | str | None = None
    usage: msgspec.Raw = NULL
    error: msgspec.Raw = NULL


class AnthropicAnswer(msgspec.Struct, frozen=True, gc=False):
    """A whole answer."""

    type: str = ""
    content: list[msgspec.Raw] | None = None
    id: str = ""
    model: str = ""
    error: msgspec.Raw = NULL
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: msgspec.Raw = NULL


decode_event = msgspec.json.Decoder(AnthropicEvent).decode
decode_whole = msgspec.json.Decoder(AnthropicAnswer).decode
decode_block = msgspec.json.Decoder(AnthropicBlock).decode


def block_size(block: AnthropicBlock) -> int:
    """Return the bytes of text, reasoning and arguments in a block."""
    arguments = len(block.input) if len(block.input) > 4 else 0
    thought = text_size(block.thinking or "")
    hidden = nontext.encrypted_size(len(block.signature or block.data or ""), thought)
    return text_size(block.text or "") + thought + arguments + hidden
