"""Random answers as neutral events, their meaning, and the rules of every sequence of events."""

import itertools
import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from hypothesis import strategies as st

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
from tokenharbor.wire.neutral.translate import collect


def check_rules(events: Sequence[Event]) -> None:
    """Check the grammar of events.py, written independently."""
    opened: list[int] = []
    closed: set[int] = set()
    called = False
    for position, event in enumerate(events):
        last = position == len(events) - 1
        assert isinstance(event, Finished | Failed) is last, "one end, and it is the last"
        match event:
            case Started():
                assert position == 0
            case BlockOpened():
                assert event.index == len(opened), "numbered as they open"
                opened.append(event.index)
                called = called or event.kind is BlockKind.TOOL_CALL
                assert event.kind is BlockKind.TOOL_CALL or not event.call_id
                assert bool(event.name) is (event.kind in (BlockKind.TOOL_CALL, BlockKind.IMAGE))
            case BlockGrew():
                assert event.index in opened
                assert event.index not in closed
                assert event.text or event.notes or event.citations
            case BlockClosed():
                assert event.index in opened
                assert event.index not in closed
                closed.add(event.index)
            case Finished():
                assert isinstance(events[0], Started)
                assert closed == set(opened), "nothing stays open"
                if event.reason is FinishReason.TOOL_CALLS:
                    assert called
                if called:
                    assert event.reason is not FinishReason.STOP
            case UsageReported() | Failed():
                pass


class Call(NamedTuple):
    """A tool call."""

    id: str
    name: str
    arguments: str


class AnswerMeaning(NamedTuple):
    """The meaning of an answer in any dialect; distinctions that one dialect lacks are removed."""

    text: str
    reasoning: str
    calls: tuple[Call, ...]
    reason: FinishReason | None
    usage: Usage | None
    failure: FailureKind | None


SPOKEN = (BlockKind.TEXT, BlockKind.REFUSAL)
PLAIN = {FinishReason.STOP_SEQUENCE: FinishReason.STOP, FinishReason.PAUSE: FinishReason.STOP}
VAGUE = (FailureKind.CONNECT, FailureKind.BROKEN, FailureKind.GARBAGE, FailureKind.OVERLONG)


def meaning(events: Iterable[Event]) -> AnswerMeaning:
    reply = collect(events)
    calls = tuple(
        Call(block.call_id, block.name, block.text or "{}")
        for block in reply.blocks
        if block.kind is BlockKind.TOOL_CALL
    )
    reason = PLAIN.get(reply.reason, reply.reason) if reply.reason else None
    if reason is FinishReason.STOP and calls:
        reason = FinishReason.TOOL_CALLS
    failure = reply.failure.kind if reply.failure else None
    return AnswerMeaning(
        "".join(block.text for block in reply.blocks if block.kind in SPOKEN),
        "".join(block.text for block in reply.blocks if block.kind is BlockKind.REASONING),
        calls,
        reason,
        reply.usage,
        FailureKind.SERVER if failure in VAGUE else failure,
    )


words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
names = st.from_regex(r"[a-zA-Z0-9_-]{1,12}", fullmatch=True)
arguments = st.dictionaries(words, st.integers() | words | st.lists(words, max_size=2), max_size=3).map(
    lambda members: json.dumps(members, ensure_ascii=False)
)
usages = st.builds(
    Usage,
    **{unit: st.integers(0, 10**6) for unit in ("input", "cache_read", "cache_write_5m", "output", "reasoning")},
)


def pieces(draw: st.DrawFn, text: str) -> list[str]:
    """The text in up to four non-empty pieces."""
    edges = sorted(draw(st.sets(st.integers(1, max(1, len(text) - 1)), max_size=3)))
    cuts = [0, *[edge for edge in edges if edge < len(text)], len(text)]
    return [text[start:end] for start, end in itertools.pairwise(cuts) if start < end]


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """Any answer: text, reasoning and refusals in sequence, and calls, which may be open in parallel."""
    spoken = draw(st.lists(st.sampled_from([BlockKind.TEXT, BlockKind.REASONING]), max_size=3))
    spoken += draw(st.sampled_from([[], [], [BlockKind.REFUSAL]]))  # models refuse at last, not in between
    called = draw(st.lists(st.tuples(names, names, arguments), max_size=3, unique_by=lambda call: call[0]))
    events: list[Event] = [Started(draw(names), draw(names))]
    for index, kind in enumerate(spoken):
        events.append(BlockOpened(index, kind))
        events += [BlockGrew(index, piece) for piece in pieces(draw, draw(words))]
        events.append(BlockClosed(index))
    events += _calls(draw, len(spoken), called)
    if draw(st.booleans()):
        events.append(UsageReported(draw(usages)))
    if draw(st.integers(0, 5)) == 0:
        kind = draw(st.sampled_from(FailureKind))
        return [*events[: draw(st.integers(1, len(events)))], Failed(Failure(kind, message="It failed."))]
    return [*events, _end(draw, spoken, bool(called))]


def _calls(draw: st.DrawFn, first: int, called: list[tuple[str, str, str]]) -> list[Event]:
    if not called:
        return []
    side_by_side = draw(st.booleans())
    opened: list[Event] = []
    lines: list[list[Event]] = []
    for index, (id_, name, text) in enumerate(called, first):
        beginning: Event = BlockOpened(index, BlockKind.TOOL_CALL, id_, name)
        grown: list[Event] = [BlockGrew(index, piece) for piece in pieces(draw, text)]
        if side_by_side:
            opened.append(beginning)
            lines.append([*grown, BlockClosed(index)])
        else:
            opened += [beginning, *grown, BlockClosed(index)]
    while any(lines):
        opened.append(draw(st.sampled_from([line for line in lines if line])).pop(0))
    return opened


def _end(draw: st.DrawFn, spoken: list[BlockKind], called: bool) -> Finished:
    if called:
        return Finished(draw(st.sampled_from([FinishReason.TOOL_CALLS, FinishReason.LENGTH])))
    if BlockKind.REFUSAL in spoken:
        return Finished(draw(st.sampled_from([FinishReason.REFUSAL, FinishReason.LENGTH])))
    reasons = [reason for reason in FinishReason if reason is not FinishReason.TOOL_CALLS]
    reason = draw(st.sampled_from(reasons))
    return Finished(reason, draw(words) if reason is FinishReason.STOP_SEQUENCE else None)


notes = st.sampled_from(
    [
        Note("anthropic_messages", "signature", b"EqoBCkgI+/=="),
        Note("openai_chat", "reasoning_details", b'[{"type":"reasoning.encrypted","data":"gAAA"}]'),
        Note("elsewhere", "signature", b"\x00\xff raw"),
    ]
)
pages = st.builds(Citation, names.map(lambda name: f"https://{name}.example/"), words)


@st.composite
def rich_answers(draw: st.DrawFn) -> list[Event]:
    """An answer with features that some dialects lack: encrypted reasoning, and text with web citations."""
    thought, said = draw(words), draw(words)
    cited = tuple(draw(st.lists(pages, max_size=2)))
    return [
        Started(draw(names), draw(names)),
        BlockOpened(0, BlockKind.REASONING),
        *[BlockGrew(0, piece) for piece in pieces(draw, thought)],
        BlockGrew(0, "", (draw(notes),)),
        BlockClosed(0),
        BlockOpened(1, BlockKind.TEXT),
        BlockGrew(1, said),
        *[BlockGrew(1, "", (), (citation,)) for citation in cited],
        BlockClosed(1),
        Finished(FinishReason.STOP),
    ]


def sealed(events: Iterable[Event]) -> tuple[list[Note], list[Citation]]:
    """The vendors' notes on an answer's reasoning, and the citations of its text."""
    blocks = collect(events).blocks
    return (
        [note for block in blocks if block.kind is BlockKind.REASONING for note in block.notes],
        [citation for block in blocks for citation in block.citations],
    )
