"""Reader of Converse's answers into events: streams and whole bodies."""

from collections.abc import Sequence

import msgspec

from tokenharbor.wire.dialects.bedrock_converse.answer_schema import (
    ConverseBlock,
    ConverseEvent,
    ConverseReasoning,
    ConverseToolUse,
    decode_block,
    decode_citation,
    decode_event,
    decode_text,
    decode_whole,
    stop_sequence,
)
from tokenharbor.wire.dialects.bedrock_converse.ends import ENDS
from tokenharbor.wire.dialects.bedrock_converse.failures import read_exception
from tokenharbor.wire.dialects.bedrock_converse.usage import read_usage
from tokenharbor.wire.framing.body import check_text
from tokenharbor.wire.framing.eventstream import EventMessage, EventStreamFramer
from tokenharbor.wire.framing.first_content_limit import FirstContentLimit
from tokenharbor.wire.framing.json_values import UNREADABLE
from tokenharbor.wire.framing.surrogates import replace_lone
from tokenharbor.wire.neutral.blocks import BlockSequence, ReplyBuilder
from tokenharbor.wire.neutral.events import BlockKind, Citation, FinishReason, Note
from tokenharbor.wire.neutral.events import Event as Neutral
from tokenharbor.wire.neutral.failure import Failure, FailureKind
from tokenharbor.wire.neutral.translate import Reply
from tokenharbor.wire.neutral.usage import BadUsageError

DIALECT = "bedrock_converse"


def _note(name: str, raw: bytes) -> tuple[Note, ...]:
    return (Note(DIALECT, name, raw),)


class ConverseReader(FirstContentLimit):
    """The `EventReader` of this dialect. Usage comes after the stop reason: the event with usage
    finishes the answer.
    """

    _framer: EventStreamFramer

    def __init__(self) -> None:
        self._framer = EventStreamFramer()
        self._blocks = BlockSequence()
        self._places: dict[int, tuple[int, BlockKind]] = {}  # the vendor's block index to ours
        self._silent: set[int] = set()  # the vendor's indices of blocks of kinds that only this dialect has
        self._reason: str | None = None
        self._stop_sequence: str | None = None

    def feed(self, data: bytes) -> Sequence[Neutral]:
        for message in self._framer.feed(data):
            if not self._blocks.ended:
                self._message(message)
        if self._framer.broken and not self._blocks.ended:
            self._blocks.fail_as_garbage()
        return self._blocks.take()

    def close(self, *, whole: bool = True) -> Sequence[Neutral]:
        if not self._blocks.ended:
            if whole and self._reason is not None and not self._framer.pending:
                finish(self._blocks, self._reason, self._stop_sequence)
            else:
                self._blocks.fail(Failure(FailureKind.BROKEN, message="the stream ended without its final event"))
        return self._blocks.take()

    def _message(self, message: EventMessage) -> None:
        try:
            payload = replace_lone(message.payload)
            check_text(payload)
            event = decode_event(payload or b"{}")
            if message.word(":message-type") != "event":
                self._blocks.fail(read_exception(message, event.message or ""))
            elif not self._add_event(message.word(":event-type"), event):
                self._blocks.fail_as_garbage()
        except UNREADABLE:
            self._blocks.fail_as_garbage()

    def _add_event(self, name: str, event: ConverseEvent) -> bool:
        """Add the event; return False if it breaks the dialect."""
        match name:
            case "contentBlockDelta":
                return self._in_content and self._grow(event.content_block_index, event.delta)
            case "contentBlockStart":
                return self._in_content and self._open(event.content_block_index, event.start)
            case "contentBlockStop":
                self._close(event.content_block_index)
                return self._in_content
            case "messageStart":
                fresh = not self._blocks.started
                self._blocks.start("", "")
                return fresh
            case "messageStop":
                return self._in_content and self._stop(event)
            case "metadata":
                return self._blocks.started and self._end(event)
        return bool(name)  # an event of a later version of the dialect

    @property
    def _in_content(self) -> bool:
        return self._blocks.started and self._reason is None

    def _open(self, index: int, raw: msgspec.Raw) -> bool:
        start = decode_block(raw)
        if index in self._places:
            return False
        if start.tool_use is not None and is_callers(start.tool_use):
            return self._call(index, start.tool_use)
        if start.image is not None:
            self._places[index] = (open_image(self._blocks, start.image.format), BlockKind.IMAGE)
        elif len(raw) > 2:  # `{}` starts a text block, which opens with its first text
            place = self._blocks.open(BlockKind.TEXT)
            self._blocks.grow(place, "", _note("start", bytes(raw)))
            self._places[index] = (place, BlockKind.TEXT)
            self._silent.add(index)
        return True

    def _call(self, index: int, call: ConverseToolUse) -> bool:
        if not call.tool_use_id or not call.name:
            return False
        place = self._blocks.open(BlockKind.TOOL_CALL, call.tool_use_id, call.name)
        self._places[index] = (place, BlockKind.TOOL_CALL)
        return True

    def _grow(self, index: int, raw: msgspec.Raw) -> bool:
        delta = decode_block(raw)
        if index in self._silent:
            return self._add(index, BlockKind.TEXT, "", _note("delta", bytes(raw)))
        if delta.text is not None:
            return self._add(index, BlockKind.TEXT, delta.text)
        if delta.tool_use is not None:
            return self._add(index, BlockKind.TOOL_CALL, decode_text(delta.tool_use.input) or "")
        if delta.reasoning_content is not None:
            return self._think(index, delta.reasoning_content)
        if delta.image is not None and delta.image.source is not None:
            return self._add(index, BlockKind.IMAGE, delta.image.source.bytes or "")
        if len(delta.citation) > 4:
            place = self._place(index, BlockKind.TEXT)
            return place is not None and cite(self._blocks, place, delta.citation)
        return True  # a later version's, or empty

    def _think(self, index: int, delta: ConverseReasoning) -> bool:
        text, notes = reasoning(delta)
        return self._add(index, BlockKind.REASONING, text, notes)

    def _add(self, index: int, kind: BlockKind, text: str, notes: tuple[Note, ...] = ()) -> bool:
        if not text and not notes:
            return True
        place = self._place(index, kind)
        if place is not None:
            self._blocks.grow(place, text, notes)
        return place is not None

    def _place(self, index: int, kind: BlockKind) -> int | None:
        """Return the block that grows: text and reasoning open with their first growth, other kinds
        are open already.
        """
        found = self._places.get(index)
        if found is not None and found[1] is kind:
            return found[0] if self._blocks.is_open(found[0]) else None
        if kind not in (BlockKind.TEXT, BlockKind.REASONING) or (found and found[1] is BlockKind.TOOL_CALL):
            return None
        self._close(index)
        place = self._blocks.open(kind)
        self._places[index] = (place, kind)
        return place

    def _close(self, index: int) -> None:
        """Close the block; an empty one was never opened."""
        if index in self._places:
            self._blocks.close(self._places[index][0])

    def _stop(self, event: ConverseEvent) -> bool:
        self._reason = event.stop_reason or None
        self._stop_sequence = stop_sequence(event.additional_model_response_fields)
        self._blocks.close_all()
        return self._reason is not None

    def _end(self, event: ConverseEvent) -> bool:
        report(self._blocks, event.usage)
        if self._reason is not None:
            finish(self._blocks, self._reason, self._stop_sequence)
        return True


def finish(blocks: BlockSequence, reason: str, sequence: str | None) -> None:
    blocks.end(reason, ENDS, sequence if ENDS.reason(reason) is FinishReason.STOP_SEQUENCE else None)


def report(blocks: BlockSequence, raw: msgspec.Raw) -> None:
    if len(raw) > 4:
        try:
            blocks.report(read_usage(raw))
        except BadUsageError:
            blocks.report(None)


def is_callers(call: ConverseToolUse) -> bool:
    """Return whether the caller runs the tool; other types are the vendor's."""
    return call.type in (None, "tool_use")


def open_image(blocks: BlockSequence, format_: str | None) -> int:
    return blocks.open(BlockKind.IMAGE, name=f"image/{format_ or 'png'}")


def reasoning(read: ConverseReasoning) -> tuple[str, tuple[Note, ...]]:
    """Return readable reasoning, and notes for this dialect alone."""
    whole = read.reasoning_text
    text = (whole.text if whole else read.text) or ""
    signature = whole.signature if whole else read.signature
    notes = _note("signature", signature.encode()) if signature else ()
    return text, notes + (_note("redacted", read.redacted_content.encode()) if read.redacted_content else ())


def cite(blocks: BlockSequence, place: int, raw: msgspec.Raw) -> bool:
    """Add a source: web sources for all dialects, and any source unchanged for this dialect."""
    citation = decode_citation(raw)
    blocks.grow(place, "", _note("citation", bytes(raw)))
    if citation.location and citation.location.web and citation.location.web.url:
        quote = " ".join(each.text or "" for each in citation.source_content or ())
        blocks.cite(place, Citation(citation.location.web.url, citation.title or "", quote))
    return True


def add_whole(blocks: BlockSequence, raw: msgspec.Raw) -> None:
    """Add a block of a whole answer. A kind that only this dialect has becomes a note on an empty text block."""
    block = decode_block(raw)
    call = block.tool_use
    if block.text is not None:
        place = blocks.open(BlockKind.TEXT)
        blocks.grow(place, block.text)
    elif block.reasoning_content is not None:
        place = blocks.open(BlockKind.REASONING)
        blocks.grow(place, *reasoning(block.reasoning_content))
    elif call is not None and is_callers(call) and call.tool_use_id and call.name:
        place = blocks.open(BlockKind.TOOL_CALL, call.tool_use_id, call.name)
        blocks.grow(place, "" if bytes(call.input) in (b"null", b"{}") else bytes(call.input).decode())
    elif block.image is not None and block.image.source is not None:
        place = open_image(blocks, block.image.format)
        blocks.grow(place, block.image.source.bytes or "")
    else:
        place = _add_other(blocks, block, raw)
    blocks.close(place)


def _add_other(blocks: BlockSequence, block: ConverseBlock, raw: msgspec.Raw) -> int:
    place = blocks.open(BlockKind.TEXT)
    if block.citations_content is None:
        blocks.grow(place, "", _note("block", bytes(raw)))
        return place
    for piece in block.citations_content.content or ():
        blocks.grow(place, piece.text or "")
    for citation in block.citations_content.citations or ():
        cite(blocks, place, citation)
    return place


def read_reply(body: bytes) -> Reply:
    """Read a whole answer; an invalid one becomes a failure."""
    blocks = ReplyBuilder()
    try:
        check_text(body)
        whole = decode_whole(body)
        blocks.start("", "")
        for raw in whole.output.message.content:
            add_whole(blocks, raw)
    except UNREADABLE:
        blocks.fail_as_garbage()
        return blocks.reply()
    report(blocks, whole.usage)
    finish(blocks, whole.stop_reason, stop_sequence(whole.additional_model_response_fields))
    return blocks.reply()
