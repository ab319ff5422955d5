"""Answers with several choices: a finished choice waits for the others, however many the provider sends."""

import json
from typing import Any

import pytest
from tests.wire.spliced_streams import GEMINI, OPENAI, splice_stream, splicer

from tokenharbor.kernel.usage import Usage
from tokenharbor.wire.neutral.dialect import Splicer

USAGE = {OPENAI: {"prompt_tokens": 5, "completion_tokens": 2}, GEMINI: {"promptTokenCount": 5}}
USAGE[GEMINI]["candidatesTokenCount"] = 2
DONE = b"data: [DONE]\n\n"
EITHER = pytest.mark.parametrize("dialect", [OPENAI, GEMINI])


def event(dialect: str, index: int, text: str = "", *, finish: bool = False) -> bytes:
    """Return another piece of one choice."""
    if dialect == OPENAI:
        delta = {"content": text} if text else {}
        choice: Any = {"index": index, "delta": delta, "finish_reason": "stop" if finish else None}
        return b"data: %b\n\n" % json.dumps({"choices": [choice]}).encode()
    candidate: Any = {"index": index, "content": {"parts": [{"text": text}] if text else []}}
    if finish:
        candidate["finishReason"] = "STOP"
    return b"data: %b\n\n" % json.dumps({"candidates": [candidate]}).encode()


def usage(dialect: str) -> bytes:
    if dialect == OPENAI:
        return b"data: %b\n\n" % json.dumps({"choices": [], "usage": USAGE[OPENAI]}).encode()
    return b"data: %b\n\n" % json.dumps({"usageMetadata": USAGE[GEMINI]}).encode()


def asked(dialect: str, choices: int, **more: Any) -> Splicer:
    if dialect == GEMINI:
        return splicer(GEMINI, generationConfig={"candidateCount": choices})
    return splicer(OPENAI, choices=choices, **more)


@EITHER
def test_F10_a_finish_waits_though_fewer_choices_come_than_were_asked_for(dialect: str) -> None:
    """Facts are recorded at once, because the caller may disconnect."""
    said, finish = event(dialect, 0, "one"), event(dialect, 0, finish=True)
    spliced = asked(dialect, 2)
    assert spliced.feed(said + finish + usage(dialect)) == said
    assert spliced.usage == Usage(input=5, output=2)
    if dialect == OPENAI:
        assert spliced.ending_begun
        assert spliced.feed(DONE) == b""
    assert spliced.close() == b""
    assert (spliced.complete, spliced.failure, spliced.usage) == (True, None, Usage(input=5, output=2))
    assert spliced.ending() == finish + usage(dialect) + (DONE if dialect == OPENAI else b"")


def test_F10_the_usage_chunk_that_we_asked_for_begins_the_ending_and_stays_ours() -> None:
    said, finish = event(OPENAI, 0, "one"), event(OPENAI, 0, finish=True)
    spliced = asked(OPENAI, 2, hide_usage=True)
    assert spliced.feed(said + finish + usage(OPENAI)) == said
    assert (spliced.ending_begun, spliced.usage) == (True, Usage(input=5, output=2))
    assert spliced.feed(DONE) == b""
    assert spliced.ending() == finish + DONE


@EITHER
def test_F10_other_choices_go_on_while_a_finish_waits(dialect: str) -> None:
    pieces = [event(dialect, 0, "one"), event(dialect, 1, "two"), event(dialect, 0, finish=True)]
    pieces += [event(dialect, 1, "three"), event(dialect, 1, finish=True), usage(dialect), DONE]
    result = splice_stream(asked(dialect, 2), pieces if dialect == OPENAI else pieces[:-1])
    assert result.left == pieces[0] + pieces[1] + pieces[3]
    assert result.ending.startswith(pieces[2] + pieces[4])
    assert (result.complete, result.text_bytes) == (True, len("onetwothree"))


@EITHER
def test_F10_more_choices_than_were_asked_for_end_together(dialect: str) -> None:
    pieces = [event(dialect, 0, "one"), event(dialect, 1, "two"), event(dialect, 0, finish=True)]
    pieces += [event(dialect, 1, "three"), event(dialect, 1, finish=True), usage(dialect)]
    result = splice_stream(asked(dialect, 1), [*pieces, DONE] if dialect == OPENAI else pieces)
    assert result.left == pieces[0] + pieces[1] + pieces[3]
    assert (result.complete, result.usage) == (True, Usage(input=5, output=2))


@EITHER
def test_F10_a_choice_never_overtakes_itself(dialect: str) -> None:
    """One event finishes the first choice and continues the second, whose next piece must come after it."""
    first = json.loads(event(dialect, 0, finish=True)[6:])
    second = json.loads(event(dialect, 1, "two")[6:])
    name = "choices" if dialect == OPENAI else "candidates"
    both = b"data: %b\n\n" % json.dumps({name: [*first[name], *second[name]]}).encode()
    begin, after = event(dialect, 0, "one"), event(dialect, 1, "three")
    spliced = asked(dialect, 2)
    assert spliced.feed(begin + both + after) == begin
    assert not spliced.ending_begun
    spliced.feed(event(dialect, 1, finish=True))
    assert spliced.ending() == both + after + event(dialect, 1, finish=True)


@EITHER
def test_F10_a_choice_that_is_finished_twice_counts_once(dialect: str) -> None:
    finish = event(dialect, 0, finish=True)
    spliced = asked(dialect, 2)
    spliced.feed(event(dialect, 0, "one") + finish + finish)
    assert not spliced.ending_begun
    assert spliced.feed(event(dialect, 1, "two")) == event(dialect, 1, "two")
    assert spliced.feed(finish) == b""
    spliced.feed(event(dialect, 1, finish=True))
    assert spliced.ending_begun


def test_F10_what_comes_behind_the_terminator_is_not_looked_at() -> None:
    """Bytes after the terminator are ignored in the same piece and in later ones."""
    frames = [event(OPENAI, 0, "one"), event(OPENAI, 0, finish=True), usage(OPENAI), DONE]
    lie = usage(OPENAI).replace(b": 2", b": 900")
    result = splice_stream(asked(OPENAI, 1), [b"".join([*frames, lie, DONE])])
    assert (result.usage, result.ending) == (Usage(input=5, output=2), b"".join(frames[1:]))


def test_F10_a_choice_without_its_finish_is_no_complete_answer() -> None:
    """A Gemini stream has no terminator."""
    pieces = [event(GEMINI, 0, "one"), event(GEMINI, 1, "two"), event(GEMINI, 0, finish=True)]
    assert not splice_stream(asked(GEMINI, 2), pieces).complete
