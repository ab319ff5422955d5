"""A vendor's stream passed on to a client of the same dialect: one state machine for every dialect of events.

The idea. Within a dialect nothing is rewritten: the framer splits the bytes into events, the dialect classifies each
event (its *turn*), and the event's own bytes are sent, held or dropped. So vendors' new fields reach their clients, and
an event costs one read and no write. A stream is in one of three states:

    head     before the first content. Events gather in `_head`; after a failure another endpoint can still be asked
    body     `started`. Events are sent as they come
    ending   `ending_begun`: the event with the stop reason has come. It and all later events gather in `_ending`

Invariants:
- The bytes that `feed` and `close` return, then those of `ending`, are the vendor's bytes in order, without HIDDEN
  events and bytes after the terminator. The gateway adds only `usage.cost` and a missing terminator.
- Any split of the same bytes gives the same total output.
- No byte of the ending is sent before `ending` is called, after the settlement: to clients, the stop reason, not the
  terminator, marks a complete answer.
- `text_bytes` counts the content that was sent, `ending_text_bytes` the content that waits. Together they are the
  answer.
- The bytes held before the first content are bounded, and so is an incomplete event.

Rejected alternatives (docs/decisions/0009). To hold back the terminator alone: SDKs act on the stop reason before it.
To send the head and pings at once: after an error as the first event of a 200, no other endpoint could be asked. To
make the turns an enumeration: a look-up for each event. One finished choice of several waits (KEPT) while the others
still come: clients would take its stop reason for the end of the answer.
"""

from abc import ABC, abstractmethod

from tokenharbor.kernel.usage import Usage
from tokenharbor.wire.framing.first_content_limit import MOST_WAITING, too_much
from tokenharbor.wire.framing.sse import Frame, SseFramer, write
from tokenharbor.wire.neutral.ends import FinishTable
from tokenharbor.wire.neutral.failure import Failure, FailureKind

# The turn of an event: its meaning for the splice. Plain numbers, since a member of an enumeration costs a look-up.
IDLE = 0  # a ping, a comment, an empty beginning: no content
CONTENT = 1
KEPT = 2  # waits for the ending while more content may come: one of several choices is finished
ENDING = 3  # has the last stop reason, or comes after it
HIDDEN = 4  # requested by the gateway; the client must not see it
FAILED = 5  # `failure` is set

_BARE = (b"{", b"[")
"""The first bytes of a body that is not framed as events."""


class EventSplicer(ABC):
    """A `Splicer` for dialects of server-sent events; a dialect adds the meaning of its events."""

    __slots__ = (
        "_ending",
        "_framer",
        "_grown",
        "_head",
        "_held",
        "_most_waiting",
        "complete",
        "ending_begun",
        "ending_text_bytes",
        "failure",
        "finish_unknown",
        "quarantined",
        "started",
        "text_bytes",
        "usage",
        "usage_so_far",
    )

    def __init__(self, most_waiting: int = MOST_WAITING) -> None:
        self._framer = SseFramer()
        self._most_waiting = most_waiting  # bytes before the first content
        self._head: list[bytes] = []  # before the first content
        self._ending: list[bytes] = []
        self._held = 0  # bytes in both
        self._grown = 0  # bytes of text in the current event
        self.started = False
        self.ending_begun = False
        self.complete = False
        self.failure: Failure | None = None
        self.usage: Usage | None = None
        self.quarantined = False
        self.text_bytes = self.ending_text_bytes = 0
        self.usage_so_far: Usage | None = None
        self.finish_unknown = ""

    @property
    def cut(self) -> bool:
        return False

    @property
    def stopping(self) -> bool:
        return False

    def stop_waiting(self) -> None:
        """Do nothing: a spliced stream never stops before its vendor does."""
        return

    @property
    def held_bytes(self) -> int:
        """Bytes of complete held events; an incomplete event may be content and has a separate bound."""
        return self._held

    def feed(self, data: bytes) -> bytes:
        return self._pass(self._framer.feed(data))

    def close(self, *, whole: bool = True) -> bytes:
        """End the vendor's bytes; a rest without its blank line counts as an event."""
        out = self._pass(self._framer.close())
        if whole and not self.complete and self.failure is None:
            terminator = self._terminator()
            if terminator:
                self._end_all()
                self._ending.append(terminator)
                self.complete = True
        return out

    def _terminator(self) -> bytes:
        """Return the terminator that the vendor omitted after a complete answer; empty if the answer is incomplete."""
        return b""

    def ending(self, cost_usd: str | None = None) -> bytes:
        if cost_usd is not None:
            for index in reversed(range(len(self._ending))):
                priced = self._price_event(self._ending[index], cost_usd)
                if priced is not None:
                    return b"".join([*self._ending[:index], priced, *self._ending[index + 1 :]])
        return b"".join(self._ending)

    def _pass(self, frames: list[Frame]) -> bytes:
        out: list[bytes] = []
        for name, data, raw in frames:
            if self.failure is not None or self.complete:  # bytes after the terminator vary with the split
                break
            self._grown = 0
            turn = self._judge(name, data)
            if turn == CONTENT and self.started and not self.ending_begun:
                self.text_bytes += self._grown
                out.append(raw)
            elif turn < HIDDEN:
                self._place(turn, raw, out)
        if self._framer.overflow and self.failure is None:
            self.failure = Failure(FailureKind.GARBAGE, message="an event in the stream is too large")
        return out[0] if len(out) == 1 else b"".join(out)

    def _place(self, turn: int, raw: bytes, out: list[bytes]) -> None:
        if not self.started and raw.lstrip().startswith(_BARE):
            self.failure = Failure(FailureKind.GARBAGE, message="the stream has a body that is not framed as events")
            return
        if turn >= KEPT or self.ending_begun:
            if turn == ENDING:
                self._end_all()
            self.ending_text_bytes += self._grown
            self._ending.append(raw)
            self._held += len(raw)
        elif self.started:
            out.append(raw)
        elif turn == CONTENT:
            self.started = True
            self.text_bytes += self._grown
            out += (*self._head, raw)
            self._head.clear()
            self._held = sum(map(len, self._ending))
        else:
            self._head.append(raw)
            self._held += len(raw)
            if self._held > self._most_waiting:
                self.failure = too_much()

    def _end_all(self) -> None:
        """Begin the ending. If nothing has been sent yet, all of it waits, so a refusal is still possible."""
        if not self.started:
            self._ending = self._head + self._ending
            self._head = []
        self.started = self.ending_begun = True

    def _fail(self, failure: Failure) -> int:
        self.failure = failure
        return FAILED

    def _end_with(self, word: str, ends: FinishTable) -> int:
        """Return the turn of an event with a finish word that is not among the usual ones."""
        failure = ends.failure(word, empty=not (self.started or self._grown))
        if failure is not None:
            return self._fail(failure)
        self.finish_unknown = ends.unknown(word)
        return ENDING

    @abstractmethod
    def _judge(self, name: bytes, data: bytes | None) -> int:
        """Record the event's facts and return its turn."""

    def _price_event(self, raw: bytes, cost_usd: str) -> bytes | None:
        """Return the event with its cost added, or None if it has no usage."""
        framer = SseFramer(len(raw) + 1)
        for name, data, _ in (*framer.feed(raw), *framer.close()):
            priced = self._price(data, cost_usd) if data is not None else None
            if data is not None and priced is not None:
                return raw.replace(data, priced, 1) if data in raw else write(priced, name)
        return None

    @abstractmethod
    def _price(self, data: bytes, cost_usd: str) -> bytes | None:
        """Return an event's data with its cost added, or None if it has no usage."""
