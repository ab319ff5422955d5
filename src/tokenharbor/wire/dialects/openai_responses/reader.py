"""Reader of Responses answers into events: streams and whole bodies."""

from collections.abc import Mapping, Sequence

from tokenharbor.wire.dialects.openai_responses.answer import failure_of, reason_of
from tokenharbor.wire.dialects.openai_responses.answer_schema import (
    DIALECT,
    MARKS,
    OWN_KINDS,
    Annotation,
    OutputItem,
    ResponseObject,
    ResponsesEvent,
    ResponsesPart,
    decode_event,
    decode_item,
    decode_part_end,
    decode_response,
    has_usage,
    usage_of,
)
from tokenharbor.wire.dialects.openai_responses.ends import ENDS
from tokenharbor.wire.dialects.openai_responses.failures import read_error_event
from tokenharbor.wire.dialects.openai_responses.request_schema import full_name
from tokenharbor.wire.dialects.openai_responses.splice import MOST_EVENT, most_waiting
from tokenharbor.wire.framing.body import check_text
from tokenharbor.wire.framing.first_content_limit import FirstContentLimit
from tokenharbor.wire.framing.json_values import UNREADABLE
from tokenharbor.wire.framing.sse import Frame, SseFramer
from tokenharbor.wire.neutral import carry
from tokenharbor.wire.neutral.blocks import BlockSequence, ReplyBuilder
from tokenharbor.wire.neutral.events import BlockKind, Citation, FinishReason, Note
from tokenharbor.wire.neutral.events import Event as Neutral
from tokenharbor.wire.neutral.failure import Failure, FailureKind
from tokenharbor.wire.neutral.translate import Reply

_CALLS = ("function_call", "custom_tool_call")
_BETWEEN = "\n\n"  # between the parts of a summary


_Key = tuple[str, int]
"""A part of an item: the name of its list, and its place there."""

_CALL: _Key = ("arguments", 0)


class _ItemState:
    """One item of the output so far: its blocks, and the length of each part."""

    __slots__ = ("blocks", "id", "sent", "type")

    def __init__(self, item: OutputItem) -> None:
        self.type, self.id = item.type, item.id
        self.blocks: dict[int, int] = {}  # by the part's place; a call, reasoning or an image has only 0
        self.sent: dict[_Key, tuple[int, str]] = {}  # by part: the number of characters so far, and the last piece

    def add(self, key: _Key, text: str) -> None:
        length = self.sent[key][0] if key in self.sent else 0
        self.sent[key] = (length + len(text), text)

    def rest(self, key: _Key, whole: str) -> str | None:
        """Return the part of a whole text that did not come in pieces; None if it contradicts them."""
        length, last = self.sent.get(key, (0, ""))
        if len(whole) <= length:
            return ""
        return whole[length:] if whole.startswith(last, length - len(last)) else None


_UNKNOWN = OutputItem()


class _EventBuilder:
    """Builds the events of items, from pieces or whole.

    A later event may hold more of a part than its pieces did: the end of the part, of its item or of the whole answer.
    The rest is added then. Text that contradicts the pieces, or comes after the end of its block, breaks the dialect:
    the methods that take whole parts return False.
    """

    def __init__(self, blocks: BlockSequence) -> None:
        self.blocks = blocks
        self._items: dict[int, _ItemState] = {}

    def begin(self, index: int, item: OutputItem) -> None:
        """Begin an item."""
        state = self._item(index, item)
        if item.type in _CALLS and 0 not in state.blocks:
            self._open_call(state, item)

    def _item(self, index: int, item: OutputItem = _UNKNOWN) -> _ItemState:
        state = self._items.get(index)
        if state is None:
            state = self._items[index] = _ItemState(item)
        elif not state.type:
            state.type, state.id = item.type, item.id
        return state

    def _open_call(self, state: _ItemState, item: OutputItem) -> None:
        name = full_name(item.name or "", item.namespace)
        call_id = item.call_id or item.id or ""
        if name and call_id:
            custom = item.type == "custom_tool_call"
            state.blocks[0] = self.blocks.open(BlockKind.TOOL_CALL, call_id, name, custom=custom)

    def grow(self, index: int, key: _Key, kind: BlockKind, text: str) -> None:
        """Add a piece of a message's part, of a call's arguments or of reasoning, whose parts share one block."""
        state = self._item(index)
        place = 0 if kind is BlockKind.REASONING else key[1]
        block = state.blocks.get(place)
        if block is None and kind is not BlockKind.TOOL_CALL:
            block = state.blocks[place] = self.blocks.open(kind)
        if block is None or not self.blocks.is_open(block):
            return
        is_next = kind is BlockKind.REASONING and state.sent and key not in state.sent
        self.blocks.grow(block, _BETWEEN + text if is_next else text)
        state.add(key, text)

    def complete(self, index: int, key: _Key, kind: BlockKind, whole: str | None) -> bool:
        """Add the rest of a part, given its whole text."""
        state = self._item(index)
        rest = state.rest(key, whole or "")
        if not rest:
            return rest is not None
        before = state.sent.get(key)
        self.grow(index, key, kind, rest)
        return state.sent.get(key) != before

    def cite(self, index: int, place: int, annotation: Annotation) -> None:
        state = self._items.get(index)
        block = state.blocks.get(place) if state is not None else None
        if annotation.url and block is not None and self.blocks.is_open(block):
            self.blocks.cite(block, Citation(annotation.url, annotation.title or ""))

    def end_part(self, index: int, place: int, part: ResponsesPart) -> bool:
        """End a part of a message."""
        state = self._item(index)
        is_new = place not in state.blocks
        kind = BlockKind.REFUSAL if part.type == "refusal" else BlockKind.TEXT
        if not self.complete(index, ("content", place), kind, part.refusal if part.type == "refusal" else part.text):
            return False
        if is_new:
            for annotation in part.annotations or ():
                self.cite(index, place, annotation)
        if place in state.blocks:
            self.blocks.close(state.blocks[place])
        return True

    def end(self, index: int, item: OutputItem, raw: bytes) -> bool:
        """End an item."""
        state = self._item(index, item)
        fits = True
        match item.type:
            case "message":
                fits = all(self.end_part(index, place, part) for place, part in enumerate(item.content or ()))
            case "reasoning":
                fits = self._end_reasoning(index, state, item, raw)
            case "function_call" | "custom_tool_call":
                if 0 not in state.blocks:
                    self._open_call(state, item)
                fits = 0 in state.blocks and self.complete(
                    index, _CALL, BlockKind.TOOL_CALL, item.arguments or item.input
                )
            case "image_generation_call" if item.result and 0 not in state.blocks:
                block = state.blocks[0] = self.blocks.open(BlockKind.IMAGE, name=f"image/{item.output_format or 'png'}")
                self.blocks.grow(block, item.result)
        for block in state.blocks.values():
            self.blocks.close(block)
        return fits

    def _end_reasoning(self, index: int, state: _ItemState, item: OutputItem, raw: bytes) -> bool:
        for name, parts in (("summary", item.summary), ("content", item.content)):
            for place, part in enumerate(parts or ()):
                if not self.complete(index, (name, place), BlockKind.REASONING, part.text):
                    return False
        notes = _notes(item.encrypted_content, raw) if item.encrypted_content else ()
        if notes and not any(note.dialect == DIALECT and note.name in MARKS for note in notes):
            if 0 not in state.blocks:
                state.blocks[0] = self.blocks.open(BlockKind.REASONING)
            if self.blocks.is_open(state.blocks[0]):
                self.blocks.grow(state.blocks[0], "", notes)
        return True

    def whole(self, response: ResponseObject) -> bool:
        """Add every item of a whole answer: new items, and the missing rest of earlier ones."""
        begun = dict(self._items)
        for place, raw in enumerate(response.output or ()):
            item = decode_item(raw)
            if item.type in OWN_KINDS:
                index = _find(begun, item, place)
                begun.pop(index, None)
                self.begin(index, item)
                if not self.end(index, item, bytes(raw)):
                    return False
        return True

    def finish(self, response: ResponseObject) -> None:
        self.blocks.close_all()
        if has_usage(response):
            self.blocks.report(usage_of(response))
        if response.status == "incomplete":
            reason = reason_of(response)
            self.blocks.finish(ENDS.reason(reason), unknown=ENDS.unknown(reason))
        else:
            self.blocks.finish(FinishReason.STOP)


def _find(begun: Mapping[int, _ItemState], item: OutputItem, place: int) -> int:
    """Return the index of the item among those begun: by its id, else the first of its type, since some vendors omit
    items from the whole answer or change their ids there; else a new index.
    """
    same = [index for index, state in begun.items() if state.type in (item.type, "")]
    for index in same:
        if item.id and begun[index].id == item.id:
            return index
    if same:
        return same[0]
    return place if not begun else max(*begun, place) + 1


def _notes(sealed: str, raw: bytes) -> tuple[Note, ...]:
    """Return another dialect's packed notes, else the item itself as a note. Notes on a call or text come too late: its
    block is closed.
    """
    packed = carry.unpack(sealed)
    return (Note(DIALECT, "item", raw),) if packed is None else packed


class ResponsesReader(FirstContentLimit):
    """The `EventReader` of this dialect."""

    _framer: SseFramer

    def __init__(self) -> None:
        self._framer = SseFramer(MOST_EVENT)
        self._blocks = BlockSequence()
        self._builder = _EventBuilder(self._blocks)

    def most_waiting(self, sent: int) -> int:
        return most_waiting(sent)

    def feed(self, data: bytes) -> Sequence[Neutral]:
        return self._read(self._framer.feed(data))

    def close(self, *, whole: bool = True) -> Sequence[Neutral]:  # noqa: ARG002  the last event has the whole answer
        events = list(self._read(self._framer.close()))
        if not self._blocks.ended:
            self._blocks.fail(Failure(FailureKind.BROKEN, message="the stream ended without its final event"))
            events += self._blocks.take()
        return events

    def _read(self, frames: Sequence[Frame]) -> Sequence[Neutral]:
        for name, data, _ in frames:
            if data and name != b"ping" and not data.startswith(b"[DONE]") and not self._blocks.ended:
                self._frame(name, data)
        if self._framer.overflow and not self._blocks.ended:
            self._blocks.fail_as_garbage()
        return self._blocks.take()

    def _frame(self, name: bytes, data: bytes) -> None:
        try:
            check_text(data)
            event = decode_event(data)
            if event.type == "error" or (name == b"error" and not event.type):
                self._blocks.fail(read_error_event(event))
            elif not self._add_event(event, data):
                self._blocks.fail_as_garbage()
        except UNREADABLE:
            self._blocks.fail_as_garbage()

    def _add_event(self, event: ResponsesEvent, data: bytes) -> bool:
        """Add the event; return False if it breaks the dialect."""
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
        return self._frame_item(kind, event, data)

    def _start(self, event: ResponsesEvent) -> bool:
        response = decode_response(event.response)
        self._blocks.start(response.id, response.model)
        return True

    def _grow(self, kind: str, event: ResponsesEvent, text: str) -> None:
        part = _part_of(kind.removesuffix(".delta"), event)
        if part is not None:
            self._builder.grow(event.output_index, *part, text)

    def _frame_item(self, kind: str, event: ResponsesEvent, data: bytes) -> bool:
        """Add an event other than an item's growth."""
        index = event.output_index
        match kind:
            case "output_item.added" if len(event.item) > 4:
                self._builder.begin(index, decode_item(event.item))
            case "output_item.done" if len(event.item) > 4:
                return self._builder.end(index, decode_item(event.item), bytes(event.item))
            case "output_text.annotation.added" if event.annotation is not None:
                self._builder.cite(index, event.content_index, event.annotation)
            case "content_part.done" if event.part is not None and event.part.type in (
                "output_text",
                "text",
                "refusal",
            ):
                return self._builder.end_part(index, event.content_index, event.part)
            case "output_item.added" | "output_item.done":
                return False
            case _ if kind.endswith(".done"):
                part = _part_of(kind.removesuffix(".done"), event)
                return part is None or self._builder.complete(index, *part, _whole_text(data))
        return True

    def _end(self, event: ResponsesEvent) -> bool:
        response = decode_response(event.response)
        if (failure := failure_of(response)) is not None:
            self._blocks.fail(failure)
            return True
        if event.type == "response.failed":
            return False
        self._blocks.start(response.id, response.model)
        if not self._builder.whole(response):
            return False
        self._builder.finish(response)
        return True


def _part_of(kind: str, event: ResponsesEvent) -> tuple[_Key, BlockKind] | None:
    """Return the part of an event; None if other dialects have no such part."""
    match kind:
        case "output_text":
            return ("content", event.content_index), BlockKind.TEXT
        case "refusal":
            return ("content", event.content_index), BlockKind.REFUSAL
        case "function_call_arguments" | "custom_tool_call_input":
            return _CALL, BlockKind.TOOL_CALL
        case "reasoning_summary_text":
            return ("summary", event.summary_index), BlockKind.REASONING
        case "reasoning_text":
            return ("content", event.content_index), BlockKind.REASONING
    return None


def _whole_text(data: bytes) -> str | None:
    end = decode_part_end(data)
    return end.text or end.refusal or end.arguments or end.input


def read_reply(body: bytes) -> Reply:
    """Read a whole answer; an invalid one becomes a failure."""
    blocks = ReplyBuilder()
    builder = _EventBuilder(blocks)
    try:
        check_text(body)
        response = decode_response(body)
        if (failure := failure_of(response)) is not None:
            blocks.fail(failure)
            return blocks.reply()
        blocks.start(response.id, response.model)
        if builder.whole(response):
            builder.finish(response)
        else:
            blocks.fail_as_garbage()
    except UNREADABLE:
        blocks.fail_as_garbage()
    return blocks.reply()
