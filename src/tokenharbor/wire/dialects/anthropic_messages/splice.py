"""The splicer of Anthropic's streams: the turn of each event."""

from contextlib import suppress

import msgspec

from tokenharbor.wire.dialects.anthropic_messages.answer_schema import (
    AnthropicBlock,
    AnthropicDelta,
    AnthropicEvent,
    MessageStart,
    block_size,
    decode_event,
)
from tokenharbor.wire.dialects.anthropic_messages.ends import ENDS
from tokenharbor.wire.dialects.anthropic_messages.failures import read_stream_failure
from tokenharbor.wire.dialects.anthropic_messages.usage import AnthropicUsage, add_up, merge, read_counts
from tokenharbor.wire.framing import sse
from tokenharbor.wire.framing.cost import add_cost
from tokenharbor.wire.framing.json_values import UNREADABLE, text_size
from tokenharbor.wire.framing.splice import CONTENT, ENDING, IDLE, EventSplicer
from tokenharbor.wire.neutral import nontext
from tokenharbor.wire.neutral.failure import GARBAGE_EVENT, Failure, FailureKind
from tokenharbor.wire.neutral.usage import BadUsageError

_STOP = sse.write(b'{"type":"message_stop"}', b"message_stop")


class AnthropicSplicer(EventSplicer):
    """A splicer whose ending begins with the `message_delta` that has the stop reason."""

    __slots__ = ("_counts", "_thought")

    def __init__(self) -> None:
        super().__init__()
        self._counts: AnthropicUsage | None = None
        self._thought = 0  # bytes of thinking in the current block

    def _judge(self, name: bytes, data: bytes | None) -> int:
        if not data or name == b"ping":
            return IDLE
        try:
            event = decode_event(data)
        except UNREADABLE:
            return self._fail(GARBAGE_EVENT)
        kind = event.type
        if kind == "content_block_delta" and event.delta is not None:
            return self._grow(event.delta)
        if kind == "error" or name == b"error":
            return self._fail(read_stream_failure(event.error))
        return self._judge_frame(event)

    def _judge_frame(self, event: AnthropicEvent) -> int:
        """Return the turn of an event other than a block's growth."""
        match event.type:
            case "content_block_start" if event.content_block is not None:
                return self._open(event.content_block)
            case "content_block_stop":
                return IDLE
            case "message_delta" if event.delta is not None:
                self._note(event.usage)
                word = event.delta.stop_reason
                if not word:
                    return IDLE
                return ENDING if word in ENDS.usual else self._end_with(word, ENDS)
            case "message_start" if isinstance(event.message, MessageStart):
                self._begin(event.message.usage)
                return IDLE
            case "message_stop":
                return self._end()
            case "" | "content_block_start" | "content_block_delta" | "message_delta" | "message_start":
                return self._fail(GARBAGE_EVENT)
        return IDLE  # an event of a later version of the dialect

    def _grow(self, delta: AnthropicDelta) -> int:
        text = delta.text or delta.partial_json or delta.thinking
        if text:
            self._grown = len(text) if text.isascii() else text_size(text)
            if delta.thinking:
                self._thought += self._grown
            return CONTENT
        if not delta.signature:
            return IDLE
        self._grown = nontext.encrypted_size(len(delta.signature), self._thought)
        return CONTENT

    def _open(self, block: AnthropicBlock) -> int:
        self._thought = 0
        if block.type in ("text", "thinking") and not (block.text or block.thinking):
            return IDLE
        self._grown = block_size(block)
        return CONTENT

    def _begin(self, raw: msgspec.Raw) -> None:
        """Record the usage of message_start: its input count is final, its output count only a beginning."""
        if len(raw) <= 4:
            return
        try:
            counts = read_counts(raw)
        except BadUsageError:
            self.quarantined = True
            return
        self._counts = msgspec.structs.replace(counts, output_tokens=None)
        with suppress(BadUsageError):
            self.usage_so_far = add_up(msgspec.structs.replace(counts, output_tokens=0))

    def _note(self, raw: msgspec.Raw) -> None:
        if len(raw) <= 4:
            return
        try:
            self._counts = merge(self._counts, read_counts(raw))
            self.usage = add_up(self._counts)
            self.quarantined = False
        except BadUsageError:
            self.usage, self.quarantined = None, True

    def _terminator(self) -> bytes:
        return _STOP if self.ending_begun else b""

    def _end(self) -> int:
        if not self.started:
            return self._fail(Failure(FailureKind.BROKEN, message="the stream ended before any content"))
        self.complete = True
        return ENDING

    def _price(self, data: bytes, cost_usd: str) -> bytes | None:
        return add_cost(data, cost_usd)
