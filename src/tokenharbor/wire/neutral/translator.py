"""A vendor's answer translated for a client of another dialect: a stream event by event, or a whole answer.

The idea. For n dialects there are n readers (bytes to neutral events) and n writers (events to bytes), and one
translator between them. To the relay it is a splicer like those of one dialect, with the same three states: before the
first content, written bytes gather in `_head`; then bytes leave; the ending is the Finished alone, which is not even
written before `ending` asks for it.

Invariants:
- `started` is set by the first piece of a block or the first tool call. An empty block of text or reasoning is no
  content.
- Usage counts only if no content came after it: an earlier report cannot have counted that. `usage_so_far` keeps the
  last report, for its input.
- Bytes of text are counted when the writer returns them: a writer whose dialect has one block at a time holds the
  others back, and its client has not seen them (`ending_text_bytes`).
- Notes of tool calls go to `keep` as they come, for clients whose dialect has no field for them.
- A failure keeps the vendor's message, but none of its field names: they mean nothing to the caller.

A whole answer is no stream of events: its reader makes a `Reply` of whole blocks, and its writer takes one. It is
replayed as events only if it must be cut.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec

from tokenharbor.kernel.usage import Usage
from tokenharbor.wire.fitting.cutter import CutLimits, Cutter
from tokenharbor.wire.framing.first_content_limit import too_much
from tokenharbor.wire.neutral import nontext
from tokenharbor.wire.neutral.dialect import (
    NO_CONTEXT,
    AnswerFacts,
    Dialect,
    EventReader,
    EventWriter,
    ProviderDialect,
    ReplyContext,
)
from tokenharbor.wire.neutral.events import (
    BlockGrew,
    BlockKind,
    BlockOpened,
    Event,
    Failed,
    Finished,
    Note,
    Started,
    UsageReported,
)
from tokenharbor.wire.neutral.failure import Failure, FailureKind
from tokenharbor.wire.neutral.translate import Reply, collect

Keep = Callable[[str, tuple[Note, ...]], None]
"""Stores all notes of a tool call so far, by the call's id."""


class Translator:
    """A `Splicer` between two dialects. The ending is the Finished alone: the event that makes an answer complete for
    its client is not even written before it is paid for.
    """

    __slots__ = (
        "_calls",
        "_cutter",
        "_finished",
        "_head",
        "_images",
        "_keep",
        "_most_waiting",
        "_notes",
        "_reader",
        "_reasoning_bytes",
        "_recipient",
        "_unspent",
        "_writer",
        "complete",
        "ending_text_bytes",
        "failure",
        "finish_unknown",
        "quarantined",
        "started",
        "text_bytes",
        "usage",
        "usage_so_far",
    )

    def __init__(
        self,
        reader: EventReader,
        writer: EventWriter,
        keep: Keep | None = None,
        recipient: ReplyContext = NO_CONTEXT,
        cut: CutLimits | None = None,
    ) -> None:
        self._reader = reader
        self._most_waiting = reader.most_waiting(len(recipient.request.body) if recipient.request else 0)
        self._recipient = recipient
        self._writer = writer
        self._keep = keep
        self._cutter = None if cut is None else Cutter(cut, whole=False)
        self._calls: dict[int, str] = {}  # tool calls' ids, by block
        self._notes: dict[int, tuple[Note, ...]] = {}  # notes of tool calls, by block
        self._images: set[int] = set()
        self._reasoning_bytes: dict[int, int] = {}  # bytes of readable reasoning, by block
        self._head: list[bytes] = []  # bytes written before the first content
        self._unspent = 0  # the vendor's bytes before the first content
        self._finished: Finished | None = None
        self.started = False
        self.failure: Failure | None = None
        self.usage: Usage | None = None
        self.quarantined = False
        self.text_bytes = 0
        self.ending_text_bytes = 0  # bytes that the writer still holds, if its dialect has one block at a time
        self.usage_so_far: Usage | None = None  # the last report: all of the input, part of the output
        self.complete = False
        self.finish_unknown = ""

    @property
    def cut(self) -> bool:
        return self._cutter is not None and self._cutter.early

    @property
    def stopping(self) -> bool:
        return self._cutter is not None and self._cutter.stopping

    def stop_waiting(self) -> None:
        out: list[Event] = []
        if self._cutter is not None:
            self._cutter.stop_waiting(out)
        for event in out:
            self._finish(event)  # type: ignore[arg-type]  # `stop_waiting` adds only a Finished

    @property
    def ending_begun(self) -> bool:
        return self._finished is not None

    @property
    def held_bytes(self) -> int:
        return self._unspent + self.ending_text_bytes

    def feed(self, data: bytes) -> bytes:
        if self.started:
            return self._pass(self._reader.feed(data))
        self._unspent += len(data)
        out = self._pass(self._reader.feed(data))
        if self._unspent - self._reader.incomplete_bytes > self._most_waiting and self.failure is None:
            self.failure = too_much()
        return out

    def close(self, *, whole: bool = True) -> bytes:
        return self._pass(self._reader.close(whole=whole))

    def ending(self, cost_usd: str | None = None) -> bytes:
        if self._finished is None:
            return b""
        self._writer.cost_usd = cost_usd
        return b"".join(self._head) + self._writer.write(self._finished)

    def _pass(self, events: Sequence[Event]) -> bytes:
        out: list[bytes] = []
        if self._cutter is not None:
            events = self._cutter.feed(events)
        for event in events:
            if self.failure is not None or self.complete:
                break
            kind = type(event)
            if kind is Finished:
                self._finish(event)  # type: ignore[arg-type]  # mypy does not narrow by `type(...) is`
            elif kind is Failed:
                self.failure = _without_param(event.failure)  # type: ignore[union-attr]  # likewise
            else:
                self._write(event, out)
        return out[0] if len(out) == 1 else b"".join(out)

    def _write(self, event: Event, out: list[bytes]) -> None:
        if type(event) is Started:
            event = _with_ids(event, self._recipient)
        elif type(event) is BlockOpened:
            event = _with_call_id(event, self._recipient)
        content = self._note(event)
        piece = self._writer.write(event)
        if type(event) is BlockGrew:
            self._count(event, piece)
        elif self.ending_text_bytes and piece:  # any later write includes the held text
            self._release_held(len(piece))
        if self.started:
            if piece:
                out.append(piece)
        elif content:
            self._start(out)
            out.append(piece)
        elif piece:
            self._head.append(piece)

    def _note(self, event: Event) -> bool:
        """Record the event's facts; return whether it is content."""
        if type(event) is BlockGrew:
            self.usage = None  # an earlier report cannot have counted this
            if event.notes and self._keep is not None and event.index in self._calls:
                notes = self._notes[event.index] = self._notes.get(event.index, ()) + event.notes
                self._keep(self._calls[event.index], notes)
            return True
        if type(event) is BlockOpened:
            if event.kind is BlockKind.IMAGE:
                self._images.add(event.index)
                self.text_bytes += nontext.IMAGE_SIZE
            if event.kind is BlockKind.REASONING:
                self._reasoning_bytes[event.index] = 0
            if event.kind is BlockKind.TOOL_CALL:
                self._calls[event.index] = event.call_id
                return True
        elif type(event) is UsageReported:
            self.usage, self.quarantined = event.usage, event.usage is None
            self.usage_so_far = event.usage or self.usage_so_far  # its input count stays valid
        return False

    def _count(self, event: BlockGrew, piece: bytes) -> None:
        text, index = event.text, event.index
        if index in self._reasoning_bytes:
            size = self._count_reasoning(event)
        else:
            size = _size(text) if text and index not in self._images else 0
        if not size:
            return
        if piece:
            self.text_bytes += size
        else:
            self.ending_text_bytes += size

    def _count_reasoning(self, event: BlockGrew) -> int:
        """Return the bytes of readable reasoning, and those of encrypted reasoning beyond it."""
        size = _size(event.text)
        visible = self._reasoning_bytes[event.index] = self._reasoning_bytes[event.index] + size
        return size + sum([nontext.encrypted_size(len(note.raw), visible) for note in event.notes])

    def _release_held(self, most: int) -> None:
        """Count held text as sent, `most` bytes at most."""
        size = min(self.ending_text_bytes, most)
        self.ending_text_bytes -= size
        self.text_bytes += size

    def _start(self, out: list[bytes]) -> None:
        self.started = True
        self._unspent = 0
        out += self._head
        self._head.clear()

    def _finish(self, finished: Finished) -> None:
        """Complete the answer. If nothing has left yet, all of it waits for the ending, so a
        refusal is still possible.
        """
        self._finished = finished
        self.finish_unknown = finished.unknown
        self.started = self.complete = True
        self._unspent = 0


class Translation(msgspec.Struct, frozen=True, gc=False):
    """The translation of one request's answer from the vendor's dialect to the client's. `keep` stores the notes of
    tool calls; `cut` is set if the vendor cannot limit the answer itself.
    """

    vendor: ProviderDialect
    client: Dialect
    recipient: ReplyContext
    keep: Keep | None = None
    cut: CutLimits | None = None

    def splicer(self) -> Translator:
        return Translator(self.vendor.reader(), self.client.writer(self.recipient), self.keep, self.recipient, self.cut)

    def read_answer(self, body: bytes) -> AnswerFacts | Failure:
        """Read a vendor's whole answer, with its body for the client; return a Failure if it is an
        error or unreadable.
        """
        reply = self.vendor.read_reply(body)
        if reply.reason is None:
            return _without_param(reply.failure or Failure(FailureKind.BROKEN))
        if self.cut is not None:
            reply = collect(Cutter(self.cut, whole=True).feed(reply))
        size = 0
        reply = _with_all_ids(reply, self.recipient)
        for block in reply.blocks:
            visible = nontext.IMAGE_SIZE if block.kind is BlockKind.IMAGE else _size(block.text)
            size += visible
            if block.notes and block.kind is BlockKind.REASONING:
                size += sum([nontext.encrypted_size(len(note.raw), visible) for note in block.notes])
            if block.notes and self.keep is not None and block.kind is BlockKind.TOOL_CALL:
                self.keep(block.call_id, block.notes)
        written = self.client.write_reply(reply, self.recipient)
        return AnswerFacts(reply.usage, size, reply.quarantined, written, finish_unknown=reply.finish_unknown)

    def read_failure(self, status: int, headers: Mapping[bytes, bytes], body: bytes) -> Failure:
        return _without_param(self.vendor.read_failure(status, headers, body))


def _size(text: str) -> int:
    """Return the size in bytes of UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def identified(events: Iterable[Event], recipient: ReplyContext) -> Iterator[Event]:
    """Yield the events, with an id of ours for an answer or a tool call that has none."""
    for event in events:
        match event:
            case Started():
                yield _with_ids(event, recipient)
            case BlockOpened():
                yield _with_call_id(event, recipient)
            case _:
                yield event


def _with_ids(started: Started, recipient: ReplyContext) -> Started:
    """Add our id and our name for the model if the vendor gives none."""
    if started.id and started.model:
        return started
    return Started(started.id or recipient.id, started.model or recipient.model)


def _with_call_id(opened: BlockOpened, recipient: ReplyContext) -> BlockOpened:
    """Add an id of ours to a tool call that has none."""
    if opened.call_id or opened.kind is not BlockKind.TOOL_CALL:
        return opened
    return msgspec.structs.replace(opened, call_id=_call_id(recipient, opened.index))


def _with_all_ids(reply: Reply, recipient: ReplyContext) -> Reply:
    """Add the missing ids and names of a whole answer."""
    blocks = reply.blocks
    if any(block.kind is BlockKind.TOOL_CALL and not block.call_id for block in blocks):
        blocks = tuple(
            msgspec.structs.replace(block, call_id=_call_id(recipient, index))
            if block.kind is BlockKind.TOOL_CALL and not block.call_id
            else block
            for index, block in enumerate(blocks)
        )
    if blocks is reply.blocks and reply.id and reply.model:
        return reply
    return msgspec.structs.replace(
        reply, id=reply.id or recipient.id, model=reply.model or recipient.model, blocks=blocks
    )


def _call_id(recipient: ReplyContext, index: int) -> str:
    """Return an id that no other answer's call has: calls of several answers share one conversation."""
    return f"call_{recipient.id.removeprefix('req_')}_{index}"


_EVERYWHERE = frozenset({"content_filter"})
"""Codes with the same meaning in every dialect."""


def _without_param(failure: Failure) -> Failure:
    """Keep the vendor's message but not its field names, which belong to another dialect than the caller's."""
    code = failure.code if failure.code in _EVERYWHERE else ""
    return msgspec.structs.replace(failure, code=code, type="", param=None)
