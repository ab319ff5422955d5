"""Builders that the readers of all dialects share: numbered, well-nested blocks, one ending, a consistent finish
reason.
"""

from tokenharbor.kernel.usage import Usage
from tokenharbor.wire.neutral.ends import FinishTable
from tokenharbor.wire.neutral.events import (
    BlockClosed,
    BlockGrew,
    BlockKind,
    BlockOpened,
    Citation,
    Event,
    Failed,
    Finished,
    FinishReason,
    Note,
    Started,
    UsageReported,
)
from tokenharbor.wire.neutral.failure import GARBAGE_ANSWER, Failure
from tokenharbor.wire.neutral.translate import Reply, join


class BlockSequence:
    """The events of one answer, gathered in the order that events.py defines."""

    started = False
    ended = False
    _next = 0
    _text_block: tuple[int, BlockKind] | None = None  # the block that more text of its kind extends

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._open: list[int] = []
        self._kinds: set[BlockKind] = set()
        self._calls: set[str] = set()  # their ids

    @property
    def has_content(self) -> bool:
        """Whether the answer has any content yet."""
        return self._count() > 0

    def take(self) -> list[Event]:
        """Return the events since the last call."""
        events, self._events = self._events, []
        return events

    def _count(self) -> int:
        """Return the number of blocks."""
        return self._next

    def start(self, id_: str, model: str) -> None:
        if not self.started:
            self.started = True
            self._events.append(Started(id_, model))

    def open(self, kind: BlockKind, call_id: str = "", name: str = "", *, custom: bool = False) -> int:
        index = self._next
        self._next += 1
        self._open.append(index)
        self._kinds.add(kind)
        self._events.append(BlockOpened(index, kind, call_id and self._distinct(call_id, index), name, custom))
        return index

    def _distinct(self, call_id: str, index: int) -> str:
        """Make a repeated call id unique: results of calls that share an id could not be told apart."""
        if call_id in self._calls:
            call_id = f"{call_id}_{index}"
        self._calls.add(call_id)
        return call_id

    def grow(self, index: int, text: str, notes: tuple[Note, ...] = (), citations: tuple[Citation, ...] = ()) -> None:
        if text or notes or citations:
            self._events.append(BlockGrew(index, text, notes, citations))

    def cite(self, index: int, citation: Citation) -> None:
        self._events.append(BlockGrew(index, citations=(citation,)))

    def is_open(self, index: int) -> bool:
        return index in self._open

    def close(self, index: int) -> None:
        if index in self._open:
            self._open.remove(index)
            self._events.append(BlockClosed(index))

    def add_text(
        self, kind: BlockKind, text: str, notes: tuple[Note, ...] = (), citations: tuple[Citation, ...] = ()
    ) -> None:
        """Add text in a dialect that does not mark where blocks begin: a block grows until the kind changes."""
        text_block = self._text_block
        if text_block is None or text_block[1] is not kind:
            if text_block is not None:
                self.end_text()
            text_block = self._text_block = (self.open(kind), kind)
        self.grow(text_block[0], text, notes, citations)

    def end_text(self) -> None:
        """Close the block that `add_text` grows, because a block of another kind begins."""
        if self._text_block is not None:
            self.close(self._text_block[0])
            self._text_block = None

    def report(self, usage: Usage | None) -> None:
        """Report usage; None if the vendor's counts do not add up."""
        self._events.append(UsageReported(usage))

    def close_all(self) -> None:
        self._text_block = None
        for index in list(self._open):
            self.close(index)

    def end(self, word: str, ends: FinishTable, stop_sequence: str | None = None, *, message: str = "") -> None:
        """End the answer with its dialect's finish word; `message` may describe a failure further."""
        failure = ends.failure(word, empty=not self.has_content, message=message)
        if failure is not None:
            self.fail(failure)
        else:
            self.finish(ends.reason(word), stop_sequence, ends.unknown(word))

    def finish(self, reason: FinishReason, stop_sequence: str | None = None, unknown: str = "") -> None:
        if self._open:
            self.close_all()
        self.ended = True
        self._events.append(Finished(self._correct_reason(reason), stop_sequence, unknown))

    def fail(self, failure: Failure) -> None:
        self.ended = True
        self._events.append(Failed(failure))

    def fail_as_garbage(self) -> None:
        self.fail(GARBAGE_ANSWER)

    def _correct_reason(self, reason: FinishReason) -> FinishReason:
        """Correct the reason by the blocks that were seen: vendors confuse the reasons."""
        calls = BlockKind.TOOL_CALL in self._kinds
        if reason is FinishReason.TOOL_CALLS and not calls:
            return FinishReason.STOP
        if reason is FinishReason.STOP and calls:
            return FinishReason.TOOL_CALLS
        if reason is FinishReason.STOP and BlockKind.REFUSAL in self._kinds:
            return FinishReason.REFUSAL
        return reason


class ReplyBuilder(BlockSequence):
    """A whole answer, gathered into a Reply without an event for each step."""

    _answer = _model = ""
    _usage: Usage | None = None
    _quarantined = False
    _reason: FinishReason | None = None
    _sequence: str | None = None
    _unknown = ""
    _failure: Failure | None = None

    def __init__(self) -> None:
        super().__init__()
        self._blocks: list[tuple[BlockOpened, list[BlockGrew]]] = []

    def _count(self) -> int:
        return len(self._blocks)

    def start(self, id_: str, model: str) -> None:
        self.started, self._answer, self._model = True, id_, model

    def open(self, kind: BlockKind, call_id: str = "", name: str = "", *, custom: bool = False) -> int:
        index = len(self._blocks)
        self._kinds.add(kind)
        self._blocks.append((BlockOpened(index, kind, call_id and self._distinct(call_id, index), name, custom), []))
        return index

    def grow(self, index: int, text: str, notes: tuple[Note, ...] = (), citations: tuple[Citation, ...] = ()) -> None:
        self._blocks[index][1].append(BlockGrew(index, text, notes, citations))

    def cite(self, index: int, citation: Citation) -> None:
        self.grow(index, "", (), (citation,))

    def is_open(self, index: int) -> bool:  # noqa: ARG002  a whole answer's blocks never close early
        return True

    def close(self, index: int) -> None:
        """Do nothing: a whole answer needs no close events."""

    def report(self, usage: Usage | None) -> None:
        self._usage, self._quarantined = usage, usage is None

    def finish(self, reason: FinishReason, stop_sequence: str | None = None, unknown: str = "") -> None:
        self.ended = True
        self._reason, self._sequence, self._unknown = self._correct_reason(reason), stop_sequence, unknown

    def fail(self, failure: Failure) -> None:
        self.ended = True
        self._reason, self._failure = None, failure

    def reply(self) -> Reply:
        """Return the reply gathered so far."""
        blocks = tuple([join(opened, grown) for opened, grown in self._blocks])
        return Reply(
            self._answer,
            self._model,
            blocks,
            self._usage,
            self._reason,
            self._sequence,
            self._failure,
            self._quarantined,
            self._unknown,
        )
