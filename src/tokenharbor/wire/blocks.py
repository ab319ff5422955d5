"""What the readers of all dialects share: blocks numbered and well nested, one end, and a reason that fits."""

import re

from tokenharbor.kernel.usage import Usage
from tokenharbor.wire.events import (
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
from tokenharbor.wire.failure import Failure, FailureKind

_UNFIT = re.compile(r"[^A-Za-z0-9_-]")


class Blocks:
    """Gathers the events of one answer in the order that events.py states."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._open: list[int] = []
        self._next = 0
        self._kinds: set[BlockKind] = set()
        self._calls: set[str] = set()  # their ids
        self._spoken: tuple[int, BlockKind] | None = None  # the block that text of its kind goes on in
        self._answer = ""
        self.started = False
        self.ended = False

    @property
    def spoken(self) -> bool:
        """Whether anything was said yet."""
        return self._next > 0

    def take(self) -> list[Event]:
        """The events since the last call."""
        events, self._events = self._events, []
        return events

    def new_id(self, prefix: str) -> str:
        """For calls without an id: unlike those of other answers, whose results stand in one conversation."""
        return f"{prefix}{_UNFIT.sub('', self._answer)[-24:]}_{self._next}"

    def start(self, id_: str, model: str) -> None:
        if not self.started:
            self.started, self._answer = True, id_
            self._events.append(Started(id_, model))

    def open(self, kind: BlockKind, call_id: str = "", name: str = "", *, custom: bool = False) -> int:
        index = self._next
        self._next += 1
        if call_id:
            call_id = f"{call_id}_{index}" if call_id in self._calls else call_id  # results could not be told apart
            self._calls.add(call_id)
        self._open.append(index)
        self._kinds.add(kind)
        self._events.append(BlockOpened(index, kind, call_id, name, custom))
        return index

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

    def speak(
        self, kind: BlockKind, text: str, notes: tuple[Note, ...] = (), citations: tuple[Citation, ...] = ()
    ) -> None:
        """Text in a dialect that does not say where blocks begin: one block goes on until the kind changes."""
        if self._spoken is None or self._spoken[1] is not kind:
            self.pause()
            self._spoken = (self.open(kind), kind)
        self.grow(self._spoken[0], text, notes, citations)

    def pause(self) -> None:
        """Something else begins: what was spoken is whole."""
        if self._spoken is not None:
            self.close(self._spoken[0])
            self._spoken = None

    def report(self, usage: Usage | None) -> None:
        """Usage came; None if it does not add up."""
        self._events.append(UsageReported(usage))

    def close_all(self) -> None:
        self._spoken = None
        for index in list(self._open):
            self.close(index)

    def finish(self, reason: FinishReason, stop_sequence: str | None = None) -> None:
        self.close_all()
        self.ended = True
        self._events.append(Finished(self._fit(reason), stop_sequence))

    def fail(self, failure: Failure) -> None:
        self.ended = True
        self._events.append(Failed(failure))

    def garbage(self) -> None:
        self.fail(Failure(FailureKind.GARBAGE, message="the answer is not one of its dialect"))

    def _fit(self, reason: FinishReason) -> FinishReason:
        """Vendors confuse the reasons; what was seen decides."""
        calls = BlockKind.TOOL_CALL in self._kinds
        if reason is FinishReason.TOOL_CALLS and not calls:
            return FinishReason.STOP
        if reason is FinishReason.STOP and calls:
            return FinishReason.TOOL_CALLS
        if reason is FinishReason.STOP and BlockKind.REFUSAL in self._kinds:
            return FinishReason.REFUSAL
        return reason
