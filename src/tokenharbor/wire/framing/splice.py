"""A vendor's stream passed on to a client of the same dialect: one state machine for every dialect of events.

The idea. Within a dialect nothing is written anew: the framer cuts the bytes into events, the dialect says of each
event what it means (its *turn*), and the event's own bytes leave, wait or are dropped. So vendors' new fields reach
their clients, and an event costs one read and no write. A stream is in one of three states:

    head     before the first content. Events gather in `_head`; a failure here can still go to another endpoint
    body     `started`. Events leave as they come
    ending   `over`: the event with the stop reason has come. It and all that follows gathers in `_ending`

What always holds:

- The bytes that `feed` and `close` return, then those of `ending`, are the vendor's bytes in their order, without
  HIDDEN events and what comes behind the terminator. The only bytes of ours are `usage.cost` and a terminator that
  was left out.
- Any split of the same bytes gives the same total output.
- No byte of the ending leaves before `ending` is called, which is after the settlement: clients take the stop reason,
  not the terminator, for a complete answer.
- `text_bytes` counts the content that has left, `ending_text_bytes` the content that waits. Together they are the
  answer.
- What waits before the first content has a bound; so has an event that is not whole yet.

What was rejected (docs/decisions/0009). To hold back the terminator alone: SDKs act on the stop reason before it comes.
To send the head and pings at once: an error as the first event of a 200 could not move on. To keep the turns as an
enumeration: a look-up for each event. A choice of several that is finished waits (KEPT) while the others still come:
its stop reason would be taken for the end of the answer.
"""

from abc import ABC, abstractmethod

from tokenharbor.kernel.usage import Usage
from tokenharbor.wire.framing.first_content_limit import MOST_WAITING, too_much
from tokenharbor.wire.framing.sse import Frame, SseFramer, write
from tokenharbor.wire.neutral.ends import FinishTable
from tokenharbor.wire.neutral.failure import Failure, FailureKind

# What one event means for the splice: its turn. Plain numbers, since a member of an enumeration costs a look-up.
IDLE = 0  # a ping, a comment, an empty beginning: no content
CONTENT = 1
KEPT = 2  # it waits for the ending, though more content may come: one of several choices is finished
ENDING = 3  # it carries the last stop reason, or comes after it
HIDDEN = 4  # ours alone: the client must not see it
FAILED = 5  # `failure` is set

_BARE = (b"{", b"[")
"""How a body begins that its vendor did not frame as events."""


class EventSplicer(ABC):
    """Fulfils `Splicer` for dialects of server-sent events; a dialect adds what its events mean."""

    __slots__ = (
        "_ending",
        "_framer",
        "_grown",
        "_head",
        "_held",
        "_most_waiting",
        "complete",
        "ending_text_bytes",
        "failure",
        "finish_unknown",
        "over",
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
        self._grown = 0  # bytes of text in the event at hand
        self.started = False
        self.over = False
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

    def leave(self) -> None:
        """It never stops before its vendor does."""
        return

    @property
    def held_bytes(self) -> int:
        """Of whole events: one that still comes may be content, and has a bound of its own."""
        return self._held

    def feed(self, data: bytes) -> bytes:
        return self._pass(self._framer.feed(data))

    def close(self, *, whole: bool = True) -> bytes:
        """The vendor's bytes are over: what was left without its blank line counts as an event."""
        out = self._pass(self._framer.close())
        if whole and not self.complete and self.failure is None:
            terminator = self._terminator()
            if terminator:
                self._end_all()
                self._ending.append(terminator)
                self.complete = True
        return out

    def _terminator(self) -> bytes:
        """What a vendor left out at the end of an answer that is whole all the same; empty if it is not."""
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
            if self.failure is not None or self.complete:  # how much comes behind the terminator is chance
                break
            self._grown = 0
            turn = self._judge(name, data)
            if turn == CONTENT and self.started and not self.over:
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
        if turn >= KEPT or self.over:
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
        """The ending has begun. Where nothing has left yet, all of it waits, so that a refusal can still be one."""
        if not self.started:
            self._ending = self._head + self._ending
            self._head = []
        self.started = self.over = True

    def _fail(self, failure: Failure) -> int:
        self.failure = failure
        return FAILED

    def _end_with(self, word: str, ends: FinishTable) -> int:
        """The turn of an event that says why the answer ended, in a word that is not among the usual ones."""
        failure = ends.failure(word, empty=not (self.started or self._grown))
        if failure is not None:
            return self._fail(failure)
        self.finish_unknown = ends.unknown(word)
        return ENDING

    @abstractmethod
    def _judge(self, name: bytes, data: bytes | None) -> int:
        """Note the event's facts, and say its turn."""

    def _price_event(self, raw: bytes, cost_usd: str) -> bytes | None:
        """The event with its cost, if it is one that carries usage."""
        framer = SseFramer(len(raw) + 1)
        for name, data, _ in (*framer.feed(raw), *framer.close()):
            priced = self._price(data, cost_usd) if data is not None else None
            if data is not None and priced is not None:
                return raw.replace(data, priced, 1) if data in raw else write(priced, name)
        return None

    @abstractmethod
    def _price(self, data: bytes, cost_usd: str) -> bytes | None:
        """The data of an event with its cost, if it carries usage."""
