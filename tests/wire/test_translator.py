"""Translated answers: the same meaning in any split, and nothing that says "complete" is sent before it is paid for."""

import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenharbor.kernel.usage import Usage
from tokenharbor.wire import DIALECTS, PROVIDER_DIALECTS
from tokenharbor.wire.framing.first_content_limit import FirstContentLimit
from tokenharbor.wire.neutral.dialect import NO_CONTEXT, AnswerFacts, ReplyContext
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
from tokenharbor.wire.neutral.translator import Translation, Translator

TAPES = Path(__file__).parent.parent / "tapes"
PLAYED = [
    tape for wire in PROVIDER_DIALECTS for tape in sorted((TAPES / wire).glob("*.*")) if tape.suffix in (".sse", ".bin")
]
EACH_TAPE = pytest.mark.parametrize("tape", PLAYED, ids=[f"{tape.parent.name}/{tape.stem}" for tape in PLAYED])
ENDS = (b'finish_reason":"', b"[DONE]", b'stop_reason":"', b"message_stop", b"response.completed", b"finishReason")


def translator(tape: Path, client: str) -> Translator:
    return Translation(PROVIDER_DIALECTS[tape.parent.name], DIALECTS[client], NO_CONTEXT).splicer()


def clients_of(tape: Path) -> list[str]:
    return [client for client in DIALECTS if client != tape.parent.name]


def run(splicer: Translator, data: bytes, cuts: list[int]) -> tuple[bytes, bytes]:
    edges = [0, *sorted({cut for cut in cuts if cut < len(data)}), len(data)]
    out = b"".join(splicer.feed(data[start:end]) for start, end in itertools.pairwise(edges))
    return out + splicer.close(), splicer.ending("0.000000001") if splicer.complete else b""


@EACH_TAPE
def test_a_tape_says_the_same_however_it_is_cut(tape: Path) -> None:
    data, clients = tape.read_bytes(), clients_of(tape)
    whole = {client: translator(tape, client) for client in clients}
    expected = {client: run(whole[client], data, []) for client in clients}

    @given(st.lists(st.integers(1, len(data)), max_size=6))
    def cut(cuts: list[int]) -> None:
        for client in clients:
            splicer = translator(tape, client)
            assert run(splicer, data, cuts) == expected[client], client
            found, right = ((each.usage, each.failure, each.text_bytes) for each in (splicer, whole[client]))
            assert found == right, client

    cut()


@EACH_TAPE
def test_nothing_that_says_complete_leaves_before_the_ending(tape: Path) -> None:
    for client in clients_of(tape):
        splicer = translator(tape, client)
        out, ending = run(splicer, tape.read_bytes(), [])
        assert not any(end in out for end in ENDS), client
        assert splicer.complete is (splicer.failure is None), client
        assert bool(ending) is splicer.complete, client


@EACH_TAPE
def test_what_arrives_means_what_was_sent(tape: Path) -> None:
    sent = PROVIDER_DIALECTS[tape.parent.name].reader()
    said = collect([*sent.feed(tape.read_bytes()), *sent.close()])
    for client in clients_of(tape):
        splicer, reader = translator(tape, client), DIALECTS[client].reader()
        out, ending = run(splicer, tape.read_bytes(), [])
        if not splicer.complete:
            continue
        heard = collect([*reader.feed(out + ending), *reader.close()])
        for kind in (BlockKind.TEXT, BlockKind.TOOL_CALL):
            texts = ["".join(block.text for block in each.blocks if block.kind is kind) for each in (said, heard)]
            quoted = json.dumps(texts[0])[1:-1]  # arguments that are no object are told within one
            assert texts[0] in texts[1] or quoted in texts[1], client  # some say in words what they have no block for
        assert heard.failure is None, client


class Played(FirstContentLimit):
    """A reader that returns one event for each byte fed."""

    incomplete_bytes = 0

    def __init__(self, *events: Event) -> None:
        self._events = list(events)

    def feed(self, data: bytes) -> list[Event]:
        taken, self._events = self._events[: len(data)], self._events[len(data) :]
        return taken

    def close(self, *, whole: bool = True) -> list[Event]:  # noqa: ARG002  it has said all
        return self.feed(b"x" * len(self._events))


def played(*events: Event, client: str = "anthropic_messages") -> Translator:
    return Translator(Played(Started("id", "m"), *events), DIALECTS[client].writer())


def test_a_text_that_only_opens_is_no_content_and_a_call_that_opens_is() -> None:
    splicer = played(BlockOpened(0, BlockKind.TEXT), BlockGrew(0, "hi"))
    assert (splicer.feed(b"12"), splicer.started) == (b"", False)
    assert splicer.held_bytes == 2
    assert splicer.feed(b"3")
    assert splicer.started
    splicer = played(BlockOpened(0, BlockKind.TOOL_CALL, "call_1", "bash"))
    splicer.feed(b"12")
    assert splicer.started


def test_an_answer_of_a_finish_alone_waits_whole() -> None:
    splicer = played(Finished(FinishReason.STOP))
    assert splicer.feed(b"12") == b""
    assert (splicer.started, splicer.complete) == (True, True)
    assert b"message_start" in splicer.ending()


def test_a_failure_keeps_the_vendors_words_and_none_of_its_names() -> None:
    splicer = played(Failed(Failure(FailureKind.REQUEST, 400, "no", "code", "type", "field")))
    assert splicer.feed(b"12") == b""
    assert splicer.failure == Failure(FailureKind.REQUEST, 400, "no")
    assert not splicer.complete


def test_a_usage_from_before_the_last_words_did_not_count_them() -> None:
    block = (BlockOpened(0, BlockKind.TEXT), BlockGrew(0, "four"))
    early, late = UsageReported(Usage(input=5)), UsageReported(Usage(input=5, output=1))
    splicer = played(early, *block, Finished(FinishReason.STOP))
    splicer.feed(b"12345")
    assert (splicer.usage, splicer.usage_so_far, splicer.text_bytes) == (None, early.usage, 4)
    splicer = played(early, *block, late, Finished(FinishReason.STOP))
    splicer.feed(b"123456")
    assert splicer.usage == late.usage


def wrong(output: int = -1) -> list[Event]:
    """Return an answer with inconsistent usage."""
    block = (BlockOpened(0, BlockKind.TEXT), BlockGrew(0, "four"), BlockClosed(0))
    return [Started("id", "m"), *block, UsageReported(Usage(input=5, output=output)), Finished(FinishReason.STOP)]


@pytest.mark.parametrize("client", DIALECTS)
@pytest.mark.parametrize("vendor", DIALECTS)
def test_counts_that_do_not_add_up_are_quarantined_across_dialects_too(vendor: str, client: str) -> None:
    translation = Translation(PROVIDER_DIALECTS[vendor], DIALECTS[client], NO_CONTEXT)
    splicer, writer = translation.splicer(), DIALECTS[vendor].writer()
    _, ending = run(splicer, b"".join(map(writer.write, wrong())), [])
    assert (splicer.usage, splicer.quarantined, splicer.text_bytes) == (None, True, 4)
    assert ending
    answer = translation.read_answer(DIALECTS[vendor].write_reply(wrong()))
    assert isinstance(answer, AnswerFacts)
    assert (answer.usage, answer.quarantined, answer.text_bytes) == (None, True, 4)
    sound = translation.read_answer(DIALECTS[vendor].write_reply(wrong(output=1)))
    assert isinstance(sound, AnswerFacts)
    assert (sound.usage, sound.quarantined) == (Usage(input=5, output=1), False)


def test_no_usage_is_no_quarantine() -> None:
    splicer = played(BlockOpened(0, BlockKind.TEXT), BlockGrew(0, "four"), Finished(FinishReason.STOP))
    splicer.feed(b"1234")
    assert (splicer.usage, splicer.quarantined) == (None, False)


@pytest.mark.parametrize("first", [b'"output_tokens":-7', b'"cache_read_input_tokens":0', b'"output_tokens":1'])
def test_what_anthropic_says_of_the_input_first_stands_even_if_its_counts_do_not_add_up(first: bytes) -> None:
    splicer = Translation(PROVIDER_DIALECTS["anthropic_messages"], DIALECTS["openai_chat"], NO_CONTEXT).splicer()
    head = b'{"type":"message_start","message":{"id":"m","model":"m","usage":{"input_tokens":9,%s}}}' % first
    delta = b'{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":-7}}'
    splicer.feed(b"".join(b"data: %s\n\n" % event for event in (head, delta, b'{"type":"message_stop"}')))
    assert (splicer.complete, splicer.usage, splicer.quarantined) == (True, None, True)
    assert splicer.usage_so_far is not None
    assert splicer.usage_so_far.input == 9


def test_words_that_a_dialect_holds_back_are_counted_when_they_leave() -> None:
    first, second = BlockOpened(0, BlockKind.TOOL_CALL, "a", "a"), BlockOpened(1, BlockKind.TOOL_CALL, "b", "b")
    splicer = played(first, second, BlockGrew(0, "{}"), BlockGrew(1, '{"k":1}'), BlockClosed(0), BlockClosed(1))
    splicer.feed(b"12345")
    assert (splicer.text_bytes, splicer.ending_text_bytes, splicer.held_bytes) == (2, 7, 7)
    splicer.feed(b"6")
    assert (splicer.text_bytes, splicer.ending_text_bytes) == (9, 0)


def test_between_dialects_no_more_waits_than_within_one() -> None:
    """At most 64 KiB, plus the request that vendors of Responses repeat; an incomplete event may be content."""
    for name, wire in DIALECTS.items():
        asked = DIALECTS["openai_chat"].read_request(b'{"model":"m","messages":[],"user":"%b"}' % (b"x" * 10_000))
        splicer = Translator(wire.reader(), DIALECTS["openai_chat"].writer(), None, ReplyContext(request=asked))
        splicer.feed(b": " + b"x" * 120_000)
        assert splicer.failure is None, name
        splicer.feed(b"\n\n: ")
        assert (splicer.failure is None) is (name == "openai_responses"), name


def test_notes_of_calls_are_handed_over() -> None:
    kept: dict[str, tuple[Note, ...]] = {}
    note = Note("gemini", "thought_signature", b"sealed")
    reader = Played(Started("id", "m"), BlockOpened(0, BlockKind.TOOL_CALL, "a", "a"), BlockGrew(0, "{}", (note,)))
    Translator(reader, DIALECTS["openai_chat"].writer(), kept.__setitem__).feed(b"123")
    assert kept == {"a": (note,)}
