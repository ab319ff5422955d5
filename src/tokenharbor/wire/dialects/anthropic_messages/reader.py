"""Reader of Anthropic's answers into events: streams and whole bodies."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

import msgspec

from tokenharbor.wire.dialects.anthropic_messages.answer_schema import (
    AnthropicBlock,
    AnthropicDelta,
    AnthropicEvent,
    MessageStart,
    decode_block,
    decode_event,
    decode_whole,
)
from tokenharbor.wire.dialects.anthropic_messages.citations import is_own, read_citation
from tokenharbor.wire.dialects.anthropic_messages.ends import ENDS
from tokenharbor.wire.dialects.anthropic_messages.failures import read_stream_failure
from tokenharbor.wire.dialects.anthropic_messages.usage import AnthropicUsage, add_up, merge, read_counts
from tokenharbor.wire.framing.body import check_text
from tokenharbor.wire.framing.first_content_limit import FirstContentLimit
from tokenharbor.wire.framing.json_values import NULL, UNREADABLE
from tokenharbor.wire.framing.sse import Frame, SseFramer
from tokenharbor.wire.neutral import carry
from tokenharbor.wire.neutral.blocks import BlockSequence, ReplyBuilder
from tokenharbor.wire.neutral.events import BlockKind, Note
from tokenharbor.wire.neutral.events import Event as Neutral
from tokenharbor.wire.neutral.failure import Failure, FailureKind
from tokenharbor.wire.neutral.translate import Reply
from tokenharbor.wire.neutral.usage import BadUsageError

DIALECT = "anthropic_messages"

_KINDS = {"text": BlockKind.TEXT, "thinking": BlockKind.REASONING, "tool_use": BlockKind.TOOL_CALL}


class _Shell(msgspec.Struct, frozen=True):
    """The members that may have to be kept unread."""

    content_block: msgspec.Raw = NULL
    delta: msgspec.Raw = NULL


_decode_shell = msgspec.json.Decoder(_Shell).decode


def _note(name: str, raw: bytes) -> tuple[Note, ...]:
    return (Note(DIALECT, name, raw),)


def _signature(text: str) -> tuple[Note, ...]:
    """Return the vendor's signature as a note, or the notes of another dialect that our signature carried."""
    foreign = carry.unpack(text)
    return _note("signature", text.encode()) if foreign is None else foreign


def _cited(citation: msgspec.Raw) -> tuple[Note, ...]:
    return _note("citation", bytes(citation)) if is_own(citation) else ()


def open_block(blocks: BlockSequence, block: AnthropicBlock, raw: Callable[[], bytes]) -> int:
    """Open a block, at its start or whole. A kind that only this dialect has becomes a note on an empty text block."""
    if block.type == "redacted_thinking":
        index = blocks.open(BlockKind.REASONING)
        blocks.grow(index, "", _note("redacted_thinking", (block.data or "").encode()))
        return index
    kind = _KINDS.get(block.type)
    if kind is None:
        index = blocks.open(BlockKind.TEXT)
        blocks.grow(index, "", _note("block", raw()))
        return index
    is_call = kind is BlockKind.TOOL_CALL
    index = blocks.open(kind, block.id or "", block.name or "") if is_call else blocks.open(kind)
    blocks.grow(index, block.text or block.thinking or "")
    if block.signature:
        blocks.grow(index, "", _signature(block.signature))
    for citation in block.citations or ():
        blocks.grow(index, "", _cited(citation), read_citation(citation))
    if is_call and bytes(block.input) not in (b"null", b"{}"):
        blocks.grow(index, bytes(block.input).decode())
    return index


class AnthropicReader(FirstContentLimit):
    """The `EventReader` of this dialect."""

    _framer: SseFramer

    def __init__(self) -> None:
        self._framer = SseFramer()
        self._blocks = BlockSequence()
        self._places: dict[int, int] = {}  # the vendor's block index to ours
        self._silent: set[int] = set()  # the vendor's indices of blocks of kinds that only this dialect has
        self._counts: AnthropicUsage | None = None
        self._reason = ""
        self._stop_sequence: str | None = None

    def feed(self, data: bytes) -> Sequence[Neutral]:
        return self._read(self._framer.feed(data))

    def close(self, *, whole: bool = True) -> Sequence[Neutral]:
        events = list(self._read(self._framer.close()))
        if not self._blocks.ended:
            if whole and self._reason:
                self._blocks.end(self._reason, ENDS, self._stop_sequence)
            else:
                self._blocks.fail(Failure(FailureKind.BROKEN, message="the stream ended without its final event"))
            events += self._blocks.take()
        return events

    def _read(self, frames: Sequence[Frame]) -> Sequence[Neutral]:
        for name, data, _ in frames:
            if data and name != b"ping" and not self._blocks.ended:
                self._frame(name, data)
        if self._framer.overflow and not self._blocks.ended:
            self._blocks.fail_as_garbage()
        return self._blocks.take()

    def _frame(self, name: bytes, data: bytes) -> None:
        try:
            check_text(data)
            event = decode_event(data)
        except UNREADABLE:
            self._blocks.fail_as_garbage()
            return
        if event.type == "error" or name == b"error":
            self._blocks.fail(read_stream_failure(event.error))
        elif not self._in_order(event) or not self._add_event(event, data):
            self._blocks.fail_as_garbage()

    def _in_order(self, event: AnthropicEvent) -> bool:
        return self._blocks.started or event.type in ("message_start", "ping")

    def _add_event(self, event: AnthropicEvent, data: bytes) -> bool:
        """Add the event; return False if it breaks the dialect."""
        match event.type:
            case "content_block_delta" if event.delta is not None and self._is_open(event.index):
                self._grow(event.index, event.delta, data)
            case "content_block_start" if self._may_open(event):
                self._open(event.index, event.content_block or AnthropicBlock(), data)
            case "content_block_stop" if event.index in self._places:
                self._blocks.close(self._places[event.index])
            case "message_start" if isinstance(event.message, MessageStart) and not self._blocks.started:
                self._blocks.start(event.message.id, event.message.model)
                self._begin(event.message.usage)
            case "message_delta" if event.delta is not None:
                self._report(event.usage)
                self._note_reason(event.delta)
            case "message_stop" if self._reason:
                self._blocks.end(self._reason, ENDS, self._stop_sequence)
            case "" | "message_start" | "message_delta" | "message_stop":
                return False
            case "content_block_start" | "content_block_delta" | "content_block_stop":
                return False
        return True

    def _may_open(self, event: AnthropicEvent) -> bool:
        return event.content_block is not None and event.index not in self._places and _named(event.content_block)

    def _is_open(self, index: int) -> bool:
        return index in self._places and self._blocks.is_open(self._places[index])

    def _open(self, index: int, block: AnthropicBlock, data: bytes) -> None:
        self._places[index] = open_block(self._blocks, block, lambda: bytes(_decode_shell(data).content_block))
        if block.type not in _KINDS:
            self._silent.add(index)

    def _grow(self, index: int, delta: AnthropicDelta, data: bytes) -> None:
        place = self._places[index]
        text = delta.text or delta.thinking or delta.partial_json or ""
        if index not in self._silent and text:
            self._blocks.grow(place, text)
        elif delta.signature:
            self._blocks.grow(place, "", _signature(delta.signature))
        elif len(delta.citation) > 4:
            self._blocks.grow(place, "", _cited(delta.citation), read_citation(delta.citation))
        elif index in self._silent or delta.type not in ("text_delta", "thinking_delta", "input_json_delta"):
            self._blocks.grow(place, "", _note("delta", bytes(_decode_shell(data).delta)))

    def _begin(self, raw: msgspec.Raw) -> None:
        """Report the first usage: its input count is final, its output count only a beginning."""
        if len(raw) <= 4:
            return
        try:
            counts = read_counts(raw)
        except BadUsageError:
            self._blocks.report(None)
            return
        self._counts = msgspec.structs.replace(counts, output_tokens=None)
        for output in (counts.output_tokens, 0):
            with suppress(BadUsageError):
                self._blocks.report(add_up(msgspec.structs.replace(counts, output_tokens=output)))
                return

    def _report(self, raw: msgspec.Raw) -> None:
        if len(raw) <= 4:
            return
        try:
            self._counts = merge(self._counts, read_counts(raw))
            self._blocks.report(add_up(self._counts))
        except BadUsageError:
            self._blocks.report(None)

    def _note_reason(self, delta: AnthropicDelta) -> None:
        if delta.stop_reason:
            self._reason = delta.stop_reason
            self._stop_sequence = delta.stop_sequence
            self._blocks.close_all()


def _named(block: AnthropicBlock) -> bool:
    return block.type != "tool_use" or bool(block.name)


def read_reply(body: bytes) -> Reply:
    """Read a whole answer; an invalid one becomes a failure."""
    blocks = ReplyBuilder()
    try:
        check_text(body)
        whole = decode_whole(body)
        contents = [decode_block(raw) for raw in whole.content or ()]
    except UNREADABLE:
        blocks.fail_as_garbage()
        return blocks.reply()
    if whole.type == "error" or len(whole.error) > 4:
        blocks.fail(read_stream_failure(whole.error))
        return blocks.reply()
    if not whole.type or whole.content is None or not all(map(_named, contents)):
        blocks.fail_as_garbage()
        return blocks.reply()
    blocks.start(whole.id, whole.model)
    for block, raw in zip(contents, whole.content, strict=True):
        blocks.close(open_block(blocks, block, partial(bytes, raw)))
    if len(whole.usage) > 4:
        try:
            blocks.report(add_up(read_counts(whole.usage)))
        except BadUsageError:
            blocks.report(None)
    if whole.stop_reason:
        blocks.end(whole.stop_reason, ENDS, whole.stop_sequence)
    else:
        blocks.fail_as_garbage()
    return blocks.reply()
