"""Conversion between streams and whole answers: events gathered into a reply, and a reply replayed as events."""

from collections.abc import Iterable, Iterator

import msgspec

from tokenharbor.kernel.usage import Usage
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
from tokenharbor.wire.neutral.failure import Failure, FailureKind


class ReplyBlock(msgspec.Struct, frozen=True, gc=False):
    """A whole block; the text of a tool call is its arguments."""

    kind: BlockKind
    text: str = ""
    notes: tuple[Note, ...] = ()
    call_id: str = ""
    name: str = ""
    custom: bool = False
    citations: tuple[Citation, ...] = ()


class Reply(msgspec.Struct, frozen=True, gc=False):
    """A whole answer. `failure` is set if it failed, and then `reason` is None. `quarantined`: its usage was
    inconsistent.
    """

    id: str
    model: str
    blocks: tuple[ReplyBlock, ...]
    usage: Usage | None
    reason: FinishReason | None
    stop_sequence: str | None = None
    failure: Failure | None = None
    quarantined: bool = False
    finish_unknown: str = ""  # see Finished

    def __iter__(self) -> Iterator[Event]:
        """Return the answer's events."""
        return replay(self)


def collect(events: Iterable[Event]) -> Reply:
    """Return the reply that the events make up; without a Finished or Failed, it is a broken answer."""
    if isinstance(events, Reply):
        return events
    started, usage, quarantined = _NOT_STARTED, None, False
    opened: dict[int, tuple[BlockOpened, list[BlockGrew]]] = {}
    end: Finished | Failed = _BROKEN
    for event in events:  # not `match`: it would test each event against each class
        if type(event) is BlockGrew:
            opened[event.index][1].append(event)
        elif type(event) is BlockOpened:
            opened[event.index] = event, []
        elif type(event) is UsageReported:
            usage, quarantined = event.usage, event.usage is None
        elif type(event) is Started:
            started = event
        elif type(event) is Finished or type(event) is Failed:
            end = event
    blocks = tuple([join(block, grown) for block, grown in opened.values()])
    if isinstance(end, Failed):
        return Reply(started.id, started.model, blocks, usage, None, None, end.failure, quarantined)
    return Reply(
        started.id, started.model, blocks, usage, end.reason, end.stop_sequence, None, quarantined, end.unknown
    )


def failed(failure: Failure) -> Reply:
    """Return a reply that is only a failure."""
    return Reply("", "", (), None, None, failure=failure)


_NOT_STARTED = Started("", "")
_BROKEN = Failed(Failure(FailureKind.BROKEN))


def join(opened: BlockOpened, grown: list[BlockGrew]) -> ReplyBlock:
    """Return a block with all of its growth."""
    if len(grown) == 1:  # the usual case for whole answers
        only = grown[0]
        return ReplyBlock(
            opened.kind, only.text, only.notes, opened.call_id, opened.name, opened.custom, only.citations
        )
    text = "".join(growth.text for growth in grown)
    notes = tuple(note for growth in grown for note in growth.notes)
    citations = tuple(citation for growth in grown for citation in growth.citations)
    return ReplyBlock(opened.kind, text, notes, opened.call_id, opened.name, opened.custom, citations)


def replay(reply: Reply) -> Iterator[Event]:
    """Return the events of a whole answer."""
    if reply.reason is not None or reply.blocks or reply.id:
        yield Started(reply.id, reply.model)
    for index, block in enumerate(reply.blocks):
        yield BlockOpened(index, block.kind, block.call_id, block.name, block.custom)
        if block.text or block.notes or block.citations:
            yield BlockGrew(index, block.text, block.notes, block.citations)
        yield BlockClosed(index)
    if reply.usage is not None or reply.quarantined:
        yield UsageReported(reply.usage)
    if reply.reason is None:
        yield Failed(reply.failure or Failure(FailureKind.BROKEN))
    else:
        yield Finished(reply.reason, reply.stop_sequence, reply.finish_unknown)
