"""Writer of events as Responses answers: as a stream, and whole."""

from collections.abc import Iterable
from functools import cached_property

import msgspec

from tokenharbor.kernel.usage import Usage
from tokenharbor.wire.dialects.openai_responses.answer_schema import DIALECT
from tokenharbor.wire.dialects.openai_responses.envelope import Json, ResponseEnvelope, ending, own_names
from tokenharbor.wire.dialects.openai_responses.failures import write_error_event, write_failure
from tokenharbor.wire.dialects.openai_responses.items import (
    ItemEvent,
    WrittenCall,
    WrittenImage,
    WrittenItem,
    WrittenMessage,
    WrittenReasoning,
)
from tokenharbor.wire.framing import sse
from tokenharbor.wire.neutral.dialect import NO_CONTEXT, ReplyContext
from tokenharbor.wire.neutral.events import (
    BlockClosed,
    BlockGrew,
    BlockKind,
    BlockOpened,
    Event,
    Failed,
    Finished,
    FinishReason,
    Note,
    Started,
    UsageReported,
)
from tokenharbor.wire.neutral.failure import Failure, FailureKind
from tokenharbor.wire.neutral.translate import Reply, ReplyBlock, collect

_encode = msgspec.json.Encoder().encode

_SPOKEN = (BlockKind.TEXT, BlockKind.REFUSAL)


class _Items:
    """The items of one answer, built in order, and the response object around them."""

    _refused = False

    def __init__(self, recipient: ReplyContext = NO_CONTEXT) -> None:
        self._envelope = ResponseEnvelope(recipient)
        self._request = recipient.request
        self._items: list[WrittenItem] = []

    @cached_property
    def _names(self) -> dict[str, tuple[str | None, str]]:
        """Other dialects' names of tools; computed on first use, as most answers call none."""
        return own_names(self._request)

    def _make(self, block: BlockOpened | ReplyBlock, place: int) -> WrittenItem:
        stem = f"{self._envelope.stem}_{place}"
        match block.kind:
            case BlockKind.TEXT | BlockKind.REFUSAL:
                return WrittenMessage(f"msg_{stem}")
            case BlockKind.TOOL_CALL:
                space, name = self._names.get(block.name, (None, block.name))
                return WrittenCall(f"{'ctc' if block.custom else 'fc'}_{stem}", block, name, space)
            case BlockKind.REASONING:
                return WrittenReasoning(f"rs_{stem}")
            case BlockKind.IMAGE:
                return WrittenImage(f"ig_{stem}", block)

    def _seal(self, block: BlockOpened | ReplyBlock, notes: tuple[Note, ...], *, silent: bool) -> WrittenItem:
        """Return a reasoning item that carries another dialect's notes on a block, to be written after it."""
        words = "opaque" if silent else "text"
        kind = "call" if block.kind is BlockKind.TOOL_CALL else words
        id_ = f"rs_{self._envelope.stem}_{len(self._items)}"
        return WrittenReasoning(id_, (Note(DIALECT, kind, block.call_id.encode()), *notes))

    def whole(self, reply: Reply, reason: FinishReason) -> Json:
        """Return the response object of a whole answer."""
        self._envelope.start(reply.id, reply.model)
        items, message = self._items, None
        for block in reply.blocks:
            spoken = block.kind in _SPOKEN
            silent = spoken and not (block.text or block.citations)
            if not silent:
                if message is None or not spoken:
                    items.append(self._make(block, len(items)))
                    message = items[-1] if spoken else None
                items[-1].take(block)
                self._refused = self._refused or block.kind is BlockKind.REFUSAL
            if block.notes and block.kind is not BlockKind.REASONING:
                items.append(self._seal(block, block.notes, silent=silent))
                message = None
        status, more = ending(reason, reply.usage, in_words=self._refused)
        output: list[object] = [item.whole(status if item is message else "completed") for item in items]
        return self._envelope.write(status, output, **more)


class ResponsesWriter(_Items):
    """The `EventWriter` of this dialect. Blocks that may grow side by side are items, each with its place in the
    output; a message ends when another item begins.
    """

    cost_usd: str | None = None
    _message: int | None = None  # the place of the open message
    _number = 0
    _started = False
    _usage: Usage | None = None

    def __init__(self, recipient: ReplyContext = NO_CONTEXT) -> None:
        super().__init__(recipient)
        self._blocks: dict[int, BlockOpened] = {}
        self._notes: dict[int, tuple[Note, ...]] = {}  # by block, for items without a field for notes
        self._places: dict[int, int] = {}  # block index to its item's place
        self._done: dict[int, Json] = {}  # whole items by place

    def write(self, event: Event) -> bytes:
        match event:
            case Started():
                return self._start(event)
            case BlockOpened():
                return self._open(event)
            case BlockGrew():
                return self._grow(event)
            case BlockClosed():
                return self._close(event.index)
            case UsageReported():
                self._usage = event.usage
                return b""
            case Finished():
                return self._finish(event)
            case Failed():
                return self._fail(event.failure)

    def _start(self, event: Started) -> bytes:
        self._envelope.start(event.id, event.model)
        self._started = True
        response = self._envelope.write("in_progress", [])
        return self._event("created", response=response) + self._event("in_progress", response=response)

    def _open(self, block: BlockOpened) -> bytes:
        """Open the block; a text block's item begins with its first text, because the block may have only notes."""
        self._blocks[block.index] = block
        return b"" if block.kind in _SPOKEN else self._begin(block)

    def _grow(self, event: BlockGrew) -> bytes:
        block, begun = self._blocks[event.index], b""
        if event.notes and block.kind is not BlockKind.REASONING:
            self._notes[event.index] = self._notes.get(event.index, ()) + event.notes
        if event.index not in self._places:
            if not (event.text or event.citations):
                return b""
            begun = self._begin(block)
        place = self._places[event.index]
        return begun + self._tell(place, self._items[place].grew(event))

    def _begin(self, block: BlockOpened) -> bytes:
        """Begin a new item, or a part of the open message."""
        self._refused = self._refused or block.kind is BlockKind.REFUSAL
        begun = b""
        if block.kind not in _SPOKEN or self._message is None:
            begun = self._add(self._make(block, len(self._items)))
            if block.kind in _SPOKEN:
                self._message = len(self._items) - 1
        place = self._places[block.index] = len(self._items) - 1 if self._message is None else self._message
        return begun + self._tell(place, self._items[place].opened(block))

    def _add(self, item: WrittenItem) -> bytes:
        """Add an item; it ends a message that has no open part."""
        before = self._end_message()
        self._items.append(item)
        return before + self._event("output_item.added", output_index=len(self._items) - 1, item=item.begin())

    def _close(self, index: int) -> bytes:
        out = self._close_item(index) if index in self._places else b""
        notes = self._notes.pop(index, ())
        if not notes:
            return out
        place = len(self._items)
        item = self._seal(self._blocks[index], notes, silent=index not in self._places)
        return out + self._add(item) + self._whole(place)

    def _close_item(self, index: int) -> bytes:
        place = self._places[index]
        item = self._items[place]
        out = self._tell(place, item.closed(index))
        if not isinstance(item, WrittenMessage):
            return out + self._whole(place)
        if place != self._message and not item.growing:
            return out + self._whole(place)
        return out

    def _end_message(self, status: str = "completed") -> bytes:
        place, self._message = self._message, None
        item = self._items[place] if place is not None else None
        if place is None or not isinstance(item, WrittenMessage) or item.growing:
            return b""
        return self._whole(place, status)

    def _whole(self, place: int, status: str = "completed") -> bytes:
        item = self._done[place] = self._items[place].whole(status)
        return self._event("output_item.done", output_index=place, item=item)

    def _finish(self, event: Finished) -> bytes:
        """Write the ending without changing the writer's state: it is written for the caller, and
        again for the cache.
        """
        before = self._message, self._number
        status, more = ending(event.reason, self._usage, self.cost_usd, in_words=self._refused)
        out = self._end_message(status)
        out += self._event(status, response=self._envelope.write(status, self._output(), **more))
        self._message, self._number = before
        return out

    def _fail(self, failure: Failure) -> bytes:
        error = write_failure(failure)
        out = write_error_event(error, self._number)
        self._number += 1
        if not self._started:
            return out
        said = {"code": error["code"], "message": error["message"]}
        return out + self._event("failed", response=self._envelope.write("failed", self._output(), error=said))

    def _output(self) -> list[object]:
        """Return the whole items in order."""
        return [self._done[place] for place in sorted(self._done)]

    def _tell(self, place: int, told: Iterable[ItemEvent]) -> bytes:
        id_ = self._items[place].id
        return b"".join([self._event(kind, item_id=id_, output_index=place, **more) for kind, more in told])

    def _event(self, kind: str, **members: object) -> bytes:
        type_ = f"response.{kind}"
        data = _encode({"type": type_, "sequence_number": self._number, **members})
        self._number += 1
        return sse.write(data, type_.encode())


def write_reply(events: Iterable[Event], recipient: ReplyContext = NO_CONTEXT) -> bytes:
    """Return a whole answer's body, or an error's."""
    reply = collect(events)
    if reply.reason is None:
        return _encode({"error": write_failure(reply.failure or Failure(FailureKind.BROKEN))})
    return _encode(_Items(recipient).whole(reply, reply.reason))
