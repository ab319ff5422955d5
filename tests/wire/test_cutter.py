"""Answers cut by the gateway: at a stop sequence in any split, and at a maximum below the vendor's least."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenharbor.kernel.usage import Usage
from tokenharbor.wire.fitting.cutter import CutLimits, Cutter
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
from tokenharbor.wire.neutral.translate import collect

USAGE = UsageReported(Usage(input=9, output=20, reasoning=4))


def text(*pieces: str, index: int = 0, kind: BlockKind = BlockKind.TEXT) -> list[Event]:
    return [BlockOpened(index, kind), *(BlockGrew(index, piece) for piece in pieces), BlockClosed(index)]


def answer(*blocks: list[Event], reason: FinishReason = FinishReason.STOP) -> list[Event]:
    return [Started("a", "m"), *(event for block in blocks for event in block), USAGE, Finished(reason)]


def words(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, BlockGrew))


def streamed(cut: CutLimits, events: list[Event]) -> list[Event]:
    cutter = Cutter(cut, whole=False)
    return [event for each in events for event in cutter.feed([each])]


@pytest.mark.parametrize("pieces", [("one STOP two",), ("one S", "TO", "P two"), tuple("one STOP two")])
def test_C5_the_text_ends_before_the_sequence(pieces: tuple[str, ...]) -> None:
    out = streamed(CutLimits(("STOP",)), answer(text(*pieces)))
    assert words(out) == "one "
    assert out[-2:] == [BlockClosed(0), Finished(FinishReason.STOP_SEQUENCE, "STOP")]
    whole = collect(Cutter(CutLimits(("STOP",)), whole=True).feed(answer(text(*pieces))))
    assert (whole.blocks[0].text, whole.reason, whole.stop_sequence) == ("one ", FinishReason.STOP_SEQUENCE, "STOP")
    assert whole.usage == USAGE.usage, "of a whole answer the vendor's usage has come"


@given(st.text("abc", max_size=12), st.lists(st.text("abc", min_size=1, max_size=4), max_size=4), st.data())
def test_C5_no_split_of_the_text_changes_the_answer(said: str, stops: list[str], data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(said)), max_size=5)))
    pieces = [said[start:end] for start, end in zip([0, *cuts], [*cuts, len(said)], strict=True)]
    out = streamed(CutLimits(tuple(stops)), answer(text(*pieces)))
    ends = [(at + len(stop), at, stop) for stop in stops if (at := said.find(stop)) >= 0]
    expected = said[: min(ends)[1]] if ends else said
    assert words(out) == expected
    assert all(stop not in words(out) for stop in stops)
    ending = Finished(FinishReason.STOP_SEQUENCE, min(ends)[2]) if ends else Finished(FinishReason.STOP)
    assert out[-1] == ending


def test_C5_the_least_is_held_back() -> None:
    cutter = Cutter(CutLimits(("END", "\n\n")), whole=False)
    assert words(cutter.feed([BlockOpened(0, BlockKind.TEXT), BlockGrew(0, "a E")])) == "a "
    assert words(cutter.feed([BlockGrew(0, "N")])) == ""
    assert words(cutter.feed([BlockGrew(0, "O EN")])) == "ENO "
    rest = cutter.feed([BlockClosed(0), Finished(FinishReason.STOP)])
    assert rest == [BlockGrew(0, "EN"), BlockClosed(0), Finished(FinishReason.STOP)], "it waits for the next block"


def test_C5_a_sequence_across_adjacent_blocks_of_text_is_found() -> None:
    """Clients of some dialects read adjacent blocks as one text."""
    ending = Finished(FinishReason.STOP_SEQUENCE, "END")
    for parts in (("abc EN", "D def"), ("abc E", "N", "D"), ("abc ", "END"), ("abc E", "", "ND def")):
        events = answer(*(text(part, index=index) for index, part in enumerate(parts)))
        out = streamed(CutLimits(("END",)), events)
        assert (words(out), out[-1]) == ("abc ", ending), parts
        opened = [event.index for event in out if isinstance(event, BlockOpened)]
        assert opened == [event.index for event in out if isinstance(event, BlockClosed)]
        assert collect(Cutter(CutLimits(("END",)), whole=True).feed(events)).reason is FinishReason.STOP_SEQUENCE


def test_C5_reasoning_or_a_call_ends_a_run_of_text() -> None:
    for kind in (BlockKind.REASONING, BlockKind.TOOL_CALL):
        between: list[Event] = [BlockOpened(1, kind), BlockGrew(1, "{}"), BlockClosed(1)]
        events = answer(text("abc EN"), between, text("D def", index=2), reason=FinishReason.TOOL_CALLS)
        out = streamed(CutLimits(("END",)), events)
        assert words(out) == "abc EN{}D def"
        assert out[-1] == Finished(FinishReason.TOOL_CALLS)


def test_C5_blocks_of_text_that_hold_no_sequence_pass_as_they_were() -> None:
    events = answer(text("abc EN"), text("D", index=1), text("E", index=2))
    assert words(streamed(CutLimits(("ENDING",)), events)) == "abc ENDE"
    assert collect(streamed(CutLimits(("ENDING",)), events)) == collect(events)
    out = streamed(CutLimits(("ENDING",), most=2), events)
    assert (words(out), out[-1]) == ("abc ENDE", Finished(FinishReason.STOP))
    assert words(streamed(CutLimits(("ENDING",), most=1), events)) == "abc "


def test_C5_reasoning_and_arguments_are_not_searched() -> None:
    call: list[Event] = [BlockOpened(1, BlockKind.TOOL_CALL, "c", "t"), BlockGrew(1, '{"a":"STOP"}'), BlockClosed(1)]
    events = answer(text("STOP", kind=BlockKind.REASONING), call, reason=FinishReason.TOOL_CALLS)
    assert streamed(CutLimits(("STOP",)), events) == events


def test_C5_a_call_before_the_sequence_is_to_be_carried_out() -> None:
    call: list[Event] = [BlockOpened(0, BlockKind.TOOL_CALL, "c", "t"), BlockGrew(0, "{}"), BlockClosed(0)]
    out = streamed(CutLimits(("STOP",)), answer(call, text("so STOP", index=1), reason=FinishReason.TOOL_CALLS))
    assert out[-1] == Finished(FinishReason.TOOL_CALLS)


def test_C5_what_was_noted_of_words_stays_with_them() -> None:
    note = Note("gemini", "thoughtSignature", b"x")
    block: list[Event] = [BlockOpened(0, BlockKind.TEXT), BlockGrew(0, "a S", (note,)), BlockClosed(0)]
    events = answer(block)
    assert BlockGrew(0, "a ", (note,)) in streamed(CutLimits(("STOP",)), events)


@pytest.mark.parametrize("most", [1, 3])
def test_R6_a_small_maximum_is_kept_by_us(most: int) -> None:
    events = answer(text("Fair winds, ", "following seas"), reason=FinishReason.LENGTH)
    out = streamed(CutLimits(most=most), events)
    assert words(out) == "Fair winds, following seas"[: 4 * most]
    assert out[-2:] == [
        UsageReported(Usage(input=9, output=0, reasoning=most) if most < 4 else USAGE.usage),
        Finished(FinishReason.LENGTH),
    ]


def test_R6_an_answer_that_fits_ends_as_the_vendor_said() -> None:
    assert streamed(CutLimits(most=15), answer(text("Fair")))[-1] == Finished(FinishReason.STOP)


def test_R6_no_character_is_cut_in_two() -> None:
    assert words(streamed(CutLimits(most=1), answer(text("ab顺风")))) == "ab"


def test_R6_reasoning_and_calls_count_too() -> None:
    call: list[Event] = [BlockOpened(1, BlockKind.TOOL_CALL, "c", "t"), BlockGrew(1, '{"a":1}'), BlockClosed(1)]
    out = streamed(
        CutLimits(most=1), answer(text("hm", kind=BlockKind.REASONING), call, reason=FinishReason.TOOL_CALLS)
    )
    assert words(out) == 'hm{"'
    assert out[-1] == Finished(FinishReason.LENGTH)


def test_F4_the_usage_behind_a_stop_sequence_is_waited_for() -> None:
    cutter = Cutter(CutLimits(("STOP",)), whole=False)
    asked = answer(text("one ST", "OP"))
    out = [event for each in asked[:5] for event in cutter.feed([each])]
    assert cutter.stopping
    assert not any(isinstance(event, Finished) for event in out)
    assert cutter.feed(asked[5:]) == [USAGE, Finished(FinishReason.STOP_SEQUENCE, "STOP")]


@pytest.mark.parametrize(
    "more",
    [
        text("two", index=1),
        text("why", index=1, kind=BlockKind.REASONING),
        [BlockGrew(0, "two")],
        [Failed(Failure(FailureKind.BROKEN))],
    ],
    ids=["text", "reasoning", "the same block", "a failure"],
)
def test_F4_more_than_the_usage_behind_a_stop_sequence_is_not(more: list[Event]) -> None:
    cutter = Cutter(CutLimits(("STOP",)), whole=False)
    cutter.feed(text("one STOP"))
    assert cutter.stopping
    assert cutter.feed([*more, USAGE]) == [Finished(FinishReason.STOP_SEQUENCE, "STOP")]
    assert cutter.early
