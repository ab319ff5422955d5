"""Responses answers read into events: its streams, and its whole bodies."""

from collections.abc import Sequence

import msgspec

from tokenharbor.wire import carry
from tokenharbor.wire.blocks import Blocks, Whole
from tokenharbor.wire.body import check_text
from tokenharbor.wire.events import BlockKind, Citation, FinishReason, Note
from tokenharbor.wire.events import Event as Neutral
from tokenharbor.wire.failure import Failure, FailureKind
from tokenharbor.wire.openai_responses.answer import failure_of
from tokenharbor.wire.openai_responses.asked import full_name
from tokenharbor.wire.openai_responses.failures import read_error_event
from tokenharbor.wire.openai_responses.shapes import (
    DIALECT,
    MARKS,
    OWN_KINDS,
    UNREADABLE,
    Annotation,
    Event,
    Item,
    Part,
    Response,
    decode_event,
    decode_item,
    decode_response,
    has_usage,
    usage_of,
)
from tokenharbor.wire.openai_responses.splice import MOST_EVENT, most_waiting
from tokenharbor.wire.sse import Frame, Framer
from tokenharbor.wire.translate import Reply
from tokenharbor.wire.waiting import Waiting

_CALLS = ("function_call", "custom_tool_call")
_BETWEEN = "\n\n"  # the parts of a summary


class _Told:
    """One item of the output, as far as it was told: the blocks of its parts, and how much each has."""

    __slots__ = ("blocks", "grown", "parts")

    def __init__(self) -> None:
        self.blocks: dict[int, int] = {}  # by the part's index; a call, a reasoning or an image has one, 0
        self.grown: set[int] = set()  # the blocks to which words came
        self.parts: set[tuple[str, int]] = set()  # of a reasoning: those that have begun


class _Teller:
    """Tells the events of items, whether they come in pieces or whole."""

    def __init__(self, blocks: Blocks) -> None:
        self.blocks = blocks
        self._items: dict[int, _Told] = {}

    @property
    def silent(self) -> bool:
        """Whether no item came yet."""
        return not self._items

    def begin(self, index: int, item: Item) -> None:
        """An item was added."""
        told = self._items.setdefault(index, _Told())
        if item.type in _CALLS and 0 not in told.blocks:
            self._open_call(told, item)

    def _open_call(self, told: _Told, item: Item) -> None:
        name = full_name(item.name or "", item.namespace)
        call_id = item.call_id or item.id or ""
        if name and call_id:
            custom = item.type == "custom_tool_call"
            told.blocks[0] = self.blocks.open(BlockKind.TOOL_CALL, call_id, name, custom=custom)

    def grow(self, index: int, place: int, kind: BlockKind, text: str) -> None:
        """A piece of a message's part, or of a call's arguments."""
        told = self._items.setdefault(index, _Told())
        block = told.blocks.get(place)
        if block is None and kind is not BlockKind.TOOL_CALL:
            block = told.blocks[place] = self.blocks.open(kind)
        if block is not None and self.blocks.is_open(block):
            told.grown.add(block)
            self.blocks.grow(block, text)

    def think(self, index: int, part: tuple[str, int], text: str) -> None:
        """A piece of a reasoning: all its parts are one block."""
        told = self._items.setdefault(index, _Told())
        if told.parts and part not in told.parts:
            text = _BETWEEN + text
        told.parts.add(part)
        self.grow(index, 0, BlockKind.REASONING, text)

    def cite(self, index: int, place: int, annotation: Annotation) -> None:
        told = self._items.get(index)
        block = told.blocks.get(place) if told is not None else None
        if annotation.url and block is not None and self.blocks.is_open(block):
            self.blocks.cite(block, Citation(annotation.url, annotation.title or ""))

    def close_part(self, index: int, place: int) -> None:
        told = self._items.get(index)
        if told is not None and place in told.blocks:
            self.blocks.close(told.blocks[place])

    def end(self, index: int, item: Item, raw: bytes) -> bool:
        """An item is whole: what of it did not come in pieces is told now. False if it is none of the dialect."""
        told = self._items.setdefault(index, _Told())
        match item.type:
            case "message":
                for place, part in enumerate(item.content or ()):
                    self._end_part(index, told, place, part)
            case "reasoning":
                self._end_reasoning(index, told, item, raw)
            case "function_call" | "custom_tool_call":
                if 0 not in told.blocks:
                    self._open_call(told, item)
                if 0 not in told.blocks:
                    return False
                self._end_call(index, told, item)
            case "image_generation_call" if item.result:
                block = self.blocks.open(BlockKind.IMAGE, name=f"image/{item.output_format or 'png'}")
                self.blocks.grow(block, item.result)
                self.blocks.close(block)
        for block in told.blocks.values():
            self.blocks.close(block)
        return True

    def _end_part(self, index: int, told: _Told, place: int, part: Part) -> None:
        if place in told.blocks:
            return
        kind = BlockKind.REFUSAL if part.type == "refusal" else BlockKind.TEXT
        text = part.refusal if part.type == "refusal" else part.text
        self.grow(index, place, kind, text or "")
        for annotation in part.annotations or ():
            self.cite(index, place, annotation)

    def _end_call(self, index: int, told: _Told, item: Item) -> None:
        if told.blocks[0] not in told.grown:
            self.grow(index, 0, BlockKind.TOOL_CALL, item.arguments or item.input or "")

    def _end_reasoning(self, index: int, told: _Told, item: Item, raw: bytes) -> None:
        if not told.parts:
            for name, parts in (("summary", item.summary), ("content", item.content)):
                for place, part in enumerate(parts or ()):
                    if part.text:
                        self.think(index, (name, place), part.text)
        notes = _notes(item.encrypted_content, raw) if item.encrypted_content else ()
        if notes and not any(note.dialect == DIALECT and note.name in MARKS for note in notes):
            if 0 not in told.blocks:
                told.blocks[0] = self.blocks.open(BlockKind.REASONING)
            if self.blocks.is_open(told.blocks[0]):
                self.blocks.grow(told.blocks[0], "", notes)

    def whole(self, response: Response) -> bool:
        """Every item at once, where none came before."""
        for index, raw in enumerate(response.output or ()):
            item = decode_item(raw)
            if item.type in OWN_KINDS:
                self.begin(index, item)
                if not self.end(index, item, bytes(raw)):
                    return False
        return True

    def finish(self, response: Response) -> None:
        self.blocks.close_all()
        if has_usage(response):
            self.blocks.report(usage_of(response))
        self.blocks.finish(_reason(response))


def _notes(sealed: str, raw: bytes) -> tuple[Note, ...]:
    """What another dialect noted and was packed on its way here; else the item itself, which only its vendor reads.
    What was noted of a call or of words comes too late for it: that is closed.
    """
    packed = carry.unpack(sealed)
    return (Note(DIALECT, "item", raw),) if packed is None else packed


def _reason(response: Response) -> FinishReason:
    if response.status != "incomplete":
        return FinishReason.STOP
    details = response.incomplete_details
    if details is not None and details.reason == "content_filter":
        return FinishReason.REFUSAL
    return FinishReason.LENGTH


class ResponsesReader(Waiting):
    """Fulfils `Reader`."""

    _framer: Framer

    def __init__(self) -> None:
        self._framer = Framer(MOST_EVENT)
        self._blocks = Blocks()
        self._teller = _Teller(self._blocks)

    def most_waiting(self, sent: int) -> int:
        return most_waiting(sent)

    def feed(self, data: bytes) -> Sequence[Neutral]:
        return self._read(self._framer.feed(data))

    def close(self) -> Sequence[Neutral]:
        events = list(self._read(self._framer.close()))
        if not self._blocks.ended:
            self._blocks.fail(Failure(FailureKind.BROKEN, message="the stream ended without its terminator"))
            events += self._blocks.take()
        return events

    def _read(self, frames: Sequence[Frame]) -> Sequence[Neutral]:
        for name, data, _ in frames:
            if data and name != b"ping" and not data.startswith(b"[DONE]") and not self._blocks.ended:
                self._frame(name, data)
        if self._framer.overflow and not self._blocks.ended:
            self._blocks.garbage()
        return self._blocks.take()

    def _frame(self, name: bytes, data: bytes) -> None:
        try:
            check_text(data)
            event = decode_event(data)
            if event.type == "error" or (name == b"error" and not event.type):
                self._blocks.fail(read_error_event(event))
            elif not self._tell(event):
                self._blocks.garbage()
        except UNREADABLE:
            self._blocks.garbage()

    def _tell(self, event: Event) -> bool:
        """False if the event breaks the dialect."""
        kind = event.type.removeprefix("response.")
        if kind == event.type:
            return kind in ("keepalive", "ping") or "." in kind
        if kind in ("created", "queued", "in_progress"):
            return self._start(event)
        if kind in ("completed", "incomplete", "failed"):
            return self._end(event)
        if not self._blocks.started:
            return False
        if kind.endswith(".delta"):
            if isinstance(event.delta, str) and event.delta:
                self._grow(kind, event, event.delta)
            return True
        return self._frame_item(kind, event)

    def _start(self, event: Event) -> bool:
        response = decode_response(event.response)
        self._blocks.start(response.id, response.model)
        return True

    def _grow(self, kind: str, event: Event, text: str) -> None:
        index = event.output_index
        match kind:
            case "output_text.delta":
                self._teller.grow(index, event.content_index, BlockKind.TEXT, text)
            case "refusal.delta":
                self._teller.grow(index, event.content_index, BlockKind.REFUSAL, text)
            case "function_call_arguments.delta" | "custom_tool_call_input.delta":
                self._teller.grow(index, 0, BlockKind.TOOL_CALL, text)
            case "reasoning_summary_text.delta":
                self._teller.think(index, ("summary", event.summary_index), text)
            case "reasoning_text.delta":
                self._teller.think(index, ("content", event.content_index), text)

    def _frame_item(self, kind: str, event: Event) -> bool:
        """The events around the items' growth."""
        index = event.output_index
        match kind:
            case "output_item.added" if len(event.item) > 4:
                self._teller.begin(index, decode_item(event.item))
            case "output_item.done" if len(event.item) > 4:
                return self._teller.end(index, decode_item(event.item), bytes(event.item))
            case "output_text.annotation.added" if event.annotation is not None:
                self._teller.cite(index, event.content_index, event.annotation)
            case "content_part.done" if event.part is not None and event.part.type != "reasoning_text":
                self._teller.close_part(index, event.content_index)
            case "output_item.added" | "output_item.done":
                return False
        return True

    def _end(self, event: Event) -> bool:
        response = decode_response(event.response)
        if (failure := failure_of(response)) is not None:
            self._blocks.fail(failure)
            return True
        if event.type == "response.failed":
            return False
        self._blocks.start(response.id, response.model)
        if self._teller.silent and not self._teller.whole(response):
            return False
        self._teller.finish(response)
        return True


def read_reply(body: bytes) -> Reply:
    """A whole answer; a failure if it is none."""
    blocks = Whole()
    teller = _Teller(blocks)
    try:
        check_text(body)
        response = decode_response(body)
        if (failure := failure_of(response)) is not None:
            blocks.fail(failure)
            return blocks.reply()
        blocks.start(response.id, response.model)
        if teller.whole(response):
            teller.finish(response)
        else:
            blocks.garbage()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        blocks.garbage()
    return blocks.reply()
