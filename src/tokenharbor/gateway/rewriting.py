"""Rewrites cached answers for another caller: in its dialect, whole or as a stream, with usage or without."""

from collections.abc import Callable, Iterable, Iterator

import msgspec

from tokenharbor.cache.answers import CachedAnswer, UnreadableAnswer
from tokenharbor.wire import DIALECTS
from tokenharbor.wire.framing.restamp import Parts
from tokenharbor.wire.neutral.dialect import Dialect, ReplyContext
from tokenharbor.wire.neutral.events import (
    BlockGrew,
    BlockKind,
    BlockOpened,
    Event,
    Failed,
    Finished,
    Note,
    UsageReported,
)
from tokenharbor.wire.neutral.translate import Reply, collect, replay
from tokenharbor.wire.neutral.translator import identified

_CHUNK = 24
"""Characters per event when a whole answer is sent as a stream: about as many as vendors send at a time."""

Keep = Callable[[str, tuple[Note, ...]], None]


def rewrite(
    answer: CachedAnswer, client: Dialect, recipient: ReplyContext, keep: Keep, *, stream: bool, cost_usd: str | None
) -> Parts:
    """Return the answer; for a stream, content and ending. `keep` is called with notes of tool calls that the dialect
    cannot carry. Raises UnreadableAnswer.
    """
    events = _events(answer, pieces=stream)
    if answer.dialect != client.name:
        events = identified(events, recipient)
    events = _with_usage(_noted(events, keep), answer)
    if not stream:
        whole = collect(events)
        if whole.reason is None:
            raise UnreadableAnswer
        return (client.write_reply(whole, recipient), b"")
    writer = client.writer(recipient)
    content: list[bytes] = []
    for event in events:
        if isinstance(event, Finished):
            writer.cost_usd = cost_usd
            return (b"".join(content), writer.write(event))
        if isinstance(event, Failed):
            break
        content.append(writer.write(event))
    raise UnreadableAnswer


def text_of(answer: CachedAnswer) -> str:
    """Return an answer's text, or "" if it has blocks other than text."""
    events = _events(answer, pieces=False)
    reply = events if isinstance(events, Reply) else collect(events)
    blocks = [block for block in reply.blocks if block.kind is not BlockKind.REASONING]
    return "".join(block.text for block in blocks if all(each.kind is BlockKind.TEXT for each in blocks))


def _events(answer: CachedAnswer, *, pieces: bool) -> Iterable[Event]:
    """Return the events of the cached bytes."""
    dialect = DIALECTS[answer.dialect]
    if not answer.stream:
        reply = dialect.read_reply(answer.body)
        return _in_pieces(reply) if pieces else reply
    reader = dialect.reader()
    return (*reader.feed(answer.body + answer.ending), *reader.close())


def _in_pieces(reply: Reply) -> Iterator[Event]:
    """Yield a whole answer as the events of a stream, a few words at a time. Data of a block's end comes with it."""
    for event in replay(reply):
        if not isinstance(event, BlockGrew) or len(event.text) <= _CHUNK:
            yield event
            continue
        rest = event.text
        while len(rest) > _CHUNK:
            at = rest.rfind(" ", 1, _CHUNK)
            at = _CHUNK if at < 0 else at
            yield BlockGrew(event.index, rest[:at])
            rest = rest[at:]
        yield msgspec.structs.replace(event, text=rest)


def _noted(events: Iterable[Event], keep: Keep) -> Iterator[Event]:
    calls: dict[int, str] = {}
    notes: dict[int, tuple[Note, ...]] = {}
    for event in events:
        if isinstance(event, BlockOpened) and event.kind is BlockKind.TOOL_CALL:
            calls[event.index] = event.call_id
        elif isinstance(event, BlockGrew) and event.notes and event.index in calls:
            notes[event.index] = notes.get(event.index, ()) + event.notes
            keep(calls[event.index], notes[event.index])
        yield event


def _with_usage(events: Iterable[Event], answer: CachedAnswer) -> Iterator[Event]:
    """Yield the events with the usage that was billed: the stream of the first caller may have been without."""
    for event in events:
        if isinstance(event, UsageReported):
            continue
        if isinstance(event, Finished):
            yield UsageReported(answer.usage)
        yield event
