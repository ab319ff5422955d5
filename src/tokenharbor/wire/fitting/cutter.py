"""Cutting of an answer by the gateway where the vendor does not: at a stop sequence, or at a maximum below the vendor's
least.

The idea. The cut is made in the neutral events between reader and writer, so it is the same for all dialects. A stop
sequence may be spread over pieces, and over adjacent blocks of text: text whose end may begin a sequence waits in
`_held`, with all later events, until the next text decides. `_waiting` is that text as one string.

Invariants:
- Events are passed on in the order in which they came, and blocks open and close well nested: at the cut, passed blocks
  are closed, waiting events are dropped.
- Nothing from the stop sequence on is passed on, and fewer characters wait than the longest sequence has.
- Of several sequences the one that ends first decides, as for a vendor that checks after each character.
- A tool call that is being written is never cut by text beside it.
- After the cut only usage is passed on, and one Finished: the cut's own, not the vendor's.

A stream that was cut is not closed at once: the vendor may stop at the same place by itself, and its usage is worth
more than our count. The first content after the cut shows that it does not stop; then the stream ends early.
"""

from collections.abc import Iterable

import msgspec

from tokenharbor.kernel.usage import Usage
from tokenharbor.wire.neutral.events import (
    BlockClosed,
    BlockGrew,
    BlockKind,
    BlockOpened,
    Event,
    Failed,
    Finished,
    FinishReason,
    UsageReported,
)

_BYTES_PER_TOKEN = 4  # as in the gateway's own counts


class CutLimits(msgspec.Struct, frozen=True):
    """Where to cut: before one of these sequences in the answer's text, or after `most` tokens of output."""

    stops: tuple[str, ...] = ()
    most: int | None = None


class Cutter:
    """Passes the events of one answer on up to the cut.

    A stream that has reached its stop sequence is `stopping`: its vendor's finish and usage may still come, but more
    content ends it `early`, as does `stop_waiting`. A whole answer, and one cut at its maximum, whose vendor soon stops
    by itself, is read to its end for its usage.
    """

    def __init__(self, cut: CutLimits, *, whole: bool) -> None:
        self._stops = cut.stops
        self._longest = max(map(len, cut.stops), default=0)
        self._firsts = frozenset(stop[0] for stop in cut.stops)
        self._most = cut.most
        self._room = None if cut.most is None else cut.most * _BYTES_PER_TOKEN
        self._whole = whole
        self._kinds: dict[int, BlockKind] = {}  # by open block
        self._passed: dict[int, None] = {}  # the open blocks that were passed on
        self._held: list[Event] = []  # from the first waiting text on
        self._waiting = ""  # the text of the held events, across adjacent blocks
        self._called = False  # whether a tool call came
        self._ending: Finished | None = None  # set once the answer is cut
        self.stopping = False
        self.early = False

    def feed(self, events: Iterable[Event]) -> list[Event]:
        out: list[Event] = []
        for event in events:
            if self.early:
                break
            match event:
                case BlockOpened():
                    self._open(event, out)
                case BlockGrew():
                    self._grow(event, out)
                case BlockClosed():
                    self._close(event.index, out)
                case UsageReported():
                    out.append(UsageReported(event.usage and self._bounded(event.usage)))
                case Finished():
                    self._release(len(self._waiting), out)
                    self.stopping = False
                    out.append(self._ending or event)
                case Failed() if self.stopping:
                    self.stop_waiting(out)
                case _:
                    self._release(len(self._waiting), out)
                    out.append(event)
        return out

    def stop_waiting(self, out: list[Event]) -> None:
        """End a stopping answer without waiting longer."""
        if self.stopping and self._ending is not None:
            self.stopping, self.early = False, True
            out.append(self._ending)

    def _open(self, event: BlockOpened, out: list[Event]) -> None:
        self.stop_waiting(out)
        if event.kind is not BlockKind.TEXT:
            self._release(len(self._waiting), out)
        if self._ending is None:
            self._kinds[event.index] = event.kind
            self._called = self._called or event.kind is BlockKind.TOOL_CALL
            self._queue(event, out)

    def _grow(self, event: BlockGrew, out: list[Event]) -> None:
        kind = self._kinds.get(event.index)
        if kind is None:
            if event.text:
                self.stop_waiting(out)
            return
        # A sequence in text beside an unfinished call would cut the call.
        if not self._stops or kind is not BlockKind.TEXT or BlockKind.TOOL_CALL in self._kinds.values():
            self._release(len(self._waiting), out)
            self._say(event, out)
            return
        self._held.append(event)
        self._waiting = text = self._waiting + event.text
        found = min(((at + len(stop), at, stop) for stop in self._stops if (at := text.find(stop)) >= 0), default=None)
        if found is None:
            self._release(len(text) - self._beginning(text), out)
            return
        self._release(found[1], out)
        if self._ending is not None:
            return
        reason = FinishReason.TOOL_CALLS if self._called else FinishReason.STOP_SEQUENCE
        self._end(Finished(reason, None if self._called else found[2]), out, stopping=not self._whole)
        if len(text) > found[0]:
            self.stop_waiting(out)

    def _queue(self, event: BlockOpened | BlockClosed, out: list[Event]) -> None:
        """Pass the event on, after the waiting text if there is any."""
        if self._held:
            self._held.append(event)
        else:
            self._pass(event, out)

    def _release(self, size: int, out: list[Event]) -> None:
        """Pass on `size` characters of the waiting text, and the events before the rest of it."""
        self._waiting = self._waiting[size:]
        while self._held:
            event = self._held.pop(0)
            if not isinstance(event, BlockGrew):
                self._pass(event, out)
                continue
            self._say(msgspec.structs.replace(event, text=event.text[:size]), out)
            if self._ending is None and len(event.text) > size:
                self._held.insert(0, BlockGrew(event.index, event.text[size:]))
                return
            size -= len(event.text)

    def _pass(self, event: Event, out: list[Event]) -> None:
        if isinstance(event, BlockOpened):
            self._passed[event.index] = None
        elif isinstance(event, BlockClosed):
            self._passed.pop(event.index, None)
        out.append(event)

    def _beginning(self, text: str) -> int:
        """Return how many of the last characters may begin a stop sequence."""
        for at in range(max(0, len(text) - self._longest + 1), len(text)):
            if text[at] in self._firsts and any(stop.startswith(text[at:]) for stop in self._stops):
                return len(text) - at
        return 0

    def _say(self, event: BlockGrew, out: list[Event]) -> None:
        """Pass on the text up to the maximum."""
        if self._room is not None and event.text:
            said = event.text.encode("utf-8", "replace")
            if len(said) > self._room:
                text = said[: self._room].decode("utf-8", "ignore")
                self._room = 0
                out += [msgspec.structs.replace(event, text=text)] if text else []
                self._end(Finished(FinishReason.LENGTH), out, stopping=False)
                return
            self._room -= len(said)
        if event.text or event.notes or event.citations:
            out.append(event)

    def _close(self, index: int, out: list[Event]) -> None:
        if self._kinds.pop(index, None) is not None:
            self._queue(BlockClosed(index), out)

    def _end(self, ending: Finished, out: list[Event], *, stopping: bool) -> None:
        out += map(BlockClosed, self._passed)
        self._kinds.clear()
        self._passed.clear()
        self._held.clear()
        self._waiting = ""
        self._ending, self.stopping = ending, stopping

    def _bounded(self, usage: Usage) -> Usage:
        """Limit the reported usage to the caller's maximum: the vendor was sent its own minimum instead."""
        if self._most is None:
            return usage
        reasoning = min(usage.reasoning, self._most)
        return msgspec.structs.replace(usage, reasoning=reasoning, output=min(usage.output, self._most - reasoning))
